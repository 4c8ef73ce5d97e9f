//! The bodies of requests.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Command, Frame, RequestHeader, Result, read_text, read_text_list, read_text_map,
    write_text_list, write_text_map,
};
use crate::msgpack::{Dialect, Reader, Writer};

/// A command with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Agree on the protocol.
    Handshake {
        /// See [`super::VERSION`].
        version: i64,
    },
    /// Show the token.
    Auth {
        /// The token.
        key: String,
    },
    /// Send a user event.
    Event(EventRequest),
    /// Declare a failed member to have left.
    ForceLeave {
        /// The member.
        node: String,
        /// Whether to erase it at once.
        prune: bool,
    },
    /// Join members.
    Join {
        /// `host`, `host:port`, `name/host[:port]`.
        existing: Vec<String>,
        /// Whether to deliver the events that happened before.
        replay: bool,
    },
    /// All members.
    Members,
    /// The members that match.
    MembersFiltered(MembersFilter),
    /// Change the agent's tags: take these away, then set those.
    Tags {
        /// To set.
        tags: BTreeMap<String, String>,
        /// To delete; one that is also set stays.
        delete: Vec<String>,
    },
    /// Subscribe to events.
    Stream {
        /// A filter as for event handlers; empty for everything.
        filter: String,
    },
    /// Subscribe to the log.
    Monitor {
        /// Least level, in any case.
        log_level: String,
    },
    /// End subscriptions.
    Stop {
        /// The sequence number of the request that opened them.
        sequence: u64,
    },
    /// Leave the cluster, then shut down.
    Leave,
    /// Send a query.
    Query(QueryRequest),
    /// Answer a query received through a stream of the same connection.
    Respond {
        /// The number in the query's record.
        id: u64,
        /// The answer.
        payload: Option<Bytes>,
    },
    /// Add a key to every keyring.
    InstallKey {
        /// In base64.
        key: String,
    },
    /// Make a key the primary one.
    UseKey {
        /// In base64.
        key: String,
    },
    /// Take a key out of every keyring.
    RemoveKey {
        /// In base64.
        key: String,
    },
    /// The keys in all keyrings.
    ListKeys,
    /// What the agent tells about itself.
    Stats,
    /// A member's network coordinate.
    GetCoordinate {
        /// The member.
        node: String,
    },
    /// Who accused whom.
    Evidence {
        /// Only about this member; empty for all.
        node: String,
    },
}

/// The body of `event`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRequest {
    /// Its name; may be empty.
    pub name: String,
    /// Its payload; None is nil on the wire.
    pub payload: Option<Bytes>,
    /// Whether receivers may coalesce it.
    pub coalesce: bool,
}

/// The body of `members-filtered`: patterns in RE2 syntax; an empty one lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersFilter {
    /// For the values of tags; a tag that a member lacks counts as empty.
    pub tags: BTreeMap<String, String>,
    /// For the status.
    pub status: String,
    /// For the name.
    pub name: String,
}

/// The body of `query`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRequest {
    /// The members asked; empty for all.
    pub filter_nodes: Vec<String>,
    /// Patterns for the values of tags; None is nil on the wire and means the same as none.
    pub filter_tags: Option<BTreeMap<String, String>>,
    /// Whether acknowledgements are wanted.
    pub request_ack: bool,
    /// Through how many further members answers are relayed.
    pub relay_factor: u8,
    /// How long answers are taken, in nanoseconds; 0 for the agent's default.
    pub timeout_ns: i64,
    /// Its name.
    pub name: String,
    /// Its payload; None is nil on the wire.
    pub payload: Option<Bytes>,
}

impl Request {
    /// Its command.
    pub fn command(&self) -> Command {
        match self {
            Request::Handshake { .. } => Command::Handshake,
            Request::Auth { .. } => Command::Auth,
            Request::Event(_) => Command::Event,
            Request::ForceLeave { .. } => Command::ForceLeave,
            Request::Join { .. } => Command::Join,
            Request::Members => Command::Members,
            Request::MembersFiltered(_) => Command::MembersFiltered,
            Request::Tags { .. } => Command::Tags,
            Request::Stream { .. } => Command::Stream,
            Request::Monitor { .. } => Command::Monitor,
            Request::Stop { .. } => Command::Stop,
            Request::Leave => Command::Leave,
            Request::Query(_) => Command::Query,
            Request::Respond { .. } => Command::Respond,
            Request::InstallKey { .. } => Command::InstallKey,
            Request::UseKey { .. } => Command::UseKey,
            Request::RemoveKey { .. } => Command::RemoveKey,
            Request::ListKeys => Command::ListKeys,
            Request::Stats => Command::Stats,
            Request::GetCoordinate { .. } => Command::GetCoordinate,
            Request::Evidence { .. } => Command::Evidence,
        }
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u64, out: &mut Vec<u8>) {
        RequestHeader { command: self.command().name().to_owned(), sequence }.encode(out);
        self.write_body(&mut Writer::with_dialect(out, Dialect::Rpc));
    }

