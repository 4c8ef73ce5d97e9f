//! What recursors are being asked. Who asks the same, byte for byte, shares a reply.
//!
//! A circle of servers that pass questions on to each other comes to an end by that: a question
//! that comes back waits for itself, until the time of a recursor is over. What comes back with
//! another case of letters, or other options, is counted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// Times that the same is asked at once in other bytes.
pub(super) const MOST: usize = 64;

/// The questions on their way to recursors, by what they are about.
#[derive(Default)]
pub(super) struct Asking {
    subjects: Mutex<HashMap<Box<[u8]>, Subject>>,
    /// Those that are on their way, each by its port and its identity: nobody else can have both.
    sent: Mutex<HashSet<Sent>>,
    /// What several may wait for, by what was asked.
    shared: Mutex<HashMap<Box<[u8]>, Shared>>,
}

/// Nothing, if no recursor has answered.
pub(super) type Reply = Option<Arc<[u8]>>;

type Shared = Arc<OnceCell<Reply>>;

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

    /// What comes of a question, which `ask` finds out unless somebody does already. Who gives up
    /// leaves that to another one. Nothing is remembered once the reply is there.
    pub(super) async fn share(&self, asked: Box<[u8]>, ask: impl Future<Output = Reply>) -> Reply {
        let cell = self.shared().entry(asked.clone()).or_default().clone();
        let waiting = Waiting { asking: self, asked, cell };
        waiting.cell.get_or_init(|| ask).await.clone()
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Shared>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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

/// One who waits for a reply.
struct Waiting<'a> {
    asking: &'a Asking,
    asked: Box<[u8]>,
    cell: Shared,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut shared = self.asking.shared();
        let own = shared.get(&self.asked).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The map has one, and this one.
        let alone = Arc::strong_count(&self.cell) <= 2;
        if own && (alone || self.cell.initialized()) {
            shared.remove(&self.asked);
        }
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
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    #[tokio::test]
    async fn who_asks_the_same_shares_a_reply() {
        let (asking, times) = (Asking::default(), AtomicUsize::new(0));
        let share = |asked: &[u8], reply: &'static [u8]| {
            let times = &times;
            asking.share(asked.into(), async move {
                tokio::task::yield_now().await;
                times.fetch_add(1, Ordering::Relaxed);
                Some(reply.into())
            })
        };
        let (one, two, other) =
            tokio::join!(share(b"a", b"first"), share(b"a", b"second"), share(b"b", b"other"));
        assert_eq!(one.as_deref(), Some(&b"first"[..]));
        assert_eq!((&two, other.as_deref()), (&one, Some(&b"other"[..])));
        assert_eq!(times.load(Ordering::Relaxed), 2);
        assert_eq!(share(b"a", b"later").await.as_deref(), Some(&b"later"[..]), "it is asked anew");
        // One who gives up leaves the question to the next.
        let gone = asking.share(b"a"[..].into(), std::future::pending());
        let gone = async {
            let short = std::time::Duration::from_millis(1);
            assert!(tokio::time::timeout(short, gone).await.is_err());
        };
        let ((), next) = tokio::join!(gone, share(b"a", b"next"));
        assert_eq!(next.as_deref(), Some(&b"next"[..]));
        assert!(asking.shared().is_empty());
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
