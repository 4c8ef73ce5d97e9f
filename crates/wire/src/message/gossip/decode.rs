//! From bytes.

use bytes::Bytes;

use super::{
    Ack, Alive, BorrowedNodeState, Dead, ENTRY_FIELDS, IndirectPing, Message, Nack, NodeTable,
    Ping, PushPull, PushPullHeader, State, StreamMessage, Suspect, kind,
};
use crate::message::fields::within_limit;
use crate::msgpack::Reader;
use crate::{Address, DecodeError, Incarnation, SequenceNumber, limits};

type Result<T> = std::result::Result<T, DecodeError>;

impl Message {
    /// Decodes one message from its type byte; what follows the message is ignored, as peers do.
    ///
    /// Layers (compound, compress, CRC) are not messages: see [`crate::packet::open`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        let reader = &mut Reader::new(body);
        Ok(match found {
            kind::PING => Message::Ping(Ping::read(reader)?),
            kind::INDIRECT_PING => Message::IndirectPing(IndirectPing::read(reader)?),
            kind::ACK => Message::Ack(Ack::read(reader)?),
            kind::SUSPECT => Message::Suspect(Suspect::read(reader)?),
            kind::ALIVE => Message::Alive(Alive::read(reader)?),
            kind::DEAD => Message::Dead(Dead::read(reader)?),
            kind::USER => Message::User(Bytes::copy_from_slice(body)),
            kind::NACK => Message::Nack(Nack::read(reader)?),
            _ => return Err(DecodeError::UnknownType { what: "message", found }),
        })
    }
}

impl StreamMessage {
    /// Decodes one message of a stream from its type byte, where all of it is at hand.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        StreamMessage::read(found, &mut Reader::new(body))
    }

    /// Reads the message of a type byte already read.
    pub(crate) fn read(found: u8, reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match found {
            kind::PUSH_PULL => StreamMessage::PushPull(PushPull::read(reader)?),
            kind::PING => StreamMessage::Ping(Ping::read(reader)?),
            kind::ACK => StreamMessage::Ack(Ack::read(reader)?),
            kind::USER => {
                let length = read_user_header(reader)?;
                StreamMessage::User(Bytes::copy_from_slice(reader.take(length)?))
            }
            kind::ERROR => StreamMessage::Error(read_error(reader)?),
            _ => return Err(DecodeError::UnknownType { what: "stream message", found }),
        })
    }
}

impl Ping {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut ping = Ping::default();
        let declared = ["SeqNo", "Node", "SourceAddr", "SourcePort", "SourceNode"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"SeqNo" => ping.sequence_number = SequenceNumber(reader.read_u32()?),
                b"Node" => ping.node = reader.read_string()?,
                b"SourceAddr" => ping.source_address = reader.read_address()?,
                b"SourcePort" => ping.source_port = reader.read_u16()?,
                b"SourceNode" => ping.source_node = reader.read_string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(ping)
    }
}

impl IndirectPing {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut ping = IndirectPing::default();
        let declared =
            ["SeqNo", "Target", "Port", "Node", "Nack", "SourceAddr", "SourcePort", "SourceNode"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"SeqNo" => ping.sequence_number = SequenceNumber(reader.read_u32()?),
                b"Target" => ping.target = reader.read_address()?,
                b"Port" => ping.port = reader.read_u16()?,
                b"Node" => ping.node = reader.read_string()?,
                b"Nack" => ping.nack = reader.read_bool()?,
                b"SourceAddr" => ping.source_address = reader.read_address()?,
                b"SourcePort" => ping.source_port = reader.read_u16()?,
                b"SourceNode" => ping.source_node = reader.read_string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(ping)
    }
}

