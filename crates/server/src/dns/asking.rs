//! What recursors are being asked, so that a circle of servers that pass questions on to each
//! other comes to an end: there, the same question is asked again and again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Times that the same is asked at once. A name that many want of a slow recursor needs some.
pub(super) const MOST: usize = 64;

/// The questions on their way to recursors, by what they are about.
#[derive(Default)]
pub(super) struct Asking {
    subjects: Mutex<HashMap<Box<[u8]>, Subject>>,
    /// Those that are on their way, each by its port and its identity: nobody else can have both.
    sent: Mutex<HashSet<Sent>>,
}

/// The port that a question left from, and its identity.
pub(super) type Sent = (u16, [u8; 2]);

#[derive(Default)]
struct Subject {
    askers: usize,
    /// One more was turned away since there were none.
    crowded: bool,
}

/// One question on its way.
pub(super) struct Turn<'a> {
    asking: &'a Asking,
    subject: Box<[u8]>,
}

impl Asking {
    fn sent(&self) -> MutexGuard<'_, HashSet<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a question is one of our own: we are our own recursor. Who sent it is told.
    pub(super) fn is_own(&self, sent: Sent, subject: &[u8]) -> bool {
        let own = self.sent().contains(&sent);
        if own && let Some(known) = self.subjects().get_mut(subject) {
            known.crowded = true;
        }
        own
    }

    fn subjects(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Subject>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more question about that; none if too many ask it already.
    pub(super) fn enter(&self, subject: Box<[u8]>) -> Option<Turn<'_>> {
        let mut subjects = self.subjects();
        let known = subjects.entry(subject.clone()).or_default();
        if known.askers >= MOST {
            known.crowded = true;
            return None;
        }
        known.askers += 1;
        Some(Turn { asking: self, subject })
    }
}

impl Turn<'_> {
    /// Notes what is on its way as long as it is held.
    pub(super) fn sends(&self, sent: Sent) -> OnItsWay<'_> {
        self.asking.sent().insert(sent);
        OnItsWay { asking: self.asking, sent }
    }

    /// Whether one that asks the same was turned away: what a recursor fails at is perhaps our own
    /// refusal, and to ask others would multiply the questions.
    pub(super) fn crowded(&self) -> bool {
        self.asking.subjects().get(&self.subject).is_some_and(|subject| subject.crowded)
    }
}

/// A question that was sent to a recursor.
pub(super) struct OnItsWay<'a> {
    asking: &'a Asking,
    sent: Sent,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.asking.sent().remove(&self.sent);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut subjects = self.asking.subjects();
        let Some(known) = subjects.get_mut(&self.subject) else { return };
        known.askers -= 1;
        if known.askers == 0 {
            subjects.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_comes_back_is_known() {
        let (asking, sent) = (Asking::default(), (4242, [1, 2]));
        let turn = asking.enter(b"a"[..].into()).expect("a place");
        let on_its_way = turn.sends(sent);
        assert!(!asking.is_own((4242, [1, 3]), b"a") && !asking.is_own((4243, [1, 2]), b"a"));
        assert!(!turn.crowded());
        assert!(asking.is_own(sent, b"a") && turn.crowded());
        drop(on_its_way);
        assert!(!asking.is_own(sent, b"a"));
    }

    #[test]
    fn who_asks_the_same_once_too_often_is_turned_away() {
        let asking = Asking::default();
        let enter = |name: &[u8]| asking.enter(name.into());
        let mut turns: Vec<_> = (0..MOST).map_while(|_| enter(b"a")).collect();
        assert_eq!(turns.len(), MOST);
        assert!(!turns[0].crowded());
        assert!(enter(b"a").is_none() && enter(b"b").is_some_and(|turn| !turn.crowded()));
        assert!(turns[0].crowded());
        turns.truncate(1);
        assert!(turns[0].crowded(), "the others are on their way back still");
        turns.clear();
        assert!(asking.subjects().is_empty());
        assert!(enter(b"a").is_some_and(|turn| !turn.crowded()));
    }
}
