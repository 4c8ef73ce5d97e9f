//! Telling a supervisor such as systemd how far the start, a reload or the end has come.

/// What a supervisor wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Gossip and RPC are served.
    Ready,
    /// The configuration is read again; [`State::Ready`] follows.
    Reloading,
    /// The end has begun.
    Stopping,
}

/// Tells the supervisor that is named in `NOTIFY_SOCKET`, if any; it is never waited for.
pub(crate) fn notify(state: State) {
    #[cfg(unix)]
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        // Nothing depends on a supervisor that is not there.
        let _ = unix::send(&socket, &message(state));
    }
    #[cfg(not(unix))]
    let _ = state;
}

#[cfg(unix)]
fn message(state: State) -> String {
    match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let micros = time.tv_sec * 1_000_000 + time.tv_nsec / 1000;
            format!("RELOADING=1\nMONOTONIC_USEC={micros}")
        }
        State::Stopping => "STOPPING=1".to_owned(),
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// A path, or a name that begins with `@` and has no file.
    fn address(socket: &OsStr) -> io::Result<SocketAddr> {
        #[cfg(target_os = "linux")]
        if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
            use std::os::linux::net::SocketAddrExt;
            return SocketAddr::from_abstract_name(name);
        }
        SocketAddr::from_pathname(socket)
    }

    pub(super) fn send(socket: &OsStr, message: &str) -> io::Result<()> {
        let address = address(socket)?;
        let datagrams = UnixDatagram::unbound()?;
        datagrams.set_nonblocking(true)?;
        datagrams.send_to_addr(message.as_bytes(), &address).map(drop)
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn received(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 100];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_path_is_reached() {
        let path = std::env::temp_dir().join(format!("tribune-notify-{}", std::process::id()));
        let listener = UnixDatagram::bind(&path).unwrap();
        unix::send(path.as_os_str(), &message(State::Ready)).unwrap();
        assert_eq!(received(&listener), "READY=1");
        unix::send(path.as_os_str(), &message(State::Reloading)).unwrap();
        assert!(received(&listener).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        std::fs::remove_file(path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_without_a_file_is_reached() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("tribune-notify-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        unix::send(format!("@{name}").as_ref(), &message(State::Stopping)).unwrap();
        assert_eq!(received(&listener), "STOPPING=1");
    }
}