    /// Writes the body, if the command has one.
    pub fn write_body(&self, writer: &mut Writer<'_>) {
        match self {
            Request::Handshake { version } => {
                writer.write_map(1);
                writer.write_text("Version");
                writer.write_i64(*version);
            }
            Request::Auth { key } => write_one_text(writer, "AuthKey", key),
            Request::Event(event) => event.write(writer),
            Request::ForceLeave { node, prune } => {
                writer.write_map(2);
                writer.write_text("Node");
                writer.write_text(node);
                writer.write_text("Prune");
                writer.write_bool(*prune);
            }
            Request::Join { existing, replay } => {
                writer.write_map(2);
                writer.write_text("Existing");
                write_text_list(writer, existing);
                writer.write_text("Replay");
                writer.write_bool(*replay);
            }
            Request::MembersFiltered(filter) => filter.write(writer),
            Request::Tags { tags, delete } => {
                writer.write_map(2);
                writer.write_text("DeleteTags");
                write_text_list(writer, delete);
                writer.write_text("Tags");
                write_text_map(writer, tags);
            }
            Request::Stream { filter } => write_one_text(writer, "Type", filter),
            Request::Monitor { log_level } => write_one_text(writer, "LogLevel", log_level),
            Request::Stop { sequence } => {
                writer.write_map(1);
                writer.write_text("Stop");
                writer.write_u64(*sequence);
            }
            Request::Query(query) => query.write(writer),
            Request::Respond { id, payload } => {
                writer.write_map(2);
                writer.write_text("ID");
                writer.write_u64(*id);
                writer.write_text("Payload");
                writer.write_optional_bytes(payload.as_deref());
            }
            Request::InstallKey { key } | Request::UseKey { key } | Request::RemoveKey { key } => {
                write_one_text(writer, "Key", key)
            }
            Request::GetCoordinate { node } | Request::Evidence { node } => {
                write_one_text(writer, "Node", node);
            }
            Request::Members | Request::Leave | Request::ListKeys | Request::Stats => {}
        }
    }

