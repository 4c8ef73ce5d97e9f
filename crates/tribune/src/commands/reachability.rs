//! `serf reachability`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use client::{Client, Error, QueryRecord, QueryRequest, Record};

use super::{FAILURE, connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

const TROUBLESHOOTING: &str = "
Troubleshooting tips:
* Ensure that the bind addr:port is accessible by all other nodes
* If an advertise address is set, ensure it routes to the bind address
* Check that no nodes are behind a NAT
* If nodes are behind firewalls or iptables, check that Serf traffic is permitted (UDP and TCP)
* Verify networking equipment is functional";

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let members = match client.members() {
        Ok(members) => members,
        Err(error) => return fail(format!("Error getting members: {error}")),
    };
    let live: BTreeSet<&str> = members
        .iter()
        .filter(|member| member.status == "alive")
        .map(|member| member.name.as_str())
        .collect();
    say(format!("Total members: {}, live members: {}", members.len(), live.len()));

    let watching = crate::platform::on_interrupt(|| {
        std::process::exit(fail("Test interrupted"));
    });
    if let Err(error) = watching {
        return fail(format!("Error watching for signals: {error}"));
    }
    let ping =
        QueryRequest { name: "_serf_ping".to_owned(), request_ack: true, ..Default::default() };
    let start = Instant::now();
    if let Err(error) = client.query(ping) {
        return fail(format!("Error sending query: {error}"));
    }
    say("Starting reachability test...");
    let verbose = parsed.on("verbose");
    let acks = match Acks::collect(&mut client, start, verbose) {
        Ok(acks) => acks,
        Err(error) => return fail(format!("Error receiving answers: {error}")),
    };
    if verbose {
        say(format!(
            "Query time: {:.2} sec, time to last response: {:.2} sec",
            start.elapsed().as_secs_f64(),
            acks.last_after.as_secs_f64()
        ));
    }
    judge(&live, &acks)
}

/// Who has answered.
#[derive(Default)]
struct Acks {
    from: BTreeSet<String>,
    duplicates: bool,
    last_after: Duration,
}

impl Acks {
    fn collect(client: &mut Client, start: Instant, verbose: bool) -> Result<Acks, Error> {
        let mut acks = Acks::default();
        while let Some((_, record)) = client.next_record()? {
            let Record::Query(QueryRecord::Ack { from }) = record else { continue };
            // Agents may send some of nobody just before the end.
            if from.is_empty() {
                continue;
            }
            if verbose {
                say(format!("\tAck from '{from}'"));
            }
            acks.last_after = start.elapsed();
            if acks.from.contains(&from) {
                acks.duplicates = true;
                say(format!("Duplicate response from '{from}'"));
            }
            acks.from.insert(from);
        }
        Ok(acks)
    }
}

/// Compares the numbers, says what they mean, and makes the exit code of it.
fn judge(live: &BTreeSet<&str>, acks: &Acks) -> i32 {
    let mut code = 0;
    if acks.duplicates {
        say("Two answers under one name: make sure that no two nodes share a name.");
        code = FAILURE;
    }
    let count = acks.from.len();
    if count == live.len() {
        say("Successfully contacted all live nodes");
        return code;
    }
    if count > live.len() {
        say("Received more acks than live nodes! Acks from non-live nodes:");
        for name in acks.from.iter().filter(|name| !live.contains(name.as_str())) {
            say(format!("\t{name}"));
        }
        say("This could mean Serf is detecting false-failures due to a misconfiguration or \
             network issue.");
    } else {
        say("Received less acks than live nodes! Missing acks from:");
        for name in live.iter().filter(|name| !acks.from.contains(**name)) {
            say(format!("\t{name}"));
        }
        say("This could mean Serf gossip packets are being lost due to a misconfiguration or \
             network issue.");
    }
    say(TROUBLESHOOTING);
    FAILURE
}
