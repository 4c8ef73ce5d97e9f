//! The RPC between an agent and its clients, as values: the specification "Serf agent", section
//! "RPC protocol".
//!
//! A connection carries msgpack values with nothing between them. A client sends a
//! [`RequestHeader`] and, for most commands, a body ([`Request`]); the agent answers with a
//! [`ResponseHeader`] and, for some commands, a body. Records of streams are a response header
//! and a body too.
//!
//! ```text
//!   client   header, body ──▶ RequestStream  ──▶ agent
//!   client ◀── ResponseStream ◀── header, body   agent
//! ```
//!
//! Records are written as maps with the fields in alphabetical order, as the real programs do.
//! Readers are as tolerant as the real agent: a list for a map, unknown fields, absent fields,
//! nil for anything. Text that is not UTF-8 is taken with replacement characters.

mod evidence;
mod request;
mod response;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::msgpack::{Dialect, Reader, Writer};
use crate::{DecodeError, limits};

pub use evidence::{Evidence, EvidenceKind, EvidenceReply};
pub use request::{EventRequest, MembersFilter, QueryRequest, Request};
pub use response::{
    Coordinate, CoordinateReply, JoinReply, KeyReport, LogRecord, Member, MembersReply,
    QueryRecord, Stats, StreamRecord,
};
pub use stream::{RequestStream, ResponseStream};

type Result<T> = std::result::Result<T, DecodeError>;

/// The version of this protocol, as a handshake names it.
pub const VERSION: i64 = 1;

/// A value that is one header or one body on the wire.
pub trait Frame: Sized {
    /// Writes the value with its fields in alphabetical order.
    fn write(&self, writer: &mut Writer<'_>);

    /// Reads one value. Nil is a value with all fields zero.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;

    /// Appends the encoded value.
    fn encode(&self, out: &mut Vec<u8>) {
        self.write(&mut Writer::with_dialect(out, Dialect::Rpc));
    }

    /// Reads a value from the start of `encoded`; what follows it is ignored.
    fn decode(encoded: &[u8]) -> Result<Self> {
        Self::read(&mut Reader::with_dialect(encoded, Dialect::Rpc))
    }
}

/// What stands before every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The command's name; see [`Command::from_name`].
    pub command: String,
    /// Chosen by the client, returned in the answer.
    pub sequence: u64,
}

