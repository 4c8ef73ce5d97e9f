//! User events: fired into the datacenter's pool, remembered as they come back
//! (consul-http, "Events").

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use api::{Body, Failure, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use catalog::{Service, Uuid};
use pattern::Pattern;
use serde::Serialize;
use tokio::sync::Notify;
use wire::msgpack::{Reader, Writer};

use crate::limits::EVENTS;

/// What stands before the name of an event in the pool.
const PREFIX: &str = "consul:event:";
const VERSION: u64 = 1;
/// Bytes that a compiled filter may take.
const PATTERN_LIMIT: usize = 1 << 20;

/// An event of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserEvent {
    id: Uuid,
    name: String,
    payload: Bytes,
    node_filter: String,
    service_filter: String,
    tag_filter: String,
    lamport_time: u64,
}

/// An event as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    #[serde(rename = "ID")]
    id: String,
    name: &'a str,
    payload: Option<String>,
    node_filter: &'a str,
    service_filter: &'a str,
    tag_filter: &'a str,
    version: u64,
    #[serde(rename = "LTime")]
    lamport_time: u64,
}

impl UserEvent {
    /// Reads what a request fires.
    pub(crate) fn from_request(request: &Request, id: Uuid) -> Result<Self, Failure> {
        let name = request.tail_text().into_owned();
        if name.is_empty() {
            return Err(Failure::bad("Missing name"));
        }
        let text = |parameter| request.query.filled(parameter).unwrap_or_default().to_owned();
        let event = Self {
            id,
            name,
            payload: request.body.clone(),
            node_filter: text("node"),
            service_filter: text("service"),
            tag_filter: text("tag"),
            lamport_time: 0,
        };
        event.check()?;
        Ok(event)
    }

    fn check(&self) -> Result<(), Failure> {
        if !self.tag_filter.is_empty() && self.service_filter.is_empty() {
            return Err(Failure::internal("Cannot provide tag filter without service filter"));
        }
        for (filter, what) in [
            (&self.node_filter, "node"),
            (&self.service_filter, "service"),
            (&self.tag_filter, "tag"),
        ] {
            if let Err(error) = Pattern::new(filter, PATTERN_LIMIT) {
                return Err(Failure::internal(format!("Invalid {what} filter: {error}")));
            }
        }
        Ok(())
    }

    /// Its name in the pool.
    pub(crate) fn pool_name(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// What is sent with it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        let texts = [
            ("n", &self.name),
            ("nf", &self.node_filter),
            ("sf", &self.service_filter),
            ("tf", &self.tag_filter),
        ];
        let filled: Vec<_> = texts.iter().filter(|(_, text)| !text.is_empty()).collect();
        writer.write_map(2 + usize::from(!self.payload.is_empty()) + filled.len());
        writer.write_text("ID");
        writer.write_text(&self.id.to_string());
        for (key, text) in filled {
            writer.write_text(key);
            writer.write_text(text);
        }
        if !self.payload.is_empty() {
            writer.write_text("p");
            writer.write_raw(&self.payload);
        }
        writer.write_text("v");
        writer.write_u64(VERSION);
        out
    }

    /// Reads what came from the pool; `None` for an event of somebody else.
    pub(crate) fn decode(pool_name: &str, payload: &[u8], lamport_time: u64) -> Option<Self> {
        pool_name.strip_prefix(PREFIX)?;
        let mut event = Self { lamport_time, ..Self::default() };
        let mut id = None;
        let mut reader = Reader::new(payload);
        let read = reader.read_record(&[], |reader, name| {
            let mut text = || {
                let bytes = reader.read_bytes()?;
                Ok::<_, wire::DecodeError>(String::from_utf8_lossy(bytes).into_owned())
            };
            match name {
                b"ID" => id = Uuid::parse(&text()?),
                b"n" => event.name = text()?,
                b"nf" => event.node_filter = text()?,
                b"sf" => event.service_filter = text()?,
                b"tf" => event.tag_filter = text()?,
                b"p" => event.payload = Bytes::copy_from_slice(reader.read_bytes()?),
                _ => reader.skip()?,
            }
            Ok(())
        });
        read.ok()?;
        event.id = id?;
        Some(event)
    }

    fn row(&self) -> Row<'_> {
        Row {
            id: self.id.to_string(),
            name: &self.name,
            payload: (!self.payload.is_empty()).then(|| STANDARD.encode(&self.payload)),
            node_filter: &self.node_filter,
            service_filter: &self.service_filter,
            tag_filter: &self.tag_filter,
            version: VERSION,
            lamport_time: self.lamport_time,
        }
    }

    /// The event alone, as the answer to whoever fired it.
    pub(crate) fn body(&self) -> Body {
        api::json::body(&self.row())
    }

    /// Whether this node is meant, with these services.
    pub(crate) fn concerns<'a>(
        &self,
        node: &str,
        mut services: impl Iterator<Item = &'a Service>,
    ) -> bool {
        // A filter that nobody can read fits nothing.
        let compiled = |filter| Pattern::new(filter, PATTERN_LIMIT).ok();
        if !self.node_filter.is_empty()
            && !compiled(&self.node_filter).is_some_and(|filter| filter.is_match(node))
        {
            return false;
        }
        if self.service_filter.is_empty() {
            return true;
        }
        let (Some(id), Some(tag)) = (compiled(&self.service_filter), compiled(&self.tag_filter))
        else {
            return false;
        };
        services.any(|service| {
            let mut tags = service.tags.as_deref().into_iter().flatten();
            id.is_match(service.id.as_str())
                && (self.tag_filter.is_empty() || tags.any(|text| tag.is_match(text)))
        })
    }
}

/// The events that came, the oldest first. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Events {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    events: Mutex<VecDeque<UserEvent>>,
    more: Notify,
}

impl Events {
    /// Takes an event that concerns this node.
    pub(crate) fn take(&self, event: UserEvent) {
        let mut events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENTS {
            events.pop_front();
        }
        events.push_back(event);
        drop(events);
        self.shared.more.notify_waiters();
    }

    /// The list, and its index: that of its newest event.
    pub(crate) fn list(&self, name: Option<&str>) -> (Body, u64) {
        let events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |event: &&UserEvent| name.is_none_or(|name| event.name == name);
        let rows: Vec<_> = events.iter().filter(wanted).map(UserEvent::row).collect();
        let index = events.iter().rfind(wanted).map_or(1, |event| index(event.id));
        (api::json::body(&rows), index)
    }

    /// Waits for another event.
    pub(crate) fn more(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.more.notified()
    }
}

/// An index made of an identity: it differs, and that is all it says.
fn index(id: Uuid) -> u64 {
    let (high, low) = id.as_bytes().split_at(8);
    let number = |half: &[u8]| half.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    number(high) ^ number(low)
}

#[cfg(test)]
mod tests;
