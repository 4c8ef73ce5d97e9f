//! What no recording has: each branch of each notation, and each complaint.

use std::time::Duration;

use wire::message::gossip::{Ack, IndirectPing, Message, Nack, Ping};
use wire::rpc::{Evidence, EvidenceKind, EvidenceReply, Frame, ResponseHeader, StreamRecord};
use wire::{Incarnation, SequenceNumber};

use super::Maker;

/// HCL.
const BLOCKS: &[&str] = &[
    "a=-12 b = 0x1F c = 017 d = 1.5 e = -2.5E-1",
    r#"a = "\"\\\n\x41\101\u00e9\U0001F600" b = "${f("y", {z})}""#,
    "a = [1, \"x\", [true], {b = 1},]",
    "a \"x\" y { b = 1, c { } }\r\na \"z\" { d = {} }",
    "# x\na = 1 // y\n/* z\n = */ a = 2 #",
    "a = <<E\nx\n  y\nE\nb = <<-E\n    x\n      y\n    E\n",
    "{\"a\": {\"b\": [{\"c\": {}}, null]}}",
    "a = [[{b = 1}], {}]",
    "a = \"\\ud800\"",
    "a = 99999999999999999999",
    "a = 09",
    "a = [1 2]",
    "a = <<E\nx",
    "/* x",
    "a b = 1",
    "a }",
];

const TEXTS: &[&str] = &[
    // Durations.
    "1h2m3.5s",
    "-9223372036854775808ns",
    "9223372036854775808ns",
    "1.5µs",
    "2us+3ms",
    "0",
    "-",
    ".s",
    "1",
    "1.5",
    "3000000h",
    "99999999999999999999s",
    "9223372036854775807.9223372036854775807999ns",
    "5 \"\\é",
    // Addresses.
    "[fe80::1%eth0]:7946",
    "[::1]",
    "[::1",
    "::1:80",
    "[::1]x:80",
    "a[b:80",
    "a]b:80",
    "10.0.0.1:http",
    ":7946",
    ":70000",
    // Base64.
    "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=",
    "AA==",
    "AAA=",
    "AA=A",
    "AA=",
    "AAA=A",
    "A",
    "A=",
    "A\r\nAAA",
    // Numbers and truth.
    "9223372036854775807",
    "-9223372036854775808",
    "+0x7f_ff",
    "0b101",
    "0o17",
    "017",
    "0x",
    "1__0",
    "99999999999999999999",
    "true",
    "F",
    // JSON.
    r#"[1e3, -0.5, "\u00e9\ud83d\ude00", {"a": null}, true]"#,
    r#"{"b": [1, 2, 1e21, 1.5e-7], "a": {"c": false}, "a": "\"\\\/\b\f\n\r\t"}"#,
    r#""\ud800\u0041""#,
    r#""\ud800x""#,
    r#""\uD83D\uDE0""#,
    r#""\x""#,
    "\"\u{1}\"",
    "\"open",
    "[1 2]",
    "{\"a\" 1}",
    "{a}",
    "{\"a\":1 2}",
    "[1,]",
    "{\"a\":1,}",
    "truth",
    "nul",
    "-x",
    "01",
    "1.x",
    "1ex",
    "1e+400",
    "'",
    "[] x",
    "",
    " ",
];

const CONFIGURATIONS: &[&str] = &[
    r#"{"mdns": {"iface": "lo"}, "retry_interval": "30s"}"#,
    r#"{"mdns": 5, "tags": {"a": 1, "b": "c"}, "start_join": "one", "bind": ["x"]}"#,
    r#"{"mdns": null, "tags": null, "nobody_knows": 1, "bnid": 2, "mdns": {"ifcae": 3}}"#,
    r#"{"start_join": ["a", 5, null], "leave_on_terminate": 1, "protocol": "x"}"#,
    r#"{"retry_interval": "soon", "broadcast_timeout": 5, "log_level": "loud"}"#,
    "null",
    "[]",
    "7",
    "*,member-join,member-leave,member-failed,member-update,member-reap,user,query",
    "user:deploy,query:load,user:,query:",
];

const SNAPSHOTS: &[&[u8]] = &[
    b"alive: a b 10.0.0.1:7946\nnot-alive: a b\nclock: 7\nevent-clock: 8\nquery-clock: 9\n",
    b"alive: a 10.0.0.1:7946\nleave\nclock: x\nevent-clock: -1\nquery-clock: \n# note\n",
    b"coordinate: {}\nalive: a\nalive: a nowhere\nwhat is this\n\xff\xfe\n\nleave\n",
    b"alive: a [::1]:7946\nalive: torn 10.0",
];

