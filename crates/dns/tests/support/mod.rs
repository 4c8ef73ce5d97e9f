//! A state made by requests of the HTTP API, and replies as an independent parser reads them.

#![allow(dead_code, unreachable_pub, clippy::field_reassign_with_default)]

use std::net::Ipv4Addr;

use api::{Agent, Handler, Method, Proposal, Query, Reader, Request};
use catalog::{ModifyIndex, State, Time, Uuid};
use dns::{Config, Foreign, Outcome, Scratch, Settings, Trace, Transport, View};
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::{Name, RData, Record};
use rand::rngs::SmallRng;

/// A state that is written as a server writes it.
#[derive(Default)]
pub struct World {
    state: State,
    index: u64,
}

impl World {
    /// One PUT.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn put(&mut self, path: &str, body: &str) {
        self.write(Method::Put, path, body);
    }

    /// One request that writes.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn write(&mut self, by: Method, path: &str, body: &str) {
        self.index += 1;
        let row = api::find(path).expect("an endpoint").endpoint;
        let write = row.handlers.iter().find_map(|(method, handler)| match handler {
            Handler::Write(write) if *method == by => Some(write),
            _ => None,
        });
        let request = Request {
            method: by,
            tail: Box::default(),
            query: Query::default(),
            body: body.as_bytes().to_vec().into(),
            token: Box::default(),
            source: None,
        };
        let agent = Agent {
            datacenter: "dc1".into(),
            node: "n1".into(),
            kv_value_max_bytes: 1 << 20,
            txn_max_bytes: 1 << 20,
            session_ttl_min_ns: 10_000_000_000,
            coordinates: true,
        };
        let snapshot = self.state.snapshot();
        let fresh = Uuid::from_bytes(u128::from(self.index).to_be_bytes());
        let reader = Reader { snapshot: &snapshot, agent: &agent, fresh };
        match write.expect("it writes")(&request, &reader).expect("it is taken") {
            Proposal::Answer(_) => {}
            Proposal::Command(command, then) => {
                let index = ModifyIndex(self.index);
                let mut responses = self.state.apply(index, Time(1_000), [command]);
                then(responses.pop().expect("a response")).expect("it is done");
            }
        }
    }

    /// The agent itself, as one server registers.
    pub fn with_agent() -> Self {
        let mut world = Self::default();
        world.put(
            "/v1/catalog/register",
            r#"{"Node": "n1", "Address": "127.0.0.1",
                "ID": "11111111-1111-1111-1111-111111111111",
                "TaggedAddresses": {"lan": "127.0.0.1", "lan_ipv4": "127.0.0.1",
                                    "wan": "127.0.0.1", "wan_ipv4": "127.0.0.1"},
                "NodeMeta": {"consul-network-segment": "", "consul-version": "1.16.4"},
                "Service": {"ID": "consul", "Service": "consul", "Port": 8300},
                "Check": {"CheckID": "serfHealth", "Name": "Serf Health Status",
                          "Status": "passing"}}"#,
        );
        world
    }

    /// Its state now.
    pub fn snapshot(&self) -> catalog::Snapshot {
        self.state.snapshot()
    }
}

/// Asks over a state; every call is traced, and once more without: both must agree in length.
pub fn ask(
    config: &Config,
    snapshot: Option<&catalog::Snapshot>,
    transport: Transport,
    query: &[u8],
    rng: &mut SmallRng,
    foreign: &[Foreign<'_>],
) -> (Outcome, Vec<u8>, Trace) {
    let source = Ipv4Addr::LOCALHOST.into();
    let view = View { snapshot, transport, source, unix_seconds: 1_700_000_000, foreign };
    let (mut scratch, mut trace, mut out) = (Scratch::default(), Trace::default(), Vec::new());
    let mut again = rng.clone();
    let outcome = dns::answer(config, &view, query, rng, &mut scratch, &mut trace, &mut out);
    let mut untraced = Vec::new();
    let second =
        dns::answer(config, &view, query, &mut again, &mut scratch, &mut (), &mut untraced);
    assert_eq!((outcome, &out), (second, &untraced), "who looks on changes the answer");
    (outcome, out, trace)
}

/// A reply, as an independent parser reads it.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// Header and question.
    pub head: String,
    /// EDNS0.
    pub edns: Option<String>,
    /// Answer, authority, additional without EDNS0, as text.
    pub sections: [Vec<String>; 3],
    /// Whether it says that it was cut.
    pub truncated: bool,
}

