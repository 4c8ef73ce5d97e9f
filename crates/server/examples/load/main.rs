//! Load for a server, small enough to leave a processor to it: what `bench/consul.py` asks with.
//!
//! ```text
//! load press ADDRESS CONNECTIONS SECONDS COUNT RATE METHOD PATH [BODY]
//! load park  ADDRESS COUNT SOURCES SECONDS PATH
//! ```
//!
//! `press` sends requests, each connection the next one when it has the answer to the last, until
//! the seconds are over or there were COUNT (0: without end), at most RATE a second (0: as fast as
//! it goes).
//!
//! `park` opens COUNT connections from SOURCES loopback addresses and sends a read that waits on
//! each. It prints `parked` then, and reads one line: `METHOD PATH BODY`, a write after which all
//! are to be answered within SECONDS, or nothing: then it says how many were answered so far.
//!
//! In PATH and BODY `{n}` stands for the number of the request in eight digits, `{n/10}` for a
//! tenth of it, `{n%10}` for what is left. The last line printed is JSON, times in microseconds.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use park::Park;
use press::Press;
use template::Template;

mod exchange;
mod park;
mod press;
mod template;

const USAGE: &str = "load press ADDRESS CONNECTIONS SECONDS COUNT RATE METHOD PATH [BODY]\n\
                     load park ADDRESS COUNT SOURCES SECONDS PATH";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = match arguments[..] {
        ["press", address, connections, seconds, count, rate, method, path, ref body @ ..] => {
            let press = Press {
                address: address.parse().unwrap(),
                connections: connections.parse().unwrap(),
                seconds: seconds.parse().unwrap(),
                count: count.parse().unwrap(),
                rate: rate.parse().unwrap(),
                method: method.to_owned(),
                path: Template::parse(path),
                body: Template::parse(body.first().unwrap_or(&"")),
            };
            runtime.block_on(press.run())
        }
        ["park", address, count, sources, seconds, path] => {
            let park = Park {
                address: address.parse::<SocketAddr>().unwrap(),
                count: count.parse().unwrap(),
                sources: sources.parse().unwrap(),
                seconds: seconds.parse().unwrap(),
                path: Template::parse(path),
            };
            runtime.block_on(park.run())
        }
        _ => panic!("{USAGE}"),
    };
    println!("{report}");
}