impl Ack {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut ack = Ack::default();
        reader.read_record(&["SeqNo", "Payload"], |reader, field| {
            match field {
                b"SeqNo" => ack.sequence_number = SequenceNumber(reader.read_u32()?),
                b"Payload" => ack.payload = reader.read_payload()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(ack)
    }
}

impl Nack {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut nack = Nack::default();
        reader.read_record(&["SeqNo"], |reader, field| {
            match field {
                b"SeqNo" => nack.sequence_number = SequenceNumber(reader.read_u32()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(nack)
    }
}

impl Suspect {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut incarnation, mut node, mut from, mut health) = (0, "", "", None);
        reader.read_record(&["Incarnation", "Node", "From"], |reader, field| {
            match field {
                b"Incarnation" => incarnation = reader.read_u32()?,
                b"Node" => node = reader.read_text()?,
                b"From" => from = reader.read_text()?,
                b"Health" => {
                    // A note, not worth the accusation: what is no small number counts as absent.
                    let mut ahead = reader.clone();
                    health = if ahead.read_nil()? { None } else { ahead.read_u8().ok() };
                    reader.skip()?;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let incarnation = Incarnation(incarnation);
        Ok(Suspect { incarnation, node: node.into(), from: from.into(), health })
    }
}

impl Alive {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut incarnation, mut node, mut port) = (0, "", 0);
        let mut address = Address::default();
        let (mut meta, mut versions) = (Bytes::new(), Bytes::new());
        let declared = ["Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Incarnation" => incarnation = reader.read_u32()?,
                b"Node" => node = reader.read_text()?,
                b"Addr" => address = reader.read_address()?,
                b"Port" => port = reader.read_u16()?,
                b"Meta" => meta = reader.read_owned_bytes()?,
                b"Vsn" => versions = reader.read_versions()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let incarnation = Incarnation(incarnation);
        Ok(Alive { incarnation, node: node.into(), address, port, meta, versions })
    }
}

impl Dead {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut incarnation, mut node, mut from) = (0, "", "");
        reader.read_record(&["Incarnation", "Node", "From"], |reader, field| {
            match field {
                b"Incarnation" => incarnation = reader.read_u32()?,
                b"Node" => node = reader.read_text()?,
                b"From" => from = reader.read_text()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Dead { incarnation: Incarnation(incarnation), node: node.into(), from: from.into() })
    }
}

impl PushPull {
    /// Reads header, node table and user state.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let header = PushPullHeader::read(reader)?;
        let mut nodes = NodeTable::default();
        for _ in 0..header.nodes {
            nodes.read_entry(reader)?;
        }
        let user_state = Bytes::copy_from_slice(reader.take(header.user_state_length)?);
        Ok(PushPull { join: header.join, nodes, user_state })
    }
}

impl PushPullHeader {
    /// Reads the header. Fails where it claims more than [`limits::PUSH_PULL_NODES`] entries or
    /// [`limits::STREAM_BYTES`] of user state.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut header = PushPullHeader::default();
        reader.read_record(&["Nodes", "UserStateLen", "Join"], |reader, field| {
            match field {
                b"Nodes" => header.nodes = reader.read_count()?,
                b"UserStateLen" => header.user_state_length = reader.read_count()?,
                b"Join" => header.join = reader.read_bool()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        within_limit("node count", header.nodes, limits::PUSH_PULL_NODES)?;
        within_limit("user state length", header.user_state_length, limits::STREAM_BYTES)?;
        Ok(header)
    }
}

impl NodeTable {
    /// Reads one entry and adds it to the others. One that is well-formed but of no use is left
    /// out: a name that is empty or not text, an impossible address, an unknown state. Such an
    /// entry must not keep a whole table from being merged.
    pub fn read_entry(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        if let Some(entry) = BorrowedNodeState::read_usual(reader) {
            self.push(entry);
            return Ok(());
        }
        let entry = reader.read_entry(BorrowedNodeState::read_strictly)?;
        entry.filter(|entry| !entry.name.is_empty()).into_iter().for_each(|entry| self.push(entry));
        Ok(())
    }
}

impl<'a> BorrowedNodeState<'a> {
    /// Reads an entry in the form in which everybody writes it: all fields, in the order of their
    /// names. None, and nothing is read, if it is of another form or anything is wrong with it.
    fn read_usual(reader: &mut Reader<'a>) -> Option<Self> {
        let mut ahead = reader.clone();
        ahead.take_if(ENTRY_FIELDS[0])?;
        let address = ahead.read_address().ok()?;
        ahead.take_if(ENTRY_FIELDS[1])?;
        let incarnation = Incarnation(ahead.read_u32().ok()?);
        ahead.take_if(ENTRY_FIELDS[2])?;
        let meta = ahead.read_bytes().ok()?;
        ahead.take_if(ENTRY_FIELDS[3])?;
        let name = ahead.read_text().ok().filter(|name| !name.is_empty())?;
        ahead.take_if(ENTRY_FIELDS[4])?;
        let port = ahead.read_u16().ok()?;
        ahead.take_if(ENTRY_FIELDS[5])?;
        let state = State::from_wire(ahead.read_i64().ok()?)?;
        ahead.take_if(ENTRY_FIELDS[6])?;
        let versions = ahead.read_bytes().ok()?;
        *reader = ahead;
        Some(BorrowedNodeState { name, address, port, meta, incarnation, state, versions })
    }

    fn read_strictly(reader: &mut Reader<'a>) -> Result<Self> {
        let (mut name, mut port, mut incarnation, mut state) = ("", 0, 0, 0);
        let mut address = Address::default();
        let (mut meta, mut versions) = (&[][..], &[][..]);
        let declared = ["Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Name" => name = reader.read_text()?,
                b"Addr" => address = reader.read_address()?,
                b"Port" => port = reader.read_u16()?,
                b"Meta" => meta = reader.read_bytes()?,
                b"Incarnation" => incarnation = reader.read_u32()?,
                b"State" => state = reader.read_i64()?,
                b"Vsn" => versions = reader.read_bytes()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let unknown = DecodeError::UnknownType { what: "state", found: state as u8 };
        let state = State::from_wire(state).ok_or(unknown)?;
        let incarnation = Incarnation(incarnation);
        Ok(BorrowedNodeState { name, address, port, meta, incarnation, state, versions })
    }
}

impl State {
    /// The state that a number stands for.
    pub fn from_wire(number: i64) -> Option<Self> {
        Some(match number {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Dead,
            3 => State::Left,
            _ => return None,
        })
    }
}

impl Reader<'_> {
    /// Reads a signed length or count, which must not be negative.
    pub(crate) fn read_count(&mut self) -> Result<usize> {
        let count = self.read_i64()?;
        usize::try_from(count).map_err(|_| DecodeError::OutOfRange("a count"))
    }
}

/// Reads the header of a user message on a stream: its length. Fails above
/// [`limits::STREAM_BYTES`].
pub(super) fn read_user_header(reader: &mut Reader<'_>) -> Result<usize> {
    let mut length = 0;
    reader.read_record(&["UserMsgLen"], |reader, field| {
        match field {
            b"UserMsgLen" => length = reader.read_count()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    within_limit("user message length", length, limits::STREAM_BYTES)?;
    Ok(length)
}

/// Reads the text of an error reply. Other than UTF-8 is replaced: the text is for people.
pub(super) fn read_error(reader: &mut Reader<'_>) -> Result<String> {
    let mut text = String::new();
    reader.read_record(&["Error"], |reader, field| {
        match field {
            b"Error" => text = String::from_utf8_lossy(reader.read_raw_text()?).into_owned(),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(text)
}
