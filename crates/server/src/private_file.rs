//! Files that are for the agent alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file for its owner alone; who is killed leaves the old one or the whole new one. The
/// directory is made if it is not there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, false)
}

/// The same, and also when the machine crashes.
pub(crate) fn write_lasting(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, true)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn put(path: &Path, bytes: &[u8], lasts: bool) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let beside = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    if lasts {
        file.sync_all()?;
    }
    std::fs::rename(&beside, path)
}
