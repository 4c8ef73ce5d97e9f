#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::testing::{StoreBuilder, Suite, blank_ent, log_id};
use openraft::{LeaderId, RaftLogReader};
use tokio::time::timeout;

use super::disk::DiskLog;
use super::memory::MemoryLog;
use crate::replica::{Pace, Replica};
use crate::snapshot::Snapshots;
use crate::testing::{
    Directory, Tape, all_descriptors, block_on, fill_up, in_a_process_of_its_own, on_a_small_disk,
};
use crate::types::{Entry, StorageError, Types, Vote};

type Log = Types<Tape>;

struct InMemory;

impl StoreBuilder<Log, MemoryLog<Tape>, Replica<Tape>> for InMemory {
    async fn build(&self) -> Result<((), MemoryLog<Tape>, Replica<Tape>), StorageError> {
        let snapshots = Snapshots::Memory(Arc::default());
        let replica = Replica::new(Tape::default(), snapshots, Arc::new(Pace::new()));
        Ok(((), MemoryLog::new(), replica))
    }
}

struct OnDisk;

impl StoreBuilder<Log, DiskLog, Replica<Tape>, Directory> for OnDisk {
    async fn build(&self) -> Result<(Directory, DiskLog, Replica<Tape>), StorageError> {
        let directory = Directory::new();
        let log = DiskLog::open(directory.path()).unwrap();
        let snapshots = Snapshots::Disk(directory.path().to_owned());
        let replica = Replica::new(Tape::default(), snapshots, Arc::new(Pace::new()));
        Ok((directory, log, replica))
    }
}

#[test]
fn openrafts_suite_passes_in_memory() {
    Suite::test_all(InMemory).unwrap();
}

#[test]
fn openrafts_suite_passes_on_disk() {
    Suite::test_all(OnDisk).unwrap();
}

fn entries(indexes: std::ops::RangeInclusive<u64>) -> Vec<Entry<Tape>> {
    indexes.map(|index| blank_ent::<Log>(1, 1, index)).collect()
}

async fn append(log: &mut DiskLog, indexes: std::ops::RangeInclusive<u64>) {
    RaftLogStorageExt::<Log>::blocking_append(log, entries(indexes)).await.unwrap();
}

async fn indexes(log: &mut DiskLog) -> Vec<u64> {
    let entries: Vec<Entry<Tape>> = log.try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

fn files(directory: &Directory) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory.path().join("wal")).unwrap();
    let mut files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    files.sort();
    files
}

#[test]
fn vote_and_entries_outlive_the_process() {
    block_on(async {
        let directory = Directory::new();
        let vote = Vote { leader_id: LeaderId::new(4, 1 << 127), committed: true };
        let mut log = DiskLog::open(directory.path()).unwrap();
        RaftLogStorage::<Log>::save_vote(&mut log, &vote).await.unwrap();
        append(&mut log, 1..=3).await;
        RaftLogStorage::<Log>::purge(&mut log, log_id(1, 1, 1)).await.unwrap();
        drop(log);

        let mut log = DiskLog::open(directory.path()).unwrap();
        assert_eq!(RaftLogStorage::<Log>::read_vote(&mut log).await.unwrap(), Some(vote));
        assert_eq!(indexes(&mut log).await, [2, 3]);
    });
}

#[test]
fn one_process_has_the_log() {
    let directory = Directory::new();
    let log = DiskLog::open(directory.path()).unwrap();
    let error = DiskLog::open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("already locked"), "{error}");
    drop(log);
    assert!(DiskLog::open(directory.path()).is_ok());
}

/// The newest file, and where its content ends.
fn newest(directory: &Directory) -> (PathBuf, u64) {
    let file = files(directory).pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    (file, last as u64 + 1)
}

fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(file).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Entries, each with the record of its commit in the next write, as openraft has it.
async fn append_and_commit(log: &mut DiskLog, indexes: std::ops::RangeInclusive<u64>) {
    for index in indexes {
        append(log, index..=index).await;
        let committed = Some(log_id(1, 1, index));
        RaftLogStorage::<Log>::save_committed(log, committed).await.unwrap();
    }
}

/// A log of these entries that was closed: its newest file, and where its content ends.
async fn closed_log(
    directory: &Directory,
    indexes: std::ops::RangeInclusive<u64>,
) -> (PathBuf, u64) {
    let mut log = DiskLog::open(directory.path()).unwrap();
    append_and_commit(&mut log, indexes).await;
    drop(log);
    newest(directory)
}

