//! Finding members on the local network by multicast DNS.
//!
//! A question for the cluster's service is sent at the start and every minute; whatever answers is
//! joined. A second pair of sockets answers such questions of others. Specification "Serf agent",
//! section 8. Where the real agent never tries an address again whose join failed, this one does,
//! after longer and longer pauses.

mod packet;
mod sockets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::MdnsSettings;
use crate::log::{Level, Log};
pub(crate) use packet::Service;
use sockets::{Asker, Listener};

/// Between questions.
const POLL: Duration = Duration::from_secs(60);

/// How long answers to a question are awaited.
const COLLECT: Duration = Duration::from_secs(1);

/// Addresses are joined together when none was found for this long.
const QUIET: Duration = Duration::from_millis(100);

/// Addresses remembered; further ones are ignored. A network with more members than this needs
/// other ways to find them.
const ADDRESSES: usize = 1024;

/// Most polls between two attempts to join an address.
const LONGEST_PAUSE: u32 = 64;

/// Answers questions of others until dropped.
pub(crate) struct Responder {
    listener: Listener,
    service: Service,
}

impl Responder {
    /// Opens the sockets. Fails if neither family can be used.
    pub(crate) fn bind(settings: &MdnsSettings, service: Service) -> Result<Self, String> {
        Ok(Responder { listener: Listener::bind(settings)?, service })
    }

    /// Answers for ever.
    pub(crate) async fn run(self) {
        let mut buffer = vec![0; packet::LARGEST];
        loop {
            let (length, from, socket) = self.listener.receive(&mut buffer).await;
            if let Some(answer) = self.service.answer(&buffer[..length]) {
                // A lost answer is asked for again.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }
}

/// Asks for members and joins them.
pub(crate) struct Discovery<J> {
    settings: MdnsSettings,
    service: Service,
    log: Log,
    addresses: Addresses,
    /// Joins all of these; how many of them answered.
    join: J,
}

impl<J: AsyncFn(Vec<String>) -> Result<usize, String>> Discovery<J> {
    /// Sends nothing yet.
    pub(crate) fn new(settings: MdnsSettings, service: Service, log: Log, join: J) -> Self {
        Discovery { settings, service, log, addresses: Addresses::default(), join }
    }

    /// Asks and joins for ever.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now();
        loop {
            if let Err(why) = self.poll().await {
                let text = format_args!("Failed to poll for new hosts: {why}");
                self.log.line(Level::Err, "agent.mdns", text);
            }
            next += POLL;
            sleep_until(next).await;
        }
    }

    async fn poll(&mut self) -> Result<(), String> {
        // New sockets for every question, so that interfaces that come and go are followed.
        let asker = Asker::bind(&self.settings)?;
        asker.ask(&self.service.question(packet::random_id())).await?;
        self.addresses.next_poll();
        let end = Instant::now() + COLLECT;
        let mut found: Vec<SocketAddr> = Vec::new();
        let mut buffer = vec![0; packet::LARGEST];
        loop {
            let now = Instant::now();
            if now >= end && found.is_empty() {
                return Ok(());
            }
            let quiet = now + QUIET;
            let until = if found.is_empty() { end } else { quiet.min(end) };
            match timeout_at(until, asker.receive(&mut buffer)).await {
                Ok(length) if now < end => {
                    for address in self.service.members(&buffer[..length]) {
                        if self.addresses.wants(address) && !found.contains(&address) {
                            found.push(address);
                        }
                    }
                }
                _ if found.is_empty() => {}
                _ => self.join_found(std::mem::take(&mut found)).await,
            }
        }
    }

    async fn join_found(&mut self, found: Vec<SocketAddr>) {
        let texts = found.iter().map(SocketAddr::to_string).collect();
        let result = (self.join)(texts).await;
        match &result {
            Ok(joined) => {
                self.log.line(Level::Info, "agent.mdns", format_args!("Joined {joined} hosts"));
            }
            Err(why) => {
                self.log.line(Level::Err, "agent.mdns", format_args!("Failed to join: {why}"));
            }
        }
        // If some answered and some did not, nobody says which: joining one twice does no harm.
        let all_answered = result.is_ok_and(|joined| joined == found.len());
        for address in found {
            self.addresses.note(address, all_answered);
        }
    }
}

/// What became of the addresses that were found.
#[derive(Default)]
struct Addresses {
    known: BTreeMap<SocketAddr, Attempts>,
}

enum Attempts {
    Joined,
    /// Not all of a join answered, this often in a row; polls until the next attempt.
    Failed {
        times: u32,
        pause: u32,
    },
}

impl Addresses {
    fn next_poll(&mut self) {
        for attempts in self.known.values_mut() {
            if let Attempts::Failed { pause, .. } = attempts {
                *pause = pause.saturating_sub(1);
            }
        }
    }

    fn wants(&self, address: SocketAddr) -> bool {
        match self.known.get(&address) {
            None => self.known.len() < ADDRESSES,
            Some(Attempts::Joined) => false,
            Some(Attempts::Failed { pause, .. }) => *pause == 0,
        }
    }

    fn note(&mut self, address: SocketAddr, joined: bool) {
        let times = match self.known.get(&address) {
            Some(Attempts::Failed { times, .. }) => times.saturating_add(1),
            _ => 1,
        };
        let pause = 2u32.saturating_pow(times - 1).min(LONGEST_PAUSE);
        let attempts = if joined { Attempts::Joined } else { Attempts::Failed { times, pause } };
        self.known.insert(address, attempts);
    }
}

#[cfg(test)]
mod tests;
