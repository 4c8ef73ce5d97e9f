//! What all checks of an agent share.

use std::path::{Path, PathBuf};

use crate::trust::Trust;

/// What all checks of an agent share: whom they trust, and the programs of the machine that they
/// ask.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The certificates that servers are held against.
    pub trust: Trust,
    /// The socket of the Docker daemon.
    pub docker_socket: PathBuf,
    /// The program that knows about services: a path, or a name that is looked for in `PATH`.
    pub systemctl: String,
}

impl Default for Environment {
    /// The system's certificates, Docker's usual socket, and `systemctl`.
    fn default() -> Environment {
        Environment {
            trust: Trust::system(),
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            systemctl: "systemctl".to_owned(),
        }
    }
}

impl Environment {
    /// Whether there is somebody who knows about services: systemd, if this machine was started
    /// with it.
    #[must_use]
    pub fn knows_services(&self) -> bool {
        Path::new("/run/systemd/system").is_dir()
    }
}
