//! Standard output: the messages of the command, and the log behind them.
//!
//! A reader that stops reading must not stop the member: what cannot be written at once waits
//! here, up to a bound, and is written when the reader goes on. A reader that has closed its end
//! ends the process, as it ends the real one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::log::{Line, Sink};
use crate::platform;

/// Bytes that wait for a slow reader; above it whole messages are dropped and counted.
const WAITING_BYTES: usize = 256 << 10;

/// Between looks at a reader that is too slow.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long the end of the process waits for the reader to take what waits.
const FAREWELL: Duration = Duration::from_millis(500);

/// What stands before an ordinary message.
const MESSAGE: &str = "==> ";
/// What stands before an informational message, and before a log line.
const INFORMATION: &str = "    ";

/// The handle to standard output. Cheap to clone.
#[derive(Clone, Default)]
pub struct Output {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<u8>,
    dropped: u64,
    /// Whether a task waits for the reader.
    watched: bool,
}

impl Output {
    /// Shows an ordinary message or an error.
    pub fn message(&self, text: &str) {
        self.show(MESSAGE, text);
    }

    /// Shows an informational message.
    pub fn information(&self, text: &str) {
        self.show(INFORMATION, text);
    }

    /// Shows a line as it is.
    pub fn plain(&self, text: &str) {
        self.show("", text);
    }

    /// Waits for the reader for a moment; to be called before the process ends.
    pub fn finish(&self) {
        let mut inner = self.inner();
        while !inner.waiting.is_empty() && platform::stdout_is_ready(FAREWELL) {
            inner.flush();
        }
    }

    /// The prefix is put once before the whole message and left out before an empty one.
    fn show(&self, prefix: &str, text: &str) {
        let prefix = if text.is_empty() { "" } else { prefix };
        let whole = format!("{prefix}{text}\n");
        let mut inner = self.inner();
        if inner.waiting.len() + whole.len() > WAITING_BYTES {
            inner.dropped += 1;
            return;
        }
        inner.waiting.extend_from_slice(whole.as_bytes());
        inner.flush();
        if !inner.waiting.is_empty()
            && !inner.watched
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            inner.watched = true;
            runtime.spawn(self.clone().watch());
        }
    }

    /// Looks again and again whether the reader goes on, as long as something waits for it. (The
    /// descriptor cannot be registered for events: it is everybody's, and may be a file.)
    async fn watch(self) {
        while !self.go_on() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The reader reads again. True when everything is written.
    fn go_on(&self) -> bool {
        let mut inner = self.inner();
        inner.flush();
        if !inner.waiting.is_empty() {
            return false;
        }
        inner.watched = false;
        let dropped = std::mem::take(&mut inner.dropped);
        drop(inner);
        if dropped > 0 {
            self.message(&format!("{dropped} messages were dropped while nobody read them"));
        }
        true
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes what the reader takes without waiting.
    fn flush(&mut self) {
        let mut written = 0;
        while written < self.waiting.len() && platform::stdout_is_ready(Duration::ZERO) {
            match platform::write_stdout(&self.waiting[written..]) {
                Ok(0) => break,
                Ok(length) => written += length,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::BrokenPipe => platform::die_of_closed_pipe(),
                    // A full disk, or no standard output at all: nobody to tell.
                    _ => written = self.waiting.len(),
                },
            }
        }
        self.waiting.drain(..written);
        if self.waiting.is_empty() {
            self.waiting.shrink_to(4096);
        }
    }
}

impl Sink for Output {
    fn write(&mut self, line: &Line) {
        self.information(&line.text);
    }
}
