//! Our values in the form that the recordings use.

use serde_json::{Map, Value as Json, json};
use wire::message::gossip::{BorrowedNodeState, Message, Ping, PushPull, PushPullHeader};
use wire::message::serf::{
    Filter, KeyResponse, MemberRecord, Query, Relay, SerfMessage, SerfPushPull, UserEvents,
};
use wire::message::{Coordinate, decode_tags};

use super::hex;

pub(crate) fn bytes(raw: &[u8]) -> Json {
    json!({ "$hex": hex(raw) })
}

fn optional(raw: &Option<bytes::Bytes>) -> Json {
    raw.as_deref().map_or(Json::Null, bytes)
}

pub(crate) fn message(message: &Message) -> Json {
    let kind = match message {
        Message::Ping(_) => "ping",
        Message::IndirectPing(_) => "indirect-ping",
        Message::Ack(_) => "ack",
        Message::Nack(_) => "nack",
        Message::Suspect(_) => "suspect",
        Message::Alive(_) => "alive",
        Message::Dead(_) => "dead",
        Message::User(_) => "user",
    };
    let mut tree = json!({ "type": message.kind(), "kind": kind });
    match message {
        Message::Ping(body) => tree["body"] = ping(body),
        Message::IndirectPing(body) => {
            tree["body"] = json!({
                "Nack": body.nack, "Node": body.node, "Port": body.port,
                "SeqNo": body.sequence_number.0,
                "SourceAddr": bytes(body.source_address.as_bytes()),
                "SourceNode": body.source_node, "SourcePort": body.source_port,
                "Target": bytes(body.target.as_bytes()),
            });
        }
        Message::Ack(body) => {
            tree["body"] =
                json!({ "Payload": optional(&body.payload), "SeqNo": body.sequence_number.0 });
            if let Some(Ok(coordinate)) = body.payload.as_deref().map(Coordinate::from_payload) {
                tree["ack_payload"] = json!({
                    "ping_version": Coordinate::PAYLOAD_VERSION,
                    "coordinate": {
                        "Adjustment": coordinate.adjustment, "Error": coordinate.error,
                        "Height": coordinate.height, "Vec": coordinate.vec,
                    },
                });
            }
        }
        Message::Nack(body) => tree["body"] = json!({ "SeqNo": body.sequence_number.0 }),
        Message::Suspect(body) => {
            tree["body"] = json!({
                "From": body.from.as_str(), "Incarnation": body.incarnation.0,
                "Node": body.node.as_str(),
            });
        }
        Message::Alive(body) => {
            tree["body"] = json!({
                "Addr": bytes(body.address.as_bytes()), "Incarnation": body.incarnation.0,
                "Meta": bytes(&body.meta), "Node": body.node.as_str(), "Port": body.port,
                "Vsn": bytes(&body.versions),
            });
            tree["tags"] = json!(decode_tags(&body.meta));
        }
        Message::Dead(body) => {
            tree["body"] = json!({
                "From": body.from.as_str(), "Incarnation": body.incarnation.0,
                "Node": body.node.as_str(),
            });
        }
        Message::User(content) => {
            tree["serf"] = SerfMessage::decode(content).map_or(Json::Null, |body| serf(&body));
        }
    }
    tree
}

/// A ping, without the fields that are left out when empty.
pub(crate) fn ping(ping: &Ping) -> Json {
    let mut body = json!({ "Node": ping.node, "SeqNo": ping.sequence_number.0 });
    if !ping.source_address.is_empty() {
        body["SourceAddr"] = bytes(ping.source_address.as_bytes());
    }
    if !ping.source_node.is_empty() {
        body["SourceNode"] = json!(ping.source_node);
    }
    if ping.source_port != 0 {
        body["SourcePort"] = json!(ping.source_port);
    }
    body
}

pub(crate) fn push_pull(header: &PushPullHeader, body: &PushPull) -> Json {
    let user_state = SerfMessage::decode(&body.user_state).map(|state| serf(&state));
    json!({
        "type": 6, "kind": "push-pull",
        "header": {
            "Join": header.join, "Nodes": header.nodes,
            "UserStateLen": header.user_state_length,
        },
        "nodes": body.nodes.iter().map(node).collect::<Vec<_>>(),
        "user_state": user_state.unwrap_or(Json::Null),
    })
}

fn node(node: BorrowedNodeState<'_>) -> Json {
    json!({
        "Addr": bytes(node.address.as_bytes()), "Incarnation": node.incarnation.0,
        "Meta": bytes(node.meta), "Name": node.name, "Port": node.port,
        "State": node.state.to_wire(), "Vsn": bytes(node.versions),
        "tags": decode_tags(node.meta),
    })
}

