//! How much room is left where the log is written, and whether files can be opened.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Bytes that this process may still write to the file system of `path`.
///
/// # Errors
///
/// Those of the system call: the path is gone, for one.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let file_system = rustix::fs::statvfs(path)?;
    Ok(file_system.f_bavail.saturating_mul(file_system.f_frsize))
}

/// Whether less than `mark` bytes are free. What cannot be asked is not scarce: the write that
/// follows tells.
pub(crate) fn is_scarce(path: &Path, mark: u64) -> bool {
    free(path).is_ok_and(|free| free < mark)
}

/// Whether a file could not be opened because the process, or the system, has no descriptor left.
pub(crate) fn wants_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE))
}
