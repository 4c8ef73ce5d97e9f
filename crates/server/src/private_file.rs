//! Files that are for the agent alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file for its owner alone, whole or not at all; when this returns it is on disk. The
/// directory is made if it is not there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_directory(path)?;
    agent::files::replace(path, bytes)
}

/// The same for what is written often: a process that is killed loses nothing, a machine that goes
/// down may.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_directory(path)?;
    let beside = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    std::fs::rename(&beside, path)
}

fn make_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => DirBuilder::new().recursive(true).mode(0o700).create(directory),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_reads_what_was_written_and_nothing_is_left_beside_it() {
        let directory =
            std::env::temp_dir().join(format!("tribune-private-{}", std::process::id()));
        for write in [write, write_unsynced] {
            let path = directory.join("in").join("node-id");
            for text in ["first and long", "second"] {
                write(&path, text.as_bytes()).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            }
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
            assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }
}
