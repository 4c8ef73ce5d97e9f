//! Two members of one name: a vote decides whether we keep ours. Specification "Gossip wire
//! protocol and behaviour", B11.

use gossip::{Node, Time};
use wire::message::gossip::NodeState;
use wire::message::serf::SerfMessage;
use wire::planted::{Fault, planted};

use super::queries::{Purpose, RESERVED_PREFIX};
use super::{Phase, Serf};
use crate::interface::{Fact, Output, QueryRequest};

/// The votes so far.
#[derive(Debug, Default)]
pub(super) struct Vote {
    pub(super) responses: usize,
    matching: usize,
}

impl Vote {
    /// Counts a vote: every well-formed one, matching if it names our address.
    pub(super) fn count(&mut self, local: &Node, payload: Option<&[u8]>) {
        let Ok(SerfMessage::ConflictResponse(record)) =
            SerfMessage::decode(payload.unwrap_or_default())
        else {
            return;
        };
        self.responses += 1;
        // By value, for once: the short and the mapped form of an address are the same here.
        let ours = (local.address.to_ip(), local.port);
        if record.is_some_and(|record| (record.address.to_ip(), record.port) == ours) {
            self.matching += 1;
        }
    }

    /// Nobody's vote is no majority.
    fn is_won(&self) -> bool {
        let none = self.responses == 0;
        self.matching > self.responses / 2 || (none && planted(Fault::NoVotesWin))
    }
}

impl Serf {
    pub(super) fn on_conflict(&mut self, now: Time, existing: &NodeState, other: &NodeState) {
        let ours = existing.name == self.name;
        let at = |node: &NodeState| node.address.to_ip().map(|ip| (ip, node.port).into());
        self.fact(Fact::NameConflict {
            name: existing.name.clone(),
            ours,
            existing: at(existing),
            state: existing.state,
            other: at(other),
        });
        let votes = ours && self.config.resolve_name_conflicts && self.phase == Phase::Running;
        // Every conflicting claim comes many times; one vote at a time is enough.
        if !votes || self.vote_running {
            return;
        }
        let request = QueryRequest {
            name: format!("{RESERVED_PREFIX}conflict"),
            payload: Some(self.name.as_str().as_bytes().to_vec().into()),
            ..QueryRequest::default()
        };
        let asked = self.start_query(now, request, Purpose::Conflict(Vote::default()));
        self.vote_running = asked.is_ok();
    }

    pub(super) fn vote_ended(&mut self, vote: Vote) {
        self.vote_running = false;
        let kept = vote.is_won();
        self.fact(Fact::ConflictVote { matching: vote.matching, responses: vote.responses, kept });
        if !kept && self.phase != Phase::Shutdown && !planted(Fault::LoserStays) {
            self.shutdown(Time::ZERO);
            self.outputs.push_back(Output::Shutdown);
        }
    }
}
