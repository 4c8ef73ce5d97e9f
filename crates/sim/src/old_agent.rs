//! What members with an old real agent's habits do differently, as far as it can be seen from
//! outside.

use std::collections::BTreeMap;

use bytes::Bytes;
use gossip::Membership;
use wire::message::gossip::{Message, NodeState, State, StreamMessage, kind};
use wire::msgpack::{Reader, Value};
use wire::stream::{Progress, Role, StreamDecoder};
use wire::{NodeName, Security, compound};

/// The memory of an old agent: those who have left are never taken out of its node table, and
/// everybody is told of them at every exchange.
#[derive(Debug, Default)]
pub(crate) struct OldAgent {
    left: BTreeMap<NodeName, NodeState>,
}

impl OldAgent {
    /// Something has happened to that member.
    pub(crate) fn note(&mut self, membership: &Membership, name: &NodeName) {
        match membership.node(name.as_str()) {
            Some(node) if node.state == State::Left => {
                self.left.insert(name.clone(), node.to_state());
            }
            Some(node) if node.is_live() => {
                self.left.remove(name);
            }
            _ => {}
        }
    }

    /// A datagram as it would have written it: accusations say nothing of the accuser's health.
    pub(crate) fn packet(&self, body: Bytes) -> Bytes {
        let Some(parts) = parts(&body) else { return body };
        if parts.iter().all(|part| part.first() != Some(&kind::SUSPECT)) {
            return body;
        }
        let rewritten: Vec<Bytes> = parts
            .iter()
            .map(|part| match Message::decode(part) {
                Ok(Message::Suspect(suspect)) => {
                    let suspect = wire::message::gossip::Suspect { health: None, ..suspect };
                    Message::Suspect(suspect).encode().into()
                }
                _ => Bytes::copy_from_slice(part),
            })
            .collect();
        let mut out = Vec::new();
        compound::write(&rewritten, &mut out);
        out.into()
    }

    /// A push/pull as it would have written it: with all who ever left.
    pub(crate) fn stream(&self, membership: &Membership, segments: Vec<Bytes>) -> Vec<Bytes> {
        if self.left.is_empty()
            || segments.first().and_then(|s| s.first()) != Some(&kind::PUSH_PULL)
        {
            return segments;
        }
        let mut decoder = StreamDecoder::new(Role::Listener, Security::default());
        let progress = segments
            .iter()
            .map(|segment| decoder.feed(segment))
            .find(|progress| *progress != Progress::NeedMore);
        let Some(Progress::Message(StreamMessage::PushPull(mut state))) = progress else {
            return segments;
        };
        let known = |name: &NodeName| membership.node(name.as_str()).is_some();
        state.nodes.extend(self.left.values().filter(|entry| !known(&entry.name)).cloned());
        vec![StreamMessage::PushPull(state).encode().into()]
    }
}

/// Why an old agent could not read that body; None if it could.
pub(crate) fn unreadable(body: &[u8]) -> Option<&'static str> {
    let Some(parts) = parts(body) else { return Some("a compound that is cut off") };
    if parts.len() > 127 {
        return Some("a compound of more than 127 parts");
    }
    let newer = |part: &&[u8]| {
        let content = if part.first() == Some(&kind::USER) { &part[1..] } else { part };
        let value = Value::read(&mut Reader::new(content.get(1..).unwrap_or_default()));
        content.len() > 1 && value.is_ok_and(|value| has_binary(&value))
    };
    parts.iter().any(newer).then_some("a string of the bin form")
}

fn has_binary(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::Array(values) => values.iter().any(has_binary),
        Value::Map(pairs) => pairs.iter().any(|(key, value)| has_binary(key) || has_binary(value)),
        _ => false,
    }
}

/// The parts of a body: of a compound, or the lone message.
pub(crate) fn parts(body: &[u8]) -> Option<Vec<&[u8]>> {
    if body.first() != Some(&kind::COMPOUND) {
        return Some(vec![body]);
    }
    let mut parts = compound::parts(&body[1..]).ok()?;
    let whole: Vec<&[u8]> = parts.by_ref().collect();
    (parts.remaining() == 0).then_some(whole)
}