pub(crate) fn serf(message: &SerfMessage) -> Json {
    let (kind, body) = match message {
        SerfMessage::Leave(leave) => (
            "leave",
            json!({
                "LTime": leave.lamport_time.0, "Node": leave.node.as_str(), "Prune": leave.prune,
            }),
        ),
        SerfMessage::Join(join) => {
            ("join", json!({ "LTime": join.lamport_time.0, "Node": join.node.as_str() }))
        }
        SerfMessage::PushPull(state) => ("push-pull", serf_push_pull(state)),
        SerfMessage::UserEvent(event) => (
            "user-event",
            json!({
                "CC": event.coalesce, "LTime": event.lamport_time.0, "Name": event.name,
                "Payload": optional(&event.payload),
            }),
        ),
        SerfMessage::Query(body) => ("query", query(body)),
        SerfMessage::QueryResponse(response) => (
            "query-response",
            json!({
                "Flags": response.flags, "From": response.from.as_str(), "ID": response.id,
                "LTime": response.lamport_time.0, "Payload": optional(&response.payload),
            }),
        ),
        SerfMessage::ConflictResponse(record) => {
            ("conflict-response", record.as_ref().map_or(Json::Null, member))
        }
        SerfMessage::KeyRequest(request) => ("key-request", json!({ "Key": bytes(&request.key) })),
        SerfMessage::KeyResponse(response) => ("key-response", key_response(response)),
        SerfMessage::Relay(body) => return relay(body),
    };
    let mut tree = json!({ "type": message.kind(), "kind": kind, "body": body });
    let payload = match message {
        SerfMessage::Query(query) => query.payload.as_deref(),
        SerfMessage::QueryResponse(response) => response.payload.as_deref(),
        _ => None,
    };
    if let Some(Ok(
        inner @ (SerfMessage::ConflictResponse(_)
        | SerfMessage::KeyRequest(_)
        | SerfMessage::KeyResponse(_)),
    )) = payload.map(SerfMessage::decode)
    {
        tree["payload_decoded"] = serf(&inner);
    }
    tree
}

fn relay(relay: &Relay) -> Json {
    json!({
        "type": 9, "kind": "relay",
        "header": {
            "DestAddr": {
                "IP": bytes(relay.destination_address.as_bytes()),
                "Port": relay.destination_port, "Zone": relay.destination_zone,
            },
            "DestName": relay.destination_name,
        },
        "message": SerfMessage::decode(&relay.message).map_or(Json::Null, |inner| serf(&inner)),
    })
}

fn serf_push_pull(state: &SerfPushPull) -> Json {
    let events = state.events.as_ref().map_or(Json::Null, |slots| {
        let non_nil = slots.iter().enumerate().filter_map(|(slot, events)| {
            events.as_ref().map(|events| buffered_events(slot, events))
        });
        json!({ "slots": slots.len(), "non_nil": non_nil.collect::<Vec<_>>() })
    });
    let times = &state.status_lamport_times;
    let times: Map<_, _> =
        times.iter().map(|(name, time)| (name.to_string(), json!(time.0))).collect();
    json!({
        "EventLTime": state.event_lamport_time.0, "Events": events,
        "LTime": state.lamport_time.0,
        "LeftMembers": state.left_members.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "QueryLTime": state.query_lamport_time.0, "StatusLTimes": times,
    })
}

fn buffered_events(slot: usize, events: &UserEvents) -> Json {
    let list = events
        .events
        .iter()
        .map(|event| json!({ "Name": event.name, "Payload": optional(&event.payload) }));
    json!({
        "slot": slot, "LTime": events.lamport_time.0, "Events": list.collect::<Vec<_>>(),
    })
}

fn query(query: &Query) -> Json {
    let filters = query.filters.as_ref().map_or(Json::Null, |filters| {
        let filter = |raw: &bytes::Bytes| match Filter::decode(raw) {
            Ok(Filter::Nodes(nodes)) => json!({ "type": 0, "nodes": nodes, "raw": bytes(raw) }),
            Ok(Filter::Tag { tag, expression }) => {
                json!({ "type": 1, "Tag": tag, "Expr": expression, "raw": bytes(raw) })
            }
            Err(error) => json!(error.to_string()),
        };
        filters.iter().map(filter).collect()
    });
    json!({
        "Addr": bytes(query.address.as_bytes()), "Filters": filters, "Flags": query.flags,
        "ID": query.id, "LTime": query.lamport_time.0, "Name": query.name,
        "Payload": optional(&query.payload), "Port": query.port,
        "RelayFactor": query.relay_factor, "SourceNode": query.source_node,
        "Timeout": query.timeout_ns,
    })
}

fn member(record: &MemberRecord) -> Json {
    let versions = &record.versions;
    json!({
        "Addr": bytes(record.address.as_bytes()), "DelegateCur": versions.delegate_cur,
        "DelegateMax": versions.delegate_max, "DelegateMin": versions.delegate_min,
        "Name": record.name.as_str(), "Port": record.port,
        "ProtocolCur": versions.protocol_cur, "ProtocolMax": versions.protocol_max,
        "ProtocolMin": versions.protocol_min, "Status": record.status, "Tags": record.tags,
    })
}

fn key_response(response: &KeyResponse) -> Json {
    json!({
        "Keys": response.keys, "Message": response.message,
        "PrimaryKey": response.primary_key, "Result": response.result,
    })
}
