//! Finding the others: joins that callers want, and rejoins from the snapshot.

use std::collections::VecDeque;

use gossip::{Time, Token};
use rand::seq::SliceRandom;

use super::{Phase, Serf, Waiting};
use crate::interface::{Error, Fact, JoinTarget, Outcome};
use crate::snapshot::SnapshotState;

/// A join that goes through its targets one after another.
#[derive(Debug)]
pub(super) struct JoinTask {
    pub(super) caller: Token,
    /// The first is the one being tried.
    pub(super) targets: VecDeque<JoinTarget>,
    pub(super) contacted: usize,
    pub(super) failures: Vec<(String, String)>,
    pub(super) ignore_old_events: bool,
}

impl Serf {
    pub(super) fn start_join(
        &mut self,
        now: Time,
        caller: Token,
        targets: Vec<JoinTarget>,
        ignore_old_events: bool,
    ) {
        if self.phase != Phase::Running {
            return self.failed(caller, Error::JoinAfterLeave);
        }
        let task = JoinTask {
            caller,
            targets: targets.into(),
            contacted: 0,
            failures: Vec::new(),
            ignore_old_events,
        };
        self.join_next(now, task);
    }

    pub(super) fn join_next(&mut self, now: Time, task: JoinTask) {
        let Some(target) = task.targets.front() else {
            let JoinTask { caller, contacted, failures, .. } = task;
            // A leave that began meanwhile has the last word.
            if contacted > 0 && self.phase == Phase::Running {
                self.broadcast_join(now);
            }
            return self.done(caller, Outcome::Joined { contacted, failures });
        };
        let (to, name) = (target.address, target.name.clone());
        let command = gossip::Command::PushPull { to, name, join: true };
        self.ask_gossip(now, Waiting::Join(task), command);
    }

    pub(super) fn join_answered(
        &mut self,
        now: Time,
        mut task: JoinTask,
        outcome: gossip::Outcome,
    ) {
        let target = task.targets.pop_front();
        match outcome {
            Ok(()) => task.contacted += 1,
            Err(error) => {
                let label = target.map(|target| target.label).unwrap_or_default();
                task.failures.push((label, error.to_string()));
            }
        }
        self.join_next(now, task);
    }

    /// Tries the members of the snapshot in random order until one answers. No join intent comes
    /// of it.
    pub(super) fn start_rejoin(&mut self, now: Time, snapshot: SnapshotState) {
        self.rejoin = snapshot.alive.into_iter().filter(|(name, _)| *name != self.name).collect();
        self.rejoin.shuffle(&mut self.rng);
        self.rejoin_next(now);
    }

    fn rejoin_next(&mut self, now: Time) {
        let Some((name, to)) = self.rejoin.last().cloned() else { return };
        if self.phase != Phase::Running {
            return self.rejoin.clear();
        }
        self.fact(Fact::Rejoining { name: name.clone(), address: to });
        let command = gossip::Command::PushPull { to, name: Some(name), join: true };
        self.ask_gossip(now, Waiting::Rejoin, command);
    }

    pub(super) fn rejoin_answered(&mut self, now: Time, outcome: gossip::Outcome) {
        let Some((name, address)) = self.rejoin.pop() else { return };
        match outcome {
            Ok(()) => {
                self.rejoin = Vec::new();
                self.fact(Fact::Rejoined { name, address });
            }
            Err(_) if self.rejoin.is_empty() => self.fact(Fact::RejoinFailed),
            Err(_) => self.rejoin_next(now),
        }
    }
}
