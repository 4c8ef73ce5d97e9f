//! The file with the number of the process.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file with our number in it; it goes when this is dropped.
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file, over one that another process has left.
    pub(super) fn write(path: &Path) -> Result<Self, String> {
        let failed = |operation: &str| {
            let shown = path.to_string_lossy().into_owned();
            let operation = operation.to_owned();
            move |error: io::Error| {
                let verb = if operation == "open" { "open" } else { "write to" };
                let why = gotext::path_error(&operation, &shown, &error);
                format!("Could not {verb} pid file: {why}")
            }
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(path)
            .map_err(failed("open"))?;
        let text = std::process::id().to_string();
        file.write_all(text.as_bytes()).map_err(failed("write"))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}
