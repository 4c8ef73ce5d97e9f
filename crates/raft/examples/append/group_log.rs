//! The least that a log needs for durable writes: one thread that takes what waits, writes it to a
//! preallocated file, flushes once and answers everybody. No terms, no checksums, no machine.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

const FILE: u64 = 256 << 20;
const WAITING: usize = 1024;

/// A preallocated file that is written from its start again when it is full.
pub(crate) struct Ring {
    file: File,
    offset: u64,
}

impl Ring {
    pub(crate) fn new(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        let zeros = vec![0; 1 << 20];
        for offset in (0..FILE).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, offset: 0 }
    }

    /// Returns when the bytes are on disk.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if self.offset + bytes.len() as u64 > FILE {
            self.offset = 0;
        }
        self.file.write_all_at(bytes, self.offset).unwrap();
        self.file.sync_data().unwrap();
        self.offset += bytes.len() as u64;
    }
}

/// A ring and its thread, which ends when all clones are dropped.
#[derive(Clone)]
pub(crate) struct GroupLog {
    sender: mpsc::Sender<(Bytes, oneshot::Sender<()>)>,
}

impl GroupLog {
    pub(crate) fn start(path: &Path) -> Self {
        let mut ring = Ring::new(path);
        let (sender, mut waiting) = mpsc::channel::<(Bytes, oneshot::Sender<()>)>(WAITING);
        std::thread::spawn(move || {
            while let Some((command, answer)) = waiting.blocking_recv() {
                let (mut bytes, mut answers) = (command.to_vec(), vec![answer]);
                while let Ok((command, answer)) = waiting.try_recv() {
                    bytes.extend_from_slice(&command);
                    answers.push(answer);
                }
                ring.append(&bytes);
                for answer in answers {
                    let _ = answer.send(());
                }
            }
        });
        Self { sender }
    }

    /// Returns when the command is on disk.
    pub(crate) async fn append(&self, command: Bytes) {
        let (answer, answered) = oneshot::channel();
        self.sender.send((command, answer)).await.unwrap();
        answered.await.unwrap();
    }
}
