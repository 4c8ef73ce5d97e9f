//! The bodies of answers and of stream records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Evidence, Frame, Result, read_map, read_records, read_text, read_text_map, write_text_map,
};
use crate::msgpack::{Reader, Writer};
use crate::{Address, Versions};

/// The answer to `join`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinReply {
    /// How many of the addresses answered.
    pub contacted: i64,
}

impl Frame for JoinReply {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.write_text("Num");
        writer.write_i64(self.contacted);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut reply = JoinReply::default();
        reader.read_record(&["Num"], |reader, field| {
            match field {
                b"Num" => reply.contacted = reader.read_i64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(reply)
    }
}

/// A member as the agent describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its gossip port.
    pub port: u16,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `none`, `alive`, `leaving`, `left` or `failed`.
    pub status: Cow<'static, str>,
    /// Its protocol versions.
    pub versions: Versions,
}

/// The fields of a member in the order of their declaration.
const MEMBER_FIELDS: [&str; 11] = [
    "Name",
    "Addr",
    "Port",
    "Tags",
    "Status",
    "ProtocolMin",
    "ProtocolMax",
    "ProtocolCur",
    "DelegateMin",
    "DelegateMax",
    "DelegateCur",
];

impl Frame for Member {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(MEMBER_FIELDS.len());
        writer.write_text("Addr");
        let address = self.address.as_bytes();
        writer.write_optional_bytes((!address.is_empty()).then_some(address));
        for (name, version) in [
            ("DelegateCur", self.versions.delegate_cur),
            ("DelegateMax", self.versions.delegate_max),
            ("DelegateMin", self.versions.delegate_min),
        ] {
            writer.write_text(name);
            writer.write_u64(u64::from(version));
        }
        writer.write_text("Name");
        writer.write_text(&self.name);
        writer.write_text("Port");
        writer.write_u64(u64::from(self.port));
        for (name, version) in [
            ("ProtocolCur", self.versions.protocol_cur),
            ("ProtocolMax", self.versions.protocol_max),
            ("ProtocolMin", self.versions.protocol_min),
        ] {
            writer.write_text(name);
            writer.write_u64(u64::from(version));
        }
        writer.write_text("Status");
        writer.write_text(&self.status);
        writer.write_text("Tags");
        write_text_map(writer, &self.tags);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut member = Member::default();
        reader.read_record(&MEMBER_FIELDS, |reader, field| {
            match field {
                b"Name" => member.name = read_text(reader)?,
                b"Addr" => {
                    let raw = reader.read_byte_list()?.unwrap_or_default();
                    member.address = Address::from_bytes(&raw)?;
                }
                b"Port" => member.port = reader.read_u16()?,
                b"Tags" => member.tags = read_text_map(reader)?.unwrap_or_default(),
                b"Status" => member.status = Cow::Owned(read_text(reader)?),
                b"ProtocolMin" => member.versions.protocol_min = reader.read_u8()?,
                b"ProtocolMax" => member.versions.protocol_max = reader.read_u8()?,
                b"ProtocolCur" => member.versions.protocol_cur = reader.read_u8()?,
                b"DelegateMin" => member.versions.delegate_min = reader.read_u8()?,
                b"DelegateMax" => member.versions.delegate_max = reader.read_u8()?,
                b"DelegateCur" => member.versions.delegate_cur = reader.read_u8()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(member)
    }
}

fn write_members(writer: &mut Writer<'_>, members: &[Member]) {
    writer.write_array(members.len());
    members.iter().for_each(|member| member.write(writer));
}

/// The answer to `members` and `members-filtered`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersReply {
    /// In any order.
    pub members: Vec<Member>,
}

impl Frame for MembersReply {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.write_text("Members");
        write_members(writer, &self.members);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut reply = MembersReply::default();
        reader.read_record(&["Members"], |reader, field| {
            match field {
                b"Members" => reply.members = read_records(reader, Member::read)?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(reply)
    }
}

/// The answer to the commands about keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// What members had to say, by their names; normally failures.
    pub messages: BTreeMap<String, String>,
    /// How many members have each key, by the key in base64. None except for a listing.
    pub keys: Option<BTreeMap<String, i64>>,
    /// How many members were asked.
    pub nodes: i64,
    /// How many failed.
    pub errors: i64,
    /// How many answered.
    pub responses: i64,
}

impl Frame for KeyReport {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(5);
        writer.write_text("Keys");
        match &self.keys {
            Some(keys) => {
                writer.write_map(keys.len());
                for (key, count) in keys {
                    writer.write_text(key);
                    writer.write_i64(*count);
                }
            }
            None => writer.write_nil(),
        }
        writer.write_text("Messages");
        write_text_map(writer, &self.messages);
        writer.write_text("NumErr");
        writer.write_i64(self.errors);
        writer.write_text("NumNodes");
        writer.write_i64(self.nodes);
        writer.write_text("NumResp");
        writer.write_i64(self.responses);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut report = KeyReport::default();
        let declared = ["Messages", "Keys", "NumNodes", "NumErr", "NumResp"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Messages" => report.messages = read_text_map(reader)?.unwrap_or_default(),
                b"Keys" => report.keys = read_map(reader, |reader| reader.read_i64())?,
                b"NumNodes" => report.nodes = reader.read_i64()?,
                b"NumErr" => report.errors = reader.read_i64()?,
                b"NumResp" => report.responses = reader.read_i64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(report)
    }
}

/// The answer to `stats`: sections of keys with values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By section and key.
    pub sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Frame for Stats {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(self.sections.len());
        for (name, section) in &self.sections {
            writer.write_text(name);
            write_text_map(writer, section);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let sections = read_map(reader, |reader| Ok(read_text_map(reader)?.unwrap_or_default()))?;
        Ok(Stats { sections: sections.unwrap_or_default() })
    }
}

/// A network coordinate; all in seconds except the error, which has no unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinate {
    /// The Euclidean part; None is nil on the wire.
    pub vec: Option<Vec<f64>>,
    /// The member's confidence.
    pub error: f64,
    /// Correction that learns from the last errors.
    pub adjustment: f64,
    /// Distance from the plane.
    pub height: f64,
}

impl Frame for Coordinate {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(4);
        writer.write_text("Adjustment");
        writer.write_f64(self.adjustment);
        writer.write_text("Error");
        writer.write_f64(self.error);
        writer.write_text("Height");
        writer.write_f64(self.height);
        writer.write_text("Vec");
        match &self.vec {
            Some(vec) => {
                writer.write_array(vec.len());
                vec.iter().for_each(|component| writer.write_f64(*component));
            }
            None => writer.write_nil(),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut coordinate = Coordinate::default();
        let declared = ["Vec", "Error", "Adjustment", "Height"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Vec" => {
                    coordinate.vec = None;
                    if let Some(count) = reader.read_array()? {
                        let mut vec = Vec::new();
                        for _ in 0..count {
                            vec.push(reader.read_f64()?);
                        }
                        coordinate.vec = Some(vec);
                    }
                }
                b"Error" => coordinate.error = reader.read_f64()?,
                b"Adjustment" => coordinate.adjustment = reader.read_f64()?,
                b"Height" => coordinate.height = reader.read_f64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(coordinate)
    }
}

/// The answer to `get-coordinate`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoordinateReply {
    /// All zero if it is not known.
    pub coordinate: Coordinate,
    /// Whether it is known.
    pub known: bool,
}

impl Frame for CoordinateReply {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.write_text("Coord");
        self.coordinate.write(writer);
        writer.write_text("Ok");
        writer.write_bool(self.known);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut reply = CoordinateReply::default();
        reader.read_record(&["Coord", "Ok"], |reader, field| {
            match field {
                b"Coord" => reply.coordinate = Coordinate::read(reader)?,
                b"Ok" => reply.known = reader.read_bool()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(reply)
    }
}

/// A record of `monitor`: one log message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRecord {
    /// Without its final newline, possibly with inner ones.
    pub log: String,
}

impl Frame for LogRecord {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.write_text("Log");
        writer.write_text(&self.log);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut record = LogRecord::default();
        reader.read_record(&["Log"], |reader, field| {
            match field {
                b"Log" => record.log = read_text(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(record)
    }
}

/// A record of `stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRecord {
    /// Members joined, left, failed, changed or were forgotten.
    Members {
        /// `member-join`, `member-leave`, `member-failed`, `member-update` or `member-reap`.
        event: Cow<'static, str>,
        /// Whom it happened to.
        members: Vec<Member>,
    },
    /// A user event.
    User {
        /// Event clock.
        lamport_time: u64,
        /// Its name.
        name: String,
        /// Its payload; None is nil on the wire.
        payload: Option<Bytes>,
        /// Whether it may be coalesced.
        coalesce: bool,
    },
    /// A query, to be answered with `respond`.
    Query {
        /// Number for the answer, valid on this connection only.
        id: u64,
        /// Query clock.
        lamport_time: u64,
        /// Its name.
        name: String,
        /// Its payload; None is nil on the wire.
        payload: Option<Bytes>,
    },
    /// A piece of evidence; only in streams that asked for it.
    Evidence(Evidence),
}

impl Frame for StreamRecord {
    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            StreamRecord::Members { event, members } => {
                writer.write_map(2);
                writer.write_text("Event");
                writer.write_text(event);
                writer.write_text("Members");
                write_members(writer, members);
            }
            StreamRecord::User { lamport_time, name, payload, coalesce } => {
                writer.write_map(5);
                writer.write_text("Coalesce");
                writer.write_bool(*coalesce);
                writer.write_text("Event");
                writer.write_text("user");
                write_event_fields(writer, *lamport_time, name, payload.as_deref());
            }
            StreamRecord::Query { id, lamport_time, name, payload } => {
                writer.write_map(5);
                writer.write_text("Event");
                writer.write_text("query");
                writer.write_text("ID");
                writer.write_u64(*id);
                write_event_fields(writer, *lamport_time, name, payload.as_deref());
            }
            StreamRecord::Evidence(evidence) => evidence.write_fields(writer, Some("evidence")),
        }
    }

