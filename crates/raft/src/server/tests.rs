#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::limits::{COMMAND_BYTES, FREE_SPACE_MARK, SNAPSHOT_BYTES};
use crate::testing::{Directory, Tape, block_on, fill_up, on_a_small_disk};

fn config(storage: Storage) -> Config {
    Config { id: 7, address: "127.0.0.1:8300".to_owned(), storage }
}

async fn start(directory: &Directory, tape: &Tape) -> Server<Tape> {
    let storage = Storage::Disk(directory.path().join("raft"));
    Server::start(config(storage), tape.clone()).await.unwrap()
}

#[test]
fn a_server_in_memory_leads_and_applies() {
    block_on(async {
        let tape = Tape::default();
        let server = Server::start(config(Storage::Memory), tape.clone()).await.unwrap();
        assert!(server.status().is_leader);
        for (index, command) in (1..).zip(["one", "", "three"]) {
            let applied = server.propose(command).await.unwrap();
            assert_eq!(applied, Applied { index, reply: command.len() });
        }
        server.confirm().await.unwrap();
        server.snapshot().await.unwrap();
        assert_eq!(server.status().snapshot_entry, server.status().applied_entry);
        assert_eq!(server.propose("four").await.unwrap().index, 4);
        assert_eq!(tape.commands(), [b"one".as_slice(), b"", b"three", b"four"]);
        server.stop().await;
    });
}

#[test]
fn what_waits_together_is_answered_each_for_itself() {
    block_on(async {
        let tape = Tape::default();
        let server = Server::start(config(Storage::Memory), tape.clone()).await.unwrap();
        let server = Arc::new(server);
        let mut tasks = tokio::task::JoinSet::new();
        for length in 1..=100 {
            let server = Arc::clone(&server);
            tasks.spawn(async move { (length, server.propose(vec![1; length]).await.unwrap()) });
        }
        for (length, applied) in tasks.join_all().await {
            assert_eq!(applied.reply, length);
            let lines = tape.0.lock().unwrap();
            let line = lines.iter().find(|line| line.0 == applied.index).unwrap();
            assert_eq!(line.2.len(), length);
        }
        assert!(server.status().last_entry < 50, "a hundred commands make few entries");
    });
}

#[test]
fn a_restart_goes_on_where_the_log_ended() {
    block_on(async {
        let directory = Directory::new();
        for round in 0..4 {
            let tape = Tape::default();
            let server = start(&directory, &tape).await;
            assert_eq!(tape.commands().len(), 2 * round, "everything is back");
            let first = server.propose("a").await.unwrap();
            if round == 1 {
                server.snapshot().await.unwrap();
            }
            let second = server.propose("b").await.unwrap();
            assert_eq!((first.index, second.index), (2 * round as u64 + 1, 2 * round as u64 + 2));
            let lines = tape.0.lock().unwrap().clone();
            assert!(lines.is_sorted_by(|one, next| one.0 + 1 == next.0 && one.1 <= next.1));
            server.stop().await;
        }
    });
}

#[test]
fn the_log_is_deleted_behind_a_snapshot() {
    block_on(async {
        let directory = Directory::new();
        let tape = Tape::default();
        let server = start(&directory, &tape).await;
        let command = Bytes::from(vec![1; 1 << 20]);
        for _ in 0..SNAPSHOT_BYTES / command.len() as u64 + 1 {
            server.propose(command.clone()).await.unwrap();
            tape.0.lock().unwrap().clear();
        }
        let taken = |server: &Server<Tape>| server.status().snapshot_entry > 0;
        for _ in 0..1000 {
            if taken(&server) {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        assert!(taken(&server), "without being asked");
        server.snapshot().await.unwrap();
        let wal = std::fs::read_dir(directory.path().join("raft/wal")).unwrap();
        let bytes: u64 = wal.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes < SNAPSHOT_BYTES, "{bytes} bytes are left");
        server.stop().await;
    });
}

#[test]
fn a_command_that_is_too_large_is_refused() {
    block_on(async {
        let server = Server::start(config(Storage::Memory), Tape::default()).await.unwrap();
        let size = COMMAND_BYTES + 1;
        let refused = server.propose(vec![0; size]).await.unwrap_err();
        assert_eq!(refused, Refused::TooLarge { size });
        assert!(server.propose(vec![0; COMMAND_BYTES]).await.is_ok());
    });
}

#[test]
fn the_log_of_another_server_is_refused() {
    block_on(async {
        let directory = Directory::new();
        start(&directory, &Tape::default()).await.stop().await;
        let storage = Storage::Disk(directory.path().join("raft"));
        let other = Config { id: 8, ..config(storage) };
        let error = Server::start(other, Tape::default()).await.err().unwrap();
        assert!(matches!(error, StartError::Foreign { .. }), "{error}");
        start(&directory, &Tape::default()).await.stop().await;
    });
}

#[test]
fn a_damaged_snapshot_is_refused() {
    block_on(async {
        let directory = Directory::new();
        let server = start(&directory, &Tape::default()).await;
        server.propose("a").await.unwrap();
        server.snapshot().await.unwrap();
        server.stop().await;
        let path = directory.path().join("raft/snapshot");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let storage = Storage::Disk(directory.path().join("raft"));
        let error = Server::start(config(storage), Tape::default()).await.err().unwrap();
        assert!(error.to_string().contains("checksum"), "{error}");
    });
}

#[test]
fn writes_are_refused_while_space_is_scarce() {
    let name = "server::tests::writes_are_refused_while_space_is_scarce";
    on_a_small_disk(name, |disk| {
        block_on(async {
            let config = config(Storage::Disk(disk.join("raft")));
            let tape = Tape::default();
            let server = Server::start(config.clone(), tape.clone()).await.unwrap();
            server.propose("before").await.unwrap();
            let ballast = disk.join("ballast");
            fill_up(&ballast, FREE_SPACE_MARK - 1);
            let refused = server.propose("refused").await.unwrap_err();
            assert!(matches!(refused, Refused::NoSpace { .. }), "{refused}");
            assert!(refused.to_string().starts_with("no space for writes: "), "{refused}");
            server.confirm().await.unwrap();
            server.snapshot().await.unwrap();
            std::fs::remove_file(ballast).unwrap();
            assert_eq!(server.propose("after").await.unwrap().index, 2);
            server.stop().await;

            let tape = Tape::default();
            let server = Server::start(config, tape.clone()).await.unwrap();
            assert_eq!(tape.commands(), [b"before".as_slice(), b"after"]);
            server.stop().await;
        });
    });
}

/// A snapshot that finds no room is no reason to stop.
#[test]
fn a_snapshot_waits_for_space() {
    on_a_small_disk("server::tests::a_snapshot_waits_for_space", |disk| {
        block_on(async {
            let config = config(Storage::Disk(disk.join("raft")));
            let server = Server::start(config, Tape::default()).await.unwrap();
            for _ in 0..3 {
                server.propose(vec![1; 1 << 20]).await.unwrap();
            }
            let ballast = disk.join("ballast");
            fill_up(&ballast, 1 << 20);
            {
                let mut snapshot = pin!(server.snapshot());
                let waited = timeout(Duration::from_millis(700), &mut snapshot).await;
                assert!(waited.is_err(), "there is no space");
                assert!(!disk.join("raft/snapshot.new").exists() && server.status().is_leader);
                std::fs::remove_file(ballast).unwrap();
                snapshot.await.unwrap();
            }
            assert!(server.status().snapshot_entry > 0);
            server.stop().await;
        });
    });
}
