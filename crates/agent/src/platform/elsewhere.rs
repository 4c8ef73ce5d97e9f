//! For systems that are not Unix: the items of `unix.rs`, as far as there is anything to do.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, PipeReader, Write};
use std::net::SocketAddr;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::io::AsyncRead;
use tokio::net::UdpSocket;

use super::Signal;

/// A UDP socket.
pub(crate) struct Datagrams(UdpSocket);

impl Datagrams {
    /// Takes a socket that does not block.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        UdpSocket::from_std(socket).map(Datagrams)
    }

    /// Waits until something has come. Safe to cancel.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Appends the next datagram to `buffer`, as far as it has capacity.
    pub(crate) fn try_recv_buf_from(
        &self,
        buffer: &mut Vec<u8>,
    ) -> io::Result<(usize, SocketAddr)> {
        self.0.try_recv_buf_from(buffer)
    }

    /// Sends a datagram, unless there is no room.
    pub(crate) fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.try_send_to(datagram, to)
    }

    /// Waits until there is room. Safe to cancel.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }
}

/// Catches signals from its creation on.
pub struct Signals;

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn catch() -> io::Result<Signals> {
        Ok(Signals)
    }

    /// The next signal. Safe to cancel.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}

/// There are none here.
pub(crate) struct LocalDatagrams;

impl LocalDatagrams {
    pub(crate) fn connect(_name: &OsStr) -> io::Result<LocalDatagrams> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn send(&self, _datagram: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Nobody is there who compares it.
pub(crate) fn monotonic_micros() -> i64 {
    0
}

/// The name of this machine, None if it has none that is text.
pub(crate) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

/// Ends the process when nobody reads what it prints.
pub(crate) fn die_of_closed_pipe() -> ! {
    std::process::exit(1)
}

/// Standard output is always written to.
pub(crate) fn stdout_is_ready(_patience: Duration) -> bool {
    true
}

/// Writes `bytes`; how much of it.
pub(crate) fn write_stdout(bytes: &[u8]) -> io::Result<usize> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(bytes.len())
}

/// The time since the first call.
pub(crate) fn time_awake_or_not() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A pipe's end for the asynchronous reader.
pub(crate) fn pipe_reader(reader: PipeReader) -> io::Result<impl AsyncRead + Unpin> {
    Ok(tokio::fs::File::from_std(File::from(OwnedHandle::from(reader))))
}

/// Files have no modes here.
pub(crate) fn set_mode(_options: &mut OpenOptions, _mode: u32) {}

/// The directory says who owns a file.
pub(crate) fn keep_owner(_file: &File, _old: &Metadata) {}

/// A port is free at once here, and the option of that name would let others steal it.
pub(crate) fn reuse_port_of_the_gone(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Lets several processes receive the same multicast.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}
