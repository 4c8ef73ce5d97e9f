//! `tribune serf agent -validate`, as it is typed.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

/// The exit code, and what was printed.
fn validate(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribune"));
    let output = command.args(["serf", "agent", "-validate"]).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("validate-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let path = file(
        "wrong.json",
        r#"{"bind": "127.0.0.1:99999", "log_level": "loud", "rpc_addr": "nope",
            "retry_join": ["[::1"]}"#,
    );
    let (code, text) = validate(&["-config-file", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code, Some(1));
    for what in ["log level: LOUD", "rpc_addr", "retry_join", "bind address"] {
        assert!(text.contains(&format!("Invalid {what}")), "{what:?} is not in\n{text}");
    }
}

#[test]
fn what_a_start_would_find_is_found_without_one() {
    let long = "n".repeat(600);
    let (code, text) =
        validate(&["-bind=127.0.0.1", "-snapshot=/none/such/snapshot", "-node", &long]);
    assert_eq!(code, Some(1));
    for what in ["the node name has 600 bytes", "'snapshot_path' (-snapshot) is '/none/such/"] {
        assert!(text.contains(what), "{what:?} is not in\n{text}");
    }
}

#[test]
fn what_is_right_is_said_to_be() {
    let path =
        file("right.json", r#"{"bind": "127.0.0.1", "retry_join": ["node2", "[::1]:7946"]}"#);
    let (code, text) = validate(&["-config-file", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!((code, text.as_str()), (Some(0), "==> The configuration is valid\n"));
}
