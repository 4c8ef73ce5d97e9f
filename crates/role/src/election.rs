//! What the members say, weighed: the live holder, the first candidate, the majority.

use std::cmp::Ordering;

use serf::{Member, MemberStatus};
use wire::NodeName;

use crate::claim::Record;

/// One participant as this member sees it.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) name: NodeName,
    pub(crate) record: Record,
    pub(crate) status: MemberStatus,
}

impl Participant {
    /// From a member, if it takes part in the role.
    pub(crate) fn from_member(member: &Member, role: &str) -> Option<Self> {
        let record = Record::from_tags(&member.tags, role)?;
        Some(Participant { name: member.name.clone(), record, status: member.status })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status == MemberStatus::Alive
    }

    /// Whether a majority is counted over it: the failed do count until an operator says that
    /// they have left.
    fn counts(&self) -> bool {
        matches!(self.status, MemberStatus::Alive | MemberStatus::Failed)
    }
}

/// The order among candidates: `Less` comes first.
pub(crate) fn preference(a: (&Record, &NodeName), b: (&Record, &NodeName)) -> Ordering {
    b.0.priority.cmp(&a.0.priority).then_with(|| a.1.cmp(b.1))
}

/// The order among claims: `Less` wins.
pub(crate) fn precedence(a: (&Record, &NodeName), b: (&Record, &NodeName)) -> Ordering {
    b.0.claim.cmp(&a.0.claim).then_with(|| preference(a, b))
}

/// Everybody but this member.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) others: Vec<Participant>,
}

impl View {
    /// The other member that is up and whose claim wins over those of all others.
    pub(crate) fn live_holder(&self) -> Option<&Participant> {
        self.others
            .iter()
            .filter(|other| other.is_up() && other.record.claim > 0)
            .min_by(|a, b| precedence((&a.record, &a.name), (&b.record, &b.name)))
    }

    /// Whether `own` comes first among the members that are up and eligible.
    pub(crate) fn is_first(&self, own: &Record, name: &NodeName) -> bool {
        own.eligible
            && self.others.iter().filter(|other| other.is_up() && other.record.eligible).all(
                |other| preference((own, name), (&other.record, &other.name)) == Ordering::Less,
            )
    }

    /// Whether this member and the others that are up are more than half of all that count.
    pub(crate) fn has_majority(&self) -> bool {
        let up = 1 + self.others.iter().filter(|other| other.is_up()).count();
        let all = 1 + self.others.iter().filter(|other| other.counts()).count();
        up * 2 > all
    }

    /// The highest claim that anybody, up or not, is known to have made.
    pub(crate) fn highest_claim(&self) -> u64 {
        self.others.iter().map(|other| other.record.claim).max().unwrap_or(0)
    }

    /// Whether a member that failed (and may only be frozen, or cut off) still has a claim.
    pub(crate) fn has_ghosts(&self) -> bool {
        self.others
            .iter()
            .any(|other| other.status == MemberStatus::Failed && other.record.claim > 0)
    }

    /// The failed members, at most `count` of them, `turn` for `turn`.
    pub(crate) fn failed(&self, turn: usize, count: usize) -> Vec<NodeName> {
        let mut failed: Vec<NodeName> = self
            .others
            .iter()
            .filter(|other| other.status == MemberStatus::Failed)
            .map(|other| other.name.clone())
            .collect();
        if failed.len() > count {
            let first = turn.wrapping_mul(count) % failed.len();
            failed.rotate_left(first);
            failed.truncate(count);
        }
        failed
    }
}
