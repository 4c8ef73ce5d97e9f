//! From bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    BufferedEvent, Filter, JoinIntent, KeyRequest, KeyResponse, LeaveIntent, MemberRecord, Query,
    QueryResponse, Relay, SerfMessage, SerfPushPull, StatusTimes, UserEvent, UserEvents, kind,
};
use crate::message::fields::within_limit;
use crate::message::tags::read_tags;
use crate::msgpack::Reader;
use crate::{Address, DecodeError, LamportTime, Versions, limits};

type Result<T> = std::result::Result<T, DecodeError>;

impl SerfMessage {
    /// Decodes one message from its type byte; what follows the message is ignored, as peers do.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        let reader = &mut Reader::new(body);
        Ok(match found {
            kind::LEAVE => SerfMessage::Leave(LeaveIntent::read(reader)?),
            kind::JOIN => SerfMessage::Join(JoinIntent::read(reader)?),
            kind::PUSH_PULL => SerfMessage::PushPull(SerfPushPull::read(reader)?),
            kind::USER_EVENT => SerfMessage::UserEvent(UserEvent::read(reader)?),
            kind::QUERY => SerfMessage::Query(Query::read(reader)?),
            kind::QUERY_RESPONSE => SerfMessage::QueryResponse(QueryResponse::read(reader)?),
            kind::CONFLICT_RESPONSE => SerfMessage::ConflictResponse(MemberRecord::read(reader)?),
            kind::KEY_REQUEST => SerfMessage::KeyRequest(KeyRequest::read(reader)?),
            kind::KEY_RESPONSE => SerfMessage::KeyResponse(KeyResponse::read(reader)?),
            kind::RELAY => SerfMessage::Relay(Relay::read(reader)?),
            _ => return Err(DecodeError::UnknownType { what: "Serf message", found }),
        })
    }
}

