//! decode(encode(x)) = x; nothing panics, whatever comes; chunks do not matter.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use wire::message::gossip::{kind, *};
use wire::message::serf::*;
use wire::message::{Coordinate, decode_tags, encode_tags};
use wire::msgpack::{IntegerHabit, Reader, Writer};
use wire::packet::{self, SealOptions};
use wire::seal::SealVersion;
use wire::stream::{Progress, Role, StreamDecoder};
use wire::{
    Address, Incarnation, Key, Keyring, LamportTime, NodeName, Security, SequenceNumber, Versions,
    lzw,
};

fn names() -> impl Strategy<Value = NodeName> {
    ".{1,40}".prop_map(NodeName::from)
}

fn some_bytes(longest: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=longest).prop_map(Bytes::from)
}

fn addresses() -> impl Strategy<Value = Address> {
    vec(any::<u8>(), 0..=16).prop_map(|raw| Address::from_bytes(&raw).unwrap())
}

fn times() -> impl Strategy<Value = LamportTime> {
    any::<u64>().prop_map(LamportTime)
}

fn incarnations() -> impl Strategy<Value = Incarnation> {
    any::<u32>().prop_map(Incarnation)
}

fn pings() -> impl Strategy<Value = Ping> {
    (any::<u32>(), ".{0,40}", addresses(), any::<u16>(), ".{0,40}").prop_map(
        |(number, node, source_address, source_port, source_node)| Ping {
            sequence_number: SequenceNumber(number),
            node,
            source_address,
            source_port,
            source_node,
        },
    )
}

fn messages() -> impl Strategy<Value = Message> {
    let indirect = (pings(), addresses(), any::<u16>(), any::<bool>()).prop_map(
        |(ping, target, port, nack)| IndirectPing {
            sequence_number: ping.sequence_number,
            target,
            port,
            node: ping.node,
            nack,
            source_address: ping.source_address,
            source_port: ping.source_port,
            source_node: ping.source_node,
        },
    );
    let suspect = (incarnations(), names(), names(), option::of(any::<u8>()))
        .prop_map(|(incarnation, node, from, health)| Suspect { incarnation, node, from, health });
    let alive =
        (incarnations(), names(), addresses(), any::<u16>(), some_bytes(300), some_bytes(8))
            .prop_map(|(incarnation, node, address, port, meta, versions)| Alive {
                incarnation,
                node,
                address,
                port,
                meta,
                versions,
            });
    let number = || any::<u32>().prop_map(SequenceNumber);
    prop_oneof![
        pings().prop_map(Message::Ping),
        indirect.prop_map(Message::IndirectPing),
        (number(), option::of(some_bytes(200)))
            .prop_map(|(sequence_number, payload)| Message::Ack(Ack { sequence_number, payload })),
        number().prop_map(|sequence_number| Message::Nack(Nack { sequence_number })),
        suspect.prop_map(Message::Suspect),
        alive.prop_map(Message::Alive),
        (incarnations(), names(), names()).prop_map(|(incarnation, node, from)| {
            Message::Dead(Dead { incarnation, node, from })
        }),
        some_bytes(700).prop_map(Message::User),
    ]
}

fn push_pulls() -> impl Strategy<Value = PushPull> {
    let state =
        prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Dead), Just(State::Left)];
    let node =
        (names(), addresses(), any::<u16>(), some_bytes(100), incarnations(), state, some_bytes(8))
            .prop_map(|(name, address, port, meta, incarnation, state, versions)| NodeState {
                name,
                address,
                port,
                meta,
                incarnation,
                state,
                versions,
            });
    (any::<bool>(), vec(node, 0..20), some_bytes(500)).prop_map(|(join, nodes, user_state)| {
        PushPull { join, nodes: nodes.into_iter().collect(), user_state }
    })
}

