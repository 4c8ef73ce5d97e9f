//! What servers of before have written: their snapshots, and the restorings in their logs.

#![allow(clippy::unwrap_used)]

use catalog::{
    Command, Fields, ModifyIndex, Response, RestorePart, Snapshot, State, Time, Usage, Uuid,
};

/// A state as version 2 saved it, and the same with the first hundred bytes of it as a restoring
/// that is under way.
fn version_2() -> [Vec<u8>; 2] {
    let texts = include_str!("version_2.hex").split_once("\n\n").unwrap();
    [texts.0, texts.1].map(|text| {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    })
}

fn read(bytes: &[u8]) -> std::io::Result<Snapshot> {
    Snapshot::restore(&mut &bytes[..])
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    bytes
}

/// Everything that the state is known to hold.
fn look(state: &Snapshot) {
    let id = |n| Uuid::from_bytes([n; 16]);
    let fields = |key, session, lock_index, index| Fields {
        key,
        value: b"value",
        flags: 7,
        lock_index,
        session,
        create: ModifyIndex(index),
        modify: ModifyIndex(index),
    };
    let wanted = [
        fields(b"", None, 0, 3),
        fields(b"locked", Some(id(1)), 1, 5),
        fields(b"plain", None, 0, 4),
    ];
    assert_eq!(state.kv_list(b"").map(|entry| entry.fields()).collect::<Vec<_>>(), wanted);
    assert_eq!(state.tombstones().collect::<Vec<_>>(), [(&b"gone"[..], ModifyIndex(7))]);
    let usage = Usage {
        nodes: 1,
        services: 1,
        instances: 1,
        kv_entries: 3,
        sessions: 1,
        billable: 1,
        ..state.usage()
    };
    assert_eq!(state.usage(), usage);
    assert_eq!(state.check_list().count(), 1);
    assert_eq!(state.query_list().map(|query| query.id).collect::<Vec<_>>(), [id(3)]);
}

#[test]
fn snapshots_of_versions_before_are_read_and_written_as_ours() {
    let [bytes, _] = version_2();
    let state = read(&bytes).unwrap();
    look(&state);
    assert_eq!(state.index(), ModifyIndex(8));
    let ours = saved(&state);
    assert_eq!(ours[8..12], [3, 0, 0, 0]);
    assert_eq!(saved(&read(&ours).unwrap()), ours);

    let of_version = |version: u8| {
        let mut other = bytes.clone();
        other[8] = version;
        // There is one frame, whose head is not summed up.
        let end = other.len() - 8;
        let sum = crc32fast::hash(&[&other[..20], &other[28..end]].concat());
        other[end + 4..].copy_from_slice(&sum.to_le_bytes());
        read(&other)
    };
    // The first one differs from the second by its number, and has no prepared queries.
    assert_eq!(saved(&of_version(1).unwrap()), ours);
    for version in [0, 4] {
        let error = of_version(version).unwrap_err().to_string();
        assert!(error.contains("is not known here"), "{error}");
    }
}

#[test]
fn a_restoring_of_before_goes_on_in_the_log() {
    let [bytes, under_way] = version_2();
    let part = |number, last, bytes: &[u8]| {
        let id = Uuid::from_bytes([9; 16]);
        Command::Restore(RestorePart { id, number, last, bytes: bytes.into() })
    };
    let apply = |state: &mut State, index, command| {
        state.apply(ModifyIndex(index), Time(index), [command]).remove(0)
    };
    // From its first part in the log, and from a snapshot that was made in between: theirs, ours.
    let mut begun = State::default();
    let first = apply(&mut begun, 20, part(0, false, &bytes[..100]));
    assert_eq!(first, Response::Done);
    let theirs = read(&under_way).unwrap();
    let ours = read(&saved(&theirs)).unwrap();
    assert_eq!(saved(&ours), saved(&theirs));
    for mut state in [begun, State::new(theirs), State::new(ours)] {
        assert_eq!(apply(&mut state, 21, part(1, false, &bytes[100..300])), Response::Done);
        for wrong in [part(3, true, &bytes[300..]), part(2, true, &bytes[301..])] {
            let mut copy = State::new(state.snapshot().clone());
            assert!(matches!(apply(&mut copy, 22, wrong), Response::Refused(_)));
        }
        assert_eq!(apply(&mut state, 22, part(2, true, &bytes[300..])), Response::Done);
        assert!(state.take_replaced());
        assert_eq!(state.snapshot().index(), ModifyIndex(22));
        look(&state.snapshot());
    }
}
