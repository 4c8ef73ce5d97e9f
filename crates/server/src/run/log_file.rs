//! The log's file, and the older ones beside it.
//!
//! Lines are written as they come, on the thread that logs: a file that cannot take them loses
//! them, and is opened anew with the next line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use settings::LogSettings;

/// The name of a file of which only the directory is given.
const USUAL_NAME: &str = "consul.log";

/// A file that is set aside when it is too long or too old.
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    since: Instant,
    bytes_max: Option<u64>,
    /// Zero: it is never too old.
    age_max: Duration,
    kept: i64,
}

impl LogFile {
    /// Opens the configured file, if there is one; what is in it stays.
    pub(super) fn open(settings: &LogSettings) -> Result<Option<Self>, String> {
        let Some(given) = &settings.file else { return Ok(None) };
        let is_directory = given.as_os_str().as_encoded_bytes().ends_with(b"/") || given.is_dir();
        let mut path = given.clone();
        if is_directory {
            path.push(USUAL_NAME);
        } else if path.extension().is_none() {
            path.set_extension("log");
        }
        let mut log = Self {
            path,
            file: None,
            bytes: 0,
            since: Instant::now(),
            bytes_max: settings.rotate_bytes,
            age_max: settings.rotate_duration,
            kept: settings.rotate_max_files,
        };
        log.reopen()
            .map_err(|error| gotext::path_error("open", &log.path.to_string_lossy(), &error))?;
        Ok(Some(log))
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.since = Instant::now();
        self.file = Some(file);
        Ok(())
    }

    /// Writes a line.
    pub(super) fn write(&mut self, line: &str) {
        let too_long = self.bytes_max.is_some_and(|most| self.bytes >= most);
        let too_old = !self.age_max.is_zero() && self.since.elapsed() >= self.age_max;
        if too_long || too_old {
            self.set_aside();
        }
        if self.file.is_none() && self.reopen().is_err() {
            return;
        }
        let Some(file) = &mut self.file else { return };
        let whole = format!("{line}\n");
        match file.write_all(whole.as_bytes()) {
            Ok(()) => self.bytes += whole.len() as u64,
            Err(_) => self.file = None,
        }
    }

    /// Renames the file after the time, and removes the oldest of those beside it.
    fn set_aside(&mut self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let aside = self.path.with_file_name(self.aside_name(&now.as_nanos().to_string()));
        // What cannot be renamed is written on.
        if std::fs::rename(&self.path, aside).is_ok() {
            self.file = None;
            self.prune();
        } else {
            self.since = Instant::now();
        }
    }

    fn aside_name(&self, time: &str) -> String {
        let part = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let (stem, extension) = (part(self.path.file_stem()), part(self.path.extension()));
        format!("{stem}-{time}.{extension}")
    }

    fn prune(&self) {
        if self.kept == 0 {
            return;
        }
        let mut aside = self.aside();
        let kept = usize::try_from(self.kept).unwrap_or(0);
        let surplus = aside.len().saturating_sub(kept);
        for path in aside.drain(..surplus) {
            // Somebody else may have removed it.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The files that were set aside, the oldest first.
    fn aside(&self) -> Vec<PathBuf> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let pattern = self.aside_name("\0");
        let Some((before, behind)) = pattern.split_once('\0') else { return Vec::new() };
        let mut found: Vec<(u128, PathBuf)> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let time = name.strip_prefix(before)?.strip_suffix(behind)?.parse().ok()?;
                Some((time, entry.path()))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }
}

#[cfg(test)]
mod tests;
