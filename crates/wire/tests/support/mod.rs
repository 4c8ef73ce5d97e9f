//! What the tests over recorded vectors share.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub(crate) mod json;

use std::path::PathBuf;

use serde_json::Value as Json;

/// The folder of recordings: `TRIBUNE_SHARED`, or else beside the checkout.
pub(crate) fn gossip_vectors() -> PathBuf {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    shared.join("vectors/gossip")
}

pub(crate) fn read_json(path: &std::path::Path) -> Json {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// All files with their vectors, in the order of their names; files of algorithms have none.
pub(crate) fn all_vectors() -> Vec<(String, Vec<Json>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(gossip_vectors()).expect("recorded vectors beside the checkout")
    {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json") && !name.starts_with("alg-") {
            let vectors = read_json(&path)["vectors"].as_array().unwrap().clone();
            files.push((name, vectors));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where `actual` differs from `expected`, as a path; None if it does not. Objects that describe
/// a layer or a message may have more in `actual`; all others must have the same keys.
pub(crate) fn difference(expected: &Json, actual: &Json, path: &str) -> Option<String> {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => {
            let open = expected.contains_key("kind") || expected.contains_key("layer");
            if !open && let Some(extra) = actual.keys().find(|key| !expected.contains_key(*key)) {
                return Some(format!("{path}.{extra} is not expected"));
            }
            expected.iter().find_map(|(key, expected)| {
                let path = format!("{path}.{key}");
                match actual.get(key) {
                    Some(actual) => difference(expected, actual, &path),
                    None => Some(format!("{path} is missing")),
                }
            })
        }
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            let pairs = expected.iter().zip(actual).enumerate();
            pairs.into_iter().find_map(|(index, (expected, actual))| {
                difference(expected, actual, &format!("{path}[{index}]"))
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{path}: expected {expected}, found {actual}")),
    }
}