#[test]
fn a_torn_tail_is_cut_off_and_written_over() {
    block_on(async {
        for (torn, garbage) in (1..40).step_by(3).zip([0, 0xa5].into_iter().cycle()) {
            let directory = Directory::new();
            let (file, end) = closed_log(&directory, 1..=2).await;
            overwrite(&file, end - torn, &vec![garbage; torn as usize]);

            let mut log = DiskLog::open(directory.path()).unwrap();
            assert_eq!(indexes(&mut log).await, [1], "{torn} bytes are missing");
            append_and_commit(&mut log, 2..=3).await;
            drop(log);
            let mut log = DiskLog::open(directory.path()).unwrap();
            assert_eq!(indexes(&mut log).await, [1, 2, 3], "{torn} bytes were missing");
        }
    });
}

#[test]
fn a_file_that_ends_within_a_record_is_cut_off() {
    block_on(async {
        let directory = Directory::new();
        let (file, end) = closed_log(&directory, 1..=2).await;
        OpenOptions::new().write(true).open(file).unwrap().set_len(end - 7).unwrap();
        assert_eq!(indexes(&mut DiskLog::open(directory.path()).unwrap()).await, [1]);
    });
}

/// What is damaged before a later write was acknowledged, so it is not dropped in silence.
#[test]
fn a_damaged_record_is_an_error() {
    block_on(async {
        let directory = Directory::new();
        let (file, end) = closed_log(&directory, 1..=9).await;
        let bytes = fs::read(&file).unwrap();
        overwrite(&file, end / 2, &[!bytes[end as usize / 2]]);
        assert!(DiskLog::open(directory.path()).is_err());
    });
}

/// A crash between the creation of a file and its first record.
#[test]
fn a_file_without_its_first_record_is_removed() {
    block_on(async {
        for length in [0, 1, 9] {
            let directory = Directory::new();
            let mut log = DiskLog::open(directory.path()).unwrap();
            append(&mut log, 1..=2).await;
            drop(log);
            let (file, end) = newest(&directory);
            let bytes = fs::read(&file).unwrap();
            fs::write(file.with_file_name(name(end)), &bytes[..length]).unwrap();

            let mut log = DiskLog::open(directory.path()).unwrap();
            assert_eq!(indexes(&mut log).await, [1, 2], "{length} bytes");
            append(&mut log, 3..=3).await;
            assert_eq!(files(&directory).len(), 1);
        }
    });
}

/// The name of the file that begins at this offset.
fn name(offset: u64) -> String {
    let digits = format!("{offset:020}");
    let mut name = String::from("r-");
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            name.push('_');
        }
        name.push(digit);
    }
    name + ".wal"
}

#[test]
fn a_write_that_meets_a_full_disk_waits_for_space() {
    let name = "log::tests::a_write_that_meets_a_full_disk_waits_for_space";
    on_a_small_disk(name, |disk| {
        block_on(async {
            let mut log = DiskLog::open(disk).unwrap();
            append(&mut log, 1..=5).await;
            let ballast = disk.join("ballast");
            fill_up(&ballast, 0);
            let mut reader = log.clone();
            {
                let mut writing = pin!(append(&mut log, 6..=2000));
                let waited = timeout(Duration::from_millis(700), &mut writing).await;
                assert!(waited.is_err(), "there is no space");
                assert_eq!(indexes(&mut reader).await[..5], [1, 2, 3, 4, 5]);
                fs::remove_file(ballast).unwrap();
                writing.await;
            }
            drop((log, reader));
            let mut log = DiskLog::open(disk).unwrap();
            assert_eq!(indexes(&mut log).await, (1..=2000).collect::<Vec<_>>());
        });
    });
}

#[test]
fn a_write_that_finds_no_descriptor_waits_for_one() {
    let name = "log::tests::a_write_that_finds_no_descriptor_waits_for_one";
    in_a_process_of_its_own(name, || {
        let directory = Directory::new();
        block_on(async {
            let mut log = DiskLog::open(directory.path()).unwrap();
            append(&mut log, 1..=5).await;
            let taken = all_descriptors();
            let mut reader = log.clone();
            {
                // More than one file of the log holds.
                let mut writing = pin!(append(&mut log, 6..=40_000));
                let waited = timeout(Duration::from_millis(700), &mut writing).await;
                assert!(waited.is_err(), "no file can be opened");
                assert_eq!(indexes(&mut reader).await[..5], [1, 2, 3, 4, 5]);
                drop(taken);
                writing.await;
            }
            drop((log, reader));
            let mut log = DiskLog::open(directory.path()).unwrap();
            assert_eq!(indexes(&mut log).await, (1..=40_000).collect::<Vec<_>>());
        });
    });
}
