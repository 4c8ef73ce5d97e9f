//! Who is told what happens: the streams of RPC clients.

use std::sync::Arc;

use serf::Event;
use tokio::sync::mpsc;

use crate::evidence::Record;
use crate::log::{Level, Log};

/// One kind of thing, and those who want it.
pub(super) struct Subscribers<T> {
    all: Vec<Subscriber<T>>,
}

struct Subscriber<T> {
    client: String,
    sender: mpsc::Sender<T>,
    /// Whether the last one found no place: a client that is behind is logged once, not for
    /// every thing it misses.
    behind: bool,
}

pub(super) type EventSubscribers = Subscribers<Arc<Event>>;
pub(super) type EvidenceSubscribers = Subscribers<Record>;

impl<T: Clone> Subscribers<T> {
    pub(super) fn new() -> Self {
        Subscribers { all: Vec::new() }
    }

    pub(super) fn add(&mut self, client: String, sender: mpsc::Sender<T>) {
        self.forget_gone();
        self.all.push(Subscriber { client, sender, behind: false });
    }

    /// Tells everybody; nobody is waited for.
    pub(super) fn tell(&mut self, thing: &T, log: &Log) {
        let mut gone = false;
        for subscriber in &mut self.all {
            match subscriber.sender.try_send(thing.clone()) {
                Ok(()) => subscriber.behind = false,
                Err(mpsc::error::TrySendError::Closed(_)) => gone = true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    if !std::mem::replace(&mut subscriber.behind, true) {
                        let client = &subscriber.client;
                        log.line(
                            Level::Warn,
                            "agent.ipc",
                            format_args!("Dropping event to {client}"),
                        );
                    }
                }
            }
        }
        if gone {
            self.forget_gone();
        }
    }

    fn forget_gone(&mut self) {
        self.all.retain(|subscriber| !subscriber.sender.is_closed());
        if self.all.is_empty() {
            self.all.shrink_to_fit();
        }
    }
}
