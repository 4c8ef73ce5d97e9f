//! The table and the page that is made from it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;

use gotext::GoDuration;
use settings::{Effect, Initial, Kind, SECTIONS, flags, reference_page, row_of_flag, rows};

/// Whether a text of the table is what its kind says.
fn fits(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Bool => text == "true" || text == "false",
        Kind::Int => text.parse::<i64>().is_ok(),
        Kind::Unsigned(_) => text.parse::<u64>().is_ok(),
        Kind::Float => text.parse::<f64>().is_ok(),
        Kind::Duration => GoDuration::parse(text).is_ok(),
        Kind::Text => !text.is_empty(),
        _ => false,
    }
}

#[test]
fn rows_make_sense() {
    let keys: BTreeSet<_> = rows().filter_map(|row| row.key).collect();
    assert_eq!(keys.len(), rows().filter(|row| row.key.is_some()).count(), "a key twice");
    let names: BTreeSet<_> = flags().iter().map(|flag| flag.name).collect();
    assert_eq!(names.len(), flags().len(), "a flag twice");
    for row in rows() {
        let name = row.name();
        assert!(!name.is_empty() && name == name.to_lowercase(), "{name}");
        // A block has no value of its own.
        assert!(!keys.iter().any(|key| key.starts_with(&format!("{name}."))), "{name}");
        if let Initial::Is(text) = row.initial {
            assert!(fits(row.kind, text), "{name}: {text}");
        }
        if let Some(text) = row.dev {
            assert!(fits(row.kind, text) && row.initial != Initial::Is(text), "{name}: {text}");
        }
        match row.effect {
            Effect::Replaced(new) => {
                let new = rows().find(|row| row.key == Some(new)).unwrap();
                let alike = std::mem::discriminant(&new.kind) == std::mem::discriminant(&row.kind);
                assert!(alike, "{name} is of another kind");
            }
            Effect::Enterprise(_) => {}
            _ => assert!(row.help.ends_with('.'), "{name}: {}", row.help),
        }
        for flag in [row.flag, row.old_flag].into_iter().flatten() {
            assert_eq!(row_of_flag(flag.name).unwrap().name(), name);
            assert_eq!(flag.value_name.is_empty(), matches!(row.kind, Kind::Bool), "{name}");
        }
    }
    assert!(SECTIONS.iter().all(|section| !section.rows.is_empty()));
}

/// `TRIBUNE_WRITE_REFERENCE=1 cargo test -p tribune-settings --test table` makes it anew.
#[test]
fn the_reference_page_is_made_from_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/consul-configuration.md");
    if std::env::var_os("TRIBUNE_WRITE_REFERENCE").is_some() {
        fs::write(path, reference_page()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    let line = written.lines().zip(reference_page().lines()).position(|(a, b)| a != b);
    assert!(written == reference_page(), "it differs from the table, first in line {line:?}");
}