    /// Reads a record of any kind; kinds that are not known are taken for events of members,
    /// under their own name.
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut event = String::new();
        let mut members = Vec::new();
        let (mut id, mut lamport_time, mut coalesce) = (0, 0, false);
        let (mut name, mut payload) = (String::new(), None);
        let mut evidence = Evidence::default();
        reader.read_record(&[], |reader, field| {
            match field {
                b"Event" => event = read_text(reader)?,
                b"Members" => members = read_records(reader, Member::read)?,
                b"ID" => id = reader.read_u64()?,
                b"LTime" => lamport_time = reader.read_u64()?,
                b"Coalesce" => coalesce = reader.read_bool()?,
                b"Name" => name = read_text(reader)?,
                b"Payload" => payload = reader.read_byte_list()?.map(Bytes::from),
                _ => {
                    if !evidence.read_field(reader, field)? {
                        reader.skip()?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(match event.as_str() {
            "user" => StreamRecord::User { lamport_time, name, payload, coalesce },
            "query" => StreamRecord::Query { id, lamport_time, name, payload },
            "evidence" => StreamRecord::Evidence(evidence),
            _ => StreamRecord::Members { event: Cow::Owned(event), members },
        })
    }
}

fn write_event_fields(
    writer: &mut Writer<'_>,
    lamport_time: u64,
    name: &str,
    payload: Option<&[u8]>,
) {
    writer.write_text("LTime");
    writer.write_u64(lamport_time);
    writer.write_text("Name");
    writer.write_text(name);
    writer.write_text("Payload");
    writer.write_optional_bytes(payload);
}

/// A record of `query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryRecord {
    /// A member has received the query.
    Ack {
        /// The member.
        from: String,
    },
    /// A member has answered.
    Response {
        /// The member.
        from: String,
        /// The answer; None is nil on the wire.
        payload: Option<Bytes>,
    },
    /// The time is up; nothing follows.
    Done,
}

impl Frame for QueryRecord {
    fn write(&self, writer: &mut Writer<'_>) {
        let (from, payload, kind) = match self {
            QueryRecord::Ack { from } => (from.as_str(), None, "ack"),
            QueryRecord::Response { from, payload } => {
                (from.as_str(), payload.as_deref(), "response")
            }
            QueryRecord::Done => ("", None, "done"),
        };
        writer.write_map(3);
        writer.write_text("From");
        writer.write_text(from);
        writer.write_text("Payload");
        writer.write_optional_bytes(payload);
        writer.write_text("Type");
        writer.write_text(kind);
    }

    /// Reads a record; a kind that is not known is taken for the end, because waiting for one
    /// that never comes would be worse.
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut kind, mut from, mut payload) = (String::new(), String::new(), None);
        reader.read_record(&["Type", "From", "Payload"], |reader, field| {
            match field {
                b"Type" => kind = read_text(reader)?,
                b"From" => from = read_text(reader)?,
                b"Payload" => payload = reader.read_byte_list()?.map(Bytes::from),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(match kind.as_str() {
            "ack" => QueryRecord::Ack { from },
            "response" => QueryRecord::Response { from, payload },
            _ => QueryRecord::Done,
        })
    }
}
