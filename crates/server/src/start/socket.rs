//! HTTP's sockets in the file system, and whose they are.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::Path;

use tokio::net::UnixListener;

use crate::options::SocketOptions;

/// Listens at a path, in place of whatever socket stands there. Another file stays, and is an
/// error.
pub(super) fn bind(path: &Path, options: &SocketOptions) -> Result<UnixListener, String> {
    // One that nobody listens at any more would be in the way.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        let _ = std::fs::remove_file(path);
    }
    let listener = UnixListener::bind(path).map_err(|error| {
        format!("listen unix {}: bind: {}", path.display(), gotext::errno_text(&error))
    })?;
    let failed = |why: String| format!("Failed setting up socket: {why}");
    let (user, group) = (id("user", &options.user), id("group", &options.group));
    let (user, group) = (user.map_err(failed)?, group.map_err(failed)?);
    let system = |error: std::io::Error| failed(gotext::errno_text(&error));
    if user.is_some() || group.is_some() {
        chown(path, user, group).map_err(system)?;
    }
    if let Some(mode) = options.mode {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).map_err(system)?;
    }
    Ok(listener)
}

/// The number of a user or a group; none if the socket is to be ours.
fn id(whose: &str, text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text
        .parse()
        .map_err(|_| format!("invalid {whose} specified: {} is no number", gotext::quote(text)))?;
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_socket_has_the_wanted_mode_and_replaces_an_old_one() {
        let path = std::env::temp_dir().join(format!("tribune-http-{}.sock", std::process::id()));
        let options = SocketOptions { mode: Some(0o600), ..SocketOptions::default() };
        drop(bind(&path, &SocketOptions::default()).unwrap());
        let listener = bind(&path, &options).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        let options = SocketOptions { user: "nobody".into(), ..options };
        let why = bind(&path, &options).unwrap_err();
        assert!(why.starts_with("Failed setting up socket: invalid user specified"), "{why}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "kept").unwrap();
        let why = bind(&path, &SocketOptions::default()).unwrap_err();
        assert!(why.ends_with("address already in use"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
        std::fs::remove_file(&path).unwrap();
        let why = bind("/nonexistent/x.sock".as_ref(), &SocketOptions::default()).unwrap_err();
        assert_eq!(why, "listen unix /nonexistent/x.sock: bind: no such file or directory");
    }
}
