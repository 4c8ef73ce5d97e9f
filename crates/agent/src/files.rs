//! The files a member keeps: keyring, tags and snapshot.

pub mod keyring;
pub(crate) mod snapshot;
pub mod tags;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::platform;
use crate::random;

/// Replaces a file's content as a whole: after a crash there is the old or the new content, never
/// a part. An existing file keeps its mode and its owner, a new one is private.
///
/// Where the directory does not let us make another file, the content is written in place, as the
/// real agent always does.
///
/// # Errors
///
/// Those of the system; the old content is still there unless it was being written in place.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays one; what it points to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&target);
    match write_beside(&target, &beside, content) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            write_in_place(&target, content)
        }
        Err(error) => {
            // It may not even exist.
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

/// A name that no other write has, of this process or another.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", random::u64()));
    target.with_file_name(name)
}

fn write_beside(target: &Path, beside: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private().create_new(true).open(beside)?;
    if let Ok(old) = fs::metadata(target) {
        file.set_permissions(old.permissions())?;
        platform::keep_owner(&file, &old);
    }
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(beside, target)?;
    sync_directory(target);
    Ok(())
}

fn write_in_place(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private().create(true).truncate(true).open(target)?;
    file.write_all(content)?;
    file.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    platform::set_mode(&mut options, 0o600);
    options
}

/// Makes a rename last. Not every system can, and then nothing more can be done.
fn sync_directory(target: &Path) {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(directory) = File::open(parent.unwrap_or(Path::new("."))) {
        let _ = directory.sync_all();
    }
}

/// `open PATH: no such file or directory`, in the words of the real agent.
fn open_error(path: &Path, error: &io::Error) -> String {
    gotext::path_error("open", &path.to_string_lossy(), error)
}

#[cfg(test)]
mod tests;
