//! What happened, as one number and, if wanted, as lines to read.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use gossip::Time;
use wire::Security;
use wire::message::gossip::{BorrowedNodeState, Message, StreamMessage};
use wire::message::serf::{SerfMessage, SerfPushPull};

/// The record of a run. Two runs of one seed have the same hash, whether or not lines are kept.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    /// Whether what members say, and what is on their streams, is part of the hash.
    whole: bool,
    lines: Option<VecDeque<String>>,
}

/// Lines kept: what came before the last ones rarely explains a failure.
const LINES: usize = 200_000;

impl Trace {
    pub(crate) fn new(whole: bool, readable: bool) -> Self {
        Trace { hash: 0, whole, lines: readable.then(VecDeque::new) }
    }

    /// The hash of everything that happened so far. In a world of which only
    /// [`Watch::Facts`](crate::Watch::Facts) are to be seen: of what was handled when, of datagrams
    /// and of the lengths of streams.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines so far, oldest first; none unless a readable trace was asked for.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().map(String::as_str)
    }

    pub(crate) fn number(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.number(u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        }
        for &byte in chunks.remainder() {
            self.number(u64::from(byte));
        }
        self.number(bytes.len() as u64);
    }

    /// What a member says: a fact, an event, an outcome.
    pub(crate) fn said(&mut self, what: &impl fmt::Debug) {
        if self.whole {
            write!(Said(self), "{what:?}").expect("a hash takes everything");
        }
    }

    /// A part of what is written to a stream.
    pub(crate) fn written(&mut self, bytes: &[u8]) {
        if self.whole {
            self.bytes(bytes);
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.lines.is_some()
    }

    /// Adds a line; its text is only made where somebody will read it.
    pub(crate) fn line(&mut self, now: Time, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() >= LINES {
                lines.pop_front();
            }
            lines.push_back(format!("{} {}", Stamp(now), text()));
        }
    }
}

/// Hashes text as it is made.
struct Said<'a>(&'a mut Trace);

impl Write for Said<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.bytes(text.as_bytes());
        Ok(())
    }
}

/// A time of the world as it is printed.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub Time);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:12.6}", self.0.as_nanos() as f64 / 1e9)
    }
}

/// The messages of a body that is neither compressed nor sealed.
pub(crate) fn messages(body: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    wire::packet::open(body, &Security::default(), |part| messages.extend(part));
    messages
}

/// A datagram's content in a few words.
pub(crate) fn describe(body: &[u8]) -> String {
    messages(body).iter().map(message).collect::<Vec<_>>().join("; ")
}

fn message(message: &Message) -> String {
    match message {
        Message::Ping(ping) => format!("ping {} {}", ping.sequence_number.0, ping.node),
        Message::IndirectPing(ask) => format!("ask {} {}", ask.sequence_number.0, ask.node),
        Message::Ack(ack) => format!("ack {}", ack.sequence_number.0),
        Message::Nack(nack) => format!("nack {}", nack.sequence_number.0),
        Message::Suspect(s) => format!("suspect {}@{} by {}", s.node, s.incarnation.0, s.from),
        Message::Alive(a) => format!("alive {}@{}", a.node, a.incarnation.0),
        Message::Dead(d) => format!("dead {}@{} by {}", d.node, d.incarnation.0, d.from),
        Message::User(content) => match SerfMessage::decode(content) {
            Ok(SerfMessage::Leave(i)) => {
                let prune = if i.prune { " prune" } else { "" };
                format!("leave-intent {} t{}{prune}", i.node, i.lamport_time)
            }
            Ok(SerfMessage::Join(i)) => format!("join-intent {} t{}", i.node, i.lamport_time),
            Ok(SerfMessage::UserEvent(e)) => format!("event {:?} t{}", e.name, e.lamport_time),
            Ok(SerfMessage::Query(q)) => format!("query {:?} t{}", q.name, q.lamport_time),
            Ok(SerfMessage::QueryResponse(r)) => {
                let kind = if r.flags & 1 == 1 { "query-ack" } else { "answer" };
                format!("{kind} from {} t{}", r.from, r.lamport_time)
            }
            Ok(SerfMessage::Relay(r)) => format!("relay to {:?}", r.destination_name),
            other => format!("user {other:?}"),
        },
    }
}

/// A stream's message in a few words.
pub(crate) fn describe_stream(message: &StreamMessage) -> String {
    match message {
        StreamMessage::PushPull(state) => {
            let entry = |node: BorrowedNodeState<'_>| {
                format!("{}@{}:{:?}", node.name, node.incarnation.0, node.state)
            };
            let nodes: Vec<_> = state.nodes.iter().take(40).map(entry).collect();
            let join = if state.join { " join" } else { "" };
            let intents = match SerfMessage::decode(&state.user_state) {
                Ok(SerfMessage::PushPull(state)) => times(&state),
                _ => "unreadable".to_owned(),
            };
            format!("push/pull{join} of {}: {}; {intents}", state.nodes.len(), nodes.join(" "))
        }
        StreamMessage::Ping(ping) => format!("stream ping {}", ping.sequence_number.0),
        StreamMessage::Ack(ack) => format!("stream ack {}", ack.sequence_number.0),
        StreamMessage::User(_) => "stream user message".to_owned(),
        StreamMessage::Error(text) => format!("error {text:?}"),
    }
}

/// The times of joins, and of leaves with a minus.
fn times(state: &SerfPushPull) -> String {
    let left = |name| state.left_members.iter().any(|left| left.as_str() == name);
    let sign = |name| if left(name) { "-" } else { "" };
    let times = state.status_lamport_times.iter().take(40);
    let times: Vec<_> = times.map(|(name, time)| format!("{name}:{}t{time}", sign(name))).collect();
    format!("t{} {}", state.lamport_time, times.join(" "))
}