const VALUES: &[&[u8]] = &[
    // Whole numbers, floats, strings, bytes, extensions, empty lists and maps: of every length.
    &[
        0xdc, 0, 33, 0x7f, 0xe0, 0xc0, 0xc2, 0xc3, 0xcc, 200, 0xcd, 1, 0, 0xce, 0, 1, 0, 0, 0xcf,
        0, 0, 0, 1, 0, 0, 0, 0, 0xd0, 0x80, 0xd1, 0x80, 0, 0xd2, 0x80, 0, 0, 0, 0xd3, 0x80, 0, 0,
        0, 0, 0, 0, 0, 0xca, 0x3f, 0x80, 0, 0, 0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xa1, b'x',
        0xd9, 1, b'x', 0xda, 0, 1, b'x', 0xdb, 0, 0, 0, 1, b'x', 0xc4, 1, 1, 0xc5, 0, 1, 1, 0xc6,
        0, 0, 0, 1, 1, 0xd4, 1, 1, 0xd5, 1, 1, 1, 0xd6, 1, 1, 1, 1, 1, 0xc7, 3, 1, 1, 1, 1, 0xc8,
        0, 1, 1, 1, 0xc9, 0, 0, 0, 1, 1, 1, 0x90, 0x80, 0xdd, 0, 0, 0, 0, 0xdf, 0, 0, 0, 0, 0xde,
        0, 1, 1, 1,
    ],
    // A record by names, by places, with too many of them.
    &[0x83, 0xa1, b'A', 1, 0xa1, b'B', 2, 0xa1, b'C', 3],
    &[0x93, 1, 2, 3],
    &[0xc1],
    // Too deep.
    &[0x91; 40],
];

impl Maker {
    pub(super) fn handmade(&mut self) {
        for text in TEXTS {
            self.add("gotext", &[text.as_bytes()]);
        }
        self.add("gotext", &[b"\"\xff\xc3\x28\""]);
        for text in CONFIGURATIONS {
            self.add("config", &[text.as_bytes()]);
        }
        for text in BLOCKS {
            self.add("hcl", &[text.as_bytes()]);
        }
        for text in SNAPSHOTS {
            self.add("snapshot", &[text]);
        }
        for value in VALUES {
            self.add("msgpack", &[value]);
        }
        for marker in 0x80..=0xff_u8 {
            self.add("msgpack", &[&[marker, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 0]]);
        }
        self.evidence();
        self.gossip();
    }

    /// One of each message: the recordings have some only inside packets.
    fn gossip(&mut self) {
        let number = SequenceNumber(7);
        let messages = [
            Message::Ping(Ping { sequence_number: number, source_port: 7946, ..Ping::default() }),
            Message::IndirectPing(IndirectPing {
                sequence_number: number,
                port: 7946,
                node: "a".to_owned(),
                nack: true,
                ..IndirectPing::default()
            }),
            Message::Ack(Ack { sequence_number: number, payload: None }),
            Message::Nack(Nack { sequence_number: SequenceNumber(70_000) }),
        ];
        for message in messages {
            self.message(&message.encode(), false);
        }
    }

    /// Only Tribune's own agents send it, so there is no recording.
    fn evidence(&mut self) {
        let kinds = ["suspect", "confirm", "dead", "refute", "newer"];
        let evidence = kinds.map(|kind| Evidence {
            node: "a".to_owned(),
            incarnation: Incarnation(3),
            kind: EvidenceKind::from(kind.to_owned()),
            by: "b".to_owned(),
            health: (kind != "dead").then_some(2),
            time_unix_ms: 1_700_000_000_000,
            suspected_for: Duration::from_secs(4),
        });
        let mut header = Vec::new();
        ResponseHeader { sequence: 1, error: String::new() }.encode(&mut header);
        let mut body = Vec::new();
        StreamRecord::Evidence(evidence[0].clone()).encode(&mut body);
        self.add("rpc_response", &[&[6, 7], &header, &body]);
        body.clear();
        EvidenceReply { evidence: evidence.to_vec() }.encode(&mut body);
        self.add("rpc_response", &[&[8, 7], &header, &body]);
    }
}
