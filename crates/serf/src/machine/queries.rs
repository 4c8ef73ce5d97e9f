//! Queries: asked, received, answered, collected. Specification "Gossip wire protocol and
//! behaviour", B9.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gossip::{Priority, Time, Token};
use rand::Rng;
use rand::seq::SliceRandom;
use wire::message::serf::{Filter, Query, QueryResponse, Relay, SerfMessage};
use wire::planted::{Fault, planted};
use wire::{Address, LamportTime, NodeName};

use super::conflict::Vote;
use super::keys::KeyCount;
use super::{Serf, Timer};
use crate::filter::Selection;
use crate::history::Verdict;
use crate::interface::{
    Error, Event, Fact, MemberStatus, Outcome, Output, QueryId, QueryProgress, QueryRequest,
};
use crate::limits;
use crate::open_queries::OpenQuery;

/// Names that are answered by the machine itself begin with this.
pub(super) const RESERVED_PREFIX: &str = "_serf_";

/// Oldest Serf protocol that may ask queries.
const QUERY_PROTOCOL: u8 = 4;

/// Oldest membership protocol (newest understood) that relays.
const RELAY_PROTOCOL: u8 = 5;

/// A query of our own that waits for answers.
#[derive(Debug)]
pub(super) struct OwnQuery {
    pub(super) id: u32,
    deadline: Time,
    request_ack: bool,
    acks: BTreeSet<NodeName>,
    answers: BTreeSet<NodeName>,
    capacity: usize,
    pub(super) purpose: Purpose,
}

/// Who wants the answers.
#[derive(Debug)]
pub(super) enum Purpose {
    Caller,
    Keys(KeyCount),
    Conflict(Vote),
}

impl Serf {
    pub(super) fn start_caller_query(&mut self, now: Time, caller: Token, request: QueryRequest) {
        let outcome = match self.start_query(now, request, Purpose::Caller) {
            Ok(query) => Outcome::QuerySent { query },
            Err(error) => Outcome::Failed(error),
        };
        self.done(caller, outcome);
    }

    /// Asks everybody, ourselves included. Answers come through the loopback at the earliest, so
    /// after whatever the caller still does in this call.
    pub(super) fn start_query(
        &mut self,
        now: Time,
        request: QueryRequest,
        purpose: Purpose,
    ) -> Result<QueryId, Error> {
        if self.config.protocol < QUERY_PROTOCOL {
            return Err(Error::NotSupported);
        }
        // At the end of time (a forged clock) the times are all the same.
        let taken = self.own_queries.contains_key(&self.clocks.query.time());
        if taken || self.own_queries.len() >= limits::OWN_QUERIES {
            return Err(Error::TooManyQueries);
        }
        if request.filters.len() > limits::FILTERS {
            return Err(Error::TooManyFilters(limits::FILTERS));
        }
        let query = self.compose_query(request);
        let message = Bytes::from(SerfMessage::Query(query.clone()).encode());
        if message.len() > self.config.query_size_limit {
            return Err(Error::QueryTooBig(self.config.query_size_limit));
        }
        let id = QueryId { lamport_time: query.lamport_time, id: query.id };
        self.admit_query(&query).map_err(Error::Dropped)?;
        let deadline = deadline(now, query.timeout_ns);
        self.own_queries.insert(
            query.lamport_time,
            OwnQuery {
                id: query.id,
                deadline,
                request_ack: query.flags & Query::FLAG_ACK != 0,
                acks: BTreeSet::new(),
                answers: BTreeSet::new(),
                capacity: limits::QUERY_ANSWERS_MIN.max(2 * self.table.len()),
                purpose,
            },
        );
        self.timers.set(Timer::OwnQuery(query.lamport_time), deadline);
        self.take_query(now, query);
        self.pass_on(now, Priority::Query, message);
        Ok(id)
    }

    fn compose_query(&mut self, request: QueryRequest) -> Query {
        let filters: Vec<Bytes> = request.filters.iter().map(Filter::encode).collect();
        let timeout_ns = match request.timeout {
            Some(timeout) if timeout.0 != 0 => timeout.0,
            _ => i64::try_from(self.default_query_timeout().as_nanos()).unwrap_or(i64::MAX),
        };
        let local = self.gossip.local();
        Query {
            lamport_time: self.clocks.query.time(),
            id: self.rng.random_range(0..=i32::MAX as u32),
            address: local.address,
            port: local.port,
            source_node: self.name.to_string(),
            filters: (!filters.is_empty()).then_some(filters),
            flags: if request.request_ack { Query::FLAG_ACK } else { 0 },
            relay_factor: request.relay_factor,
            timeout_ns,
            name: request.name,
            payload: request.payload,
        }
    }

    fn default_query_timeout(&self) -> Duration {
        let magnitude = (self.gossip.live_count() as f64 + 1.0).log10().ceil() as u32;
        self.config.gossip.gossip_interval * self.config.query_timeout_mult * magnitude
    }

