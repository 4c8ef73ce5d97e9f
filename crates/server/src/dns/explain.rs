//! How an answer comes about.

use std::net::IpAddr;
use std::time::Instant;

use ::dns::{Trace, Transport};

use super::{Answer, Answerer, Ask, Dns, foreign};

const HEADER: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// Where the header counts further records, of which EDNS is one.
const ADDITIONAL: usize = 11;
const OPT: u16 = 41;
const LABEL_BYTES: usize = 63;
const NAME_BYTES: usize = 255;
const INTERNET: u16 = 1;

/// Types by name. Others are written as `TYPE64`.
const TYPES: [(&str, u16); 10] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("ANY", 255),
];

/// The number of a type.
pub(crate) fn record_type(name: &str) -> Option<u16> {
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let numbered = || {
        let (word, number) = name.split_at_checked(4)?;
        number.parse().ok().filter(|_| word.eq_ignore_ascii_case("TYPE"))
    };
    known.map(|(_, number)| *number).or_else(numbered)
}

/// The message that asks for a name, with EDNS if there is room for so many bytes; none if there
/// cannot be such a name.
pub(crate) fn question(name: &str, record_type: u16, edns: Option<u16>) -> Option<Vec<u8>> {
    let mut question = HEADER.to_vec();
    let name = name.strip_suffix('.').unwrap_or(name);
    for label in name.split('.').filter(|_| !name.is_empty()) {
        let length = u8::try_from(label.len()).ok()?;
        if !(1..=LABEL_BYTES).contains(&label.len()) {
            return None;
        }
        question.push(length);
        question.extend_from_slice(label.as_bytes());
    }
    question.push(0);
    if question.len() - HEADER.len() > NAME_BYTES {
        return None;
    }
    for number in [record_type, INTERNET] {
        question.extend_from_slice(&number.to_be_bytes());
    }
    if let (Some(bytes), Some(count)) = (edns, question.get_mut(ADDITIONAL)) {
        *count = 1;
        question.push(0);
        for number in [OPT, bytes, 0, 0, 0] {
            question.extend_from_slice(&number.to_be_bytes());
        }
    }
    Some(question)
}

impl Dns {
    /// Every step on the way to the answer to `query`. Recursors are asked for names that the
    /// answer leads to, but not for the question itself. None: they are asked too much already.
    pub(crate) async fn explain(
        &self,
        query: &[u8],
        transport: Transport,
        source: IpAddr,
    ) -> Option<Trace> {
        let active = self.active.load_full();
        let mut place = None;
        let started = Instant::now();
        let mut answerer = Answerer::new();
        let mut found = Vec::new();
        loop {
            let mut trace = Trace::default();
            let answer = {
                let foreign = foreign(&found);
                let moment = self.moment_of(active.clone());
                answerer.answer(&moment, transport, source, query, &foreign, &mut trace)
            };
            match answer {
                Answer::Ask(Ask::Name(name, random)) => {
                    if place.is_none() {
                        place = Some(self.recursions.try_acquire().ok()?);
                    }
                    answerer.random = random;
                    let reply = self.chase(&active, &name, started).await;
                    found.push((name, reply));
                }
                Answer::Ask(Ask::Question) | Answer::Ready | Answer::Silent => return Some(trace),
            }
        }
    }

    /// The zone that is answered for, with a dot at its end.
    pub(crate) fn zone(&self) -> String {
        self.active.load().zone.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn types_have_names_and_numbers() {
        assert_eq!(record_type("srv"), Some(33));
        assert_eq!(record_type("TYPE64"), Some(64));
        assert_eq!(record_type("TYPE65536"), None);
        assert_eq!(record_type("SRVX"), None);
    }

    #[test]
    fn names_that_cannot_be_are_not_asked_for() {
        assert_eq!(question("a.b.", 1, None).unwrap()[12..], *b"\x01a\x01b\0\0\x01\0\x01");
        assert_eq!(question(".", 2, None).unwrap()[12..], *b"\0\0\x02\0\x01");
        assert_eq!(question("a..b", 1, None), None);
        assert_eq!(question(&"a".repeat(64), 1, None), None);
        assert_eq!(question(&["a".repeat(63).as_str(); 4].join("."), 1, None), None);
    }
}
