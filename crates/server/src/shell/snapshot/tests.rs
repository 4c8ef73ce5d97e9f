#![allow(clippy::unwrap_used)]

use catalog::{Entry, Fields, ModifyIndex, Row, State};

use super::*;
use crate::catalogue::encode;

fn enter(snapshot: &mut Snapshot, key: &[u8], length: usize) {
    snapshot.enter(Row::Entry(Entry::new(Fields {
        key,
        value: &vec![b'v'; length],
        flags: 0,
        lock_index: 0,
        session: None,
        create: ModifyIndex(1),
        modify: ModifyIndex(1),
    })));
}

fn archived(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    let meta = Meta::default();
    archive::write(&mut bytes, &meta, |out| records::write(snapshot, "dc1", out)).unwrap();
    bytes
}

#[test]
fn every_part_of_a_restoring_fits_an_entry_of_the_log() {
    let mut snapshot = Snapshot::default();
    let lengths = [200 << 10, 8_283_750, 1, 700 << 10, 700 << 10, 2];
    for (key, length) in (0_u8..).zip(lengths) {
        enter(&mut snapshot, &[key], length);
    }
    let mut spool = Spool::of(&archived(&snapshot));
    let (parts, mut incoming) = mpsc::channel(16);
    send_parts(&mut spool, Time(1), &parts).unwrap();
    drop(parts);
    let mut state = State::default();
    for index in 1.. {
        let Some(part) = incoming.blocking_recv() else { break };
        let command = Command::Restore(part);
        assert!(encode(&command).len() <= raft::COMMAND_BYTES);
        assert_eq!(state.apply(ModifyIndex(index), Time(1), [command]), [Response::Done]);
    }
    let restored = state.snapshot();
    let restored = restored.kv_list(b"").map(|entry| entry.fields().value.len());
    assert_eq!(restored.collect::<Vec<_>>(), lengths);
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_is_told_after_a_while() {
    let places: &'static _ = Box::leak(Box::new(Semaphore::new(1)));
    let first = place(places).await.unwrap();
    let refused = place(places).await.unwrap_err();
    assert_eq!(refused.status, 503);
    assert!(refused.text.starts_with("too many snapshots at a time: "), "{}", refused.text);
    let (next, ()) = tokio::join!(place(places), async move { drop(first) });
    assert!(next.is_ok());
}
