//! `server_metadata.json`: when this server was last up. One that was away for too long does not
//! come back by itself: what it knows may have been forgotten by the others since.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gotext::{GoDuration, Json};
use serde::Deserialize;

use crate::private_file;

/// How often the file is written.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

/// How often a server that was away for too long says so, and for how long it does before it ends:
/// a supervisor that starts it again at once would only fill the log.
pub(super) const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
pub(super) const COMPLAINTS: u32 = 6;

#[derive(Deserialize)]
struct Metadata {
    last_seen_unix: i64,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("server_metadata.json")
}

/// Notes that the server is up.
pub(super) fn write(data_dir: &Path, now: SystemTime) -> Result<(), String> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let text = Json::record([("last_seen_unix", Json::Int(seconds))]).compact();
    let path = path(data_dir);
    private_file::write_unsynced(&path, text.as_bytes())
        .map_err(|error| gotext::path_error("open", &path.to_string_lossy(), &error))
}

/// Whether the server may come back; a server that was never up may.
pub(super) fn check(data_dir: &Path, now: SystemTime, age_max: Duration) -> Result<(), String> {
    let path = path(data_dir);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let why = gotext::path_error("open", &path.to_string_lossy(), &error);
            return Err(format!("error reading server metadata: {why}"));
        }
    };
    let metadata: Metadata = serde_json::from_slice(&text)
        .map_err(|error| format!("error reading server metadata: {}: {error}", path.display()))?;
    let seen = u64::try_from(metadata.last_seen_unix).unwrap_or(0);
    let seen = SystemTime::UNIX_EPOCH + Duration::from_secs(seen.min(u64::from(u32::MAX) << 8));
    if now.duration_since(seen).is_ok_and(|away| away > age_max) {
        let age_max = i64::try_from(age_max.as_nanos()).unwrap_or(i64::MAX);
        return Err(format!(
            "refusing to rejoin cluster because server has been offline for more than the \
             configured server_rejoin_age_max ({}) - consider wiping your data dir",
            GoDuration::from_nanoseconds(age_max)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WEEK: Duration = Duration::from_secs(168 * 3600);

    #[test]
    fn who_was_away_for_too_long_does_not_come_back() {
        let directory = std::env::temp_dir().join(format!("tribune-seen-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let seen = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(check(&directory, seen, WEEK), Ok(()));
        write(&directory, seen).unwrap();
        let text = std::fs::read_to_string(path(&directory)).unwrap();
        assert_eq!(text, r#"{"last_seen_unix":1700000000}"#);
        assert_eq!(check(&directory, seen + WEEK, WEEK), Ok(()));
        let why = check(&directory, seen + WEEK + Duration::from_secs(1), WEEK).unwrap_err();
        assert!(why.contains("server_rejoin_age_max (168h0m0s)"), "{why}");
        std::fs::write(path(&directory), "{").unwrap();
        assert!(check(&directory, seen, WEEK).unwrap_err().starts_with("error reading"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
