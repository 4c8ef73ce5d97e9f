//! Where every log line goes: standard output, syslog, and the clients of `monitor`.
//!
//! Lines of every level are remembered for `monitor`, whatever the configured level; standard
//! output and syslog take those that pass it. Until [`Log::open_gate`] lines for standard output
//! are held back, so that they stand behind the banner; if the start fails they are never shown.
//! Specification "Serf agent", section 6.
//!
//! Consul's agent has another form of line, with fields ([`Log::consul`]), and remembers nothing.

mod record;

pub use record::{Record, Value};

use std::collections::VecDeque;
use std::fmt::{self, Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::sync::mpsc;

/// How many messages are remembered for `monitor`; what clients of the real agent see.
pub const REMEMBERED_LINES: usize = 512;

/// Bytes that the remembered messages may take together; above it the oldest go. Only handler
/// output at its largest comes near it.
pub const REMEMBERED_BYTES: usize = 256 << 10;

/// How many messages wait for one slow `monitor` client; further ones are dropped and counted.
pub const WAITING_LINES: usize = 512;

/// Bytes held back by the gate; above it the oldest held lines go. A start join of many minutes
/// must not fill the memory.
pub const HELD_BYTES: usize = 256 << 10;

/// Bytes that most lines do not exceed.
const USUAL_LINE: usize = 120;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every detail.
    Trace,
    /// For finding faults.
    Debug,
    /// What an operator may want to know.
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Err,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Level; 5] = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Err];

    /// The word in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Err => "ERR",
        }
    }

    /// From any case.
    pub fn parse(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| text.eq_ignore_ascii_case(level.as_str()))
    }
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One message, with its time and level, without a newline at its end.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// `2006/01/02 15:04:05 [LEVEL] component: text`; may have inner newlines. In Consul's form
    /// `2006-01-02T15:04:05.000Z0700 [LEVEL] component: message: key=value`.
    pub text: Arc<str>,
    /// What it was made of, in Consul's form alone.
    pub record: Option<Arc<Record>>,
}

/// A place besides `monitor` that takes lines.
pub trait Sink: Send {
    /// Takes one line that has passed the configured level.
    fn write(&mut self, line: &Line);
}

/// The handle by which everybody logs. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    hub: Arc<Mutex<Hub>>,
    /// The pool whose member logs here.
    pool: Option<&'static str>,
}

/// The two forms of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Serf,
    Consul,
}

struct Hub {
    form: Form,
    clock: Clock,
    level: Level,
    output: Box<dyn Sink>,
    syslog: Option<Box<dyn Sink>>,
    /// None once the gate is open.
    held: Option<Held>,
    remembered: Held,
    subscribers: Vec<Subscriber>,
}

/// The time as lines begin with it, put into words once a second: there may be thousands of lines.
#[derive(Default)]
struct Clock {
    second: u64,
    text: String,
}

/// Lines in order, bounded by count and bytes.
struct Held {
    lines: VecDeque<Line>,
    bytes: usize,
    max_lines: usize,
    max_bytes: usize,
}

struct Subscriber {
    level: Level,
    sender: mpsc::Sender<Line>,
    dropped: Arc<AtomicU64>,
}

/// What a `monitor` client is sent.
pub struct Subscription {
    /// What was remembered at the time, already filtered; the oldest first.
    pub remembered: Vec<Line>,
    receiver: mpsc::Receiver<Line>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// A log whose gate is closed.
    pub fn new(level: Level, output: Box<dyn Sink>, syslog: Option<Box<dyn Sink>>) -> Self {
        Self::of_form(Form::Serf, level, output, syslog)
    }

    /// A log in Consul's form, whose gate is closed. Lines that nobody wants are not even made.
    pub fn consul(level: Level, output: Box<dyn Sink>, syslog: Option<Box<dyn Sink>>) -> Self {
        Self::of_form(Form::Consul, level, output, syslog)
    }

    fn of_form(
        form: Form,
        level: Level,
        output: Box<dyn Sink>,
        syslog: Option<Box<dyn Sink>>,
    ) -> Self {
        let hub = Hub {
            form,
            clock: Clock::default(),
            level,
            output,
            syslog,
            held: Some(Held::new(usize::MAX, HELD_BYTES)),
            remembered: Held::new(REMEMBERED_LINES, REMEMBERED_BYTES),
            subscribers: Vec::new(),
        };
        Log { hub: Arc::new(Mutex::new(hub)), pool: None }
    }

    /// The same log for the member of a pool of Consul's (`lan`, `wan`): its components are named
    /// after the pool. What it says of the commands that it was given is for those who look for
    /// faults: who gave them says what came of them.
    #[must_use]
    pub fn of_pool(&self, pool: &'static str) -> Self {
        Log { hub: self.hub.clone(), pool: Some(pool) }
    }

