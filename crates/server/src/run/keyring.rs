//! The keys of the pools: those of the last run, else the configured one, which is then kept.

use std::path::{Path, PathBuf};

use agent::files::keyring::{self, KeyringError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gotext::Json;
use settings::Settings;

use crate::private_file;

/// The keys of one pool, and where changed ones are kept.
pub(super) struct Keys {
    pub(super) keys: Vec<Bytes>,
    pub(super) file: Option<PathBuf>,
}

/// Where the keys of a pool (`local`, `remote`) are kept; nowhere if that is not wanted.
fn file(settings: &Settings, pool: &str) -> Option<PathBuf> {
    let directory = settings.data_dir.as_ref().filter(|_| !settings.gossip.disable_keyring_file)?;
    Some(directory.join("serf").join(format!("{pool}.keyring")))
}

/// Whether the pools' packets will be sealed.
pub(super) fn seals(settings: &Settings) -> bool {
    let kept = || file(settings, "local").is_some_and(|path| path.exists());
    settings.gossip.encrypt.is_some() || kept()
}

impl Keys {
    /// The keys of a pool. Those of the last run win over the configured one, for they may have
    /// been changed since.
    pub(super) fn of(settings: &Settings, pool: &str) -> Result<Self, String> {
        let configured = settings.gossip.encrypt.iter().map(|key| Bytes::from(key.0.clone()));
        let configured: Vec<Bytes> = configured.collect();
        let Some(path) = file(settings, pool) else {
            return Ok(Self { keys: configured, file: None });
        };
        let keys = if path.exists() {
            keyring::read(&path)
                .map_err(|why| format!("Failed to configure keyring: {}", brief(why)))?
        } else if configured.is_empty() {
            // Without a key there is nothing to change.
            return Ok(Self { keys: configured, file: None });
        } else {
            create(&path, &configured)?;
            configured
        };
        Ok(Self { keys, file: Some(path) })
    }
}

fn create(path: &Path, keys: &[Bytes]) -> Result<(), String> {
    let keys = keys.iter().map(|key| Json::text(STANDARD.encode(key)));
    let text = Json::List(keys.collect()).compact();
    private_file::write(path, text.as_bytes()).map_err(|error| {
        let why = gotext::path_error("open", &path.to_string_lossy(), &error);
        format!("Failed to configure keyring: {why}")
    })
}

/// What is wrong, without the words of the Serf agent around it.
fn brief(why: KeyringError) -> String {
    match why {
        KeyringError::Base64(why) => why.to_string(),
        KeyringError::Key(why) => why.to_string(),
        KeyringError::Form(why) | KeyringError::Unreadable(why) => why,
        other => other.to_string(),
    }
}
