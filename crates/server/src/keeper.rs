//! The owner of the agent's own services and checks: the one task that has the machine, brings in
//! what happens, and carries out what it says.
//!
//! ```text
//!   Keeper::change ─▶ task ─ Local ─▶ Register, Deregister ─▶ Store ─▶ Called ─┐
//!   Keeper::look   ─▶   ▲            Start, Stop ─▶ runners ─▶ Ran ───────────┤
//!                       └───────────────────────────────────────────────────────┘
//!                              Save, Move, Remove ─▶ files below the data directory
//! ```
//!
//! A change is answered when the catalogue has it, or could not be told, and its files are on disk,
//! or could not be written: then that is the answer, and what is here and in the catalogue stays.

mod files;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use catalog::{CheckId, Command, NodeName, Response};
use local::{CheckDefinition, Input, Local, Outcome, Output, Refused, RemoteView, Ticket, Time};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::runner;
use crate::store::Store;
use files::{Files, Written};

/// What waits for the task at most; who asks waits for a place.
const WAITING: usize = 1024;

type Look = Box<dyn FnOnce(&mut Local, Time) + Send>;
type Change = Box<dyn FnOnce(&mut Local, Time) -> Result<Ticket, Refused> + Send>;

enum Message {
    Look(Look),
    Change(Change, oneshot::Sender<Result<oneshot::Receiver<Done>, Refused>>),
    Input(Input),
}

/// What came of the files of a change.
type Done = Result<(), String>;

/// Why a change did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChanged {
    /// Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is changed here and in the catalogue, but the next start of the agent does not know of
    /// it: which file could not be written, and why.
    #[error("failed to write {0}")]
    Unwritten(String),
    /// Nobody is there to change it.
    #[error("the agent is stopping")]
    Stopping,
}

/// The way to the machine. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Keeper {
    messages: mpsc::Sender<Message>,
    changed: Arc<Notify>,
}

impl Keeper {
    /// Starts the task, which owns the machine from then on.
    pub(crate) fn start(
        store: Store,
        data_dir: Option<PathBuf>,
        environment: checks::Environment,
        local: Local,
        log: agent::log::Log,
    ) -> (Self, JoinHandle<()>) {
        let (messages, incoming) = mpsc::channel(WAITING);
        let changed = Arc::new(Notify::new());
        let keeper = Self { messages: messages.clone(), changed: changed.clone() };
        let task = Task {
            node: local.config().node.name.clone(),
            local,
            store,
            files: data_dir.map(|directory| Files::start(directory, log.clone())),
            environment: Arc::new(environment),
            messages,
            changed,
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            done: Vec::new(),
            own: Vec::new(),
            written: 0,
            runners: HashMap::new(),
            log,
            clock: Clock::new(),
        };
        (keeper, tokio::spawn(task.run(incoming)))
    }

    /// Looks at the machine.
    pub(crate) async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Local, Time) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, result) = oneshot::channel();
        let look: Look = Box::new(move |local, now| {
            let _ = answer.send(look(local, now));
        });
        self.messages.send(Message::Look(look)).await.ok()?;
        result.await.ok()
    }

    /// Changes something, and waits until the catalogue has it or could not be told, and until what
    /// is kept of it in files is on disk or could not be written.
    pub(crate) async fn change(
        &self,
        change: impl FnOnce(&mut Local, Time) -> Result<Ticket, Refused> + Send + 'static,
    ) -> Result<(), NotChanged> {
        let (answer, result) = oneshot::channel();
        let sent = self.messages.send(Message::Change(Box::new(change), answer)).await;
        sent.map_err(|_| NotChanged::Stopping)?;
        let done = result.await.map_err(|_| NotChanged::Stopping)??;
        done.await.map_err(|_| NotChanged::Stopping)?.map_err(NotChanged::Unwritten)
    }

    /// Brings something in that happened outside.
    pub(crate) async fn tell(&self, input: Input) {
        let _ = self.messages.send(Message::Input(input)).await;
    }

    /// The next change of a service.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

