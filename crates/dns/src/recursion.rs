//! Pieces for who passes questions on to other servers.

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Header, MessageBuilder};

use crate::name::Name;
use crate::query::{self, HEADER_BYTES, Query, Read};
use crate::reply::{self, Head};
use crate::writer::Wire;

/// The question to a recursor about a name of [`crate::Scratch::wanted`]: its addresses of IPv4.
pub fn chase_query(name: &[u8], id: u16, out: &mut Vec<u8>) {
    ask(Wire(name), Rtype::A, id, None, out);
}

/// The number of a type of records: by its name in letters of any case, or written as `TYPE64`.
#[must_use]
pub fn record_type(name: &str) -> Option<u16> {
    name.parse().ok().map(Rtype::to_int)
}

/// The question for a name as people write it and the number of a type, with EDNS0 if there is room
/// for so many bytes; none if there cannot be such a name.
#[must_use]
pub fn question(name: &str, rtype: u16, edns: Option<u16>) -> Option<Vec<u8>> {
    let wire = Name::from_escaped(name)?;
    let mut out = Vec::new();
    ask(Wire(wire.wire()), Rtype::from_int(rtype), 0, edns, &mut out);
    Some(out)
}

fn ask(name: Wire<'_>, rtype: Rtype, id: u16, edns: Option<u16>, out: &mut Vec<u8>) {
    let Ok(mut message) = MessageBuilder::from_target(out);
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut section = message.question();
    let mut pushed = section.push((name, rtype));
    let mut section = section.additional();
    if let Some(bytes) = edns {
        pushed = pushed.and_then(|()| {
            section.opt(|opt| {
                opt.set_udp_payload_size(bytes);
                Ok(())
            })
        });
    }
    debug_assert!(pushed.is_ok(), "every message has room for one question and EDNS0");
}

fn asked(query: &[u8]) -> Option<Query> {
    match query::read(query) {
        Read::Question(query) => Some(query),
        _ => None,
    }
}

/// What a question is about, the same for all that ask for the same: name in small letters, type
/// and class. None if it is no question.
#[must_use]
pub fn subject(query: &[u8]) -> Option<Box<[u8]>> {
    let mut query = asked(query)?;
    query.name.fold();
    let numbers = [query.rtype.to_int(), query.class].map(u16::to_be_bytes);
    Some([query.name.wire(), numbers.as_flattened()].concat().into())
}

/// The reply when no recursor gave one. Empty if there is nothing to reply to.
pub fn recursion_failed(query: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if let Some(query) = asked(query) {
        let rcode = Rcode::SERVFAIL;
        let head = Head { rcode, authoritative: false, recursion: true, scoped: false };
        reply::bare(&query, &head, true, out);
    }
}

/// The reply to one that may not get what there is in a datagram: nothing, and that it was cut.
/// Empty if there is nothing to reply to.
pub fn cut(query: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if let Some(query) = asked(query) {
        let rcode = Rcode::NOERROR;
        let head = Head { rcode, authoritative: false, recursion: true, scoped: false };
        reply::bare(&query, &head, true, out);
        Header::for_message_slice_mut(out).set_tc(true);
    }
}

/// Most bytes of a reply in a datagram that the asker takes.
#[must_use]
pub fn payload_bytes(query: &[u8]) -> usize {
    asked(query).map_or(query::PLAIN_BYTES, |query| query.datagram_bytes())
}

/// Whether a reply belongs to a question: its number and, letter case aside, what it is about.
#[must_use]
pub fn belongs(query: &[u8], reply: &[u8]) -> bool {
    if reply.len() < HEADER_BYTES || !Header::for_message_slice(reply).qr() {
        return false;
    }
    let (Some(mut query), Some(mut about)) = (asked(query), query::about(reply)) else {
        return false;
    };
    query.name.fold();
    about.name.fold();
    let same = query.name.wire() == about.name.wire();
    let numbers = (query.header.id(), about.header.id());
    same && numbers.0 == numbers.1 && (query.rtype, query.class) == (about.rtype, about.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_not_asked_for() {
        let asked = |name: &str, rtype| Some(question(name, rtype, None)?.split_off(HEADER_BYTES));
        assert_eq!(asked("a.b.", 1).as_deref(), Some(&b"\x01a\x01b\0\0\x01\0\x01"[..]));
        assert_eq!(asked(".", 2).as_deref(), Some(&b"\0\0\x02\0\x01"[..]));
        assert_eq!(asked("a..b", 1), None);
        assert_eq!(asked(&"a".repeat(64), 1), None);
        assert_eq!(asked(&["a".repeat(63).as_str(); 4].join("."), 1), None);
        let roomy = question("a", 1, Some(1232)).map(|mut query| query.split_off(19));
        assert_eq!(roomy.as_deref(), Some(&b"\0\0\x29\x04\xd0\0\0\0\0\0\0"[..]));
    }

    #[test]
    fn types_have_names_and_numbers() {
        let numbers = [("srv", 33), ("TYPE64", 64), ("type64", 64), ("ANY", 255), ("AXFR", 252)];
        let later = [("IXFR", 251), ("DS", 43), ("CAA", 257), ("HTTPS", 65), ("NAPTR", 35)];
        for (name, number) in numbers.into_iter().chain(later) {
            assert_eq!(record_type(name), Some(number), "{name}");
        }
        assert_eq!(["TYPE65536", "SRVX", "TYPE", ""].map(record_type), [None; 4]);
    }

    #[test]
    fn the_same_is_asked_whatever_the_number_and_the_letter_case() {
        let about = |name: &[u8], id| {
            let mut query = Vec::new();
            chase_query(name, id, &mut query);
            subject(&query)
        };
        assert_eq!(about(b"\x01a\x03com\0", 7), Some(b"\x01a\x03com\0\0\x01\0\x01"[..].into()));
        assert_eq!(about(b"\x01A\x03cOm\0", 8), about(b"\x01a\x03com\0", 7));
        assert_ne!(about(b"\x01b\x03com\0", 7), about(b"\x01a\x03com\0", 7));
        assert_eq!(subject(b"no question"), None);
    }

    #[test]
    fn a_reply_belongs_to_its_own_question_alone() {
        let (mut query, mut other) = (Vec::new(), Vec::new());
        chase_query(b"\x03www\x07example\x03com\0", 7, &mut query);
        chase_query(b"\x03wwx\x07example\x03com\0", 7, &mut other);
        assert!(!belongs(&query, &query), "a question is no reply");
        for message in [&mut query, &mut other] {
            message[2] |= 0x80;
        }
        let mut asked = query.clone();
        asked[2] &= 0x7f;
        assert!(belongs(&asked, &query));
        assert!(belongs(
            &asked,
            &query
                .to_ascii_uppercase()
                .into_iter()
                .enumerate()
                .map(|(at, byte)| if at < 12 { query[at] } else { byte })
                .collect::<Vec<_>>()
        ));
        assert!(!belongs(&asked, &other));
        query[1] = 8;
        assert!(!belongs(&asked, &query));
        assert!(!belongs(&asked, &query[..11]));
        assert!(!belongs(&[], &query));
    }
}
