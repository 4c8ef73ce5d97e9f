//! Event handlers: scripts that run when something happens.
//!
//! They run one after another in order, on a task of their own: neither the machine nor the
//! streams ever wait for them. What waits is bounded (see `queue`). Specification "Serf agent",
//! section 12.

mod invocation;
mod process;
mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serf::Event;
use tokio::sync::mpsc;

use crate::event_filter::{self, EventFilter};
use crate::limits;
use crate::log::{Level, Log};
use crate::node::NodeHandle;
use crate::render::Plain;
use queue::Queue;

/// One handler: a script and the events it runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerSpec {
    /// When.
    pub filter: EventFilter,
    /// Run by `/bin/sh -c`.
    pub script: String,
}

/// A specification that names an unknown event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid event script: Event '{event}' invoking '{script}'")]
pub struct InvalidHandler {
    /// The item that is none of the known types.
    pub event: String,
    /// The script it was meant for.
    pub script: String,
}

impl HandlerSpec {
    /// Parses `[FILTER=]SCRIPT`, split at the first `=`. A list of filters makes one handler each,
    /// so that an event that matches two of them runs the script twice.
    pub fn parse(text: &str) -> Result<Vec<HandlerSpec>, InvalidHandler> {
        let (filter, script) = text.split_once('=').unwrap_or(("", text));
        let filters = event_filter::parse(filter)
            .map_err(|error| InvalidHandler { event: error.item, script: script.to_owned() })?;
        Ok(filters
            .into_iter()
            .map(|filter| HandlerSpec { filter, script: script.to_owned() })
            .collect())
    }
}

impl fmt::Display for HandlerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event '{}' invoking '{}'", self.filter, self.script)
    }
}

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something happened.
    Event(Arc<Event>),
    /// Other handlers from now on, also for what waits.
    Replace(Vec<HandlerSpec>),
}

/// Runs handlers until the member has ended. A handler that runs then is left to itself.
pub(crate) async fn run(
    inputs: mpsc::UnboundedReceiver<Input>,
    specs: Vec<HandlerSpec>,
    node: NodeHandle,
) {
    let ended = node.clone();
    let runner = Runner { inputs, specs, queue: Queue::new(limits::HANDLER_EVENTS), node };
    tokio::select! {
        () = runner.run() => {}
        _ = ended.ended() => {}
    }
}

struct Runner {
    inputs: mpsc::UnboundedReceiver<Input>,
    specs: Vec<HandlerSpec>,
    queue: Queue,
    node: NodeHandle,
}

impl Runner {
    async fn run(mut self) {
        loop {
            while let Ok(input) = self.inputs.try_recv() {
                self.take(input);
            }
            match self.queue.pop() {
                Some(event) => self.handle(&event).await,
                None => {
                    self.report_recovery();
                    match self.inputs.recv().await {
                        Some(input) => self.take(input),
                        None => return,
                    }
                }
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Replace(specs) => self.specs = specs,
            Input::Event(event) => {
                if self.queue.push(event) {
                    self.node.log().line(
                        Level::Warn,
                        "agent",
                        format_args!(
                            "Event handlers are too slow: {} events wait, the oldest are dropped",
                            limits::HANDLER_EVENTS
                        ),
                    );
                }
            }
        }
    }

    fn report_recovery(&mut self) {
        if let Some(dropped) = self.queue.take_dropped() {
            self.node.log().line(
                Level::Warn,
                "agent",
                format_args!("Event handlers have caught up; {dropped} events were dropped"),
            );
        }
    }

    /// Runs every handler that matches, while the queue goes on filling.
    async fn handle(&mut self, event: &Event) {
        let log = self.node.log().clone();
        log.line(Level::Info, "agent", format_args!("Received event: {}", event_text(event)));
        // Taken by index: the list may be replaced while a script runs.
        let matching: Vec<HandlerSpec> =
            self.specs.iter().filter(|spec| spec.filter.matches(event)).cloned().collect();
        for spec in matching {
            let node = self.node.clone();
            let invocation = invoke(&node, &spec, event);
            tokio::pin!(invocation);
            loop {
                tokio::select! {
                    () = &mut invocation => break,
                    Some(input) = self.inputs.recv() => self.take(input),
                }
            }
        }
    }
}

/// Runs one script for one event, to its end.
async fn invoke(node: &NodeHandle, spec: &HandlerSpec, event: &Event) {
    let log = node.log();
    let tags = node.tags().await;
    let invocation = invocation::Invocation::new(event, node.name().as_str(), &tags);
    let started = Instant::now();
    let finished = process::run(&spec.script, invocation, log).await;
    node.metrics().time(&format!("agent.invoke.{}", spec.script), started.elapsed());
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            let why = gotext::path_error("fork/exec", "/bin/sh", &error);
            return log_failure(log, &spec.script, &why);
        }
    };
    log.line(
        Level::Debug,
        "agent",
        format_args!(
            "Event '{}' script output: {}",
            event_type(event),
            String::from_utf8_lossy(&finished.output)
        ),
    );
    if let Some(why) = finished.failure {
        return log_failure(log, &spec.script, &why);
    }
    if let Event::Query { query, .. } = event
        && !finished.output.is_empty()
        && let Err(why) = node.respond(*query, Bytes::from(finished.output)).await
    {
        let text = event_text(event);
        log.line(
            Level::Warn,
            "agent",
            format_args!(
                "Failed to respond to query '{text}': failed to respond to key query: {why}"
            ),
        );
    }
}

fn log_failure(log: &Log, script: &str, why: &str) {
    log.line(Level::Err, "agent", format_args!("Error invoking script '{script}': {why}"));
}

/// The type of an event as handlers see it.
fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Member { kind, .. } => kind.as_str(),
        Event::User { .. } => "user",
        Event::Query { .. } => "query",
    }
}

/// An event as the log names it; names come from anybody.
fn event_text(event: &Event) -> String {
    match event {
        Event::Member { kind, .. } => kind.as_str().to_owned(),
        Event::User { name, .. } => format!("user-event: {}", Plain(name)),
        Event::Query { name, .. } => format!("query: {}", Plain(name)),
    }
}

#[cfg(test)]
mod tests;
