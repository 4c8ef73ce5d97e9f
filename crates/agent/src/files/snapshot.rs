//! The snapshot file: what a member remembers over a restart.
//!
//! A task of its own appends lines, in batches and on helper threads, so that the disk can be as
//! slow as it likes. What the file should say is kept in memory ([`SnapshotState`]): when a write
//! fails, or too much waits, the lines are forgotten and the file is written anew as a whole as
//! soon as the disk lets us. Formats: specification "Gossip wire protocol and behaviour", B15.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serf::SnapshotRecord;
use serf::snapshot::{SnapshotState, SnapshotWarning};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::limits;
use crate::log::{Level, Log};
use crate::platform;
use crate::telemetry::Metrics;

/// The open file.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    path: Arc<Path>,
    file: File,
    bytes: u64,
    /// Not written anew below this: long names can make the short form longer than reckoned.
    floor: u64,
}

impl SnapshotFile {
    /// Opens or creates the file and reads what it says. What is odd about it is logged.
    ///
    /// A last line without its end was being written when the last process died; it is ignored
    /// and cut off, so that nothing is glued to it.
    pub(crate) fn open(
        path: &Path,
        rejoin_after_leave: bool,
        log: &Log,
    ) -> Result<(SnapshotFile, SnapshotState), String> {
        let open_error = |error: io::Error| {
            format!("failed to open snapshot: {}", super::open_error(path, &error))
        };
        rescue(path);
        let mut file = appender().read(true).open(path).map_err(open_error)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .map_err(|error| format!("failed to read snapshot: {}", gotext::errno_text(&error)))?;
        let (state, warnings) = SnapshotState::replay(&content, rejoin_after_leave);
        for warning in &warnings {
            log_warning(log, warning);
        }
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < content.len() {
            file.set_len(whole as u64).map_err(open_error)?;
        }
        let file = SnapshotFile { path: Arc::from(path), file, bytes: whole as u64, floor: 0 };
        Ok((file, state))
    }

    /// Appends whole lines. If only a part could be written, it is taken back.
    fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // Where even this fails, the file ends in a part of a line, which is ignored.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        if sync { self.file.sync_all() } else { Ok(()) }
    }

    /// Writes the file anew beside the old one, then takes its place.
    fn rewrite(&mut self, content: &[u8]) -> io::Result<()> {
        let compact = compact_path(&self.path);
        let mut file = File::create(&compact)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&compact, &self.path)?;
        super::sync_directory(&self.path);
        self.file = appender().open(&self.path)?;
        self.bytes = content.len() as u64;
        self.floor = 2 * self.bytes;
        Ok(())
    }
}

/// The real agent removes the file before it renames the compacted one: a crash in between leaves
/// only that, and it is complete.
fn rescue(path: &Path) {
    if !path.exists() {
        // If there is none, there is nothing to rescue.
        let _ = fs::rename(compact_path(path), path);
    }
}

fn compact_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".compact");
    PathBuf::from(name)
}

fn appender() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    platform::set_mode(&mut options, 0o644);
    options
}

fn log_warning(log: &Log, warning: &SnapshotWarning) {
    let (level, text) = match warning {
        SnapshotWarning::Unrecognized(line) => {
            (Level::Warn, format!("Unrecognized snapshot line: {line}"))
        }
        SnapshotWarning::BadAddress(line) => {
            (Level::Warn, format!("Failed to parse address: {line}"))
        }
        SnapshotWarning::BadClock { which, number } => {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let problem = if is_number { "value out of range" } else { "invalid syntax" };
            let space = if which.is_empty() { "" } else { " " };
            let number = gotext::quote(number);
            let why = format!("strconv.ParseUint: parsing {number}: {problem}");
            (Level::Warn, format!("Failed to convert {which}{space}clock time: {why}"))
        }
        SnapshotWarning::LeaveIgnored => {
            (Level::Info, "Ignoring previous leave in snapshot".to_owned())
        }
    };
    log.line(level, "serf", text);
}

enum Message {
    Record(SnapshotRecord),
    Leave(oneshot::Sender<()>),
    Finish(oneshot::Sender<()>),
}

/// The handle to the task that writes the file.
pub(crate) struct Snapshot {
    messages: mpsc::UnboundedSender<Message>,
}

impl Snapshot {
    /// Starts the task.
    pub(crate) fn start(
        file: SnapshotFile,
        state: SnapshotState,
        rejoin_after_leave: bool,
        log: Log,
        metrics: Metrics,
    ) -> Self {
        let (messages, queue) = mpsc::unbounded_channel();
        let writer = Writer {
            file: Some(file),
            job: None,
            state,
            rejoin_after_leave,
            log,
            metrics,
            pending: Vec::new(),
            rewrite: false,
            due: None,
            waiting: Vec::new(),
            served: Vec::new(),
            failing: false,
        };
        tokio::spawn(writer.run(queue));
        Snapshot { messages }
    }

    /// Appends a line, a little later.
    pub(crate) fn append(&self, record: SnapshotRecord) {
        // The task ends only after this handle.
        let _ = self.messages.send(Message::Record(record));
    }

