//! What Unix has. [`super::elsewhere`] has the same items for other systems.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, PipeReader};
use std::net::{self, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::task::Poll;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use socket2::Socket;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, Interest};
use tokio::net::unix::pipe;
use tokio::signal::unix::{self, SignalKind};

use super::Signal;

/// Has the runtime watch a descriptor for one kind of readiness.
#[allow(unsafe_code)]
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: what is owned is open, stays so, and is the same descriptor for as long as it is
    // owned, and the result owns it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// A UDP socket that is only watched for what comes in: watched for room as well, it would wake us
/// once more for every datagram that has left.
pub(crate) struct Datagrams(AsyncFd<OwnedFd>);

impl Datagrams {
    /// Takes a socket that does not block.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        watch(socket.into(), Interest::READABLE).map(Datagrams)
    }

    /// Waits until something has come. Safe to cancel.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Appends the next datagram to `buffer`, as far as it has capacity.
    pub(crate) fn try_recv_buf_from(
        &self,
        buffer: &mut Vec<u8>,
    ) -> io::Result<(usize, net::SocketAddr)> {
        self.0.try_io(Interest::READABLE, |socket| {
            let (length, _, source) = recvfrom(socket, spare_capacity(buffer), RecvFlags::empty())?;
            let source = source.and_then(|source| source.try_into().ok());
            Ok((length, source.ok_or(io::ErrorKind::AddrNotAvailable)?))
        })
    }

    /// Sends a datagram, unless there is no room.
    pub(crate) fn try_send_to(&self, datagram: &[u8], to: net::SocketAddr) -> io::Result<usize> {
        Ok(sendto(self.0.get_ref(), datagram, SendFlags::empty(), &to)?)
    }

    /// Waits until there is room. Safe to cancel.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        let socket = self.0.get_ref().try_clone()?;
        watch(socket, Interest::WRITABLE)?.writable().await.map(drop)
    }
}

/// Catches signals from its creation on.
pub struct Signals {
    streams: [(Signal, unix::Signal); 4],
    /// SIGQUIT.
    quit: unix::Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn catch() -> io::Result<Signals> {
        Ok(Signals {
            streams: [
                (Signal::Interrupt, unix::signal(SignalKind::interrupt())?),
                (Signal::Terminate, unix::signal(SignalKind::terminate())?),
                (Signal::Hangup, unix::signal(SignalKind::hangup())?),
                (Signal::User1, unix::signal(SignalKind::user_defined1())?),
            ],
            quit: unix::signal(SignalKind::quit())?,
        })
    }

    /// The next signal. Safe to cancel.
    ///
    /// SIGQUIT never comes out of here: whoever sends it wants the end at once, without a leave.
    pub async fn next(&mut self) -> Signal {
        let Signals { streams, quit } = self;
        std::future::poll_fn(|context| {
            if quit.poll_recv(context).is_ready() {
                eprintln!("SIGQUIT: quit");
                std::process::exit(2);
            }
            for (signal, stream) in streams.iter_mut() {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// A way to somebody on this machine who takes datagrams; nobody is ever waited for.
pub(crate) struct LocalDatagrams(UnixDatagram);

impl LocalDatagrams {
    /// To a path, or (Linux) to a name that begins with `@` and has no file.
    pub(crate) fn connect(name: &OsStr) -> io::Result<LocalDatagrams> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address(name)?)?;
        Ok(LocalDatagrams(socket))
    }

    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).map(drop)
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

/// The time that systemd compares, in microseconds.
pub(crate) fn monotonic_micros() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// The time since some moment in the past, that in suspension included where the system counts it.
pub(crate) fn time_awake_or_not() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The name of this machine, None if it has none that is text.
pub(crate) fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

/// Ends the process as if nobody had changed what a closed pipe does to it.
pub(crate) fn die_of_closed_pipe() -> ! {
    // Does not return unless the signal is blocked.
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    std::process::exit(1)
}

/// Largest piece written to standard output at once: a pipe that is ready takes this much without
/// making the writer wait.
const PIPE_PIECE: usize = 4096;

/// Whether standard output takes a piece without waiting, or does so within `patience`.
pub(crate) fn stdout_is_ready(patience: Duration) -> bool {
    let stdout = io::stdout();
    let mut entry = [PollFd::new(&stdout, PollFlags::OUT)];
    let patience = Timespec::try_from(patience).unwrap_or_default();
    // An error or a closed reader shows when it is written to.
    poll(&mut entry, Some(&patience)).is_ok_and(|ready| ready > 0)
}

/// Writes the beginning of `bytes`; how much of it. Only when standard output is ready.
pub(crate) fn write_stdout(bytes: &[u8]) -> io::Result<usize> {
    let piece = &bytes[..bytes.len().min(PIPE_PIECE)];
    Ok(rustix::io::write(io::stdout(), piece)?)
}

/// A pipe's end for the asynchronous reader.
pub(crate) fn pipe_reader(reader: PipeReader) -> io::Result<impl AsyncRead + Unpin> {
    pipe::Receiver::from_owned_fd(reader.into())
}

/// The mode of a file that is made with these options.
pub(crate) fn set_mode(options: &mut OpenOptions, mode: u32) {
    options.mode(mode);
}

/// Gives a file the owner of an older one, if this process may.
pub(crate) fn keep_owner(file: &File, old: &Metadata) {
    // Only a privileged process can, and only there it matters.
    let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
}

/// Lets a port be listened on again at once after its last owner has gone, as every server does.
pub(crate) fn reuse_port_of_the_gone(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Lets several processes receive the same multicast.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)
}
