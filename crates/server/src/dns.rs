//! DNS: sockets, connections and recursors around the `dns` crate, which knows what to answer.
//!
//! ```text
//!   udp ──▶ Answerer ─▶ dns::answer ─▶ reply, in place
//!   tcp ──▶    │            │
//!              │            └─ Recurse, Chase ─▶ recursors (a place; over UDP a task) ─▶ reply
//!              └─ a Moment: catalogue, settings and time, the same for what is read in one go
//! ```
//!
//! What waits to be answered over UDP waits in the system's queue of the socket, which is short:
//! who asks more than can be answered loses questions at once instead of getting old answers.

mod asking;
mod budget;
mod connections;
mod datagrams;
mod explain;
mod moment;
mod places;
mod recursors;
mod tcp;
mod udp;
mod upstream;
mod warnings;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::dns::{
    Config, Foreign, Observer, Outcome, SHORT_BYTES, Scratch, Transport, View, answer, chase_query,
    cut, subject,
};
use agent::log::Log;
use arc_swap::ArcSwap;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::options::DnsRules;
use crate::random;
use crate::store::Store;
use crate::telemetry::{Tally, Telemetry};
use asking::{Asking, Turn};
use budget::Budget;
use connections::Connections;
use moment::{Leadership, Moment};
use places::Places;
use recursors::Recursors;
use tcp::{Patience, Turns};
use warnings::Warnings;

/// A DNS server.
pub(crate) struct Dns {
    active: ArcSwap<Active>,
    store: Store,
    telemetry: Arc<Telemetry>,
    warnings: Warnings,
    leadership: Leadership,
    /// Places for questions to recursors.
    recursions: Places,
    asking: Asking,
    /// A place for who wants an answer explained.
    explanations: Arc<Semaphore>,
    connections: Connections,
    budget: Budget,
    patience: Patience,
    /// Of all TCP connections.
    turns: Turns,
    /// Whether somebody leads.
    leads: fn(&Store) -> bool,
    /// Of all TCP connections.
    answerer: Mutex<Answerer>,
}

/// What the settings come to.
struct Active {
    config: Config,
    zone: String,
    recursors: Recursors,
    allow_stale: bool,
    max_stale: Duration,
}

impl Active {
    fn new(rules: &DnsRules) -> Result<Self, String> {
        Ok(Self {
            config: Config::new(&rules.zone).map_err(|error| error.to_string())?,
            zone: rules.zone.domain.clone(),
            recursors: Recursors::new(&rules.recursors, rules.strategy, rules.recursor_timeout),
            allow_stale: rules.allow_stale,
            max_stale: rules.max_stale,
        })
    }
}

/// What a question comes to without asking anybody.
enum Answer {
    /// The reply is in [`Answerer::reply`].
    Ready,
    /// Recursors have to be asked.
    Ask(Ask),
    /// Nothing is sent.
    Silent,
}

/// What recursors are to be asked.
enum Ask {
    /// The question itself.
    Question,
    /// For a name that the answer leads to. The numbers are those that the answer was made with:
    /// with others the next one may lead elsewhere.
    Name(Box<[u8]>, SmallRng),
}

/// Makes answers; what it needs for that is kept from one to the next.
struct Answerer {
    scratch: Scratch,
    random: SmallRng,
    reply: Vec<u8>,
}

impl Answerer {
    fn new() -> Self {
        let random = SmallRng::from_seed(random::seed());
        Self { scratch: Scratch::default(), random, reply: Vec::new() }
    }

    /// What there is to say to `query` at that moment. `foreign` is what recursors have said.
    fn answer(
        &mut self,
        moment: &Moment,
        transport: Transport,
        source: IpAddr,
        query: &[u8],
        foreign: &[Foreign<'_>],
        observer: &mut impl Observer,
    ) -> Answer {
        let view = View {
            snapshot: moment.snapshot(),
            transport,
            source,
            unix_seconds: moment.unix_seconds,
            foreign,
        };
        let Self { scratch, random, reply } = self;
        let config = &moment.active.config;
        let before = random.clone();
        match answer(config, &view, query, random, scratch, observer, reply) {
            Outcome::Answered => Answer::Ready,
            Outcome::Recurse => Answer::Ask(Ask::Question),
            Outcome::Chase => Answer::Ask(Ask::Name(scratch.wanted().into(), before)),
            Outcome::Silent => Answer::Silent,
        }
    }
}

impl Dns {
    /// A server that reads from `store`; it has no sockets yet.
    pub(crate) fn new(
        rules: &DnsRules,
        store: Store,
        telemetry: Arc<Telemetry>,
        log: Log,
    ) -> Result<Self, String> {
        Ok(Self {
            active: ArcSwap::from_pointee(Active::new(rules)?),
            store,
            telemetry,
            warnings: Warnings::new(log),
            leadership: Leadership::default(),
            recursions: Places::default(),
            asking: Asking::default(),
            explanations: Arc::new(Semaphore::new(1)),
            connections: Connections::default(),
            budget: Budget::default(),
            patience: Patience::default(),
            turns: Turns::default(),
            leads: |store| store.status().is_leader,
            answerer: Mutex::new(Answerer::new()),
        })
    }

    /// Takes other rules into use, for the questions to come.
    pub(crate) fn reconfigure(&self, rules: &DnsRules) -> Result<(), String> {
        self.active.store(Arc::new(Active::new(rules)?));
        Ok(())
    }

