#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Incarnation, limits};

#[test]
fn table_of_commands_is_in_the_order_of_the_enum() {
    for row in COMMANDS {
        assert_eq!(row.command.name(), row.name);
        assert_eq!(Command::from_name(row.name), Some(row.command));
    }
    assert_eq!(Command::from_name("Members"), None);
}

#[test]
fn headers_are_sticky_and_nil_clears_them() {
    let mut stream = RequestStream::new();
    stream.push(b"\x82\xa7Command\xa7members\xa3Seq\x09\x81\xa3Seq\x0a\x80\x91\xa4tags\xc0");
    for (command, sequence) in
        [("members", 9), ("members", 10), ("members", 10), ("tags", 10), ("", 0)]
    {
        let header = stream.next_header().unwrap().unwrap();
        assert_eq!((header.command.as_str(), header.sequence), (command, sequence));
    }
    assert_eq!(stream.next_header(), Ok(None));
}

#[test]
fn a_claim_beyond_the_limit_is_refused_before_its_bytes_arrive() {
    let mut stream = RequestStream::new();
    stream.push(b"\x81\xa7Command\xdb\x7f\xff\xff\xff");
    assert!(matches!(stream.next_header(), Err(DecodeError::LimitExceeded { .. })));

    let mut stream = RequestStream::new();
    stream.push(b"\xdd\xff\xff\xff\xff");
    assert_eq!(stream.next_header(), Ok(None));
    stream.push(&vec![0; limits::RPC_REQUEST_BYTES]);
    assert!(matches!(stream.next_header(), Err(DecodeError::LimitExceeded { .. })));
}

#[test]
fn deep_nesting_is_refused() {
    let mut stream = ResponseStream::new();
    stream.push(&[0x91; 100]);
    assert_eq!(stream.next_header(), Err(DecodeError::TooDeep));
}

#[test]
fn evidence_keeps_its_fields() {
    let evidence = Evidence {
        node: "a".into(),
        incarnation: Incarnation(3),
        kind: EvidenceKind::Confirm,
        by: "b".into(),
        health: None,
        time_unix_ms: 1_700_000_000_123,
        suspected_for: Duration::from_millis(1500),
    };
    let reply = EvidenceReply {
        evidence: vec![evidence.clone(), Evidence { health: Some(2), ..evidence }],
    };
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    assert_eq!(EvidenceReply::decode(&bytes), Ok(reply.clone()));

    let record = StreamRecord::Evidence(reply.evidence[1].clone());
    bytes.clear();
    record.encode(&mut bytes);
    assert_eq!(StreamRecord::decode(&bytes), Ok(record));
}

#[test]
fn an_answer_has_only_so_many_records() {
    for (field, decode) in [
        ("Members", (|bytes| MembersReply::decode(bytes).map(drop)) as fn(&[u8]) -> Result<()>),
        ("Evidence", |bytes| EvidenceReply::decode(bytes).map(drop)),
    ] {
        let mut bytes = vec![0x81, 0xA0 | field.len() as u8];
        bytes.extend(field.as_bytes());
        bytes.push(0xDD);
        bytes.extend((limits::RPC_RECORDS as u32 + 1).to_be_bytes());
        // Of nothing else than absent ones, which take a byte each.
        bytes.resize(bytes.len() + limits::RPC_RECORDS + 1, 0xC0);
        let refused = decode(&bytes).unwrap_err();
        assert!(matches!(refused, DecodeError::LimitExceeded { .. }), "{refused}");
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    // Half of it made of markers that nest, so that depth is reached.
    proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..=0x9fu8, Just(0xa1)], 0..300)
}

fn decode_everything(bytes: &[u8]) {
    for row in COMMANDS {
        let mut reader = Reader::with_dialect(bytes, Dialect::Rpc);
        let _ = Request::read_body(row.command, &mut reader);
    }
    let _ = RequestHeader::decode(bytes);
    let _ = ResponseHeader::decode(bytes);
    let _ = JoinReply::decode(bytes);
    let _ = MembersReply::decode(bytes);
    let _ = KeyReport::decode(bytes);
    let _ = Stats::decode(bytes);
    let _ = CoordinateReply::decode(bytes);
    let _ = LogRecord::decode(bytes);
    let _ = StreamRecord::decode(bytes);
    let _ = QueryRecord::decode(bytes);
    let _ = EvidenceReply::decode(bytes);
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in any_bytes()) {
        decode_everything(&bytes);
        let mut stream = RequestStream::new();
        for piece in bytes.chunks(7) {
            stream.push(piece);
            while let Ok(Some(_)) = stream.next_header() {}
        }
    }

    #[test]
    fn values_are_cut_where_the_reader_ends(bytes in any_bytes(), piece in 1usize..9) {
        let mut reader = Reader::with_dialect(&bytes, Dialect::Rpc);
        let mut values = stream::Values::new(limits::RPC_REQUEST_BYTES);
        let mut arrived = bytes.chunks(piece);
        let mut go_on = true;
        while go_on {
            let before = reader.position();
            let skipped = reader.skip();
            let mut found = values.next().map(|value| value.map(<[u8]>::len));
            while found == Ok(None) {
                let Some(bytes) = arrived.next() else { break };
                values.push(bytes);
                found = values.next().map(|value| value.map(<[u8]>::len));
            }
            go_on = skipped.is_ok() && found.is_ok();
            match (skipped, found) {
                (Ok(()), Ok(found)) => {
                    prop_assert_eq!(found, Some(reader.position() - before));
                }
                (Err(DecodeError::Incomplete), Ok(found)) => prop_assert_eq!(found, None),
                // 0xc1 and the like are left to the typed reader; claims are refused early.
                _ => {}
            }
        }
    }

    #[test]
    fn queries_are_read_back(
        nodes: Vec<String>, tags: Option<BTreeMap<String, String>>, ack: bool, relay: u8,
        timeout_ns: i64, name: String, payload: Option<Vec<u8>>, sequence: u64,
    ) {
        let request = Request::Query(QueryRequest {
            filter_nodes: nodes, filter_tags: tags, request_ack: ack, relay_factor: relay,
            timeout_ns, name, payload: payload.map(bytes::Bytes::from),
        });
        let mut bytes = Vec::new();
        request.encode(sequence, &mut bytes);
        let mut stream = RequestStream::new();
        stream.push(&bytes);
        prop_assert_eq!(stream.next_header().unwrap().unwrap().sequence, sequence);
        prop_assert_eq!(stream.next_body(Command::Query).unwrap(), Some(request));
    }
}