    /// Returns whether the query is to be passed on.
    pub(super) fn on_query(&mut self, now: Time, query: Query) -> bool {
        if self.admit_query(&query).is_err() {
            return false;
        }
        // Also where it is not for us: it may be for those behind us.
        let pass_on = query.flags & Query::FLAG_NO_BROADCAST == 0;
        self.take_query(now, query);
        pass_on
    }

    /// Whether the query is a fresh one; otherwise the error says why not.
    fn admit_query(&mut self, query: &Query) -> Result<(), &'static str> {
        let time = query.lamport_time;
        if !self.clocks.query.witness(time) {
            self.dropped_as_absurd(time);
            return Err("its time is too far ahead");
        }
        let why = match self.queries.see(time, query.id, self.clocks.query.time()) {
            Verdict::Old => return Err("its time has passed"),
            Verdict::Repeated => return Err("it was seen before"),
            Verdict::Crowded => "too many queries share its time",
            Verdict::Fresh if filters(query).len() > limits::FILTERS => "it has too many filters",
            Verdict::Fresh => return Ok(()),
        };
        self.dropped(format!("{why}, asked by '{}'", query.source_node));
        Err(why)
    }

    fn take_query(&mut self, now: Time, query: Query) {
        self.fact(Fact::Query { name: query.name.clone() });
        if !self.is_selected(&query) {
            return;
        }
        if query.flags & Query::FLAG_ACK != 0 {
            self.acknowledge(&query);
        }
        self.deliver_query(now, query);
    }

    fn is_selected(&mut self, query: &Query) -> bool {
        match self.filters.select(filters(query), self.name.as_str(), &self.config.tags) {
            Selection::Selected => return true,
            Selection::Excluded => {}
            Selection::Unsupported { expression, why } => self.fact(Fact::FilterUnsupported {
                expression,
                why,
                query: query.name.clone(),
                asker: query.source_node.clone(),
                from: self.source.from,
            }),
            Selection::Malformed(why) => {
                self.dropped(format!("a filter, asked by '{}': {why}", query.source_node));
            }
        }
        false
    }

    fn acknowledge(&mut self, query: &Query) {
        let ack = QueryResponse {
            lamport_time: query.lamport_time,
            id: query.id,
            from: self.name.clone(),
            flags: QueryResponse::FLAG_ACK,
            payload: None,
        };
        let message = Bytes::from(SerfMessage::QueryResponse(ack).encode());
        let open = OpenQuery {
            deadline: Time::ZERO,
            address: query.address,
            port: query.port,
            source_node: query.source_node.clone(),
            relay_factor: query.relay_factor,
            answered: false,
        };
        self.send_answer(&open, message);
    }

    fn deliver_query(&mut self, now: Time, query: Query) {
        self.outputs.extend(self.pipeline.query_seen(query.lamport_time));
        let id = QueryId { lamport_time: query.lamport_time, id: query.id };
        let deadline = deadline(now, query.timeout_ns);
        self.open_queries.insert(
            now,
            id,
            OpenQuery {
                deadline,
                address: query.address,
                port: query.port,
                source_node: query.source_node.clone(),
                relay_factor: query.relay_factor,
                answered: false,
            },
        );
        if let Some(internal) = query.name.strip_prefix(RESERVED_PREFIX) {
            return self.answer_internal(now, id, internal, query.payload.as_deref());
        }
        self.outputs.push_back(Output::Event(Event::Query {
            query: id,
            name: query.name,
            payload: query.payload,
            deadline,
            source_node: query.source_node,
        }));
    }

    /// Answers a query that was delivered.
    pub(super) fn respond(&mut self, now: Time, id: QueryId, payload: Bytes) -> Result<(), Error> {
        let message = self.encode_response(id, payload)?;
        let open = match self.open_queries.get_mut(&id) {
            None => return Err(Error::PastDeadline),
            Some(open) if open.answered => return Err(Error::AlreadyAnswered),
            Some(open) if now > open.deadline => return Err(Error::PastDeadline),
            Some(open) => {
                open.answered = true;
                open.clone()
            }
        };
        self.send_answer(&open, message);
        Ok(())
    }

    /// The response as it travels, if it is not too long.
    pub(super) fn encode_response(&self, id: QueryId, payload: Bytes) -> Result<Bytes, Error> {
        let response = QueryResponse {
            lamport_time: id.lamport_time,
            id: id.id,
            from: self.name.clone(),
            flags: 0,
            payload: Some(payload),
        };
        let message = SerfMessage::QueryResponse(response).encode();
        let limit = self.config.query_response_size_limit;
        if message.len() > limit { Err(Error::ResponseTooBig(limit)) } else { Ok(message.into()) }
    }

    /// Sends an answer or ack to who asked, and through others if asked to.
    fn send_answer(&mut self, open: &OpenQuery, message: Bytes) {
        let Some(to) = socket_address(open.address, open.port) else {
            return self.dropped("an answer, because the query says no address".to_owned());
        };
        self.send_direct(to, message.clone());
        self.relay_answer(open, message);
    }

    fn relay_answer(&mut self, open: &OpenQuery, message: Bytes) {
        let relays = usize::from(open.relay_factor);
        if relays == 0 || self.table.len() < relays + 1 {
            return;
        }
        let relay = Relay {
            destination_address: open.address,
            destination_port: open.port,
            destination_zone: String::new(),
            destination_name: open.source_node.clone(),
            message,
        };
        let wrapped = Bytes::from(SerfMessage::Relay(relay).encode());
        if wrapped.len() > self.config.query_response_size_limit {
            return self.dropped("an answer is too long to be relayed".to_owned());
        }
        let able = self.table.iter().map(|entry| &entry.member).filter(|member| {
            member.status == MemberStatus::Alive
                && member.versions.protocol_max >= RELAY_PROTOCOL
                && member.name != self.name
        });
        let mut able: Vec<SocketAddr> = able.filter_map(|m| m.socket_address()).collect();
        let (chosen, _) = able.partial_shuffle(&mut self.rng, relays);
        for to in chosen {
            self.send_direct(*to, wrapped.clone());
        }
    }

    /// Passes a message on to whom it is for, as it came.
    pub(super) fn on_relay(&mut self, relay: Relay) {
        match socket_address(relay.destination_address, relay.destination_port) {
            Some(to) if !relay.message.is_empty() => self.send_direct(to, relay.message),
            _ => self.dropped("a relay without destination or message".to_owned()),
        }
    }

    fn send_direct(&mut self, to: SocketAddr, message: Bytes) {
        if self.gossip.local().socket_address() == Some(to) {
            self.loopback.push_back(message);
        } else {
            self.gossip.send_user(to, message);
        }
    }

    pub(super) fn on_query_response(&mut self, now: Time, response: QueryResponse) {
        let Some(own) = self.own_queries.get_mut(&response.lamport_time) else { return };
        if own.id != response.id || now > own.deadline {
            return;
        }
        let is_ack = response.flags & QueryResponse::FLAG_ACK != 0;
        if is_ack && !own.request_ack {
            return;
        }
        let seen = if is_ack { &mut own.acks } else { &mut own.answers };
        let duplicate = seen.contains(&response.from) && !planted(Fault::RepeatedAnswerCounts);
        let fact = match is_ack {
            true => Fact::QueryAck { duplicate },
            false => Fact::QueryResponse { duplicate },
        };
        if duplicate || seen.len() >= own.capacity {
            return if duplicate {
                self.fact(fact)
            };
        }
        seen.insert(response.from.clone());
        self.fact(fact);
        self.query_progressed(response, is_ack);
    }

    fn query_progressed(&mut self, response: QueryResponse, is_ack: bool) {
        let time = response.lamport_time;
        let Some(own) = self.own_queries.get_mut(&time) else { return };
        let (from, payload) = (response.from, response.payload);
        match &mut own.purpose {
            Purpose::Caller => {
                let query = QueryId { lamport_time: time, id: own.id };
                let progress = match is_ack {
                    true => QueryProgress::Ack { from },
                    false => QueryProgress::Response { from, payload },
                };
                self.outputs.push_back(Output::QueryProgress { query, progress });
            }
            Purpose::Conflict(vote) => vote.count(self.gossip.local(), payload.as_deref()),
            Purpose::Keys(count) => {
                let fact = count.take(from, payload.as_deref());
                let complete = count.is_complete();
                self.outputs.extend(fact.map(Output::Fact));
                if complete {
                    self.finish_query(time);
                }
            }
        }
    }

    /// The time of a query of our own is over, or all have answered.
    pub(super) fn finish_query(&mut self, time: LamportTime) {
        self.timers.cancel(&Timer::OwnQuery(time));
        if planted(Fault::QueryNeverEnds) {
            return;
        }
        let Some(own) = self.own_queries.remove(&time) else { return };
        match own.purpose {
            Purpose::Caller => {
                let query = QueryId { lamport_time: time, id: own.id };
                let progress = QueryProgress::Done;
                self.outputs.push_back(Output::QueryProgress { query, progress });
            }
            Purpose::Keys(count) => {
                let (caller, report) = count.into_report();
                self.done(caller, Outcome::Keys(report));
            }
            Purpose::Conflict(vote) => self.vote_ended(vote),
        }
    }
}

fn filters(query: &Query) -> &[Bytes] {
    query.filters.as_deref().unwrap_or_default()
}

fn socket_address(address: Address, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.to_ip()?, port)).filter(|to| to.port() != 0)
}

/// The end of a timeout as it travels: negative ones have passed, huge ones are cut.
fn deadline(now: Time, timeout_ns: i64) -> Time {
    let length = Duration::from_nanos(timeout_ns.unsigned_abs());
    if timeout_ns < 0 {
        return Time::from_nanos(now.as_nanos().saturating_sub(timeout_ns.unsigned_abs()));
    }
    now + length.min(limits::QUERY_TIMEOUT)
}