impl RequestHeader {
    /// Reads the next header of a connection over the previous one: fields that are absent keep
    /// their values, nil clears both.
    pub fn read_over(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let present = reader.read_record(&["Command", "Seq"], |reader, field| {
            match field {
                b"Command" => self.command = read_text(reader)?,
                b"Seq" => self.sequence = reader.read_u64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if !present {
            *self = RequestHeader::default();
        }
        Ok(())
    }
}

impl Frame for RequestHeader {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.write_text("Command");
        writer.write_text(&self.command);
        writer.write_text("Seq");
        writer.write_u64(self.sequence);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut header = RequestHeader::default();
        header.read_over(reader)?;
        Ok(header)
    }
}

/// What stands before every answer and every record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    /// That of the request; for a record that of the request which opened the stream.
    pub sequence: u64,
    /// Empty on success. A body follows all the same if the command has one, except after
    /// [`AUTHENTICATION_REQUIRED`] and [`UNSUPPORTED_COMMAND`].
    pub error: String,
}

/// The error of a command before its client has shown the token. No body follows.
pub const AUTHENTICATION_REQUIRED: &str = "Authentication required";

/// The error of a command that the agent does not know. No body follows, the connection is closed.
pub const UNSUPPORTED_COMMAND: &str = "Unsupported command";

impl Frame for ResponseHeader {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(2);
        writer.write_text("Error");
        writer.write_text(&self.error);
        writer.write_text("Seq");
        writer.write_u64(self.sequence);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut header = ResponseHeader::default();
        reader.read_record(&["Seq", "Error"], |reader, field| {
            match field {
                b"Error" => header.error = read_text(reader)?,
                b"Seq" => header.sequence = reader.read_u64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(header)
    }
}

/// Everything an agent can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Agree on the protocol; must come first.
    Handshake,
    /// Show the token.
    Auth,
    /// Send a user event.
    Event,
    /// Declare a failed member to have left.
    ForceLeave,
    /// Join members by address.
    Join,
    /// All members.
    Members,
    /// The members that match.
    MembersFiltered,
    /// Change the agent's tags.
    Tags,
    /// Subscribe to events.
    Stream,
    /// Subscribe to the log.
    Monitor,
    /// End a subscription.
    Stop,
    /// Leave the cluster, then shut down.
    Leave,
    /// Send a query and receive its answers.
    Query,
    /// Answer a query received through a stream.
    Respond,
    /// Add a key to every member's keyring.
    InstallKey,
    /// Make a key the primary one.
    UseKey,
    /// Take a key out of every member's keyring.
    RemoveKey,
    /// The keys in all keyrings.
    ListKeys,
    /// What the agent tells about itself.
    Stats,
    /// A member's network coordinate.
    GetCoordinate,
    /// Who accused whom of having failed; only Tribune's agents know it.
    Evidence,
}

/// A row of the table of commands: what a body is sent and answered with.
struct CommandRow {
    command: Command,
    name: &'static str,
    request_body: bool,
    response_body: bool,
}

const fn row(
    command: Command,
    name: &'static str,
    request_body: bool,
    response_body: bool,
) -> CommandRow {
    CommandRow { command, name, request_body, response_body }
}

/// In the order of [`Command`].
const COMMANDS: &[CommandRow] = &[
    row(Command::Handshake, "handshake", true, false),
    row(Command::Auth, "auth", true, false),
    row(Command::Event, "event", true, false),
    row(Command::ForceLeave, "force-leave", true, false),
    row(Command::Join, "join", true, true),
    row(Command::Members, "members", false, true),
    row(Command::MembersFiltered, "members-filtered", true, true),
    row(Command::Tags, "tags", true, false),
    row(Command::Stream, "stream", true, false),
    row(Command::Monitor, "monitor", true, false),
    row(Command::Stop, "stop", true, false),
    row(Command::Leave, "leave", false, false),
    row(Command::Query, "query", true, false),
    row(Command::Respond, "respond", true, false),
    row(Command::InstallKey, "install-key", true, true),
    row(Command::UseKey, "use-key", true, true),
    row(Command::RemoveKey, "remove-key", true, true),
    row(Command::ListKeys, "list-keys", false, true),
    row(Command::Stats, "stats", false, true),
    row(Command::GetCoordinate, "get-coordinate", true, true),
    row(Command::Evidence, "evidence", true, true),
];

impl Command {
    /// The command of this name, which is compared exactly.
    pub fn from_name(name: &str) -> Option<Command> {
        COMMANDS.iter().find(|row| row.name == name).map(|row| row.command)
    }

    /// Its name in a header.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether a body follows its header. Where none does, whatever follows is the next header.
    pub fn has_request_body(self) -> bool {
        self.row().request_body
    }

    /// Whether a body follows the header of its answer, on success and on failure alike.
    pub fn has_response_body(self) -> bool {
        self.row().response_body
    }

    fn row(self) -> &'static CommandRow {
        &COMMANDS[self as usize]
    }
}

fn read_text(reader: &mut Reader<'_>) -> Result<String> {
    Ok(String::from_utf8_lossy(reader.read_raw_text()?).into_owned())
}

fn read_text_list(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for _ in 0..reader.read_array()?.unwrap_or_default() {
        list.push(read_text(reader)?);
    }
    Ok(list)
}

/// The records of an answer.
fn read_records<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = reader.read_array()?.unwrap_or_default();
    if count > limits::RPC_RECORDS {
        let (value, limit) = (count as u64, limits::RPC_RECORDS as u64);
        return Err(DecodeError::LimitExceeded { what: "a number of records", value, limit });
    }
    (0..count).map(|_| read(reader)).collect()
}

fn read_text_map(reader: &mut Reader<'_>) -> Result<Option<BTreeMap<String, String>>> {
    read_map(reader, read_text)
}

fn read_map<T>(
    reader: &mut Reader<'_>,
    mut value: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<Option<BTreeMap<String, T>>> {
    let Some(count) = reader.read_map()? else { return Ok(None) };
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let key = read_text(reader)?;
        map.insert(key, value(reader)?);
    }
    Ok(Some(map))
}

/// As Go writes a list that nothing was ever added to: nil.
fn write_text_list(writer: &mut Writer<'_>, list: &[String]) {
    if list.is_empty() {
        return writer.write_nil();
    }
    writer.write_array(list.len());
    list.iter().for_each(|item| writer.write_text(item));
}

fn write_text_map(writer: &mut Writer<'_>, map: &BTreeMap<String, String>) {
    writer.write_map(map.len());
    for (key, value) in map {
        writer.write_text(key);
        writer.write_text(value);
    }
}
