//! The recorded vectors, for tests.

use std::path::PathBuf;

use serde_json::Value;

/// The gossip vector file of that name.
pub(crate) fn gossip(name: &str) -> Value {
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("vectors/gossip").join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
