//! A development server, for trying things out: `dev -node=NAME -node-id=UUID -http-port=N ...`.
//! What it does not know it ignores.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use agent::log::{Level, Log};
use server::{Endpoint, HttpOptions, Identity, Options};

fn main() {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| {
        let prefix = format!("-{name}=");
        flags.iter().rev().find_map(|flag| flag.strip_prefix(&prefix))
    };
    let port = |name: &str, usual: u16| flag(name).map_or(usual, |port| port.parse().unwrap());
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let id = flag("node-id").unwrap_or("11111111-2222-3333-4444-555555555555");
    let options = Options {
        identity: Identity {
            node: flag("node").unwrap_or("node1").into(),
            node_id: catalog::Uuid::parse(id).unwrap(),
            datacenter: "dc1".into(),
            advertise: local(0).ip(),
            advertise_wan: local(0).ip(),
            server: local(port("server-port", 8300)),
            expect: 0,
            meta: Vec::new(),
        },
        data_dir: None,
        durable: false,
        lan: local(port("serf-lan-port", 8301)),
        wan: Some(local(port("serf-wan-port", 8302))),
        keyring: Vec::new(),
        checks: server::CheckOptions::default(),
        http: HttpOptions {
            endpoints: vec![Endpoint::Tcp(local(port("http-port", 8500)))],
            pretty: true,
            pages: true,
            ..HttpOptions::default()
        },
        coordinates: true,
        session_ttl_min_ns: 10_000_000_000,
        log: Log::new(Level::Info, Box::new(Printed), None),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _running = server::start(options).await.unwrap();
        std::future::pending::<()>().await;
    });
}

struct Printed;

impl agent::log::Sink for Printed {
    fn write(&mut self, line: &agent::log::Line) {
        println!("{}", line.text);
    }
}
