//! Reads that wait (consul-http, "Blocking queries"). A client that has seen an index is answered
//! when the answer is another one, not when somebody wrote something near it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use api::{Agent, Answer, Body, Failure, Reader, Request};
use catalog::{ModifyIndex, Uuid};
use tokio::time::{Instant, timeout_at};

use crate::catalogue::Catalogue;
use crate::random;

/// How a read is evaluated.
pub(crate) type Read = fn(&Request, &Reader<'_>) -> Result<Answer, Failure>;

/// How long a read may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The index that the client has seen.
    pub(crate) index: u64,
    /// When it is to be answered in any case.
    pub(crate) until: Instant,
}

impl Wait {
    /// A little more than `wait`, lest thousands come back at once.
    pub(crate) fn new(index: u64, wait: Duration) -> Self {
        Self { index, until: Instant::now() + wait + random::below(wait / 16) }
    }
}

/// Evaluates once, and again while nothing is new for who waits.
pub(crate) async fn read(
    catalogue: &Catalogue,
    agent: &Agent,
    fresh: Uuid,
    read: Read,
    request: &Request,
    wait: Option<Wait>,
) -> Result<Answer, Failure> {
    let evaluate = || {
        let snapshot = catalogue.read();
        let reader = Reader { snapshot: &snapshot, agent, fresh };
        read(request, &reader).map(|answer| (answer, snapshot.index()))
    };
    let replaced = catalogue.replaced();
    let (answer, mut seen) = evaluate()?;
    let Some(wait) = wait else { return Ok(answer) };
    if answer.index.0.max(1) > wait.index {
        return Ok(answer);
    }
    let (mut index, first) = (answer.index, fingerprint(&answer));
    let mut watching = catalogue.watch(answer.watches);
    loop {
        // What was written before this one watched woke nobody.
        let in_time = catalogue.read().index() != seen
            || timeout_at(wait.until, watching.woken()).await.is_ok();
        let (answer, now) = evaluate()?;
        seen = now;
        // Another state has indexes of its own: who waited for one of the old is answered.
        if catalogue.replaced() != replaced {
            return Ok(answer);
        }
        if !in_time {
            return Ok(Answer { index, ..answer });
        }
        if fingerprint(&answer) != first {
            let index = ModifyIndex(answer.index.0.max(index.0));
            return Ok(Answer { index, ..answer });
        }
        index = answer.index;
        watching = catalogue.watch(answer.watches);
    }
}

/// What two equal answers share.
fn fingerprint(answer: &Answer) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.status.hash(&mut hasher);
    match &answer.body {
        Body::Empty => {}
        Body::Json(bytes) | Body::Bytes(_, bytes) => bytes.hash(&mut hasher),
        Body::Text(text) => text.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
