#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::check;
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::testing::{PATIENCE, SHORT, limits};

/// What stands in for `systemctl`; removed with it.
struct Fake(PathBuf);

impl Fake {
    fn new(name: &str, script: &str) -> Fake {
        let path = std::env::temp_dir().join(format!("tribune-{}-{name}", std::process::id()));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Fake(path)
    }

    fn environment(&self) -> Environment {
        Environment { systemctl: self.0.display().to_string(), ..Environment::default() }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn states_are_judged() {
    let fake = Fake::new(
        "states",
        r#"[ "$1" = is-active ] && [ "$2" = -- ] && [ $# = 3 ] || exit 99
        case "$3" in
            web) echo active ;;
            off) echo inactive; exit 3 ;;
            new) echo activating; exit 3 ;;
            -h) echo failed; exit 3 ;;
            no) echo unknown; exit 4 ;;
            *) echo "Failed to connect to bus: Host is down" >&2; exit 1 ;;
        esac"#,
    );
    for (name, expected) in [
        ("web", Outcome::passing("Service \"web\" is healthy")),
        ("off", Outcome::critical("Service \"off\" is inactive")),
        ("new", Outcome::critical("Service \"new\" is activating")),
        ("-h", Outcome::critical("Service \"-h\" is failed")),
        ("no", Outcome::critical("Service \"no\" is unknown")),
        (
            "bus",
            Outcome::warning(
                "State of service \"bus\" is not known: Failed to connect to bus: Host is down",
            ),
        ),
    ] {
        assert_eq!(check(name, limits(PATIENCE), &fake.environment()).await, expected);
    }
}

#[tokio::test]
async fn nobody_to_ask_is_a_warning() {
    let environment =
        Environment { systemctl: "no-such-program".to_owned(), ..Environment::default() };
    let expected = Outcome::warning(
        "State of service \"web\" is not known: exec: \"no-such-program\": executable file not found in $PATH",
    );
    assert_eq!(check("web", limits(PATIENCE), &environment).await, expected);
}

#[tokio::test]
async fn silence_is_critical() {
    let fake = Fake::new("silent", "exec sleep 1000");
    let expected = Outcome::critical("Timed out (500ms) running check");
    assert_eq!(check("web", limits(SHORT), &fake.environment()).await, expected);
}