impl Reply {
    /// Reads a reply.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn read(bytes: &[u8]) -> Self {
        // The parser knows no question without a class of its own.
        let message = Message::from_vec(bytes).expect("a message");
        let flags = (message.authoritative(), message.recursion_desired());
        let more = (message.recursion_available(), message.checking_disabled());
        let questions: Vec<_> = message.queries().iter().map(ToString::to_string).collect();
        let codes = (message.op_code(), message.response_code().low());
        let head = format!("{} {flags:?} {more:?} {codes:?} {questions:?}", message.id());
        let sections = [message.answers(), message.name_servers(), message.additionals()];
        Self {
            head,
            edns: message.extensions().as_ref().map(edns),
            sections: sections.map(|records| records.iter().map(text).collect()),
            truncated: message.truncated(),
        }
    }

    /// The same with each section sorted.
    pub fn sorted(mut self) -> Self {
        self.sections.iter_mut().for_each(|section| section.sort());
        self
    }

    /// How long the sections are.
    pub fn counts(&self) -> [usize; 3] {
        [self.sections[0].len(), self.sections[1].len(), self.sections[2].len()]
    }
}

fn edns(edns: &Edns) -> String {
    let flags = (edns.flags().dnssec_ok, edns.version(), edns.rcode_high());
    format!("{} {flags:?} {:?}", edns.max_payload(), edns.options())
}

fn text(record: &Record) -> String {
    let data = match record.data() {
        // The time it was recorded at, and the version that was recorded.
        RData::SOA(soa) => {
            let numbers = (soa.refresh(), soa.retry(), soa.expire(), soa.minimum());
            format!("{} {} {numbers:?}", soa.mname(), soa.rname())
        }
        other => other.to_string(),
    };
    format!("{} {} {} {data}", record.name(), record.ttl(), record.record_type())
}

/// A question's bytes.
pub fn question(name: &Name, rtype: u16, edns: Option<u16>) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns.is_some().into()];
    for label in name.iter() {
        query.push(label.len() as u8);
        query.extend_from_slice(label);
    }
    query.push(0);
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    if let Some(bytes) = edns {
        query.extend_from_slice(&[0, 0, 41]);
        query.extend_from_slice(&bytes.to_be_bytes());
        query.extend_from_slice(&[0; 6]);
    }
    query
}

/// Settings by the keys of a configuration file.
pub fn settings(config: &serde_json::Value) -> Settings {
    let mut settings = Settings::default();
    settings.node = "n1".to_owned();
    settings.recursors = config["recursors"].is_array();
    settings.alt_domain = config["alt_domain"].as_str().map(str::to_owned);
    let dns = &config["dns_config"];
    let number = |value: &serde_json::Value, default: u32| {
        value.as_u64().map_or(default, |number| number as u32)
    };
    let flag = |name: &str, default| dns[name].as_bool().unwrap_or(default);
    let seconds = |value: &serde_json::Value| {
        let text = value.as_str().unwrap_or("0s").trim_end_matches('s');
        std::time::Duration::from_secs(text.parse().expect("seconds"))
    };
    settings.only_passing = flag("only_passing", false);
    settings.enable_truncate = flag("enable_truncate", false);
    settings.disable_compression = flag("disable_compression", false);
    settings.node_meta_txt = flag("enable_additional_node_meta_txt", true);
    settings.udp_answer_limit = number(&dns["udp_answer_limit"], 3);
    settings.a_record_limit = number(&dns["a_record_limit"], 0);
    settings.node_ttl = seconds(&dns["node_ttl"]);
    for (name, ttl) in dns["service_ttl"].as_object().into_iter().flatten() {
        settings.service_ttl.insert(name.clone(), seconds(ttl));
    }
    let names = ["refresh", "retry", "expire", "min_ttl"];
    for (place, name) in settings.soa.iter_mut().zip(names) {
        *place = number(&dns["soa"][name], *place);
    }
    settings
}
