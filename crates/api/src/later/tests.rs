#![allow(clippy::unwrap_used)]

use super::KINDS;

/// What is recorded of each kind is in a file of its name; the real program refuses those that it
/// does not know.
#[test]
fn the_kinds_of_config_entries_are_the_recorded_ones() {
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    let mut known = vec!["tcp-route".to_owned()];
    for file in std::fs::read_dir(shared.join("vectors/consul-acl-connect")).unwrap() {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let Some(kind) = stem.strip_prefix("config-") else { continue };
        let recorded = std::fs::read_to_string(&path).unwrap();
        let refusal = format!(r#""body": "invalid config entry kind: {kind}""#);
        if !["basics", "graph"].contains(&kind) && !recorded.contains(&refusal) {
            known.push(kind.to_owned());
        }
    }
    known.sort();
    assert_eq!(known, KINDS);
}
