//! What the tests of this crate share.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::{Batch, Machine, codec};

/// What was applied: index, clock and command.
pub(crate) type Line = (u64, u64, Vec<u8>);

/// A machine that remembers what it was given, and shows it to the test that holds a clone.
#[derive(Clone, Default)]
pub(crate) struct Tape(pub(crate) Arc<Mutex<Vec<Line>>>);

impl Machine for Tape {
    type Reply = usize;
    type Image = Vec<Line>;

    fn apply(&mut self, first_index: u64, clock_ms: u64, batch: &Batch) -> Vec<usize> {
        let mut lines = self.0.lock().unwrap();
        let indexes = first_index..;
        lines.extend(
            indexes.zip(batch.commands()).map(|(index, command)| (index, clock_ms, command.into())),
        );
        batch.commands().map(<[u8]>::len).collect()
    }

    fn image(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    fn save(image: &Vec<Line>, mut out: &mut dyn Write) -> io::Result<()> {
        codec::put_length(&mut out, image.len())?;
        for (index, clock_ms, command) in image {
            out.write_all(&index.to_be_bytes())?;
            out.write_all(&clock_ms.to_be_bytes())?;
            codec::put_length(&mut out, command.len())?;
            out.write_all(command)?;
        }
        Ok(())
    }

    fn restore(&mut self, mut input: &mut dyn Read) -> io::Result<()> {
        let mut lines = Vec::new();
        for _ in 0..codec::length(&mut input, 1 << 20)? {
            let (index, clock_ms) = (codec::u64(&mut input)?, codec::u64(&mut input)?);
            let mut command = vec![0; codec::length(&mut input, 1 << 24)?];
            input.read_exact(&mut command)?;
            lines.push((index, clock_ms, command));
        }
        *self.0.lock().unwrap() = lines;
        Ok(())
    }
}

impl Tape {
    pub(crate) fn commands(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().iter().map(|line| line.2.clone()).collect()
    }
}

/// A directory that is removed when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tribune-raft-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a test's future on a runtime like the agent's.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Names the small file system to the process that runs there.
const SMALL_DISK: &str = "TRIBUNE_RAFT_SMALL_DISK";

/// Runs `test` on a file system of 48 MiB of its own: this very test again, in another process
/// and mount namespace. `name` is the test's full name.
pub(crate) fn on_a_small_disk(name: &str, test: impl FnOnce(&Path)) {
    if let Some(mounted) = std::env::var_os(SMALL_DISK) {
        return test(Path::new(&mounted));
    }
    let directory = Directory::new();
    let script = r#"mount -t tmpfs -o size=48m none "$0" && exec "$@""#;
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(SMALL_DISK, directory.path())
        .output()
        .unwrap();
    assert_passed(output);
}

fn assert_passed(output: std::process::Output) {
    let (out, err) = (output.stdout, output.stderr);
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
}

/// Writes zeros to a file until so many bytes are free.
pub(crate) fn fill_up(file: &Path, free: u64) {
    let mut file = fs::File::create(file).unwrap();
    let parent = std::env::var_os(SMALL_DISK).expect("on a small disk only");
    while crate::space::free(Path::new(&parent)).unwrap() > free {
        if file.write_all(&[0; 4096]).is_err() {
            return;
        }
    }
}

/// Names the process that may open few files.
const FEW_DESCRIPTORS: &str = "TRIBUNE_RAFT_FEW_DESCRIPTORS";

/// Runs `test`, this very test again, in another process: it may take away descriptors from
/// itself and from nobody else. `name` is the test's full name.
pub(crate) fn in_a_process_of_its_own(name: &str, test: impl FnOnce()) {
    if std::env::var_os(FEW_DESCRIPTORS).is_some() {
        return test();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FEW_DESCRIPTORS, "1")
        .output()
        .unwrap();
    assert_passed(output);
}

/// Takes descriptors until there is none left.
pub(crate) fn all_descriptors() -> Vec<fs::File> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let few = rustix::process::Rlimit { current: Some(64), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect()
}