fn serf_push_pulls() -> impl Strategy<Value = SerfPushPull> {
    let event = (".{0,20}", option::of(some_bytes(50)))
        .prop_map(|(name, payload)| BufferedEvent { name, payload });
    let slot = (times(), vec(event, 0..4))
        .prop_map(|(lamport_time, events)| UserEvents { lamport_time, events });
    (
        times(),
        btree_map(names(), times(), 0..20),
        vec(names(), 0..5),
        times(),
        option::of(vec(option::of(slot), 0..30)),
        times(),
    )
        .prop_map(|(lamport_time, status, left_members, event, events, query)| SerfPushPull {
            lamport_time,
            status_lamport_times: status.into_iter().collect(),
            left_members,
            event_lamport_time: event,
            events,
            query_lamport_time: query,
        })
}

fn queries() -> impl Strategy<Value = Query> {
    let wheres = (addresses(), any::<u16>(), ".{0,40}");
    let hows = (option::of(vec(some_bytes(40), 0..4)), any::<u32>(), any::<u8>(), any::<i64>());
    (times(), any::<u32>(), wheres, hows, ".{0,40}", option::of(some_bytes(100))).prop_map(
        |(lamport_time, id, wheres, hows, name, payload)| Query {
            lamport_time,
            id,
            address: wheres.0,
            port: wheres.1,
            source_node: wheres.2,
            filters: hows.0,
            flags: hows.1,
            relay_factor: hows.2,
            timeout_ns: hows.3,
            name,
            payload,
        },
    )
}

fn tag_maps() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(".{0,20}", ".{0,40}", 0..8)
}

fn records() -> impl Strategy<Value = MemberRecord> {
    (names(), addresses(), any::<u16>(), tag_maps(), any::<i64>(), any::<[u8; 6]>()).prop_map(
        |(name, address, port, tags, status, versions)| {
            let versions = Versions::from_bytes(&versions).unwrap();
            MemberRecord { name, address, port, tags, status, versions }
        },
    )
}

fn serf_messages() -> impl Strategy<Value = SerfMessage> {
    let response = (times(), any::<u32>(), names(), any::<u32>(), option::of(some_bytes(100)))
        .prop_map(|(lamport_time, id, from, flags, payload)| QueryResponse {
            lamport_time,
            id,
            from,
            flags,
            payload,
        });
    let event = (times(), ".{0,40}", option::of(some_bytes(100)), any::<bool>()).prop_map(
        |(lamport_time, name, payload, coalesce)| UserEvent {
            lamport_time,
            name,
            payload,
            coalesce,
        },
    );
    let keys = (any::<bool>(), ".{0,40}", option::of(vec("[A-Za-z0-9+/=]{44}", 0..5)), ".{0,44}")
        .prop_map(|(result, message, keys, primary_key)| KeyResponse {
            result,
            message,
            keys,
            primary_key,
        });
    let relay = (addresses(), any::<u16>(), ".{0,10}", ".{0,40}", some_bytes(300)).prop_map(
        |(address, port, zone, name, message)| Relay {
            destination_address: address,
            destination_port: port,
            destination_zone: zone,
            destination_name: name,
            message,
        },
    );
    prop_oneof![
        (times(), names(), any::<bool>()).prop_map(|(lamport_time, node, prune)| {
            SerfMessage::Leave(LeaveIntent { lamport_time, node, prune })
        }),
        (times(), names()).prop_map(|(lamport_time, node)| {
            SerfMessage::Join(JoinIntent { lamport_time, node })
        }),
        serf_push_pulls().prop_map(SerfMessage::PushPull),
        event.prop_map(SerfMessage::UserEvent),
        queries().prop_map(SerfMessage::Query),
        response.prop_map(SerfMessage::QueryResponse),
        option::of(records()).prop_map(SerfMessage::ConflictResponse),
        some_bytes(40).prop_map(|key| SerfMessage::KeyRequest(KeyRequest { key })),
        keys.prop_map(SerfMessage::KeyResponse),
        relay.prop_map(SerfMessage::Relay),
    ]
}

fn encoded(habit: IntegerHabit, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out).habit(habit));
    out
}

