//! Every recorded gossip vector: it decodes to its recorded tree, and what agents sent encodes
//! back to the same bytes.
//!
//! Compared decoded only, as no peer can rely on them: the order of free maps (tags,
//! StatusLTimes), and compressed buffers where ours should differ.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use base64::Engine;
use serde_json::{Value as Json, json};
use support::{all_vectors, difference, hex, json as tree, unhex};
use wire::message::gossip::{Message, PushPullHeader, StreamMessage, kind};
use wire::message::serf::SerfMessage;
use wire::message::{Coordinate, decode_tags, encode_tags};
use wire::msgpack::{IntegerHabit, Reader, Writer};
use wire::packet::{self, SealOptions};
use wire::seal::{self, SealVersion};
use wire::stream::{self, Progress, Role, StreamDecoder, StreamSeal};
use wire::{Key, Keyring, Security, compound, crc, label, lzw};

/// How many there are; a change of this number is a change of the recordings.
const VECTORS: usize = 237;

const KEYS: [&str; 4] = [
    "AAECAwQFBgcICQoLDA0ODw==",
    "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7",
    "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=",
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
];

const OLDER: [IntegerHabit; 1] = [IntegerHabit::Unsigned];

fn key(base64: &str) -> Key {
    Key::new(&base64::engine::general_purpose::STANDARD.decode(base64).unwrap()).unwrap()
}

/// What has been compared decoded instead of byte for byte.
#[derive(Default)]
struct Loose {
    map_orders: usize,
    compressed: usize,
}

/// One vector on its way through the layers.
struct Walk<'a> {
    stream: bool,
    /// How the sender may have written signed numbers: its own way first.
    habits: &'static [IntegerHabit],
    security: Security,
    loose: &'a mut Loose,
    options: Wrapping,
    messages: Vec<Message>,
    /// Every message met, from its type byte.
    seen: Vec<Vec<u8>>,
}

/// The layers met on the way, to build them again in one go.
#[derive(Default)]
struct Wrapping {
    label_header: bool,
    crc: bool,
    compress: bool,
    sealed: Option<(SealVersion, [u8; 12])>,
    body: Vec<u8>,
    compressed_alike: bool,
}

