//! A log that is not ours: the database, or the directory, that Consul's servers keep theirs in.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What stands in the first page of every such database, and where.
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();
const MAGIC_AT: usize = 16;

/// What Consul's other kind of log has beside its segments.
const WAL_INDEX: &str = "wal/wal-meta.db";

/// The data directory holds a log of Consul's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignLog {
    /// In this directory, by this file; the state would be lost.
    #[error(
        "{} belongs to the log of a Consul server, which cannot be read here; take its state \
         along: let Consul save a snapshot (consul snapshot save FILE), move {} away, start this \
         agent and restore the snapshot (consul snapshot restore FILE)",
        .file.display(), .directory.display()
    )]
    Consul {
        /// The directory of the log.
        directory: PathBuf,
        /// The file that shows it.
        file: PathBuf,
    },
    /// Something else under its name.
    #[error("invalid database")]
    Invalid,
}

/// Refuses a directory with a log of Consul's in it.
pub(super) fn refuse(directory: &Path) -> Result<(), ForeignLog> {
    let consuls = |file| ForeignLog::Consul { directory: directory.to_owned(), file };
    let index = directory.join(WAL_INDEX);
    if index.exists() {
        return Err(consuls(index));
    }
    let path = directory.join("raft.db");
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(_) => return Err(ForeignLog::Invalid),
    };
    let mut head = Vec::new();
    let length = (MAGIC_AT + MAGIC.len()) as u64;
    match file.take(length).read_to_end(&mut head) {
        Ok(_) if head.get(MAGIC_AT..) == Some(&MAGIC) => Err(consuls(path)),
        _ => Err(ForeignLog::Invalid),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_database_of_consuls_is_told_from_rubbish_and_from_nothing() {
        let directory =
            std::env::temp_dir().join(format!("tribune-foreign-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(refuse(&directory), Ok(()));
        let path = directory.join("raft.db");
        std::fs::write(&path, "zz").unwrap();
        assert_eq!(refuse(&directory), Err(ForeignLog::Invalid));
        let mut page = vec![0; 4096];
        page[16..20].copy_from_slice(&[0xED, 0xDA, 0x0C, 0xED]);
        std::fs::write(&path, &page).unwrap();
        let why = refuse(&directory).unwrap_err();
        let text = why.to_string();
        assert!(text.starts_with(&path.display().to_string()), "{text}");
        assert!(text.contains("consul snapshot save FILE"), "{text}");
        std::fs::remove_file(&path).unwrap();
        let index = directory.join(WAL_INDEX);
        std::fs::create_dir_all(index.parent().unwrap()).unwrap();
        std::fs::write(&index, "").unwrap();
        let why = refuse(&directory).unwrap_err();
        assert_eq!(why, ForeignLog::Consul { directory: directory.clone(), file: index });
        std::fs::remove_dir_all(directory).unwrap();
    }
}