fn securities() -> impl Strategy<Value = Security> {
    let key = prop_oneof![vec(any::<u8>(), 16), vec(any::<u8>(), 24), vec(any::<u8>(), 32)];
    (option::of(key), "[a-z]{0,20}").prop_map(|(raw, label)| Security {
        keyring: raw.map(|raw| Keyring::new(Key::new(&raw).unwrap())),
        label: label.into(),
        ..Security::default()
    })
}

/// The first outcome of a stream that comes in pieces of these sizes, over and over.
fn read_in_pieces(bytes: &[u8], role: Role, security: &Security, sizes: &[usize]) -> Progress {
    let mut decoder = StreamDecoder::new(role, security.clone());
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = later;
        let progress = decoder.feed(piece);
        if progress != Progress::NeedMore {
            return progress;
        }
    }
    Progress::NeedMore
}

/// Feeds bytes to every decoder there is.
fn decode_everything(bytes: &[u8]) {
    let _ = Message::decode(bytes);
    let _ = StreamMessage::decode(bytes);
    let _ = SerfMessage::decode(bytes);
    let _ = Filter::decode(bytes);
    let _ = Coordinate::from_payload(bytes);
    let _ = decode_tags(bytes);
    let _ = lzw::decompress(bytes, &mut (1 << 16));
    let keyring = Keyring::new(Key::new(&[1; 16]).unwrap());
    for keyring in [None, Some(keyring)] {
        for verify_incoming in [true, false] {
            let security =
                Security { keyring: keyring.clone(), verify_incoming, ..Security::default() };
            packet::open(bytes, &security, |_| ());
            for role in [Role::Listener, Role::Dialer] {
                StreamDecoder::new(role, security.clone()).feed(bytes);
            }
        }
    }
}

/// The bytes of every recorded message, whole and cut out of its layers.
fn recorded() -> Vec<Vec<u8>> {
    let vectors = support::all_vectors().into_iter().flat_map(|(_, vectors)| vectors);
    let hexes = vectors.flat_map(|vector| {
        ["hex", "message_hex"].map(|key| vector.get(key)?.as_str().map(support::unhex))
    });
    hexes.flatten().collect()
}

