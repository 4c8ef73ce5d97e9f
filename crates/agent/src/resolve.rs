//! Addresses to join: their forms, and the look-up of their names.
//!
//! `host`, `host:port`, `NAME/host[:port]`; IPv6 bare or in brackets; the default port is the own
//! bind port. Names that hold a dot are asked for over TCP first (a long list of hosts does not
//! fit a datagram), then everything is left to the system's resolver on a helper thread.
//! Specification "Gossip wire protocol and behaviour", A16.

mod dns;

use std::io;
use std::net::{IpAddr, SocketAddr};

use gotext::{join_host_port, multi_error, split_host_port};
use serf::JoinTarget;
use wire::NodeName;

use crate::limits;
use crate::log::{Level, Log};
use crate::render::Plain;

/// The addresses of one join, resolved as far as possible.
#[derive(Debug, Default)]
pub(crate) struct JoinPlan {
    /// What to try, in order.
    pub(crate) targets: Vec<JoinTarget>,
    steps: Vec<Step>,
}

/// What becomes of one address, in the order of the error text.
#[derive(Debug)]
enum Step {
    /// Its name could not be resolved; the line of the error text.
    Unresolved(String),
    /// It is one of the targets, under this label.
    Target(String),
}

impl JoinPlan {
    /// What went wrong with each address, in their order. `failures` are those of the targets.
    pub(crate) fn error_text(&self, failures: &[(String, String)]) -> String {
        let mut failures = failures.iter().peekable();
        let mut lines: Vec<String> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Unresolved(line) => lines.push(line.clone()),
                Step::Target(label) => {
                    if let Some((_, why)) = failures.next_if(|(failed, _)| failed == label) {
                        lines.push(format!("Failed to join {label}: {why}"));
                    }
                }
            }
        }
        lines.extend(failures.map(|(label, why)| format!("Failed to join {label}: {why}")));
        multi_error(&lines)
    }
}

/// Resolves every address in turn. Those that cannot be resolved are logged.
pub(crate) async fn resolve_all(addresses: &[String], default_port: u16, log: &Log) -> JoinPlan {
    let mut plan = JoinPlan::default();
    for address in addresses {
        match resolve(address, default_port, log).await {
            Ok(targets) => {
                for target in targets {
                    if plan.targets.len() < limits::JOIN_TARGETS {
                        plan.steps.push(Step::Target(target.label.clone()));
                        plan.targets.push(target);
                    }
                }
            }
            Err(why) => {
                let line = format!("Failed to resolve {address}: {why}");
                log.line(Level::Warn, "memberlist", Plain(&line));
                plan.steps.push(Step::Unresolved(line));
            }
        }
    }
    plan
}

async fn resolve(address: &str, default_port: u16, log: &Log) -> Result<Vec<JoinTarget>, String> {
    let parsed = parse(address, default_port)?;
    let ips = match parsed.host.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => look_up(&parsed.host, log).await?,
    };
    Ok(ips
        .into_iter()
        .map(|ip| JoinTarget {
            address: SocketAddr::new(ip, parsed.port),
            name: parsed.name.clone(),
            label: ip.to_string(),
        })
        .collect())
}

/// Whether this can be an address to join; names are not looked up.
pub(crate) fn check_form(address: &str) -> Result<(), String> {
    match parse(address, 1) {
        Ok(parsed) if parsed.host.is_empty() => Err("there is no host".to_owned()),
        Ok(_) => Ok(()),
        Err(why) => Err(why),
    }
}

/// One address, its parts not yet looked at.
#[derive(Debug, PartialEq, Eq)]
struct ParsedAddress {
    name: Option<NodeName>,
    host: String,
    port: u16,
}

fn parse(address: &str, default_port: u16) -> Result<ParsedAddress, String> {
    let (name, rest) = match address.split_once('/') {
        Some(("", _)) => return Err("empty node name provided".to_owned()),
        Some((name, rest)) => (Some(NodeName::from(name)), rest),
        None => (None, address),
    };
    let with_port = if has_port(rest) {
        rest.to_owned()
    } else {
        join_host_port(rest.trim_matches(['[', ']']), default_port)
    };
    let (host, port) = split_host_port(&with_port).map_err(|error| error.to_string())?;
    Ok(ParsedAddress { name, port: parse_number(port)?, host: host.to_owned() })
}

/// Whether a port is given: behind brackets, or behind a single colon. More than one colon without
/// brackets means a bare IPv6 address.
fn has_port(text: &str) -> bool {
    if text.rfind('[') == Some(0) {
        return text.rfind(':') > text.rfind(']');
    }
    text.matches(':').count() == 1
}

fn parse_number(port: &str) -> Result<u16, String> {
    port.parse::<u16>().map_err(|error| {
        let why = match error.kind() {
            std::num::IntErrorKind::PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseUint: parsing {}: {why}", gotext::quote(port))
    })
}

async fn look_up(host: &str, log: &Log) -> Result<Vec<IpAddr>, String> {
    if host.is_empty() {
        return Err("lookup : no such host".to_owned());
    }
    if host.contains('.') {
        match dns::look_up_over_tcp(host).await {
            Ok(ips) if !ips.is_empty() => return Ok(ips),
            Ok(_) => {}
            Err(why) => log.line(
                Level::Debug,
                "memberlist",
                format_args!("TCP-first lookup failed for '{host}', falling back to UDP: {why}"),
            ),
        }
    }
    // Runs getaddrinfo on a helper thread, which ends when the resolver's own patience does.
    let answer = tokio::time::timeout(limits::RESOLVER_TIMEOUT, tokio::net::lookup_host((host, 0)));
    match answer.await {
        Err(_) => Err(format!("lookup {host}: i/o timeout")),
        Ok(Err(error)) => Err(format!("lookup {host}: {}", resolver_words(&error))),
        Ok(Ok(found)) => {
            let ips: Vec<IpAddr> =
                found.map(|address| address.ip()).take(limits::ADDRESSES_PER_NAME).collect();
            if ips.is_empty() { Err(format!("lookup {host}: no such host")) } else { Ok(ips) }
        }
    }
}

fn resolver_words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match words {
        "Name or service not known"
        | "No address associated with hostname"
        | "Name does not resolve" => "no such host".to_owned(),
        words => words.to_owned(),
    }
}

#[cfg(test)]
mod tests;
