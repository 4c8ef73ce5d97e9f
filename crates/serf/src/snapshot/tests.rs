#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use wire::LamportTime;

use super::{SnapshotState, SnapshotWarning};
use crate::interface::SnapshotRecord;

fn golden() -> Vec<String> {
    let shared = match std::env::var_os("TRIBUNE_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let text = std::fs::read_to_string(shared.join("vectors/gossip/snapshot.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    vectors.iter().map(|v| v["text"].as_str().unwrap().to_owned()).collect()
}

fn state(alive: &[(&str, &str)], clock: u64, event: u64, query: u64) -> SnapshotState {
    SnapshotState {
        alive: alive.iter().map(|&(name, at)| (name.into(), at.parse().unwrap())).collect(),
        clock: LamportTime(clock),
        event_clock: LamportTime(event),
        query_clock: LamportTime(query),
    }
}

const ALPHA: (&str, &str) = ("alpha", "127.0.77.1:7946");
const BRAVO: (&str, &str) = ("bravo", "127.0.77.2:7946");

#[test]
fn recorded_files_are_read() {
    let spaces = ("old name with spaces", "127.0.77.9:7946");
    let expected = [
        (state(&[ALPHA, BRAVO], 1, 1, 0), state(&[ALPHA, BRAVO], 1, 1, 0)),
        (state(&[ALPHA], 1, 1, 1), state(&[ALPHA], 1, 1, 1)),
        (state(&[], 2, 0, 0), state(&[ALPHA], 2, 1, 1)),
        (state(&[spaces, ALPHA], 41, 42, 43), state(&[spaces, ALPHA], 41, 42, 43)),
        (state(&[ALPHA, BRAVO], 1, 1, 0), state(&[ALPHA, BRAVO], 1, 1, 0)),
    ];
    let files = golden();
    assert_eq!(files.len(), expected.len());
    for (text, (without, with_rejoin)) in files.iter().zip(expected) {
        assert_eq!(SnapshotState::replay(text, false), (without, vec![]), "{text}");
        let (read, warnings) = SnapshotState::replay(text, true);
        assert_eq!(read, with_rejoin, "{text}");
        let leaves = text.lines().filter(|line| *line == "leave").count();
        assert_eq!(warnings, vec![SnapshotWarning::LeaveIgnored; leaves]);
    }
}

#[test]
fn a_compacted_file_is_that_of_the_real_agent() {
    let recorded = &golden()[3];
    let (state, _) = SnapshotState::replay(recorded, false);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    // The order of the members is that of a Go map; the clocks come last.
    assert_eq!(lines(&state.compacted()), lines(recorded));
    assert!(state.compacted().ends_with("clock: 41\nevent-clock: 42\nquery-clock: 43\n"));
}

#[test]
fn recorded_lines_are_written_the_same() {
    for text in golden() {
        let again: String =
            text.lines().map(|line| super::parse(line).unwrap().unwrap().to_line()).collect();
        assert_eq!(again, text);
    }
}

#[test]
fn odd_lines_are_told_and_skipped() {
    let text = "alive: lonely\nalive: a b\nclock: x\nevent-clock: -1\nwhat\n# note\ncoordinate: {}\n\
                alive: v6 [::1]:7946\nquery-clock: 7\nclock: 9";
    let (read, warnings) = SnapshotState::replay(text, false);
    assert_eq!(read, state(&[("v6", "[::1]:7946")], 0, 0, 7), "the last line has no end");
    assert_eq!(
        warnings,
        [
            SnapshotWarning::BadAddress("alive: lonely".into()),
            SnapshotWarning::BadAddress("alive: a b".into()),
            SnapshotWarning::BadClock { which: "", number: "x".into() },
            SnapshotWarning::BadClock { which: "event", number: "-1".into() },
            SnapshotWarning::Unrecognized("what".into()),
        ]
    );
    // A later one than any cluster has come to.
    let (read, warnings) = SnapshotState::replay("event-clock: 18446744073709551615\n", false);
    assert_eq!((read, warnings.len()), (state(&[], 0, 0, 0), 1));
}

#[test]
fn a_leave_forgets_and_later_lines_count_again() {
    let text = "alive: a 1.2.3.4:1\nclock: 5\nevent-clock: 6\nleave\nclock: 7\n";
    let (read, _) = SnapshotState::replay(text, false);
    assert_eq!(read, state(&[], 7, 0, 0));
}

#[test]
fn size_that_wants_compaction() {
    let mut state = SnapshotState::default();
    assert!(!state.wants_compaction(131_072));
    assert!(state.wants_compaction(131_073));
    for index in 0..1000 {
        let node = format!("n{index}").into();
        state.apply(&SnapshotRecord::Alive { node, address: ALPHA.1.parse().unwrap() }, false);
    }
    assert!(!state.wants_compaction(256_000));
    assert!(state.wants_compaction(256_001));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        SnapshotState::replay(&bytes, false);
    }

    #[test]
    fn a_compacted_file_says_what_it_was_made_of(
        names in proptest::collection::btree_set("[a-z ]{1,12}", 0..8),
        clocks in proptest::array::uniform3(0..=crate::limits::CLOCK_TIME),
    ) {
        let before = SnapshotState {
            alive: names.iter().map(|n| (n.as_str().into(), ALPHA.1.parse().unwrap())).collect(),
            clock: LamportTime(clocks[0]),
            event_clock: LamportTime(clocks[1]),
            query_clock: LamportTime(clocks[2]),
        };
        let (after, warnings) = SnapshotState::replay(before.compacted(), false);
        prop_assert_eq!(before, after);
        prop_assert!(warnings.is_empty());
    }
}
