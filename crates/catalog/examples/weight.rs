//! What rows weigh in memory and how long a snapshot takes:
//! `cargo run --release -p tribune-catalog --example weight -- keys|large-keys|services`.

use std::error::Error;
use std::fs;
use std::time::Instant;

use catalog::{
    Command, KvVerb, KvWrite, ModifyIndex, Node, Register, Service, Snapshot, State, Time, Weights,
};

/// Commands in one log entry; readers get a new root after each.
const BATCH: usize = 64;

/// The resident memory in bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

fn key(n: usize, key_bytes: usize, value_bytes: usize) -> Command {
    Command::Kv(KvWrite {
        verb: KvVerb::Set,
        key: format!("{n:0key_bytes$}").into_bytes().into(),
        value: vec![b'v'; value_bytes].into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: "".into(),
    })
}

fn service(n: usize) -> Command {
    let node = Node {
        name: format!("node-{}", n / 10).as_str().into(),
        address: "10.0.0.1".into(),
        ..Node::default()
    };
    let service = Service {
        node: node.name.clone(),
        id: format!("service-{n}").as_str().into(),
        name: format!("service-{}", n / 3).as_str().into(),
        tags: Some(["v1".into(), "primary".into()].into()),
        address: "10.0.0.1".into(),
        meta: Some([("version".into(), "1".into())].into()),
        port: 8080,
        weights: Weights { passing: 1, warning: 1 },
        ..Service::default()
    };
    let (service, checks) = (Some(Box::new(service)), [].into());
    Command::Register(Box::new(Register { node, skip_node_update: true, service, checks }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let what = std::env::args().nth(1).unwrap_or_default();
    let (rows, make): (usize, fn(usize) -> Command) = match what.as_str() {
        "keys" => (100_000, |n| key(n, 16, 64)),
        "large-keys" => (1_000_000, |n| key(n, 39, 200)),
        "services" => (10_000, service),
        other => return Err(format!("keys, large-keys or services, not {other:?}").into()),
    };
    let empty = resident()?;
    let mut state = State::default();
    let mut published = state.snapshot();
    let started = Instant::now();
    for first in (0..rows).step_by(BATCH) {
        let batch: Vec<_> = (first..rows.min(first + BATCH)).map(make).collect();
        state.apply(ModifyIndex(first as u64 + 1), Time(0), batch);
        state.take_touched();
        published = state.snapshot();
    }
    let applied = started.elapsed();
    let weight = resident()? - empty;
    let mut bytes = Vec::with_capacity(rows * 400);
    let started = Instant::now();
    published.save(&mut bytes)?;
    let saved = started.elapsed();
    let started = Instant::now();
    let restored = Snapshot::restore(&mut &bytes[..])?;
    let read = started.elapsed();
    assert_eq!(restored.index(), published.index());
    let (each, mebibytes) = (weight / rows as u64, weight as f64 / 1_048_576.0);
    println!("{rows} {what}: {each} bytes each, {mebibytes:.1} MiB");
    println!("apply {:.2} us each", applied.as_secs_f64() * 1e6 / rows as f64);
    println!("save {saved:?} ({} bytes), restore {read:?}", bytes.len());
    Ok(())
}
