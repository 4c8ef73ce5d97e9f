//! How an answer comes about.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::dns::{Observer as _, Step, Trace, Transport, said};

use super::{Answer, Answerer, Ask, Dns, foreign};

impl Dns {
    /// The steps on the way to the answer to `query`. Recursors are asked as they are for the
    /// answer. None: they are asked too much already.
    ///
    /// An explanation may read and keep much: one at a time, by a thread of its own, which keeps
    /// its turn to the end whoever has hung up.
    pub(crate) async fn explain(
        self: &Arc<Self>,
        query: &[u8],
        transport: Transport,
        source: IpAddr,
    ) -> Option<Trace> {
        let mut turn = self.explanations.clone().acquire_owned().await.ok()?;
        let active = self.active.load_full();
        let mut place = None;
        let started = Instant::now();
        let mut answerer = Answerer::new();
        let mut found = Vec::new();
        loop {
            let (dns, active_then, asked) = (self.clone(), active.clone(), query.to_vec());
            let explained = tokio::task::spawn_blocking(move || {
                let mut trace = Trace::default();
                let moment = dns.moment_of(active_then);
                let foreign = foreign(&found);
                let answer =
                    answerer.answer(&moment, transport, source, &asked, &foreign, &mut trace);
                drop(foreign);
                (answer, trace, answerer, found, turn)
            });
            let (answer, mut trace);
            (answer, trace, answerer, found, turn) = explained.await.ok()?;
            let ask = match answer {
                Answer::Ask(ask) => ask,
                Answer::Ready | Answer::Silent => return Some(trace),
            };
            if place.is_none() {
                place = Some(self.recursions.take(source)?);
            }
            match ask {
                Ask::Name(name, random) => {
                    answerer.random = random;
                    let reply = self.chase(&active, &name, started).await;
                    found.push((name, reply));
                }
                Ask::Question => {
                    let reply = self.forward(&active, query, transport).await;
                    if reply.is_none() {
                        trace.step(Step::Failed { why: "no recursor has answered".into() });
                    }
                    trace.step(said(reply.as_deref()));
                    return Some(trace);
                }
            }
        }
    }

    /// The zone that is answered for, with a dot at its end.
    pub(crate) fn zone(&self) -> String {
        self.active.load().zone.clone()
    }
}
