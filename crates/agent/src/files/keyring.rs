//! The keyring file: a JSON array of keys in base64, the primary first.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gotext::Json;
use gotext::decode::{self, Value};

/// Reads and checks the keys. Unlike the tags file it must exist.
pub fn read(path: &Path) -> Result<Vec<Bytes>, String> {
    let shown = path.to_string_lossy();
    fs::metadata(path).map_err(|error| gotext::path_error("stat", &shown, &error))?;
    let content = fs::read(path).map_err(|error| {
        format!("Failed to read keyring file: {}", super::open_error(path, &error))
    })?;
    let texts = parse(&content).map_err(|why| format!("Failed to decode keyring file: {why}"))?;
    let mut keys = Vec::with_capacity(texts.len());
    for text in texts {
        let key = gotext::decode_base64(&text)
            .map_err(|error| format!("Failed to decode key from keyring: {error}"))?;
        keys.push(Bytes::from(key));
    }
    if keys.is_empty() {
        return Err("Keyring file contains no keys".to_owned());
    }
    for key in &keys {
        wire::Key::new(key).map_err(|error| format!("Failed to restore keyring: {error}"))?;
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
