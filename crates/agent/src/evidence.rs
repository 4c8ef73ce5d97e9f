//! Who accused whom, who confirmed it, with what health, and when: the last of it, in a ring.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serf::Fact;
use wire::rpc::EvidenceKind;
use wire::{Incarnation, NodeName};

use crate::limits;

/// One thing that was said or found out about a member's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When this member learned it.
    pub at: SystemTime,
    /// What.
    pub kind: Kind,
    /// About whom.
    pub node: NodeName,
    /// The incarnation it is about, where that is known.
    pub incarnation: Option<Incarnation>,
    /// Who said so.
    pub by: Option<NodeName>,
    /// The health score of who said so (0 is healthy), where that is known.
    pub health: Option<u8>,
    /// Confirmations so far.
    pub confirmations: u32,
    /// How long it had been suspected.
    pub suspected_for: Option<Duration>,
    /// Of a failed probe: helpers asked, and those that found no answer either.
    pub helpers: Option<(usize, usize)>,
}

/// The kinds of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our own probe got no answer.
    ProbeFailed,
    /// Somebody suspects it, us included.
    Suspected,
    /// A further member suspects it.
    Confirmed,
    /// It has been declared dead.
    Died,
    /// It has said that it leaves.
    Left,
    /// It has refuted a suspicion, or is alive after it was declared dead.
    Cleared,
    /// Somebody accused ourselves, and we have refuted it.
    Refuted,
    /// A claim that it is alive was ignored: a death certificate covers it.
    ResurrectionIgnored,
}

impl Kind {
    /// The word that the RPC uses. Those that only an expert asks for have words of their own.
    pub fn to_wire(self) -> EvidenceKind {
        match self {
            Kind::Suspected => EvidenceKind::Suspect,
            Kind::Confirmed => EvidenceKind::Confirm,
            Kind::Died | Kind::Left => EvidenceKind::Dead,
            Kind::Cleared | Kind::Refuted => EvidenceKind::Refute,
            Kind::ProbeFailed => EvidenceKind::Other("probe-failed".to_owned()),
            Kind::ResurrectionIgnored => EvidenceKind::Other("resurrection-ignored".to_owned()),
        }
    }
}

impl Record {
    /// What a fact says about somebody's health, if anything; `own` is this member's name.
    pub fn from_fact(fact: &Fact, own: &NodeName, at: SystemTime) -> Option<Record> {
        let Fact::Gossip(fact) = fact else { return None };
        let plain = |kind, node: &NodeName| Record {
            at,
            kind,
            node: node.clone(),
            incarnation: None,
            by: None,
            health: None,
            confirmations: 0,
            suspected_for: None,
            helpers: None,
        };
        use gossip::Fact as F;
        Some(match fact {
            F::ProbeFailed { node, indirect, nacks, health } => Record {
                by: Some(own.clone()),
                health: *health,
                helpers: Some((*indirect, *nacks)),
                ..plain(Kind::ProbeFailed, node)
            },
            F::Suspected { node, incarnation, by, health } => Record {
                incarnation: Some(*incarnation),
                by: Some(by.clone()),
                health: *health,
                ..plain(Kind::Suspected, node)
            },
            F::Confirmed { node, incarnation, by, health, confirmations, suspected_for } => {
                Record {
                    incarnation: Some(*incarnation),
                    by: Some(by.clone()),
                    health: *health,
                    confirmations: *confirmations,
                    suspected_for: Some(*suspected_for),
                    ..plain(Kind::Confirmed, node)
                }
            }
            F::Left { node, incarnation } => Record {
                incarnation: Some(*incarnation),
                by: Some(node.clone()),
                ..plain(Kind::Left, node)
            },
            F::Died { node, incarnation, by, suspected_for } => Record {
                incarnation: Some(*incarnation),
                by: Some(by.clone()),
                suspected_for: *suspected_for,
                ..plain(Kind::Died, node)
            },
            F::Cleared { node, incarnation, suspected_for } => Record {
                incarnation: Some(*incarnation),
                by: Some(node.clone()),
                suspected_for: *suspected_for,
                ..plain(Kind::Cleared, node)
            },
            F::Refuted { by, incarnation, .. } => Record {
                incarnation: Some(*incarnation),
                by: by.clone(),
                ..plain(Kind::Refuted, own)
            },
            F::ResurrectionIgnored { node, incarnation } => {
                Record { incarnation: Some(*incarnation), ..plain(Kind::ResurrectionIgnored, node) }
            }
            _ => return None,
        })
    }
}

/// The newest records.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    records: VecDeque<Record>,
}

impl Ring {
    /// Adds one; the oldest goes when there are too many.
    pub(crate) fn push(&mut self, record: Record) {
        if self.records.len() == limits::EVIDENCE_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Those about `node`, or all; the oldest first.
    pub(crate) fn about(&self, node: Option<&str>) -> Vec<Record> {
        self.records
            .iter()
            .filter(|record| node.is_none_or(|node| record.node.as_str() == node))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_about_health_are_kept_and_the_oldest_go() {
        let own = NodeName::from("self");
        let fact = |node: &str| {
            Fact::Gossip(gossip::Fact::Suspected {
                node: NodeName::from(node),
                incarnation: Incarnation(3),
                by: NodeName::from("b"),
                health: Some(2),
            })
        };
        let mut ring = Ring::default();
        for number in 0..=limits::EVIDENCE_RECORDS {
            let name = format!("n{number}");
            let record = Record::from_fact(&fact(&name), &own, SystemTime::UNIX_EPOCH);
            ring.push(record.expect("a suspicion is evidence"));
        }
        let all = ring.about(None);
        assert_eq!(all.len(), limits::EVIDENCE_RECORDS);
        assert_eq!(all[0].node.as_str(), "n1");
        let one = ring.about(Some("n7"));
        assert_eq!(one.len(), 1);
        assert_eq!((one[0].health, one[0].by.clone()), (Some(2), Some(NodeName::from("b"))));
        let other = Fact::UserEvent { name: "x".into() };
        assert_eq!(Record::from_fact(&other, &own, SystemTime::UNIX_EPOCH), None);
    }
}
