//! Callers that wait for a broadcast to be through.

use std::collections::{BTreeMap, BTreeSet};

use crate::Time;
use crate::interface::Token;

/// Tokens and how long they wait. Whoever takes a token out owes it its one answer.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    deadlines: BTreeMap<Token, Time>,
    order: BTreeSet<(Time, Token)>,
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    pub(crate) fn add(&mut self, token: Token, deadline: Time) {
        self.remove(token);
        self.deadlines.insert(token, deadline);
        self.order.insert((deadline, token));
    }

    /// True if it was still waiting.
    pub(crate) fn remove(&mut self, token: Token) -> bool {
        let deadline = self.deadlines.remove(&token);
        deadline.is_some_and(|deadline| self.order.remove(&(deadline, token)))
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out one whose time is over.
    pub(crate) fn pop_late(&mut self, now: Time) -> Option<Token> {
        let (deadline, token) = *self.order.first()?;
        (deadline <= now && self.remove(token)).then_some(token)
    }
}