impl Walk<'_> {
    /// The tree of a datagram or a stream from its outermost layer.
    fn outer(&mut self, bytes: &[u8]) -> Json {
        let (label, rest) = label::strip(bytes).unwrap();
        if label.is_empty() {
            return self.sealed(bytes);
        }
        assert_eq!(label, &self.security.label[..]);
        self.options.label_header = true;
        let mut again = Vec::new();
        label::write(label, &mut again);
        assert_eq!(again, bytes[..bytes.len() - rest.len()]);
        json!({
            "layer": "label", "label": String::from_utf8_lossy(label), "inner": self.sealed(rest),
        })
    }

    fn sealed(&mut self, bytes: &[u8]) -> Json {
        let Some(keyring) = self.security.keyring.clone() else { return self.content(bytes) };
        let label = self.security.label.clone();
        let (sealed, aad) = match self.stream {
            true => (&bytes[5..], [&bytes[..5], &label[..]].concat()),
            false => (bytes, label.to_vec()),
        };
        let (plaintext, key_index) = seal::open(&keyring, sealed, &aad).unwrap();
        let (nonce, tag) = (&sealed[1..13], &sealed[sealed.len() - 16..]);
        let version = if sealed[0] == 0 { SealVersion::Padded } else { SealVersion::Plain };
        self.options.sealed = Some((version, nonce.try_into().unwrap()));
        let mut layer = json!({
            "layer": "encrypted", "encryption_version": sealed[0], "key_index": key_index,
            "nonce": tree::bytes(nonce), "tag": tree::bytes(tag),
            "plaintext": tree::bytes(&plaintext), "inner": self.content(&plaintext),
        });
        if self.stream {
            assert_eq!(bytes[0], kind::ENCRYPT);
            layer["layer"] = json!("encrypted-stream");
            layer["type"] = json!(kind::ENCRYPT);
            layer["length"] = json!(sealed.len());
        }
        layer
    }

    fn content(&mut self, bytes: &[u8]) -> Json {
        let content = crc::strip(bytes).unwrap();
        if content.len() == bytes.len() {
            return self.inner(bytes, true);
        }
        self.options.crc = true;
        let sum = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
        json!({
            "layer": "crc", "crc32": sum, "valid": true, "inner": self.inner(content, true),
        })
    }

    /// `outermost` is false inside compounds.
    fn inner(&mut self, bytes: &[u8], outermost: bool) -> Json {
        self.seen.push(bytes.to_vec());
        match bytes[0] {
            kind::COMPRESS => {
                let value = wire::msgpack::Value::read(&mut Reader::new(&bytes[1..])).unwrap();
                let buffer = value.get("Buf").unwrap().as_bytes().unwrap();
                let message = lzw::decompress(buffer, &mut (1 << 20)).unwrap();
                let again = lzw::compress(&message);
                assert_eq!(lzw::decompress(&again, &mut (1 << 20)).unwrap(), message);
                let alike = again == buffer;
                self.loose.compressed += usize::from(!alike);
                let inner = self.inner(&message, outermost);
                if outermost {
                    self.options.compress = true;
                    self.options.compressed_alike = alike;
                }
                json!({
                    "type": 9, "kind": "compress", "Algo": 0, "Buf": tree::bytes(buffer),
                    "decompressed": tree::bytes(&message), "inner": inner,
                })
            }
            kind::COMPOUND => {
                let parts: Vec<_> = compound::parts(&bytes[1..]).unwrap().collect();
                let mut again = Vec::new();
                compound::write(&parts, &mut again);
                assert_eq!(again, bytes);
                if outermost {
                    self.options.body = bytes.to_vec();
                    self.options.compressed_alike = true;
                }
                let trees: Vec<_> = parts.iter().map(|part| self.inner(part, false)).collect();
                let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
                json!({ "type": 7, "kind": "compound", "lengths": lengths, "parts": trees })
            }
            _ => {
                if outermost {
                    self.options.body = bytes.to_vec();
                    self.options.compressed_alike = true;
                }
                if self.stream { self.stream_message(bytes) } else { self.message(bytes) }
            }
        }
    }

    /// A message encoded again, in the habit that reproduces it if there is one.
    fn again(&self, bytes: &[u8], write: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        let encode = |habit| {
            let mut out = Vec::new();
            write(&mut Writer::new(&mut out).habit(habit));
            out
        };
        let mut tries = self.habits.iter().map(|&habit| encode(habit));
        tries.find(|again| again == bytes).unwrap_or_else(|| encode(self.habits[0]))
    }

    fn message(&mut self, bytes: &[u8]) -> Json {
        self.seen.push(bytes.to_vec());
        let message = Message::decode(bytes).unwrap();
        let again = self.again(bytes, |writer| message.write(writer));
        assert_eq!(hex(&again), hex(bytes));
        match &message {
            Message::Alive(alive) => self.meta(&alive.meta),
            Message::Ack(ack) => {
                if let Some(payload) = &ack.payload {
                    assert_eq!(Coordinate::from_payload(payload).unwrap().to_payload(), payload);
                }
            }
            Message::User(content) => self.serf(content),
            _ => {}
        }
        let tree = tree::message(&message);
        self.messages.push(message);
        tree
    }

    fn stream_message(&mut self, bytes: &[u8]) -> Json {
        self.seen.push(bytes.to_vec());
        let message = StreamMessage::decode(bytes).unwrap();
        let again = self.again(bytes, |writer| message.write(writer));
        assert_eq!(hex(&again), hex(bytes));
        match message {
            StreamMessage::PushPull(body) => {
                let header = PushPullHeader::read(&mut Reader::new(&bytes[1..])).unwrap();
                body.nodes.iter().for_each(|node| self.meta(node.meta));
                self.serf(&body.user_state);
                tree::push_pull(&header, &body)
            }
            StreamMessage::Ping(body) => tree::message(&Message::Ping(body)),
            StreamMessage::Ack(body) => tree::message(&Message::Ack(body)),
            StreamMessage::User(content) => {
                let mut tree = json!({
                    "type": 8, "kind": "user", "header": { "UserMsgLen": content.len() },
                    "user_data": tree::bytes(&content),
                });
                if let Ok(body) = SerfMessage::decode(&content) {
                    self.serf(&content);
                    tree["serf"] = tree::serf(&body);
                }
                tree
            }
            StreamMessage::Error(text) => {
                json!({ "type": 13, "kind": "error", "body": { "Error": text } })
            }
        }
    }

    /// Encodes a Serf message again, and what its payload carries.
    fn serf(&mut self, bytes: &[u8]) {
        self.seen.push(bytes.to_vec());
        let message = SerfMessage::decode(bytes).unwrap();
        let again = self.again(bytes, |writer| message.write(writer));
        if again != bytes {
            let free_map = match &message {
                SerfMessage::PushPull(state) => state.status_lamport_times.len() > 1,
                SerfMessage::ConflictResponse(Some(record)) => record.tags.len() > 1,
                _ => false,
            };
            assert!(free_map, "{} became {}", hex(bytes), hex(&again));
            assert_eq!(again.len(), bytes.len());
            assert_eq!(SerfMessage::decode(&again).as_ref(), Ok(&message));
            self.loose.map_orders += 1;
        }
        match &message {
            SerfMessage::Query(query) => {
                for filter in query.filters.iter().flatten() {
                    let decoded = wire::message::serf::Filter::decode(filter).unwrap();
                    assert_eq!(decoded.encode(), filter);
                }
                if query.name.ends_with("-key") || query.name.ends_with("-keys") {
                    self.serf(query.payload.as_deref().unwrap());
                }
            }
            SerfMessage::QueryResponse(response) => {
                if let Some(payload @ [6 | 8, ..]) = response.payload.as_deref() {
                    self.serf(payload);
                }
            }
            SerfMessage::Relay(relay) => self.serf(&relay.message),
            _ => {}
        }
    }

    /// Tags are a free map: their bytes may come in another order.
    fn meta(&mut self, meta: &[u8]) {
        if meta.first() != Some(&0xff) {
            return;
        }
        let tags = decode_tags(meta);
        let again = encode_tags(&tags);
        assert_eq!(decode_tags(&again), tags);
        assert_eq!(again.len(), meta.len());
        self.loose.map_orders += usize::from(again != meta);
    }
}