    /// Reads the body of a command, if it has one.
    pub fn read_body(command: Command, reader: &mut Reader<'_>) -> Result<Request> {
        Ok(match command {
            Command::Handshake => {
                let mut version = 0;
                reader.read_record(&["Version"], |reader, field| {
                    match field {
                        b"Version" => version = reader.read_i64()?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?;
                Request::Handshake { version }
            }
            Command::Auth => Request::Auth { key: read_one_text(reader, "AuthKey")? },
            Command::Event => Request::Event(EventRequest::read(reader)?),
            Command::ForceLeave => read_force_leave(reader)?,
            Command::Join => read_join(reader)?,
            Command::Members => Request::Members,
            Command::MembersFiltered => Request::MembersFiltered(MembersFilter::read(reader)?),
            Command::Tags => read_tags(reader)?,
            Command::Stream => Request::Stream { filter: read_one_text(reader, "Type")? },
            Command::Monitor => Request::Monitor { log_level: read_one_text(reader, "LogLevel")? },
            Command::Stop => {
                let mut sequence = 0;
                reader.read_record(&["Stop"], |reader, field| {
                    match field {
                        b"Stop" => sequence = reader.read_u64()?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?;
                Request::Stop { sequence }
            }
            Command::Leave => Request::Leave,
            Command::Query => Request::Query(QueryRequest::read(reader)?),
            Command::Respond => read_respond(reader)?,
            Command::InstallKey => Request::InstallKey { key: read_one_text(reader, "Key")? },
            Command::UseKey => Request::UseKey { key: read_one_text(reader, "Key")? },
            Command::RemoveKey => Request::RemoveKey { key: read_one_text(reader, "Key")? },
            Command::ListKeys => Request::ListKeys,
            Command::Stats => Request::Stats,
            Command::GetCoordinate => {
                Request::GetCoordinate { node: read_one_text(reader, "Node")? }
            }
            Command::Evidence => Request::Evidence { node: read_one_text(reader, "Node")? },
        })
    }
}

fn write_one_text(writer: &mut Writer<'_>, name: &str, text: &str) {
    writer.write_map(1);
    writer.write_text(name);
    writer.write_text(text);
}

fn read_one_text(reader: &mut Reader<'_>, name: &str) -> Result<String> {
    let mut text = String::new();
    reader.read_record(&[name], |reader, field| {
        if field == name.as_bytes() {
            text = read_text(reader)?;
            return Ok(());
        }
        reader.skip()
    })?;
    Ok(text)
}

fn read_force_leave(reader: &mut Reader<'_>) -> Result<Request> {
    let (mut node, mut prune) = (String::new(), false);
    reader.read_record(&["Node", "Prune"], |reader, field| {
        match field {
            b"Node" => node = read_text(reader)?,
            b"Prune" => prune = reader.read_bool()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::ForceLeave { node, prune })
}

fn read_join(reader: &mut Reader<'_>) -> Result<Request> {
    let (mut existing, mut replay) = (Vec::new(), false);
    reader.read_record(&["Existing", "Replay"], |reader, field| {
        match field {
            b"Existing" => existing = read_text_list(reader)?,
            b"Replay" => replay = reader.read_bool()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Join { existing, replay })
}

fn read_tags(reader: &mut Reader<'_>) -> Result<Request> {
    let (mut tags, mut delete) = (BTreeMap::new(), Vec::new());
    reader.read_record(&["Tags", "DeleteTags"], |reader, field| {
        match field {
            b"Tags" => tags = read_text_map(reader)?.unwrap_or_default(),
            b"DeleteTags" => delete = read_text_list(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Tags { tags, delete })
}

fn read_respond(reader: &mut Reader<'_>) -> Result<Request> {
    let (mut id, mut payload) = (0, None);
    reader.read_record(&["ID", "Payload"], |reader, field| {
        match field {
            b"ID" => id = reader.read_u64()?,
            b"Payload" => payload = reader.read_byte_list()?.map(Bytes::from),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(Request::Respond { id, payload })
}

impl Frame for EventRequest {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(3);
        writer.write_text("Coalesce");
        writer.write_bool(self.coalesce);
        writer.write_text("Name");
        writer.write_text(&self.name);
        writer.write_text("Payload");
        writer.write_optional_bytes(self.payload.as_deref());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut event = EventRequest::default();
        reader.read_record(&["Name", "Payload", "Coalesce"], |reader, field| {
            match field {
                b"Name" => event.name = read_text(reader)?,
                b"Payload" => event.payload = reader.read_byte_list()?.map(Bytes::from),
                b"Coalesce" => event.coalesce = reader.read_bool()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(event)
    }
}

impl Frame for MembersFilter {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(3);
        writer.write_text("Name");
        writer.write_text(&self.name);
        writer.write_text("Status");
        writer.write_text(&self.status);
        writer.write_text("Tags");
        write_text_map(writer, &self.tags);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut filter = MembersFilter::default();
        reader.read_record(&["Tags", "Status", "Name"], |reader, field| {
            match field {
                b"Tags" => filter.tags = read_text_map(reader)?.unwrap_or_default(),
                b"Status" => filter.status = read_text(reader)?,
                b"Name" => filter.name = read_text(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(filter)
    }
}

/// The fields of `query` in the order of their declaration.
const QUERY_FIELDS: [&str; 7] =
    ["FilterNodes", "FilterTags", "RequestAck", "RelayFactor", "Timeout", "Name", "Payload"];

impl Frame for QueryRequest {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(7);
        writer.write_text("FilterNodes");
        write_text_list(writer, &self.filter_nodes);
        writer.write_text("FilterTags");
        match &self.filter_tags {
            Some(tags) => write_text_map(writer, tags),
            None => writer.write_nil(),
        }
        writer.write_text("Name");
        writer.write_text(&self.name);
        writer.write_text("Payload");
        writer.write_optional_bytes(self.payload.as_deref());
        writer.write_text("RelayFactor");
        writer.write_u64(u64::from(self.relay_factor));
        writer.write_text("RequestAck");
        writer.write_bool(self.request_ack);
        writer.write_text("Timeout");
        writer.write_i64(self.timeout_ns);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut query = QueryRequest::default();
        reader.read_record(&QUERY_FIELDS, |reader, field| {
            match field {
                b"FilterNodes" => query.filter_nodes = read_text_list(reader)?,
                b"FilterTags" => query.filter_tags = read_text_map(reader)?,
                b"RequestAck" => query.request_ack = reader.read_bool()?,
                b"RelayFactor" => query.relay_factor = reader.read_u8()?,
                b"Timeout" => query.timeout_ns = reader.read_i64()?,
                b"Name" => query.name = read_text(reader)?,
                b"Payload" => query.payload = reader.read_byte_list()?.map(Bytes::from),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(query)
    }
}
