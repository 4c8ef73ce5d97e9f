//! Questions over DNS.

use std::time::Duration;

use agent::telemetry::{Kind, Label, Metrics, Series, milliseconds};

use super::Telemetry;

/// Longest name, in labels: each takes two bytes at least, of 255.
const LABELS: usize = 127;
const HEADER_BYTES: usize = 12;

/// What is counted of questions.
pub(super) struct Questions {
    domain: Series,
    reverse: Series,
    refused: Series,
    failed: Series,
    malformed: Series,
    unanswerable: Series,
    shortened: Series,
    crowded: Series,
    slow: Series,
}

impl Questions {
    pub(super) fn new(metrics: &Metrics, node: &str) -> Self {
        let sample = |name: &str| metrics.enter(Kind::Sample, name, &[("node", node.into())]);
        let count = |name, labels: &[Label]| metrics.enter(Kind::Counter, name, labels);
        Self {
            domain: sample("dns.domain_query"),
            reverse: sample("dns.ptr_query"),
            refused: count("dns.recursion_refused", &[]),
            failed: count("dns.recursion_failed", &[]),
            malformed: count("dns.malformed_query", &[]),
            unanswerable: count("dns.unanswerable_message", &[]),
            shortened: count("dns.reply_shortened", &[]),
            crowded: count("dns.connection_dropped", &[("reason", "crowded".into())]),
            slow: count("dns.connection_dropped", &[("reason", "slow".into())]),
        }
    }
}

/// Questions that were answered in one go and are not counted yet.
#[derive(Default)]
pub(crate) struct Tally {
    values: Vec<(Series, f64)>,
}

impl Telemetry {
    /// Notes a question that was answered. One about a name of somebody else does not count, unless
    /// it is one about an address. What is no question has no time.
    pub(crate) fn dns_answered(
        &self,
        tally: &mut Tally,
        query: &[u8],
        reply: &[u8],
        took: Duration,
    ) {
        let questions = &self.questions;
        let series = match ends_in_arpa(query) {
            true => questions.reverse,
            false if is_authoritative(reply) => questions.domain,
            false if is_malformed(reply) => {
                return tally.values.push((questions.malformed, 1.0));
            }
            false => return,
        };
        tally.values.push((series, milliseconds(took)));
    }

    /// Notes a message that has no reply: it is one itself, or shorter than a header.
    pub(crate) fn dns_unanswerable(&self, tally: &mut Tally) {
        tally.values.push((self.questions.unanswerable, 1.0));
    }

    /// Counts a reply that was cut as its asker has got too many long ones.
    pub(crate) fn dns_reply_shortened(&self) {
        self.metrics.record([(self.questions.shortened, 1.0)]);
    }

    /// Counts what was noted.
    pub(crate) fn dns_counted(&self, tally: &mut Tally) {
        if !tally.values.is_empty() {
            self.metrics.record(tally.values.drain(..));
        }
    }

    /// Counts a question that nobody was asked for as too many others are being asked.
    pub(crate) fn dns_recursion_refused(&self) {
        self.metrics.record([(self.questions.refused, 1.0)]);
    }

    /// Counts a question that no recursor has answered.
    pub(crate) fn dns_recursion_failed(&self) {
        self.metrics.record([(self.questions.failed, 1.0)]);
    }

    /// Counts a connection that was closed as there were too many.
    pub(crate) fn dns_connection_crowded(&self) {
        self.metrics.record([(self.questions.crowded, 1.0)]);
    }

    /// Counts a connection that was closed as its question did not come or its reply was not
    /// taken.
    pub(crate) fn dns_connection_slow(&self) {
        self.metrics.record([(self.questions.slow, 1.0)]);
    }
}

fn is_authoritative(reply: &[u8]) -> bool {
    reply.get(2).is_some_and(|flags| flags & 4 != 0)
}

/// Whether it says that the message was no question that anybody could answer.
fn is_malformed(reply: &[u8]) -> bool {
    const FORMAT_ERROR: u8 = 1;
    const NOT_IMPLEMENTED: u8 = 4;
    let code = reply.get(3).map(|flags| flags & 15);
    matches!(code, Some(FORMAT_ERROR | NOT_IMPLEMENTED))
}

fn ends_in_arpa(query: &[u8]) -> bool {
    let mut rest = query.get(HEADER_BYTES..).unwrap_or_default();
    let mut last: &[u8] = &[];
    for _ in 0..LABELS {
        let Some((&length, after)) = rest.split_first() else { return false };
        if length == 0 {
            return last.eq_ignore_ascii_case(b"arpa");
        }
        let Some((label, after)) = after.split_at_checked(length.into()) else { return false };
        (last, rest) = (label, after);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::ends_in_arpa;

    #[test]
    fn names_of_addresses_are_told_apart() {
        let query = |name: &[u8]| [&[0; 12], name].concat();
        assert!(ends_in_arpa(&query(b"\x011\x07in-addr\x04ARPA\0\0\x0c\0\x01")));
        assert!(!ends_in_arpa(&query(b"\x04arpa\x06consul\0\0\x01\0\x01")));
        assert!(!ends_in_arpa(&query(b"\x3farpa")));
        assert!(!ends_in_arpa(&[]));
    }
}
