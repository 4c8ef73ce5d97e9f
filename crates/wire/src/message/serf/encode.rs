//! To bytes.

use bytes::Bytes;

use super::{
    BufferedEvent, Filter, JoinIntent, KeyRequest, KeyResponse, LeaveIntent, MemberRecord, Query,
    QueryResponse, Relay, SerfMessage, SerfPushPull, UserEvent, UserEvents, kind,
};
use crate::msgpack::Writer;

impl SerfMessage {
    /// The message from its type byte.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.encode_into(&mut out);
        out
    }

    /// Appends the message from its type byte.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        self.write(&mut Writer::new(out));
    }

    /// Writes the message from its type byte.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_encoded(&[self.kind()]);
        match self {
            SerfMessage::Leave(body) => body.write(writer),
            SerfMessage::Join(body) => body.write(writer),
            SerfMessage::PushPull(body) => body.write(writer),
            SerfMessage::UserEvent(body) => body.write(writer),
            SerfMessage::Query(body) => body.write(writer),
            SerfMessage::QueryResponse(body) => body.write(writer),
            SerfMessage::ConflictResponse(Some(record)) => record.write(writer),
            SerfMessage::ConflictResponse(None) => writer.write_nil(),
            SerfMessage::KeyRequest(body) => body.write(writer),
            SerfMessage::KeyResponse(body) => body.write(writer),
            SerfMessage::Relay(body) => body.write(writer),
        }
    }

    /// The type byte; see [`kind`].
    pub fn kind(&self) -> u8 {
        match self {
            SerfMessage::Leave(_) => kind::LEAVE,
            SerfMessage::Join(_) => kind::JOIN,
            SerfMessage::PushPull(_) => kind::PUSH_PULL,
            SerfMessage::UserEvent(_) => kind::USER_EVENT,
            SerfMessage::Query(_) => kind::QUERY,
            SerfMessage::QueryResponse(_) => kind::QUERY_RESPONSE,
            SerfMessage::ConflictResponse(_) => kind::CONFLICT_RESPONSE,
            SerfMessage::KeyRequest(_) => kind::KEY_REQUEST,
            SerfMessage::KeyResponse(_) => kind::KEY_RESPONSE,
            SerfMessage::Relay(_) => kind::RELAY,
        }
    }
}

impl LeaveIntent {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(3);
        writer.field_u64("LTime", self.lamport_time.0);
        writer.field_text("Node", self.node.as_str());
        writer.field_bool("Prune", self.prune);
    }
}

impl JoinIntent {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.field_u64("LTime", self.lamport_time.0);
        writer.field_text("Node", self.node.as_str());
    }
}

impl SerfPushPull {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(6);
        writer.field_u64("EventLTime", self.event_lamport_time.0);
        writer.write_text("Events");
        match &self.events {
            Some(slots) => {
                writer.write_array(slots.len());
                for slot in slots {
                    match slot {
                        Some(events) => events.write(writer),
                        None => writer.write_nil(),
                    }
                }
            }
            None => writer.write_nil(),
        }
        writer.field_u64("LTime", self.lamport_time.0);
        writer.write_text("LeftMembers");
        writer.write_array(self.left_members.len());
        for name in &self.left_members {
            writer.write_text(name.as_str());
        }
        writer.field_u64("QueryLTime", self.query_lamport_time.0);
        writer.write_text("StatusLTimes");
        writer.write_map(self.status_lamport_times.len());
        for (name, time) in self.status_lamport_times.iter() {
            writer.field_u64(name, time.0);
        }
    }
}

impl UserEvents {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.write_text("Events");
        writer.write_array(self.events.len());
        for event in &self.events {
            event.write(writer);
        }
        writer.field_u64("LTime", self.lamport_time.0);
    }
}

impl BufferedEvent {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.field_text("Name", &self.name);
        writer.field_payload("Payload", &self.payload);
    }
}

impl UserEvent {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(4);
        writer.field_bool("CC", self.coalesce);
        writer.field_u64("LTime", self.lamport_time.0);
        writer.field_text("Name", &self.name);
        writer.field_payload("Payload", &self.payload);
    }
}

impl Query {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(11);
        writer.field_bytes("Addr", self.address.as_bytes());
        writer.write_text("Filters");
        match &self.filters {
            Some(filters) => {
                writer.write_array(filters.len());
                filters.iter().for_each(|filter| writer.write_bytes(filter));
            }
            None => writer.write_nil(),
        }
        writer.field_u64("Flags", self.flags);
        writer.field_u64("ID", self.id);
        writer.field_u64("LTime", self.lamport_time.0);
        writer.field_text("Name", &self.name);
        writer.field_payload("Payload", &self.payload);
        writer.field_u64("Port", self.port);
        writer.field_u64("RelayFactor", self.relay_factor);
        writer.field_text("SourceNode", &self.source_node);
        writer.field_i64("Timeout", self.timeout_ns);
    }
}

impl Filter {
    /// The type byte of a filter on names.
    pub const NODES: u8 = 0;
    /// The type byte of a filter on a tag.
    pub const TAG: u8 = 1;

    /// The filter from its type byte, as it goes into [`Query::filters`].
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        match self {
            Filter::Nodes(names) => {
                writer.write_encoded(&[Filter::NODES]);
                writer.write_array(names.len());
                names.iter().for_each(|name| writer.write_text(name));
            }
            Filter::Tag { tag, expression } => {
                writer.write_encoded(&[Filter::TAG]);
                writer.write_map(2);
                writer.field_text("Expr", expression);
                writer.field_text("Tag", tag);
            }
        }
        out.into()
    }
}

impl QueryResponse {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(5);
        writer.field_u64("Flags", self.flags);
        writer.field_text("From", self.from.as_str());
        writer.field_u64("ID", self.id);
        writer.field_u64("LTime", self.lamport_time.0);
        writer.field_payload("Payload", &self.payload);
    }
}

impl MemberRecord {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(11);
        writer.field_bytes("Addr", self.address.as_bytes());
        writer.field_u64("DelegateCur", self.versions.delegate_cur);
        writer.field_u64("DelegateMax", self.versions.delegate_max);
        writer.field_u64("DelegateMin", self.versions.delegate_min);
        writer.field_text("Name", self.name.as_str());
        writer.field_u64("Port", self.port);
        writer.field_u64("ProtocolCur", self.versions.protocol_cur);
        writer.field_u64("ProtocolMax", self.versions.protocol_max);
        writer.field_u64("ProtocolMin", self.versions.protocol_min);
        writer.field_i64("Status", self.status);
        writer.write_text("Tags");
        writer.write_map(self.tags.len());
        for (name, value) in &self.tags {
            writer.field_text(name, value);
        }
    }
}

impl KeyRequest {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.field_bytes("Key", &self.key);
    }
}

impl KeyResponse {
    /// Writes the body.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(4);
        writer.write_text("Keys");
        match &self.keys {
            Some(keys) => {
                writer.write_array(keys.len());
                keys.iter().for_each(|key| writer.write_text(key));
            }
            None => writer.write_nil(),
        }
        writer.field_text("Message", &self.message);
        writer.field_text("PrimaryKey", &self.primary_key);
        writer.field_bool("Result", self.result);
    }
}

impl Relay {
    /// Writes the header and the message.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.write_text("DestAddr");
        writer.write_map(3);
        writer.field_bytes("IP", self.destination_address.as_bytes());
        writer.field_i64("Port", i64::from(self.destination_port));
        writer.field_text("Zone", &self.destination_zone);
        writer.field_text("DestName", &self.destination_name);
        writer.write_encoded(&self.message);
    }
}
