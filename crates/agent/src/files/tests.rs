#![allow(clippy::unwrap_used)]

use super::*;
use bytes::Bytes;
use serf::Tags;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own, removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tribune-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn with(&self, content: &str) -> PathBuf {
        let path = self.path("file.json");
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn tags_are_written_as_recorded() {
    let scratch = Scratch::new();
    let path = scratch.path("t.json");
    assert_eq!(tags::read(&path), Ok(None));
    let set = tags(&[("a", "<1>"), ("b", "2")]);
    tags::write(&path, &set).unwrap();
    let content = fs::read_to_string(&path).unwrap();
    assert_eq!(content, "{\n  \"a\": \"\\u003c1\\u003e\",\n  \"b\": \"2\"\n}");
    assert_eq!(tags::read(&path), Ok(Some(set)));
    tags::write(&path, &Tags::new()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    assert_ne!(beside(&path), beside(&path));
}

#[cfg(unix)]
#[test]
fn modes_are_kept_and_new_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let new = scratch.path("new.json");
    tags::write(&new, &Tags::new()).unwrap();
    assert_eq!(mode(&new), 0o600);
    let old = scratch.with("[]");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    keyring::write(&old, &[Bytes::from_static(&[7; 16])]).unwrap();
    assert_eq!(mode(&old), 0o644);
    let link = scratch.path("link.json");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    keyring::write(&link, &[Bytes::from_static(&[8; 16])]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(keyring::read(&old).unwrap(), [Bytes::from_static(&[8; 16])]);
}

#[test]
fn what_is_wrong_with_a_tags_file() {
    let scratch = Scratch::new();
    let why = |content: &str| tags::read(&scratch.with(content)).unwrap_err();
    assert_eq!(
        why("zz"),
        "Failed to decode tags file: invalid character 'z' looking for beginning of value"
    );
    assert_eq!(
        why("{\"a\": 1}"),
        "Failed to decode tags file: json: cannot unmarshal number into Go value of type string"
    );
    let list = why("[]");
    assert!(list.ends_with("cannot unmarshal array into Go value of type map[string]string"));
    let missing = tags::write(&scratch.path("no/such/t.json"), &Tags::new()).unwrap_err();
    assert!(missing.starts_with("Failed to write tags file: open "), "{missing}");
    assert!(missing.ends_with(": no such file or directory"), "{missing}");
}

#[test]
fn keys_keep_their_order() {
    let scratch = Scratch::new();
    let path = scratch.path("k.json");
    let keys = [Bytes::from_static(&[1; 32]), Bytes::from_static(&[2; 16])];
    keyring::write(&path, &keys).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "[\n  \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\",\n  \"AgICAgICAgICAgICAgICAg==\"\n]"
    );
    assert_eq!(keyring::read(&path).unwrap(), keys);
}

#[test]
fn what_is_wrong_with_a_keyring_file() {
    let scratch = Scratch::new();
    let why = |content: &str| keyring::read(&scratch.with(content)).unwrap_err().to_string();
    assert_eq!(
        why("x"),
        "Failed to decode keyring file: invalid character 'x' looking for beginning of value"
    );
    assert_eq!(
        why("{\"a\": \"b\"}"),
        "Failed to decode keyring file: json: cannot unmarshal object into Go value of type []string"
    );
    assert_eq!(
        why("[\"!!\"]"),
        "Failed to decode key from keyring: illegal base64 data at input byte 0"
    );
    assert_eq!(why("[]"), "Keyring file contains no keys");
    assert_eq!(why("[\"YWJj\"]"), "Failed to restore keyring: key size must be 16, 24 or 32 bytes");
    let path = scratch.path("none.json");
    let missing = keyring::read(&path).unwrap_err().to_string();
    assert_eq!(missing, format!("stat {}: no such file or directory", path.display()));
}
