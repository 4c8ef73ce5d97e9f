//! Telling a supervisor such as systemd how far the start, a reload or the end has come.

use std::ffi::OsStr;
use std::io;

use crate::platform::{self, LocalDatagrams};

/// What a supervisor wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Gossip and RPC are served.
    Ready,
    /// The configuration is read again; [`State::Ready`] follows.
    Reloading,
    /// The end has begun.
    Stopping,
}

/// Tells the supervisor that is named in `NOTIFY_SOCKET`, if any; it is never waited for.
pub fn notify(state: State) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        // Nothing depends on a supervisor that is not there.
        let _ = send(&socket, state);
    }
}

fn send(socket: &OsStr, state: State) -> io::Result<()> {
    let message = match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => {
            format!("RELOADING=1\nMONOTONIC_USEC={}", platform::monotonic_micros())
        }
        State::Stopping => "STOPPING=1".to_owned(),
    };
    LocalDatagrams::connect(socket)?.send(message.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

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
        send(path.as_os_str(), State::Ready).unwrap();
        assert_eq!(received(&listener), "READY=1");
        send(path.as_os_str(), State::Reloading).unwrap();
        assert!(received(&listener).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_name_without_a_file_is_reached() {
        let name = format!("tribune-notify-{}", std::process::id());
        let listener =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(format!("@{name}").as_ref(), State::Stopping).unwrap();
        assert_eq!(received(&listener), "STOPPING=1");
    }
}
