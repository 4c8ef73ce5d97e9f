//! Services that files define, as an agent's configuration writes them.

use std::path::{Path, PathBuf};

use gotext::Json;
use gotext::decode::{Value, whole_value};
use gotext::object::{FromValue, Object};

use crate::output::complain;

/// Longest file of definitions.
const LONGEST_FILE: u64 = 16 << 20;

/// A service to be registered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    /// Its name.
    pub(super) name: String,
    /// Its identity; empty: the name.
    pub(super) id: String,
    /// What an agent is told about it.
    pub(super) body: Json,
}

/// The services that files, and the files of folders, define. Why not is told in a text.
pub(super) fn read(paths: &[String]) -> Result<Vec<Definition>, String> {
    let mut definitions = Vec::new();
    for path in paths {
        for file in files_of(Path::new(path))? {
            definitions.extend(read_file(&file)?);
        }
    }
    Ok(definitions)
}

fn has_known_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json" || extension == "hcl")
}

/// The file itself, or the files of a folder that are of a known kind; others are told and left.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = path.display();
    let failed = |error| {
        let why = gotext::path_error("open", &path.to_string_lossy(), &error);
        format!("config: Open failed on {shown}. {why}")
    };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        if has_known_extension(path) {
            return Ok(vec![path.to_owned()]);
        }
        return Err(format!(
            "file {shown} has unknown extension; must be .hcl or .json, or config format must be \
             set"
        ));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    files.retain(|file| {
        let known = has_known_extension(file);
        if !known {
            complain(format!(
                "skipping file {}, extension must be .hcl or .json, or config format must be set",
                file.display()
            ));
        }
        known
    });
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<Definition>, String> {
    let shown = path.display();
    let text = bounded(path).map_err(|error| {
        let why = gotext::path_error("open", &path.to_string_lossy(), &error);
        format!("config: Open failed on {shown}. {why}")
    })?;
    let value = parse(path, &text).map_err(|why| format!("failed to parse {shown}: {why}"))?;
    services(value).map_err(|why| format!("failed to parse {shown}: {why}"))
}

fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;

    let mut text = Vec::new();
    std::fs::File::open(path)?.take(LONGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

/// A file as a value.
fn parse(path: &Path, text: &[u8]) -> Result<Value, String> {
    if text.trim_ascii().is_empty() {
        return Ok(Value::Object(Vec::new()));
    }
    if path.extension().is_some_and(|extension| extension == "hcl") {
        return Err("this program reads definitions in JSON only, so far".to_owned());
    }
    whole_value(text).map_err(|error| error.to_string())
}

/// The services of a configuration: those under `service`, then those under `services`.
fn services(value: Value) -> Result<Vec<Definition>, String> {
    let read = |value: Value| -> Result<Vec<Definition>, gotext::object::ObjectError> {
        let mut fields = Object::from_value(value)?;
        let mut found = Vec::new();
        for name in ["service", "services"] {
            match fields.optional::<Value>(name)? {
                None => {}
                Some(Value::List(services)) => found.extend(services),
                Some(service) => found.push(service),
            }
        }
        found.into_iter().map(definition).collect()
    };
    read(value).map_err(|error| error.to_string())
}

fn definition(value: Value) -> Result<Definition, gotext::object::ObjectError> {
    let mut fields = Object::from_value(value.clone())?;
    Ok(Definition { name: fields.field("name")?, id: fields.field("id")?, body: as_api(value) })
}

/// Names as the API has them where dropping the underscores is not enough.
const RENAMED: &[(&str, &str)] = &[
    ("id", "ID"),
    ("http", "HTTP"),
    ("tcp", "TCP"),
    ("udp", "UDP"),
    ("ttl", "TTL"),
    ("grpc", "GRPC"),
    ("grpc_use_tls", "GRPCUseTLS"),
    ("tls_server_name", "TLSServerName"),
    ("tls_skip_verify", "TLSSkipVerify"),
    ("args", "Args"),
    ("check_id", "CheckID"),
    ("docker_container_id", "DockerContainerID"),
    ("destination_service_id", "DestinationServiceID"),
];

/// Objects whose names are the user's own.
const FREE: &[&str] = &["meta", "header", "config", "tagged_addresses"];

/// A definition of a file as the API takes it: the names without underscores.
fn as_api(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(on) => Json::Bool(on),
        Value::Number(number) => Json::Verbatim(number.as_str().into()),
        Value::Text(text) => Json::text(text),
        Value::List(items) => Json::List(items.into_iter().map(as_api).collect()),
        Value::Object(fields) => Json::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let free = FREE.contains(&name.to_ascii_lowercase().as_str());
                    (api_name(&name), if free { as_it_is(value) } else { as_api(value) })
                })
                .collect(),
        ),
    }
}

/// An object whose names stay; what is below them is the API's again.
fn as_it_is(value: Value) -> Json {
    match value {
        Value::Object(fields) => {
            Json::Object(fields.into_iter().map(|(name, value)| (name, as_api(value))).collect())
        }
        other => as_api(other),
    }
}

fn api_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some((_, api)) = RENAMED.iter().find(|(file, _)| *file == lower) {
        return (*api).to_owned();
    }
    // The API reads names in any case.
    name.split('_')
        .map(|word| {
            let mut characters = word.chars();
            match characters.next() {
                Some(first) => first.to_ascii_uppercase().to_string() + characters.as_str(),
                None => String::new(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_service_or_several_with_the_names_of_the_api() {
        let text = br#"{"service": {"name": "web", "id": "w1", "port": 80,
            "tagged_addresses": {"lan_ipv4": {"address": "10.0.0.1", "port": 1}},
            "meta": {"a_b": "c"}, "enable_tag_override": true,
            "check": {"http": "http://x", "interval": "1s", "tls_skip_verify": true}},
            "services": [{"name": "b"}]}"#;
        let services = services(whole_value(text).unwrap()).unwrap();
        assert_eq!(
            services[0].body.compact(),
            r#"{"Name":"web","ID":"w1","Port":80,"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":1}},"Meta":{"a_b":"c"},"EnableTagOverride":true,"Check":{"HTTP":"http://x","Interval":"1s","TLSSkipVerify":true}}"#
        );
        assert_eq!((services[0].name.as_str(), services[0].id.as_str()), ("web", "w1"));
        assert_eq!((services[1].name.as_str(), services[1].id.as_str()), ("b", ""));
    }
}
