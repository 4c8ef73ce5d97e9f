//! Carrying out what the machine says, in its order.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use serf::{
    DialId, Event, Fact, Input, Outcome, Output, Persist, PersistId, QueryId, QueryProgress,
    SnapshotRecord, Time, Token,
};
use std::net::SocketAddr;
use tokio::sync::mpsc;
use wire::message::gossip::StreamMessage;

use super::{Arrival, Caller, Driver, time_since};
use crate::evidence::Record;
use crate::files;
use crate::handlers;
use crate::streams::{self, StreamEnd};

impl Driver {
    /// Drains the machine's outputs.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Packet { to, body, crc } => self.send(to, body, crc),
                Output::Dial { dial, to, deadline, request } => {
                    self.dial(dial, to, deadline, request);
                }
                Output::Reply { connection, reply } => {
                    if let Some(sender) = self.replies.remove(&connection) {
                        self.metrics.count("memberlist.tcp.sent", length(&reply));
                        // The stream may have been given up meanwhile.
                        let _ = sender.send(reply);
                    }
                }
                Output::Close { connection } => drop(self.replies.remove(&connection)),
                Output::Persist { id, what } => self.persist(id, what),
                Output::Snapshot(record) => self.record(record),
                Output::Event(event) => self.tell(event),
                Output::Fact(fact) => self.note(&fact),
                Output::QueryProgress { query, progress } => self.query_moved(query, progress),
                Output::Done { token, outcome } => self.done(token, outcome),
                Output::Shutdown => self.name_lost = true,
            }
        }
        self.outbox.rest();
    }

    fn send(&mut self, to: SocketAddr, body: Bytes, crc: bool) {
        let security = self.machine.security();
        match self.outbox.send(&self.socket, security, to, body, crc) {
            Ok(bytes) => self.metrics.record([(self.sent, bytes as f64)]),
            Err(_) => self.machine.handle(time_since(self.zero), Input::SendFailed { to }),
        }
    }

    /// Dials on a task of its own, which lives as long as the exchange.
    fn dial(&self, dial: DialId, to: SocketAddr, deadline: Time, request: Vec<Bytes>) {
        let settings = self.stream_settings();
        let arrivals = self.arrivals.clone();
        let deadline = self.zero + deadline.since(Time::ZERO);
        let metrics = self.metrics.clone();
        let started = Instant::now();
        tokio::spawn(async move {
            let take = |message| {
                if matches!(message, StreamMessage::PushPull(_)) {
                    metrics.time("memberlist.pushPullNode", started.elapsed());
                }
                let (taken, wait) = tokio::sync::oneshot::channel();
                // A driver that has gone needs no answers.
                let _ = arrivals.send(Arrival::Response { dial, message, taken });
                wait
            };
            let ended = streams::dial(to, deadline.into(), &request, settings, take).await;
            if !matches!(ended, Err(StreamEnd::Dial(_))) {
                metrics.count("memberlist.tcp.connect", 1);
                metrics.count("memberlist.tcp.sent", length(&request));
            }
            if let Err(end) = ended {
                let _ = arrivals.send(Arrival::DialFailed { dial, why: end.to_string() });
            }
        });
    }

    /// Writes a file on a helper thread and reports back.
    fn persist(&self, id: PersistId, what: Persist) {
        let path = match what {
            Persist::Keyring(_) => self.keyring_file.clone(),
            Persist::Tags(_) => self.tags_file.clone(),
        };
        let arrivals = self.arrivals.clone();
        let write = move || match (path, what) {
            (Some(path), Persist::Keyring(keys)) => files::keyring::write(&path, &keys),
            (Some(path), Persist::Tags(tags)) => files::tags::write(&path, &tags),
            (None, _) => Ok(()),
        };
        tokio::spawn(async move {
            let written = tokio::task::spawn_blocking(write).await;
            let result = written.unwrap_or_else(|error| Err(error.to_string()));
            // A driver that has gone does not wait for it.
            let _ = arrivals.send(Arrival::Persisted { id, result });
        });
    }

    fn record(&mut self, record: SnapshotRecord) {
        let Some(snapshot) = &self.snapshot else { return };
        if record != SnapshotRecord::Leave {
            return snapshot.append(record);
        }
        self.leave_on_its_way = true;
        let on_disk = snapshot.leave();
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            // On disk or given up: either way the leave need not wait any more.
            let _ = on_disk.await;
            let _ = arrivals.send(Arrival::LeaveOnDisk);
        });
    }

    fn tell(&mut self, event: Event) {
        let event = Arc::new(event);
        self.events.tell(&event, &self.log);
        // Without its task nothing is handled any more.
        let _ = self.handlers.send(handlers::Input::Event(event));
    }

    fn note(&mut self, fact: &Fact) {
        let own = &self.machine.local().name;
        if let Some(record) = Record::from_fact(fact, own, SystemTime::now()) {
            self.evidence_subscribers.tell(&record, &self.log);
            self.evidence.push(record);
        }
        (self.facts)(fact);
    }

    fn query_moved(&mut self, query: QueryId, progress: QueryProgress) {
        let is_over = progress == QueryProgress::Done;
        let Some(sender) = self.queries.get(&query) else { return };
        let gone = sender.send(progress).is_err();
        if is_over || gone {
            self.queries.remove(&query);
        }
    }

    fn done(&mut self, token: Token, outcome: Outcome) {
        // Callers that have gone do not mind that their answers are dropped.
        match self.callers.remove(&token) {
            Some(Caller::Outcome(reply)) => drop(reply.send(outcome)),
            Some(Caller::Leave(reply)) => {
                self.has_left |= !matches!(outcome, Outcome::Failed(_));
                if self.leave_on_its_way && self.has_left {
                    self.held_leave = Some((reply, outcome));
                } else {
                    drop(reply.send(outcome));
                }
            }
            Some(Caller::Query(reply)) => {
                let answer = match outcome {
                    Outcome::QuerySent { query } => {
                        let (sender, receiver) = mpsc::unbounded_channel();
                        self.queries.insert(query, sender);
                        Ok(receiver)
                    }
                    Outcome::Failed(error) => Err(error.to_string()),
                    _ => Err("the query was not sent".to_owned()),
                };
                drop(reply.send(answer));
            }
            None => {}
        }
    }
}

/// Bytes of a message in pieces.
fn length(segments: &[Bytes]) -> usize {
    segments.iter().map(Bytes::len).sum()
}