/// The ring in which a vector's key has the place that it had.
fn keyring(vector: &Json) -> Option<Keyring> {
    let named = key(vector.get("key_base64")?.as_str().unwrap());
    let mut layer = &vector["decoded"];
    while layer.get("encryption_version").is_none() {
        layer = layer.get("inner")?;
    }
    let first = layer.get("key_index").and_then(Json::as_u64).unwrap_or_default() == 0;
    let other = KEYS.iter().map(|base64| key(base64)).find(|key| *key != named).unwrap();
    Some(if first {
        Keyring::with_keys(named, [other])
    } else {
        Keyring::with_keys(other, [named])
    })
}

fn security(name: &str, vector: &Json) -> Security {
    let labelled = name == "label.json";
    let label = if labelled { "blue-dc" } else { "" };
    Security { keyring: keyring(vector), label: label.into(), ..Security::default() }
}

fn check(name: &str, vector: &Json, loose: &mut Loose) {
    let bytes = unhex(vector["hex"].as_str().unwrap());
    let stream = vector["transport"] == "tcp";
    // The newer library writes signed numbers its own way, but passes on what others wrote.
    let newer = vector["source"].as_str().unwrap().starts_with("newer library");
    let dialer_side = vector.get("direction") == Some(&json!("dialer to listener"));
    let mut walk = Walk {
        stream,
        habits: if newer { &[IntegerHabit::Signed, IntegerHabit::Unsigned] } else { &OLDER },
        security: security(name, vector),
        loose,
        options: Wrapping::default(),
        messages: Vec::new(),
        seen: Vec::new(),
    };
    let tree = walk.outer(&bytes);
    if let Some(difference) = difference(&vector["decoded"], &tree, "decoded") {
        panic!("{difference}");
    }
    if let Some(message) = vector.get("message_hex") {
        let message = unhex(message.as_str().unwrap());
        assert!(walk.seen.contains(&message), "message_hex not met on the way");
    }
    let Walk { security, options, messages, .. } = walk;
    let (version, nonce) = options.sealed.unwrap_or_default();
    let ring = security.keyring.as_ref();
    let key = ring.map(|ring| {
        let index = tree.pointer("/key_index").or_else(|| tree.pointer("/inner/key_index"));
        &ring.keys()[index.and_then(Json::as_u64).unwrap() as usize]
    });
    if stream {
        let role = if dialer_side { Role::Listener } else { Role::Dialer };
        let mut decoder = StreamDecoder::new(role, security.clone());
        let expected = StreamMessage::decode(&options.body).unwrap();
        assert_eq!(decoder.feed(&bytes), Progress::Message(expected));
        let (label, label_header) = (&security.label[..], options.label_header);
        let compress = options.compress;
        let seal = StreamSeal { label, label_header, compress, key, version };
        let again = stream::encode(&[&options.body], &seal, nonce).unwrap();
        assert!(!options.compressed_alike || again == bytes, "stream not reproduced");
    } else {
        let mut found = Vec::new();
        packet::open(&bytes, &security, |message| found.push(message.unwrap()));
        assert_eq!(found, messages);
        let (crc, compress) = (options.crc, options.compress);
        let seal = SealOptions { crc, compress, label: &security.label, key, version };
        let mut again = Vec::new();
        packet::seal(&options.body, &seal, nonce, &mut again);
        assert!(!options.compressed_alike || again == bytes, "datagram not reproduced");
    }
}