proptest! {
    #[test]
    fn gossip_messages_come_back(message in messages()) {
        let bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes), Ok(message.clone()));
        for end in 1..bytes.len() {
            let whole = matches!(message, Message::User(_));
            prop_assert_eq!(Message::decode(&bytes[..end]).is_ok(), whole);
        }
    }

    #[test]
    fn serf_messages_come_back_in_both_habits(message in serf_messages()) {
        for habit in [IntegerHabit::Unsigned, IntegerHabit::Signed] {
            let bytes = encoded(habit, |writer| message.write(writer));
            prop_assert_eq!(SerfMessage::decode(&bytes), Ok(message.clone()));
        }
    }

    #[test]
    fn tags_come_back(tags in tag_maps()) {
        prop_assert_eq!(decode_tags(&encode_tags(&tags)), tags);
    }

    #[test]
    fn coordinates_come_back(parts in vec(-1e3..1e3, 3..20)) {
        let (scalars, vec) = parts.split_at(3);
        let [error, adjustment, height] = *scalars else { unreachable!() };
        let coordinate = Coordinate { vec: vec.to_vec(), error, adjustment, height };
        prop_assert_eq!(Coordinate::from_payload(&coordinate.to_payload()), Ok(coordinate));
    }

    #[test]
    fn lzw_comes_back(parts in vec((any::<u8>(), 1..400_usize), 0..200)) {
        let run = |&(byte, count): &(u8, usize)| (0..count).map(move |i| byte ^ i as u8);
        let bytes: Vec<u8> = parts.iter().flat_map(run).collect();
        let compressed = lzw::compress(&bytes);
        prop_assert_eq!(lzw::decompress(&compressed, &mut bytes.len()), Ok(bytes.clone()));
        let mut budget = bytes.len().saturating_sub(1);
        prop_assert_eq!(lzw::decompress(&compressed, &mut budget).is_ok(), bytes.is_empty());
    }

    #[test]
    fn packets_come_back(
        list in vec(messages(), 1..20),
        security in securities(),
        crc: bool,
        compress: bool,
        padded: bool,
        nonce: [u8; 12],
    ) {
        let encoded: Vec<_> = list.iter().map(Message::encode).collect();
        let mut body = Vec::new();
        wire::compound::write(&encoded, &mut body);
        let version = if padded { SealVersion::Padded } else { SealVersion::Plain };
        let options = SealOptions { version, ..security.packet_options(crc, compress) };
        let mut out = Vec::new();
        packet::seal(&body, &options, nonce, &mut out);
        let mut found = Vec::new();
        packet::open(&out, &security, |message| found.push(message));
        let expected: Vec<_> = list.into_iter().map(Ok).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn streams_come_back_in_any_pieces(
        push_pull in push_pulls(),
        security in securities(),
        compress: bool,
        signed: bool,
        nonce: [u8; 12],
        sizes in vec(1..200_usize, 1..20),
    ) {
        let message = StreamMessage::PushPull(push_pull);
        let habit = if signed { IntegerHabit::Signed } else { IntegerHabit::Unsigned };
        let body = encoded(habit, |writer| message.write(writer));
        for (role, dialer) in [(Role::Listener, true), (Role::Dialer, false)] {
            let options = security.stream_options(dialer, compress);
            let bytes = wire::stream::encode(&[&body], &options, nonce).unwrap();
            let progress = read_in_pieces(&bytes, role, &security, &sizes);
            prop_assert_eq!(progress, Progress::Message(message.clone()));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        decode_everything(&bytes);
    }

    #[test]
    fn values_of_any_kind_in_any_field_never_panic(
        kind in 0..14_u8,
        bytes in vec(any::<u8>(), 0..60),
    ) {
        for field in ["Node", "SeqNo", "Addr", "Meta", "Vsn", "Payload", "Events", "Filters", "Nodes",
            "StatusLTimes", "LeftMembers", "Tags", "DestAddr", "Keys", "Buf", "Timeout", "LTime"]
        {
            let mut out = vec![kind, 0x81];
            Writer::new(&mut out).write_text(field);
            out.extend_from_slice(&bytes);
            decode_everything(&out);
        }
    }
}

/// Every recorded message, damaged in many ways: cut off, a bit flipped, a byte replaced by one
/// that claims much.
#[test]
fn damaged_recordings_never_panic() {
    for bytes in recorded() {
        let step = 1 + bytes.len() / 64;
        for at in (0..bytes.len()).step_by(step) {
            decode_everything(&bytes[..at]);
            for replacement in [bytes[at] ^ 1, bytes[at] ^ 0x80, 0xc0, 0xc1, 0xdd, 0xdf, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = replacement;
                decode_everything(&damaged);
            }
        }
    }
}

/// Damaged or not, a stream means the same in whatever pieces it comes.
#[test]
fn pieces_do_not_matter_for_damaged_recordings() {
    let plain = Security::default();
    for (name, vectors) in support::all_vectors() {
        for vector in vectors.iter().filter(|vector| vector["transport"] == "tcp") {
            let bytes = support::unhex(vector["hex"].as_str().unwrap());
            let step = 1 + bytes.len() / 32;
            for at in (0..bytes.len()).step_by(step) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x41;
                for role in [Role::Listener, Role::Dialer] {
                    let whole = read_in_pieces(&damaged, role, &plain, &[usize::MAX]);
                    for sizes in [&[1][..], &[3, 50], &[200]] {
                        let pieces = read_in_pieces(&damaged, role, &plain, sizes);
                        assert_eq!(pieces, whole, "{name} {}", vector["description"]);
                    }
                }
            }
        }
    }
}

/// A reader never takes more than there is, and says so.
#[test]
fn recordings_cut_off_are_incomplete() {
    for bytes in recorded().iter().filter(|bytes| bytes.first() == Some(&kind::ALIVE)) {
        let Ok(Message::Alive(_)) = Message::decode(bytes) else { continue };
        for end in 1..bytes.len() {
            let error = Alive::read(&mut Reader::new(&bytes[1..end])).unwrap_err();
            assert_eq!(error, wire::DecodeError::Incomplete);
        }
    }
}
