//! A server that is killed while many write: what it acknowledged is there when the log is opened
//! again, whole, once, and at the index that was told; what else is there is whole too.
//!
//! `cargo test -p tribune-raft --test kill` plays some rounds, `KILL_ROUNDS=200` before it as many.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use raft::{Config, Server, Storage};

use crate::ledger::{Ledger, command};

mod ledger;

const WRITERS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if arguments.get(1).is_some_and(|first| first == "write") {
        return runtime.block_on(write(Path::new(&arguments[2])));
    }
    let rounds = std::env::var("KILL_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let directory = std::env::temp_dir().join(format!("tribune-raft-kill-{}", std::process::id()));
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        kill_a_writer(&directory, round, &mut acknowledged);
        runtime.block_on(check(&directory, &acknowledged));
        if round % 3 == 0 {
            tear(&directory);
        }
    }
    println!("{rounds} rounds, {} acknowledged writes, none lost", acknowledged.len());
    fs::remove_dir_all(&directory).unwrap();
}

async fn open(directory: &Path, ledger: &Ledger) -> Server<Ledger> {
    let storage = Storage::Disk(directory.to_owned());
    let config = Config { id: 1, address: String::new(), storage };
    Server::start(config, ledger.clone()).await.unwrap()
}

/// Writes numbers until it is killed, and says which were acknowledged, at which index.
async fn write(directory: &Path) {
    let ledger = Ledger::default();
    let server = Arc::new(open(directory, &ledger).await);
    let last = ledger.content().lines.iter().map(|line| line.1).max();
    let next = Arc::new(AtomicU64::new(last.map_or(1, |last| last + 1)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (server, next) = (Arc::clone(&server), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let applied = server.propose(command(number)).await.unwrap();
                println!("{number} {}", applied.index);
                if number.is_multiple_of(700) {
                    server.snapshot().await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
}

fn kill_a_writer(directory: &Path, round: u64, acknowledged: &mut BTreeMap<u64, u64>) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .arg("write")
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap());
    let (begun, has_begun) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut said: Vec<(u64, u64)> = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            let (number, index) = line.trim_end().split_once(' ').unwrap();
            said.push((number.parse().unwrap(), index.parse().unwrap()));
            // Nobody listens after the first time.
            let _ = begun.send(());
            line.clear();
        }
        said
    });
    has_begun.recv_timeout(Duration::from_secs(60)).expect("a first acknowledged write");
    std::thread::sleep(Duration::from_millis(round * 13 % 90));
    writer.kill().unwrap();
    writer.wait().unwrap();
    acknowledged.extend(reader.join().unwrap());
}

/// Adds the beginning of a record, as a crash of the machine may leave it: fewer bytes than the
/// shortest record has, or it would be one.
fn tear(directory: &Path) {
    let files = fs::read_dir(directory.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wal");
    let newest = files.filter(is_log).max().unwrap();
    let bytes = fs::read(&newest).unwrap();
    // The last byte of a checksum may be a zero too, but not all eight.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 8;
    let file = OpenOptions::new().write(true).open(newest).unwrap();
    file.write_all_at(&bytes[..12], end).unwrap();
}

async fn check(directory: &Path, acknowledged: &BTreeMap<u64, u64>) {
    let ledger = Ledger::default();
    let server = open(directory, &ledger).await;
    {
        let content = ledger.content();
        assert_eq!(content.damaged, 0, "commands that are not whole");
        let indexes = content.lines.iter().map(|line| line.0);
        assert!(indexes.eq(1..=content.lines.len() as u64), "indexes are not consecutive");
        let there: BTreeMap<u64, u64> =
            content.lines.iter().map(|(index, number)| (*number, *index)).collect();
        assert_eq!(there.len(), content.lines.len(), "a command was applied twice");
        for (number, index) in acknowledged {
            let last = content.lines.last();
            assert_eq!(there.get(number), Some(index), "write {number} of {last:?} is lost");
        }
    }
    server.stop().await;
}