/// How many pings to `alpha` a datagram of the tolerance file holds for us.
fn pings(datagram: &[u8]) -> usize {
    let mut pings = 0;
    packet::open(datagram, &Security::default(), |message| {
        if let Ok(Message::Ping(ping)) = message {
            pings += usize::from(ping.node.is_empty() || ping.node == "alpha");
        }
    });
    pings
}

/// Where more is required of an implementation than the recorded agent could do.
fn required_pings(vector: &Json) -> usize {
    match vector["description"].as_str().unwrap() {
        "bin8_for_string" => 1,
        "compound_128" => 128,
        "compound_130" => 130,
        "compound_255" => 255,
        _ => vector["acks_received"].as_u64().unwrap() as usize,
    }
}

#[test]
fn every_recorded_vector_decodes_and_encodes_back() {
    let (mut trees, mut tolerances, mut snapshots) = (0, 0, 0);
    let mut loose = Loose::default();
    let mut failures = Vec::new();
    for (name, vectors) in all_vectors() {
        for (index, vector) in vectors.iter().enumerate() {
            if name == "snapshot.json" {
                // Text, not wire: the serf crate reads and writes these.
                assert!(vector["text"].is_string());
                snapshots += 1;
            } else if name == "decoder-tolerance.json" {
                let found = pings(&unhex(vector["hex"].as_str().unwrap()));
                if found != required_pings(vector) {
                    failures.push(format!("{name}[{index}] {}: {found}", vector["description"]));
                }
                tolerances += 1;
            } else {
                let attempt = std::panic::AssertUnwindSafe(|| check(&name, vector, &mut loose));
                if std::panic::catch_unwind(attempt).is_err() {
                    failures.push(format!("{name}[{index}] {}", vector["description"]));
                }
                trees += 1;
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(trees + tolerances + snapshots, VECTORS);
    println!(
        "gossip vectors: {VECTORS} of {VECTORS} ({trees} decoded and encoded back, {tolerances} \
         judged for tolerance, {snapshots} snapshot texts counted here and read by serf's tests; \
         compared decoded: {} free maps, {} compressed buffers)",
        loose.map_orders, loose.compressed,
    );
}

#[test]
fn lzw_reads_the_reference_and_itself() {
    let file = support::read_json(&support::gossip_vectors().join("alg-lzw.json"));
    let cases = file["cases"].as_array().unwrap();
    let mut alike = 0;
    for case in cases {
        let input = unhex(case["input_hex"].as_str().unwrap());
        let message = unhex(case["message_hex"].as_str().unwrap());
        let value = wire::msgpack::Value::read(&mut Reader::new(&message[1..])).unwrap();
        let buffer = value.get("Buf").unwrap().as_bytes().unwrap();
        assert_eq!(lzw::decompress(buffer, &mut (40 << 20)).unwrap(), input, "{}", case["name"]);
        let ours = lzw::compress(&input);
        assert_eq!(lzw::decompress(&ours, &mut (40 << 20)).unwrap(), input, "{}", case["name"]);
        alike += usize::from(ours == buffer);
    }
    assert_eq!(cases.len(), 5);
    println!("alg-lzw: {0} of {0}, {alike} of them byte for byte", cases.len());
}