    /// Serves at an address, over UDP and TCP; returns where, and the tasks.
    pub(crate) fn listen(
        self: &Arc<Self>,
        address: SocketAddr,
    ) -> Result<(SocketAddr, [JoinHandle<()>; 2]), String> {
        let listener = tcp::bind(address).map_err(|error| gotext::listen_error(address, &error))?;
        // If the system has chosen the port, it is the same for both.
        let bound = listener.local_addr().unwrap_or(address);
        let socket = udp::bind(bound).map_err(|error| listen_error(bound, &error))?;
        let tasks = [
            tokio::spawn(udp::serve(socket, self.clone())),
            tokio::spawn(tcp::serve(listener, self.clone())),
        ];
        Ok((bound, tasks))
    }

    /// Hangs up on all who are connected.
    pub(crate) fn hang_up(&self) {
        self.connections.end();
    }

    /// Asks recursors until there is an answer; `None` for silence.
    async fn ask(
        &self,
        mut ask: Ask,
        query: &[u8],
        transport: Transport,
        from: SocketAddr,
    ) -> Option<Vec<u8>> {
        let active = self.active.load_full();
        let source = from.ip().to_canonical();
        let Some(_place) = self.recursions.take(source) else {
            self.telemetry.dns_recursion_refused();
            self.warnings.crowd(&source);
            return Some(failed(query));
        };
        let started = Instant::now();
        let mut answerer = Answerer::new();
        let mut found = Vec::new();
        loop {
            let (name, random) = match ask {
                Ask::Question if self.is_own(query, from.port()) => {
                    self.telemetry.dns_recursion_refused();
                    self.warnings.circle(&source);
                    return Some(failed(query));
                }
                Ask::Question => {
                    let reply = self.forward(&active, query, transport).await;
                    return Some(reply.unwrap_or_else(|| failed(query)));
                }
                Ask::Name(name, random) => (name, random),
            };
            answerer.random = random;
            let reply = self.chase(&active, &name, started).await;
            found.push((name, reply));
            let answer = {
                let foreign = foreign(&found);
                let moment = self.moment_of(active.clone());
                answerer.answer(&moment, transport, source, query, &foreign, &mut ())
            };
            ask = match answer {
                Answer::Ready => return Some(answerer.reply),
                Answer::Ask(ask) => ask,
                Answer::Silent => return None,
            };
        }
    }

    /// What recursors say to a question that is not ours.
    async fn forward(
        &self,
        active: &Active,
        query: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let ask = async {
            let turn = self.turn(query)?;
            let reply = active.recursors.forward(query, transport, &turn, &self.warnings).await;
            if reply.is_none() {
                self.telemetry.dns_recursion_failed();
            }
            reply.map(Arc::from)
        };
        self.share(query, transport, ask).await
    }

    /// The reply that `ask` comes to, or somebody else who asks the same over the same transport.
    async fn share(
        &self,
        query: &[u8],
        transport: Transport,
        ask: impl Future<Output = asking::Reply>,
    ) -> Option<Vec<u8>> {
        let (identity, rest) = query.split_first_chunk::<2>()?;
        let asked = [&[u8::from(transport == Transport::Tcp)], rest].concat();
        let mut reply = self.asking.share(asked.into(), ask).await?.to_vec();
        *reply.first_chunk_mut()? = *identity;
        Some(reply)
    }

    /// What recursors say of a name that an answer leads to. All names of one answer have the time
    /// of two recursors together: then who asked still waits.
    async fn chase(&self, active: &Active, name: &[u8], started: Instant) -> Option<Vec<u8>> {
        let time = active.recursors.timeout.saturating_mul(2).checked_sub(started.elapsed())?;
        let mut query = Vec::new();
        chase_query(name, 0, &mut query);
        let ask = async {
            let turn = self.turn(&query)?;
            active.recursors.chase(&query, &turn, &self.warnings).await.map(Arc::from)
        };
        timeout(time, self.share(&query, Transport::Udp, ask)).await.ok().flatten()
    }

    /// Whether a question is on its way from here to a recursor, which we are ourselves.
    fn is_own(&self, query: &[u8], port: u16) -> bool {
        let identity = query.first_chunk().copied();
        let subject = || subject(query).unwrap_or_default();
        identity.is_some_and(|identity| self.asking.is_own((port, identity), &subject()))
    }

    /// A question on its way to recursors; none if too many ask the same.
    fn turn(&self, query: &[u8]) -> Option<Turn<'_>> {
        let turn = self.asking.enter(subject(query)?);
        if turn.is_none() {
            self.telemetry.dns_recursion_refused();
        }
        turn
    }

    /// Whether a reply is too long for what is left for its asker over UDP.
    fn is_beyond(&self, reply: &[u8], to: IpAddr) -> bool {
        if reply.len() <= SHORT_BYTES || self.budget.take(to, reply.len(), Instant::now()) {
            return false;
        }
        self.telemetry.dns_reply_shortened();
        self.warnings.reflection(&to);
        true
    }

    /// Counts an answer that took so long.
    fn count(&self, query: &[u8], reply: &[u8], started: Instant) {
        let mut tally = Tally::default();
        self.telemetry.dns_answered(&mut tally, query, reply, started.elapsed());
        self.telemetry.dns_counted(&mut tally);
    }
}

/// A name that recursors were asked about, and what they have said.
type Found = (Box<[u8]>, Option<Vec<u8>>);

fn foreign(found: &[Found]) -> Vec<Foreign<'_>> {
    found.iter().map(|(name, reply)| Foreign { name, reply: reply.as_deref() }).collect()
}

/// The reply when nobody could be asked.
fn failed(query: &[u8]) -> Vec<u8> {
    let mut reply = Vec::new();
    ::dns::recursion_failed(query, &mut reply);
    reply
}

fn listen_error(address: SocketAddr, error: &io::Error) -> String {
    format!("listen udp {address}: bind: {}", gotext::errno_text(error))
}

#[cfg(test)]
mod tests;