/// Nanoseconds since 1970 that never fall, whatever happens to the system's clock.
struct Clock {
    at: SystemTime,
    since: std::time::Instant,
}

impl Clock {
    fn new() -> Self {
        Self { at: SystemTime::now(), since: std::time::Instant::now() }
    }

    fn now(&self) -> Time {
        let start = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = (start + self.since.elapsed()).as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The machine's time now, for its start.
pub(crate) fn now() -> Time {
    Clock::new().now()
}

/// Who waits for a change.
struct Waiting {
    done: oneshot::Sender<Done>,
    /// How often something was asked of the files before the change.
    after: u64,
    /// The same with the change: what has to be written.
    upto: u64,
    /// The files that the change itself wants written.
    files: Vec<String>,
    result: Done,
}

impl Waiting {
    /// Takes what came of files, if they are its own.
    fn note(&mut self, written: &Written) {
        if self.after >= written.upto || self.upto <= written.after {
            return;
        }
        let own = written.failed.iter().find(|(file, _)| self.files.contains(file));
        if let Some((file, error)) = own {
            self.result = Err(format!("{file}: {}", gotext::errno_text(error)));
        }
    }
}

struct Task {
    local: Local,
    node: NodeName,
    store: Store,
    files: Option<Files>,
    environment: Arc<checks::Environment>,
    messages: mpsc::Sender<Message>,
    changed: Arc<Notify>,
    waiting: BTreeMap<Ticket, Waiting>,
    /// Whom only the files keep waiting, by what has to be written.
    held: BTreeMap<u64, Vec<Waiting>>,
    /// Those whose change the catalogue has.
    done: Vec<Ticket>,
    /// The files that were asked for by what is being carried out.
    own: Vec<String>,
    /// How much of what was asked of the files is done.
    written: u64,
    runners: HashMap<CheckId, JoinHandle<()>>,
    log: agent::log::Log,
    clock: Clock,
}

impl Task {
    async fn run(mut self, mut incoming: mpsc::Receiver<Message>) {
        self.carry_out();
        loop {
            self.own.clear();
            self.release();
            let now = self.clock.now();
            let wait = self.local.next_timeout().map(|due| due.since(now));
            let due = async {
                match wait {
                    // A little late is not too early.
                    Some(wait) => tokio::time::sleep(wait + Duration::from_millis(1)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = incoming.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = due => self.local.handle(self.clock.now(), Input::Tick),
                written = more(&mut self.files) => self.note(&written),
            }
            self.carry_out();
        }
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Look(look) => look(&mut self.local, now),
            Message::Input(input) => self.local.handle(now, input),
            Message::Change(change, answer) => {
                let after = self.asked();
                let changed = change(&mut self.local, now);
                // What it wants written is asked for here, and nothing that others do.
                self.carry_out();
                let (upto, files) = (self.asked(), std::mem::take(&mut self.own));
                let changed = changed.map(|ticket| {
                    let (done, receiver) = oneshot::channel();
                    let waiting = Waiting { done, after, upto, files, result: Ok(()) };
                    self.waiting.insert(ticket, waiting);
                    receiver
                });
                let _ = answer.send(changed);
            }
        }
    }

    /// Carries out everything that the machine wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.local.poll_output() {
            match output {
                Output::FetchRemote => {
                    let view = self.remote();
                    self.local.handle(self.clock.now(), Input::Remote(Ok(view)));
                }
                Output::Register { call, request, .. } => {
                    self.call(call, Command::Register(request))
                }
                Output::Deregister { call, service, check, .. } => {
                    let node = self.node.clone();
                    self.call(call, Command::Deregister { node, service, check });
                }
                Output::Done(ticket) => self.done.push(ticket),
                Output::Save { file, bytes } => self.put(file, Some(bytes)),
                Output::Move { from, to } => {
                    if let Some(files) = &self.files {
                        files.rename(from, to);
                    }
                }
                Output::Remove { file } => self.put(file, None),
                Output::Start { check, definition, output_max_bytes } => {
                    self.start(check, definition, output_max_bytes);
                }
                Output::Stop { check } => self.stop(&check),
                Output::Changed(_) => self.changed.notify_waiters(),
                Output::Fact(fact) => crate::facts::log(&self.log, &fact),
            }
        }
    }

    /// What the catalogue says of this node.
    fn remote(&self) -> RemoteView {
        let snapshot = self.store.catalogue().read();
        let node = self.node.fold();
        RemoteView {
            node: snapshot.node(&node).cloned(),
            services: snapshot.services_of(&node).cloned().collect(),
            checks: snapshot.node_checks(&node).cloned().collect(),
        }
    }

    fn call(&self, call: local::CallId, command: Command) {
        let (store, messages) = (self.store.clone(), self.messages.clone());
        tokio::spawn(async move {
            let outcome = match store.write(command).await {
                Ok(Response::Refused(error)) => Outcome::of_error(&error.to_string()),
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::of_error(&error.to_string()),
            };
            let _ = messages.send(Message::Input(Input::Called { call, outcome })).await;
        });
    }

    fn start(&mut self, check: CheckId, definition: Arc<CheckDefinition>, output_max: usize) {
        self.stop(&check);
        let results = self.messages.clone();
        let own = check.clone();
        let report = move |status, output| {
            let (results, check) = (results.clone(), own.clone());
            async move {
                let _ = results.send(Message::Input(Input::Ran { check, status, output })).await;
            }
        };
        let run = runner::run(
            definition,
            output_max,
            self.environment.clone(),
            self.store.catalogue().clone(),
            report,
        );
        self.runners.insert(check, tokio::spawn(run));
    }

    fn stop(&mut self, check: &CheckId) {
        if let Some(runner) = self.runners.remove(check) {
            runner.abort();
        }
    }

    fn put(&mut self, file: String, content: Option<Vec<u8>>) {
        if let Some(files) = &self.files {
            self.own.push(file.clone());
            files.put(file, content);
        }
    }

    fn asked(&self) -> u64 {
        self.files.as_ref().map_or(0, Files::asked)
    }

    /// Takes what came of files.
    fn note(&mut self, written: &Written) {
        if !written.failed.is_empty() {
            let held = self.held.values_mut().flatten();
            held.chain(self.waiting.values_mut()).for_each(|waiting| waiting.note(written));
        }
        self.written = written.upto;
    }

    /// Answers those whose changes the catalogue has and whose files are written.
    fn release(&mut self) {
        for ticket in std::mem::take(&mut self.done) {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                self.held.entry(waiting.upto).or_default().push(waiting);
            }
        }
        let written = self.written;
        while let Some(first) = self.held.first_entry().filter(|first| *first.key() <= written) {
            for waiting in first.remove() {
                let _ = waiting.done.send(waiting.result);
            }
        }
    }
}

/// Waits until more files are written, if there are any.
async fn more(files: &mut Option<Files>) -> Written {
    match files {
        Some(files) => files.more().await,
        None => std::future::pending().await,
    }
}

/// Makes the files below a data directory what they were before the machine went down, if it did
/// since they were written last. To be called before they are read.
///
/// # Errors
///
/// Those of the file system.
pub(crate) fn recover(data_dir: &Path) -> std::io::Result<()> {
    files::recover(data_dir)
}

/// Reads the files that the machine keeps below a data directory. Of those that somebody has not
/// written to their end only the names are told.
pub(crate) fn saved(data_dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in local::DIRECTORIES {
        let Ok(entries) = std::fs::read_dir(data_dir.join(directory)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let is_whole = !name.ends_with(".tmp");
            let bytes = if is_whole { std::fs::read(entry.path()) } else { Ok(Vec::new()) };
            if let Ok(bytes) = bytes {
                files.push((format!("{directory}/{name}"), bytes));
            }
        }
    }
    files
}

#[cfg(test)]
mod tests;
