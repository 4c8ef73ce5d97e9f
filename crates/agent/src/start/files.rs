//! The files that say who the member was: tags and keyring.

use bytes::Bytes;
use serf::Tags;

use crate::config::{Failure, Settings};
use crate::files;
use crate::log::{Level, Log};

/// What the files hold.
#[derive(Debug)]
pub(super) struct Kept {
    /// The tags of the tags file, if there is one.
    pub(super) tags: Option<Tags>,
    /// The keys, the primary first; of the file, or the configured one.
    pub(super) keyring: Vec<Bytes>,
}

/// Reads them, and refuses settings that contradict them.
pub(super) fn load(settings: &Settings, log: &Log) -> Result<Kept, Failure> {
    let fail = |why: &dyn std::fmt::Display| {
        Failure::new(format!("Failed to setup the Serf agent: {why}"))
    };
    let mut tags = None;
    if let Some(path) = &settings.tags_file {
        if !settings.tags.is_empty() {
            return Err(fail(&"Tags config not allowed while using tag files").hint(
                "set either 'tags_file' (-tags-file) or 'tags' and 'role' (-tag, -role), not both",
            ));
        }
        tags = files::tags::read(path).map_err(|why| {
            fail(&why)
                .hint("'tags_file' (-tags-file) is a JSON object of strings; mend or remove it")
        })?;
        if let Some(tags) = &tags {
            let text = format_args!("Restored {} tag(s) from {}", tags.len(), path.display());
            log.line(Level::Info, "agent", text);
        }
    }
    let mut keyring: Vec<Bytes> = settings.encrypt_key.iter().cloned().collect();
    if let Some(path) = &settings.keyring_file {
        if !keyring.is_empty() {
            return Err(fail(&"Encryption key not allowed while using a keyring").hint(
                "set either 'keyring_file' (-keyring-file) or 'encrypt_key' (-encrypt), not both",
            ));
        }
        keyring = files::keyring::read(path).map_err(|why| {
            fail(&why).hint(
                "'keyring_file' (-keyring-file) is a JSON list of base64 keys of 16, 24 or 32 \
                 bytes, the primary first",
            )
        })?;
        let text =
            format_args!("Restored keyring with {} keys from {}", keyring.len(), path.display());
        log.line(Level::Info, "agent", text);
    }
    Ok(Kept { tags, keyring })
}