    /// Appends the leave; answered when it is on disk, or when the disk refuses it.
    pub(crate) fn leave(&self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        let _ = self.messages.send(Message::Leave(done));
        wait
    }

    /// Writes what waits and ends, but does not wait for ever for a disk that hangs.
    pub(crate) async fn finish(self) {
        let (done, wait) = oneshot::channel();
        let _ = self.messages.send(Message::Finish(done));
        let _ = tokio::time::timeout(limits::SNAPSHOT_FINAL, wait).await;
    }
}

struct Writer {
    /// Away while a helper thread has it.
    file: Option<SnapshotFile>,
    job: Option<JoinHandle<(SnapshotFile, io::Result<()>)>>,
    state: SnapshotState,
    rejoin_after_leave: bool,
    log: Log,
    metrics: Metrics,
    /// Lines that are not in the file yet.
    pending: Vec<u8>,
    /// Whether the file is to be written anew.
    rewrite: bool,
    /// When to write next.
    due: Option<Instant>,
    /// Those who wait for what is pending.
    waiting: Vec<oneshot::Sender<()>>,
    /// Those whom the write under way serves.
    served: Vec<oneshot::Sender<()>>,
    failing: bool,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Message>) {
        loop {
            let due = self.due;
            let sleep = async move {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = queue.recv() => match message {
                    None => break,
                    Some(message) => {
                        let last = self.take(message);
                        self.write_if_due();
                        if last {
                            break;
                        }
                    }
                },
                finished = wait(&mut self.job) => {
                    self.finished(finished);
                    self.write_if_due();
                }
                () = sleep, if self.job.is_none() => self.write_if_due(),
            }
        }
        while self.job.is_some() {
            let finished = wait(&mut self.job).await;
            self.finished(finished);
            if !self.failing {
                self.write_if_due();
            }
        }
    }

    /// True for the last message.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Record(record) => self.append(&record),
            Message::Leave(done) => {
                self.append(&SnapshotRecord::Leave);
                self.wait_for(done);
            }
            Message::Finish(done) => {
                self.wait_for(done);
                return true;
            }
        }
        false
    }

    fn append(&mut self, record: &SnapshotRecord) {
        self.state.apply(record, self.rejoin_after_leave);
        if self.rewrite {
            return;
        }
        self.pending.extend_from_slice(record.to_line().as_bytes());
        if self.pending.len() > limits::SNAPSHOT_PENDING_BYTES {
            self.pending = Vec::new();
            self.rewrite = true;
        }
        self.due.get_or_insert_with(|| Instant::now() + limits::SNAPSHOT_FLUSH);
    }

    fn wait_for(&mut self, done: oneshot::Sender<()>) {
        self.waiting.push(done);
        self.due = Some(Instant::now());
    }

    /// Starts a write on a helper thread, unless one is under way.
    fn write_if_due(&mut self) {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        let Some(mut file) = self.file.take() else { return };
        self.due = None;
        self.served = std::mem::take(&mut self.waiting);
        let lines = std::mem::take(&mut self.pending);
        let sync = !self.served.is_empty();
        // While a helper writes it anew, further lines are appended behind.
        let content = std::mem::take(&mut self.rewrite).then(|| self.state.compacted());
        let metrics = self.metrics.clone();
        self.job = Some(tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let (name, result) = match content {
                Some(content) => ("serf.snapshot.compact", file.rewrite(content.as_bytes())),
                None => ("serf.snapshot.appendLine", file.append(&lines, sync)),
            };
            metrics.time(name, started.elapsed());
            (file, result)
        }));
    }

    fn finished(&mut self, finished: Option<(SnapshotFile, io::Result<()>)>) {
        // Those who wait have had the best that could be done.
        for done in self.served.drain(..) {
            let _ = done.send(());
        }
        let Some((file, result)) = finished else { return };
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    self.log.line(Level::Info, "serf", "The snapshot is up to date again");
                }
                if file.bytes >= file.floor && self.state.wants_compaction(file.bytes) {
                    self.pending = Vec::new();
                    self.rewrite = true;
                    self.due = Some(Instant::now());
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let why = gotext::errno_text(&error);
                    self.log.line(
                        Level::Err,
                        "serf",
                        format_args!("Failed to update snapshot: {why}"),
                    );
                }
                self.pending = Vec::new();
                self.rewrite = true;
                let retry = Instant::now() + limits::SNAPSHOT_RETRY;
                self.due = Some(if self.waiting.is_empty() { retry } else { Instant::now() });
            }
        }
        self.file = Some(file);
    }
}

/// Waits for the helper, if there is one; safe to cancel. None if it panicked.
async fn wait(
    job: &mut Option<JoinHandle<(SnapshotFile, io::Result<()>)>>,
) -> Option<(SnapshotFile, io::Result<()>)> {
    let Some(running) = job else { return std::future::pending().await };
    let finished = running.await.ok();
    *job = None;
    finished
}

#[cfg(test)]
mod tests;