    /// A log that shows nothing, for tests.
    pub fn silent() -> Self {
        struct Nowhere;
        impl Sink for Nowhere {
            fn write(&mut self, _: &Line) {}
        }
        Log::new(Level::Info, Box::new(Nowhere), None)
    }

    /// Logs one message of a component such as `agent.ipc`; an empty component is left out.
    pub fn line(&self, level: Level, component: &str, text: impl Display) {
        self.entry(level, component, text, []);
    }

    /// Logs one message with fields, which stand behind it in their order.
    pub fn entry<const FIELDS: usize>(
        &self,
        level: Level,
        component: &str,
        message: impl Display,
        fields: [(&'static str, Value); FIELDS],
    ) {
        let mut hub = self.hub();
        let line = match hub.form {
            Form::Serf => {
                let mut text = hub.serf_line(level, component, message);
                record::push_fields(&mut text, &fields);
                Line { level, text: text.into(), record: None }
            }
            Form::Consul => {
                let level = match self.pool {
                    Some(_) if component == "agent" => level.min(Level::Debug),
                    _ => level,
                };
                if !hub.is_wanted(level) {
                    return;
                }
                let record = Record::new(level, component, self.pool, &message, fields.into());
                Line { level, text: record.text().into(), record: Some(Arc::new(record)) }
            }
        };
        hub.take(line);
    }

    /// Whether anybody would see a line of this level; for lines that take long to make.
    pub fn is_wanted(&self, level: Level) -> bool {
        let hub = self.hub();
        hub.form == Form::Serf || hub.is_wanted(level)
    }

    /// Lines shown from now on are those of at least this level.
    pub fn set_level(&self, level: Level) {
        self.hub().level = level;
    }

    /// Shows what was held back, and everything from now on at once.
    pub fn open_gate(&self) {
        let mut hub = self.hub();
        let Some(held) = hub.held.take() else { return };
        for line in &held.lines {
            hub.output.write(line);
        }
    }

    /// What is remembered, and what comes, of at least this level.
    pub fn subscribe(&self, level: Level) -> Subscription {
        let mut hub = self.hub();
        let (sender, receiver) = mpsc::channel(WAITING_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        hub.subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        hub.subscribers.push(Subscriber { level, sender, dropped: Arc::clone(&dropped) });
        let remembered =
            hub.remembered.lines.iter().filter(|line| line.level >= level).cloned().collect();
        Subscription { remembered, receiver, dropped }
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // A panic while it was held can only have come from a sink; the lines are whole.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn serf_line(&mut self, level: Level, component: &str, message: impl Display) -> String {
        let mut line = String::with_capacity(USUAL_LINE);
        for part in [self.clock.now(), " [", level.as_str(), "] ", component] {
            line.push_str(part);
        }
        if !component.is_empty() {
            line.push_str(": ");
        }
        // Writing to a string cannot fail.
        let _ = write!(line, "{message}");
        // One newline only: the texts of failed joins end in two, and one is shown.
        if line.ends_with('\n') {
            line.pop();
        }
        line
    }

    /// Whether a line of this level is shown to anybody.
    fn is_wanted(&self, level: Level) -> bool {
        level >= self.level || self.subscribers.iter().any(|other| level >= other.level)
    }

    fn take(&mut self, line: Line) {
        if self.form == Form::Serf {
            self.remembered.push(line.clone());
        }
        self.subscribers.retain(|subscriber| subscriber.offer(&line));
        if line.level < self.level {
            return;
        }
        if let Some(syslog) = &mut self.syslog {
            syslog.write(&line);
        }
        match &mut self.held {
            Some(held) => held.push(line),
            None => self.output.write(&line),
        }
    }
}

impl Clock {
    fn now(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second || self.text.is_empty() {
            let local = chrono::DateTime::<chrono::Local>::from(now);
            self.text = local.format("%Y/%m/%d %H:%M:%S").to_string();
            self.second = second;
        }
        &self.text
    }
}

impl Held {
    fn new(max_lines: usize, max_bytes: usize) -> Self {
        Held { lines: VecDeque::new(), bytes: 0, max_lines, max_bytes }
    }

    fn push(&mut self, line: Line) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > self.max_lines
            || (self.bytes > self.max_bytes && self.lines.len() > 1)
        {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }
}

impl Subscriber {
    /// False when the subscriber is gone.
    fn offer(&self, line: &Line) -> bool {
        if line.level < self.level {
            return !self.sender.is_closed();
        }
        match self.sender.try_send(line.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

impl Subscription {
    /// The next line; None when the log has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<Line> {
        self.receiver.recv().await
    }

    /// As [`Subscription::next`], for those who poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Line>> {
        self.receiver.poll_recv(context)
    }

    /// How many lines were dropped since the last call because the client was slow.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
