//! Whose return takes more than hearsay: members that the layer above has erased.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Incarnation, NodeName};

use crate::{Time, limits};

/// Names that were reaped or pruned, each with the incarnation it had. A third party that still
/// has such a member in its table cannot bring it back at or below that incarnation.
#[derive(Debug, Default)]
pub(crate) struct DeathCertificates {
    by_name: BTreeMap<NodeName, Certificate>,
    by_end: BTreeSet<(Time, NodeName)>,
}

#[derive(Clone, Copy, Debug)]
struct Certificate {
    incarnation: Incarnation,
    until: Time,
    /// When the member may be asked again whether it is there.
    ask_after: Time,
}

impl DeathCertificates {
    /// Replaces an older one of that name. When there are too many, the one that ends first goes.
    pub(crate) fn add(&mut self, node: NodeName, incarnation: Incarnation, until: Time) {
        self.remove(node.as_str());
        self.by_end.insert((until, node.clone()));
        self.by_name.insert(node, Certificate { incarnation, until, ask_after: Time::ZERO });
        while self.by_name.len() > limits::DEATH_CERTIFICATES
            && let Some((_, name)) = self.by_end.pop_first()
        {
            self.by_name.remove(name.as_str());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn remove(&mut self, node: &str) {
        if let Some((name, certificate)) = self.by_name.remove_entry(node) {
            self.by_end.remove(&(certificate.until, name));
        }
    }

    /// Whether it is time to ask the certified member itself, which then has been done.
    pub(crate) fn may_ask(&mut self, now: Time, node: &str) -> bool {
        let Some(certificate) = self.by_name.get_mut(node) else { return false };
        let may = certificate.ask_after <= now;
        if may {
            certificate.ask_after = now + limits::ASK_THE_DEAD;
        }
        may
    }

    /// The certified incarnation if it still covers that claim to be alive.
    pub(crate) fn covers(
        &mut self,
        now: Time,
        node: &str,
        claimed: Incarnation,
    ) -> Option<Incarnation> {
        while self.by_end.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, name)) = self.by_end.pop_first()
        {
            self.by_name.remove(name.as_str());
        }
        let certified = self.by_name.get(node)?.incarnation;
        (claimed <= certified).then_some(certified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn a_certificate_covers_its_incarnation_until_it_ends_or_is_withdrawn() {
        let mut certificates = DeathCertificates::default();
        certificates.add("a".into(), Incarnation(5), at(10));
        for (incarnation, covered) in [(1, true), (5, true), (6, false)] {
            let found = certificates.covers(at(9), "a", Incarnation(incarnation));
            assert_eq!(found.is_some(), covered);
        }
        assert_eq!(certificates.covers(at(9), "b", Incarnation(1)), None);
        assert_eq!(certificates.covers(at(10), "a", Incarnation(1)), None);
        assert!(certificates.by_name.is_empty());
        certificates.add("a".into(), Incarnation(5), at(20));
        certificates.add("a".into(), Incarnation(7), at(30));
        assert_eq!(certificates.by_end.len(), 1);
        certificates.remove("a");
        assert_eq!(certificates.covers(at(11), "a", Incarnation(1)), None);
    }

    #[test]
    fn the_dead_are_asked_now_and_then() {
        let mut certificates = DeathCertificates::default();
        certificates.add("a".into(), Incarnation(5), at(u64::MAX));
        let start = at(1);
        assert!(certificates.may_ask(start, "a"));
        assert!(!certificates.may_ask(start, "a"));
        assert!(certificates.may_ask(start + limits::ASK_THE_DEAD, "a"));
        assert!(!certificates.may_ask(start, "b"));
    }

    #[test]
    fn their_number_is_bounded() {
        let mut certificates = DeathCertificates::default();
        for number in 0..=limits::DEATH_CERTIFICATES {
            let name = format!("n{number}");
            certificates.add(name.into(), Incarnation(1), at(number as u64 + 100));
        }
        assert_eq!(certificates.by_name.len(), limits::DEATH_CERTIFICATES);
        assert_eq!(certificates.covers(at(0), "n0", Incarnation(1)), None);
        assert!(certificates.covers(at(0), "n1", Incarnation(1)).is_some());
    }
}
