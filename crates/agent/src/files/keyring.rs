//! The keyring file: a JSON array of keys in base64, the primary first.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gotext::Json;
use gotext::decode::{self, Value};

/// Why a keyring file was not taken, in the words of the Serf agent.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error("{0}")]
    Missing(String),
    /// It cannot be read.
    #[error("Failed to read keyring file: {0}")]
    Unreadable(String),
    /// It is no list of texts.
    #[error("Failed to decode keyring file: {0}")]
    Form(String),
    /// A key is no base64.
    #[error("Failed to decode key from keyring: {0}")]
    Base64(#[from] gotext::Base64Error),
    /// The list is empty.
    #[error("Keyring file contains no keys")]
    Empty,
    /// A key has another length than 16, 24 or 32 bytes.
    #[error("Failed to restore keyring: {0}")]
    Key(#[from] wire::KeyringError),
}

/// Reads and checks the keys. Unlike the tags file it must exist.
///
/// # Errors
///
/// See [`KeyringError`].
pub fn read(path: &Path) -> Result<Vec<Bytes>, KeyringError> {
    let shown = path.to_string_lossy();
    fs::metadata(path)
        .map_err(|error| KeyringError::Missing(gotext::path_error("stat", &shown, &error)))?;
    let content = fs::read(path)
        .map_err(|error| KeyringError::Unreadable(super::open_error(path, &error)))?;
    let mut keys = Vec::new();
    for text in parse(&content).map_err(KeyringError::Form)? {
        keys.push(Bytes::from(gotext::decode_base64(&text)?));
    }
    if keys.is_empty() {
        return Err(KeyringError::Empty);
    }
    for key in &keys {
        wire::Key::new(key)?;
    }
    Ok(keys)
}

fn parse(content: &[u8]) -> Result<Vec<String>, String> {
    let items = match decode::whole_value(content).map_err(|error| error.to_string())? {
        Value::Null => return Ok(Vec::new()),
        Value::List(items) => items,
        other => return Err(mismatch(&other, "[]string")),
    };
    items
        .into_iter()
        .map(|item| match item {
            Value::Text(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(mismatch(&other, "string")),
        })
        .collect()
}

fn mismatch(value: &Value, wanted: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {wanted}", value.json_kind())
}

/// Writes all keys; after a crash there are the old ones or these.
pub(crate) fn write(path: &Path, keys: &[Bytes]) -> Result<(), String> {
    let keys = keys.iter().map(|key| Json::text(STANDARD.encode(key))).collect();
    let content = Json::List(keys).indented();
    super::replace(path, content.as_bytes()).map_err(|error| {
        format!("Failed to write keyring file: {}", super::open_error(path, &error))
    })
}
