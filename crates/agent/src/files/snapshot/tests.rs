#![allow(clippy::unwrap_used)]

use std::time::Duration;

use wire::LamportTime;

use super::*;
use crate::files::tests::Scratch;

fn open(path: &Path) -> (SnapshotFile, SnapshotState) {
    SnapshotFile::open(path, false, &Log::silent()).unwrap()
}

fn start(path: &Path, log: &Log) -> Snapshot {
    let (file, state) = open(path);
    Snapshot::start(file, state, false, log.clone(), Metrics::new())
}

fn alive(number: usize) -> SnapshotRecord {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 7946));
    SnapshotRecord::Alive { node: format!("n{number}").as_str().into(), address }
}

fn clock(time: u64) -> SnapshotRecord {
    SnapshotRecord::Clock(LamportTime(time))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Looks again and again, but not for ever.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come");
}

/// The next line would be glued to it, and lost with it.
#[test]
fn a_torn_last_line_is_cut_off() {
    let scratch = Scratch::new();
    let path = scratch.path("snapshot");
    fs::write(&path, "alive: a 127.0.0.1:1\nclock: 7\nalive: b 127.0.0").unwrap();
    let (mut file, state) = open(&path);
    assert_eq!(state.alive.len(), 1);
    assert_eq!(state.clock, LamportTime(7));
    file.append(b"clock: 8\n", true).unwrap();
    assert_eq!(read(&path), "alive: a 127.0.0.1:1\nclock: 7\nclock: 8\n");
    assert_eq!(open(&path).1.clock, LamportTime(8));
}

/// A crash of the real agent while it compacts leaves only the compacted file.
#[test]
fn what_a_crash_left_of_a_compaction_is_found() {
    let scratch = Scratch::new();
    let path = scratch.path("snapshot");
    fs::write(compact_path(&path), "clock: 9\n").unwrap();
    assert_eq!(open(&path).1.clock, LamportTime(9));
    assert!(!compact_path(&path).exists());
}

/// The real agent writes at the next event only, so that a kill loses whoever joined last.
#[tokio::test]
async fn lines_reach_the_file_without_a_further_event() {
    let scratch = Scratch::new();
    let path = scratch.path("snapshot");
    let snapshot = start(&path, &Log::silent());
    let begin = Instant::now();
    snapshot.append(alive(1));
    snapshot.append(clock(3));
    until(|| read(&path) == "alive: n1 127.0.0.1:7946\nclock: 3\n").await;
    assert!(begin.elapsed() >= limits::SNAPSHOT_FLUSH, "they are written together");
    drop(snapshot);
}

#[tokio::test]
async fn a_leave_is_in_the_file_when_it_is_answered() {
    let scratch = Scratch::new();
    let path = scratch.path("snapshot");
    let snapshot = start(&path, &Log::silent());
    snapshot.append(alive(1));
    snapshot.leave().await.unwrap();
    assert_eq!(read(&path), "alive: n1 127.0.0.1:7946\nleave\n");
    snapshot.append(clock(5));
    snapshot.finish().await;
    let (_, state) = open(&path);
    assert_eq!((state.alive.len(), state.clock), (0, LamportTime(5)));
}

#[tokio::test]
async fn a_long_file_is_written_anew_and_says_the_same() {
    let scratch = Scratch::new();
    let path = scratch.path("snapshot");
    let long = "clock: 1\n".repeat(20_000) + "alive: old 127.0.0.1:1\n";
    fs::write(&path, &long).unwrap();
    let snapshot = start(&path, &Log::silent());
    snapshot.append(alive(1));
    until(|| read(&path).len() < 1000).await;
    snapshot.append(clock(2));
    snapshot.finish().await;
    let expected = "alive: n1 127.0.0.1:7946\nalive: old 127.0.0.1:1\nclock: 1\nevent-clock: 0\n\
                    query-clock: 0\nclock: 2\n";
    assert_eq!(read(&path), expected);
    assert!(!compact_path(&path).exists());
}

/// What cannot be written is kept in memory as what the file should say, not as lines.
#[tokio::test]
async fn a_disk_that_refuses_is_told_once_and_made_up_for() {
    let scratch = Scratch::new();
    let directory = scratch.path("directory");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("snapshot");
    let log = Log::silent();
    let mut lines = log.subscribe(Level::Info);
    let snapshot = start(&path, &log);
    // The open file can still be appended to, but not be replaced.
    fs::remove_dir_all(&directory).unwrap();
    for number in 0..8000 {
        snapshot.append(alive(number % 10));
    }
    let line = lines.next().await.unwrap();
    let gone = "[ERR] serf: Failed to update snapshot: no such file or directory";
    assert!(line.text.ends_with(gone), "{}", line.text);
    for number in 0..20_000 {
        snapshot.append(alive(number % 10));
    }
    snapshot.append(clock(4));
    fs::create_dir(&directory).unwrap();
    // Somebody waits, so that it is tried at once.
    snapshot.finish().await;
    let line = lines.next().await.unwrap();
    assert!(line.text.ends_with("The snapshot is up to date again"), "{}", line.text);
    let (_, state) = open(&path);
    assert_eq!((state.alive.len(), state.clock), (10, LamportTime(4)));
    assert!(read(&path).len() < 1000);
}
