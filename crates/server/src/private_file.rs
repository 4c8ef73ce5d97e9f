//! Files that are for the agent alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Writes a file for its owner alone, whole or not at all; when this returns it is on disk. The
/// directory is made if it is not there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_parent(path)?;
    agent::files::replace(path, bytes)
}

/// The same for what is written often: a process that is killed loses nothing, a machine that goes
/// down may.
pub(crate) fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes)?;
    put_in_place(path)
}

/// Writes the content of a file beside it, where it stays until [`put_in_place`]; returns it for
/// who wants it flushed before that.
pub(crate) fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let beside = beside(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = match options.open(&beside) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_parent(path)?;
            options.open(&beside)?
        }
        opened => opened?,
    };
    if let Err(error) = file.write_all(bytes) {
        discard(path);
        return Err(error);
    }
    Ok(file)
}

/// Puts what [`write_beside`] wrote in place of the file.
pub(crate) fn put_in_place(path: &Path) -> io::Result<()> {
    std::fs::rename(beside(path), path).inspect_err(|_| discard(path))
}

/// Removes what [`write_beside`] wrote: nobody but the agent is to have it, and it is in nobody's
/// use.
pub(crate) fn discard(path: &Path) {
    // It need not be there, and who cannot write often cannot remove: the next start does.
    let _ = std::fs::remove_file(beside(path));
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_directory)
}

/// Makes a directory for its owner alone, if it is not there, and those above it.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
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
    #[test]
    fn nothing_is_left_beside_what_cannot_be_written() {
        let directory =
            std::env::temp_dir().join(format!("tribune-private-not-{}", std::process::id()));
        // A directory that is not empty cannot be replaced by a file.
        let path = directory.join("taken");
        std::fs::create_dir_all(path.join("in")).unwrap();
        write_unsynced(&path, b"x").unwrap_err();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
