//! Reads that wait (consul-http, "Blocking queries"). A client that has seen an index is answered
//! when the answer is another one, not when somebody wrote something near it.

use std::sync::Arc;
use std::time::Duration;

use api::{Agent, Answer, Endpoint, Failure, Reader, Request};
use catalog::{ModifyIndex, Uuid};
use tokio::time::{Instant, timeout_at};

use super::answers::Evaluated;
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

/// A read of somebody's.
struct Asked<'a> {
    catalogue: &'a Catalogue,
    agent: &'a Agent,
    endpoint: &'static Endpoint,
    /// Where the answer has an order by chance, which is for one asker alone.
    fresh: Option<Uuid>,
    read: Read,
    request: &'a Request,
}

/// Evaluates once, and again while nothing is new for who waits.
pub(crate) async fn read(
    (catalogue, agent): (&Catalogue, &Agent),
    fresh: Option<Uuid>,
    (endpoint, read): (&'static Endpoint, Read),
    request: &Request,
    wait: Option<Wait>,
) -> Result<Answer, Failure> {
    let asked = Asked { catalogue, agent, endpoint, fresh, read, request };
    let replaced = catalogue.replaced();
    let first = asked.evaluate(false).await?;
    match wait.filter(|wait| first.answer.index.0.max(1) <= wait.index) {
        // Most do not, and need no room for it.
        Some(wait) => Box::pin(asked.changed(wait, first, replaced)).await,
        None => Ok(first.into_answer()),
    }
}

impl Asked<'_> {
    /// Evaluates; a long read elsewhere. `waited`: others may have, too.
    async fn evaluate(&self, waited: bool) -> Result<Arc<Evaluated>, Failure> {
        if !api::is_long(self.endpoint, self.request, &self.catalogue.read()) {
            return self.evaluate_now(waited);
        }
        // Rare, and more than a connection's own place has room for.
        let (catalogue, agent) = (self.catalogue.clone(), self.agent.clone());
        let (endpoint, request) = (self.endpoint, self.request.clone());
        let (fresh, read) = (self.fresh, self.read);
        let evaluate = move || {
            let (catalogue, agent, request) = (&catalogue, &agent, &request);
            Asked { catalogue, agent, endpoint, fresh, read, request }.evaluate_now(waited)
        };
        Box::pin(self.catalogue.answers().aside(evaluate)).await
    }

    /// Evaluates, unless somebody did it for the same state.
    fn evaluate_now(&self, waited: bool) -> Result<Arc<Evaluated>, Failure> {
        let state = self.catalogue.read();
        let make = || {
            let fresh = self.fresh.unwrap_or_default();
            let reader = Reader { snapshot: &state, agent: self.agent, fresh };
            let answer = (self.read)(self.request, &reader)?;
            Ok(Evaluated::new(answer, state.index().0))
        };
        if self.fresh.is_some() {
            return make().map(Arc::new);
        }
        self.catalogue.answers().get(&state, self.read, self.request, waited, make)
    }

    /// Waits until the answer is another one than the first.
    async fn changed(
        self,
        wait: Wait,
        first: Arc<Evaluated>,
        replaced: u64,
    ) -> Result<Answer, Failure> {
        let (mut index, mut seen, print) = (first.answer.index, first.seen, first.print());
        let mut watching = self.catalogue.watch(&first.answer.watches);
        drop(first);
        loop {
            // What was written before this one watched woke nobody.
            let in_time = self.catalogue.read().index().0 != seen
                || timeout_at(wait.until, watching.woken()).await.is_ok();
            let now = self.evaluate(true).await?;
            // Another state has indexes of its own: who waited for one of the old is answered.
            if self.catalogue.replaced() != replaced {
                return Ok(now.into_answer());
            }
            if !in_time {
                return Ok(Answer { index, ..now.into_answer() });
            }
            if now.print() != print {
                let index = ModifyIndex(now.answer.index.0.max(index.0));
                return Ok(Answer { index, ..now.into_answer() });
            }
            (index, seen) = (now.answer.index, now.seen);
            watching = self.catalogue.watch(&now.answer.watches);
        }
    }
}

#[cfg(test)]
mod tests;