impl LeaveIntent {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut lamport_time, mut node, mut prune) = (LamportTime(0), "", false);
        reader.read_record(&["LTime", "Node", "Prune"], |reader, field| {
            match field {
                b"LTime" => lamport_time = LamportTime(reader.read_u64()?),
                b"Node" => node = reader.read_text()?,
                b"Prune" => prune = reader.read_bool()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(LeaveIntent { lamport_time, node: node.into(), prune })
    }
}

impl JoinIntent {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut lamport_time, mut node) = (LamportTime(0), "");
        reader.read_record(&["LTime", "Node"], |reader, field| {
            match field {
                b"LTime" => lamport_time = LamportTime(reader.read_u64()?),
                b"Node" => node = reader.read_text()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(JoinIntent { lamport_time, node: node.into() })
    }
}

impl SerfPushPull {
    /// Reads the body. Names that are not text are left out, so that one bad name does not keep
    /// the rest from being merged.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut state = SerfPushPull::default();
        let declared =
            ["LTime", "StatusLTimes", "LeftMembers", "EventLTime", "Events", "QueryLTime"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"LTime" => state.lamport_time = LamportTime(reader.read_u64()?),
                b"StatusLTimes" => state.status_lamport_times = read_status_times(reader)?,
                b"LeftMembers" => {
                    let limit = limits::PUSH_PULL_NODES;
                    let names = reader.read_list("left member count", limit, |reader| {
                        reader.read_entry(Reader::read_name)
                    })?;
                    state.left_members = names.unwrap_or_default();
                }
                b"EventLTime" => state.event_lamport_time = LamportTime(reader.read_u64()?),
                b"Events" => state.events = read_events(reader)?,
                b"QueryLTime" => state.query_lamport_time = LamportTime(reader.read_u64()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(state)
    }
}

fn read_status_times(reader: &mut Reader<'_>) -> Result<StatusTimes> {
    let count = reader.read_map()?.unwrap_or_default();
    within_limit("status time count", count, limits::PUSH_PULL_NODES)?;
    let mut times = Vec::new();
    for _ in 0..count {
        let name = reader.read_entry(Reader::read_text)?;
        let time = LamportTime(reader.read_u64()?);
        times.extend(name.map(|name| (name, time)));
    }
    Ok(times.into_iter().collect())
}

fn read_events(reader: &mut Reader<'_>) -> Result<Option<Vec<Option<UserEvents>>>> {
    // Bounds the sum over all slots: empty events cost their sender one byte each.
    let mut budget = limits::PUSH_PULL_EVENTS;
    reader.read_list("event slot count", limits::EVENT_SLOTS, |reader| {
        if reader.read_nil()? {
            return Ok(Some(None));
        }
        let events = UserEvents::read(reader, budget)?;
        budget -= events.events.len();
        Ok(Some(Some(events)))
    })
}

impl UserEvents {
    fn read(reader: &mut Reader<'_>, limit: usize) -> Result<Self> {
        let (mut lamport_time, mut events) = (LamportTime(0), Vec::new());
        reader.read_record(&["LTime", "Events"], |reader, field| {
            match field {
                b"LTime" => lamport_time = LamportTime(reader.read_u64()?),
                b"Events" => {
                    let list = reader.read_list("event count", limit, |reader| {
                        reader.read_entry(BufferedEvent::read)
                    })?;
                    events = list.unwrap_or_default();
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(UserEvents { lamport_time, events })
    }
}

impl BufferedEvent {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut event = BufferedEvent { name: String::new(), payload: None };
        reader.read_record(&["Name", "Payload"], |reader, field| {
            match field {
                b"Name" => event.name = reader.read_string()?,
                b"Payload" => event.payload = reader.read_payload()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(event)
    }
}

impl UserEvent {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut event = UserEvent {
            lamport_time: LamportTime(0),
            name: String::new(),
            payload: None,
            coalesce: false,
        };
        reader.read_record(&["LTime", "Name", "Payload", "CC"], |reader, field| {
            match field {
                b"LTime" => event.lamport_time = LamportTime(reader.read_u64()?),
                b"Name" => event.name = reader.read_string()?,
                b"Payload" => event.payload = reader.read_payload()?,
                b"CC" => event.coalesce = reader.read_bool()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(event)
    }
}

impl Query {
    const DECLARED: [&str; 11] = [
        "LTime",
        "ID",
        "Addr",
        "Port",
        "SourceNode",
        "Filters",
        "Flags",
        "RelayFactor",
        "Timeout",
        "Name",
        "Payload",
    ];

    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut query = Query {
            lamport_time: LamportTime(0),
            id: 0,
            address: Address::default(),
            port: 0,
            source_node: String::new(),
            filters: None,
            flags: 0,
            relay_factor: 0,
            timeout_ns: 0,
            name: String::new(),
            payload: None,
        };
        reader.read_record(&Query::DECLARED, |reader, field| {
            match field {
                b"LTime" => query.lamport_time = LamportTime(reader.read_u64()?),
                b"ID" => query.id = reader.read_u32()?,
                b"Addr" => query.address = reader.read_address()?,
                b"Port" => query.port = reader.read_u16()?,
                b"SourceNode" => query.source_node = reader.read_string()?,
                b"Filters" => {
                    query.filters =
                        reader.read_list("filter count", limits::FILTERS, |reader| {
                            reader.read_owned_bytes().map(Some)
                        })?;
                }
                b"Flags" => query.flags = reader.read_u32()?,
                b"RelayFactor" => query.relay_factor = reader.read_u8()?,
                b"Timeout" => query.timeout_ns = reader.read_i64()?,
                b"Name" => query.name = reader.read_string()?,
                b"Payload" => query.payload = reader.read_payload()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(query)
    }
}

impl Filter {
    /// Decodes one filter from its type byte.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        let reader = &mut Reader::new(body);
        match found {
            Filter::NODES => {
                let limit = limits::PUSH_PULL_NODES;
                let names = reader
                    .read_list("filter node count", limit, |reader| reader.read_string().map(Some));
                Ok(Filter::Nodes(names?.unwrap_or_default()))
            }
            Filter::TAG => {
                let (mut tag, mut expression) = (String::new(), String::new());
                reader.read_record(&["Tag", "Expr"], |reader, field| {
                    match field {
                        b"Tag" => tag = reader.read_string()?,
                        b"Expr" => expression = reader.read_string()?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?;
                Ok(Filter::Tag { tag, expression })
            }
            _ => Err(DecodeError::UnknownType { what: "filter", found }),
        }
    }
}

impl QueryResponse {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut lamport_time, mut id, mut from) = (LamportTime(0), 0, "");
        let (mut flags, mut payload) = (0, None);
        let declared = ["LTime", "ID", "From", "Flags", "Payload"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"LTime" => lamport_time = LamportTime(reader.read_u64()?),
                b"ID" => id = reader.read_u32()?,
                b"From" => from = reader.read_text()?,
                b"Flags" => flags = reader.read_u32()?,
                b"Payload" => payload = reader.read_payload()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(QueryResponse { lamport_time, id, from: from.into(), flags, payload })
    }
}

impl MemberRecord {
    const DECLARED: [&str; 11] = [
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

    /// Reads the body; None for nil, which says that the name is unknown.
    pub fn read(reader: &mut Reader<'_>) -> Result<Option<Self>> {
        let (mut name, mut address, mut port) = ("", Address::default(), 0);
        let (mut tags, mut status) = (BTreeMap::new(), 0);
        let mut versions = Versions::default();
        let known = reader.read_record(&MemberRecord::DECLARED, |reader, field| {
            match field {
                b"Name" => name = reader.read_text()?,
                b"Addr" => address = reader.read_address()?,
                b"Port" => port = reader.read_u16()?,
                b"Tags" => {
                    tags.clear();
                    read_tags(reader, &mut tags)?;
                }
                b"Status" => status = reader.read_i64()?,
                b"ProtocolMin" => versions.protocol_min = reader.read_u8()?,
                b"ProtocolMax" => versions.protocol_max = reader.read_u8()?,
                b"ProtocolCur" => versions.protocol_cur = reader.read_u8()?,
                b"DelegateMin" => versions.delegate_min = reader.read_u8()?,
                b"DelegateMax" => versions.delegate_max = reader.read_u8()?,
                b"DelegateCur" => versions.delegate_cur = reader.read_u8()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let name = name.into();
        Ok(known.then_some(MemberRecord { name, address, port, tags, status, versions }))
    }
}

impl KeyRequest {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut key = Bytes::new();
        reader.read_record(&["Key"], |reader, field| {
            match field {
                b"Key" => key = reader.read_owned_bytes()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(KeyRequest { key })
    }
}

impl KeyResponse {
    /// Reads the body.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut response = KeyResponse::default();
        let declared = ["Result", "Message", "Keys", "PrimaryKey"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Result" => response.result = reader.read_bool()?,
                b"Message" => response.message = reader.read_string()?,
                b"Keys" => {
                    response.keys = reader.read_list("key count", limits::KEYS, |reader| {
                        reader.read_string().map(Some)
                    })?;
                }
                b"PrimaryKey" => response.primary_key = reader.read_string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(response)
    }
}

impl Relay {
    /// Reads the header; what follows it is the message.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut relay = Relay {
            destination_address: Address::default(),
            destination_port: 0,
            destination_zone: String::new(),
            destination_name: String::new(),
            message: Bytes::new(),
        };
        reader.read_record(&["DestAddr", "DestName"], |reader, field| {
            match field {
                b"DestAddr" => relay.read_destination(reader)?,
                b"DestName" => relay.destination_name = reader.read_string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        relay.message = Bytes::copy_from_slice(reader.rest());
        Ok(relay)
    }

    fn read_destination(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        reader.read_record(&["IP", "Port", "Zone"], |reader, field| {
            match field {
                b"IP" => self.destination_address = reader.read_address()?,
                b"Port" => self.destination_port = reader.read_u16()?,
                b"Zone" => self.destination_zone = reader.read_string()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(())
    }
}
