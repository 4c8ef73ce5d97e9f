//! The tags file: a JSON object of strings.

use std::fs;
use std::io;
use std::path::Path;

use gotext::decode::{self, Value};
use serf::Tags;

/// Reads the tags; None if there is no such file, which is no error.
pub fn read(path: &Path) -> Result<Option<Tags>, String> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(format!("Failed to read tags file: {}", super::open_error(path, &error)));
        }
    };
    parse(&content).map(Some).map_err(|why| format!("Failed to decode tags file: {why}"))
}

fn parse(content: &[u8]) -> Result<Tags, String> {
    let fields = match decode::whole_value(content).map_err(|error| error.to_string())? {
        Value::Null => return Ok(Tags::new()),
        Value::Object(fields) => fields,
        other => {
            let kind = other.json_kind();
            return Err(format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]string"
            ));
        }
    };
    let mut tags = Tags::new();
    for (name, value) in fields {
        let value = match value {
            Value::Text(text) => text,
            Value::Null => String::new(),
            other => {
                let kind = other.json_kind();
                return Err(format!("json: cannot unmarshal {kind} into Go value of type string"));
            }
        };
        tags.insert(name, value);
    }
    Ok(tags)
}

/// Writes all tags; after a crash there are the old ones or these.
pub(crate) fn write(path: &Path, tags: &Tags) -> Result<(), String> {
    let content = gotext::Json::map(tags).indented();
    super::replace(path, content.as_bytes())
        .map_err(|error| format!("Failed to write tags file: {}", super::open_error(path, &error)))
}
