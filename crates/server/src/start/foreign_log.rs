//! A log that is not ours: the database that Consul's servers keep theirs in.

use std::io::Read;
use std::path::{Path, PathBuf};

/// What stands in the first page of every such database, and where.
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();
const MAGIC_AT: usize = 16;

/// The data directory holds a log of Consul's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignLog {
    /// A database, whose state would be lost.
    #[error(
        "{} is the log of a Consul server, which cannot be read here; take its state along: let \
         Consul save a snapshot (consul snapshot save FILE), move {} away, start this agent and \
         restore the snapshot (consul snapshot restore FILE)",
        .0.display(), .0.parent().unwrap_or(.0).display()
    )]
    Consul(PathBuf),
    /// Something else under its name.
    #[error("invalid database")]
    Invalid,
}

/// Refuses a directory with a log of Consul's in it.
pub(super) fn refuse(directory: &Path) -> Result<(), ForeignLog> {
    let path = directory.join("raft.db");
    let Ok(file) = std::fs::File::open(&path) else { return Ok(()) };
    let mut head = Vec::new();
    let length = (MAGIC_AT + MAGIC.len()) as u64;
    match file.take(length).read_to_end(&mut head) {
        Ok(_) if head.get(MAGIC_AT..) == Some(&MAGIC) => Err(ForeignLog::Consul(path)),
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
        assert_eq!(why, ForeignLog::Consul(path));
        assert!(why.to_string().contains("consul snapshot save FILE"), "{why}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
