//! `tribune/explain/…`: how an answer of DNS comes about. Consul has no such thing.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use ::dns::{Step, Transport, question, record_type};
use api::{Failure, Request};
use catalog::Snapshot;
use serde_json::{Value, json};

use super::{Outcome, json as shown};
use crate::http::Site;

/// Explains the answer to a question: any name, as over UDP unless it says otherwise.
pub(super) async fn name(site: &Site, request: &Request) -> Outcome {
    let record_type = request.query.filled("type").unwrap_or("A");
    let transport = request.query.filled("transport").unwrap_or("udp");
    let edns = request.query.filled("edns").map(|bytes| {
        let why = || format!("Invalid edns {}: bytes from 0 to 65535", gotext::quote(bytes));
        bytes.parse().map_err(|_| Failure::new(400, why()))
    });
    let asker = Asker { transport, edns: edns.transpose()?, source: request.source };
    explain(site, &asked(request), record_type, &asker).await
}

/// The name that is meant: the rest of the path or, as no path has room for `..` or `a//b`, a
/// parameter.
fn asked(request: &Request) -> Cow<'_, str> {
    request.query.filled("name").map_or_else(|| request.tail_text(), Cow::from)
}

/// Explains which instances of a service, or of a prepared query, are given: those of the SRV
/// answer over TCP, where most fit.
pub(super) async fn service(site: &Site, request: &Request) -> Outcome {
    let name = asked(request);
    let form = if is_query(&site.catalogue().read(), &name) { "query" } else { "service" };
    let name = format!("{name}.{form}.{}", site.shell.dns.zone());
    let asker = Asker { transport: "tcp", edns: None, source: request.source };
    explain(site, &name, "SRV", &asker).await
}

/// Whether no service is meant, before whose name a tag may stand, but a prepared query is.
fn is_query(snapshot: &Snapshot, name: &str) -> bool {
    let service = name.rsplit('.').next().unwrap_or_default();
    snapshot.instances(&service.into()).next().is_none()
        && !matches!(snapshot.query_named(name), Ok(None))
}

/// Who would ask, and how.
struct Asker<'a> {
    transport: &'a str,
    /// The bytes that it announces.
    edns: Option<u16>,
    /// None: a program of this machine.
    source: Option<IpAddr>,
}

async fn explain(site: &Site, name: &str, kind: &str, asker: &Asker<'_>) -> Outcome {
    let transport = asker.transport;
    let bad = |text: String| Failure::new(400, text);
    let over = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        other => {
            return Err(bad(format!("Unknown transport {}: udp or tcp", gotext::quote(other))));
        }
    };
    let record_type = record_type(kind)
        .ok_or_else(|| bad(format!("Unknown type of record {}", gotext::quote(kind))))?;
    let query = question(name, record_type, asker.edns)
        .ok_or_else(|| bad(format!("There can be no name {} in DNS", gotext::quote(name))))?;
    let source = asker.source.unwrap_or(Ipv4Addr::LOCALHOST.into()).to_canonical();
    let trace = site.shell.dns.explain(&query, over, source).await;
    let trace = trace.ok_or_else(|| Failure::new(503, "Too many questions to recursors"))?;
    let (code, truncated, answers) = match trace.steps.last() {
        Some(Step::Replied { rcode, truncated, answers, .. }) => {
            (json!(rcode), *truncated, answers.as_slice())
        }
        _ => (Value::Null, false, &[][..]),
    };
    Ok(shown(&json!({
        "Name": name,
        "Type": kind.to_ascii_uppercase(),
        "Transport": transport,
        "Steps": trace.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "Code": code,
        "Truncated": truncated,
        "Answers": answers,
    })))
}

#[cfg(test)]
mod tests {
    use catalog::{
        Command, ModifyIndex, Node, PreparedQuery, QueryWrite, Register, Service, State, Time,
    };

    use super::*;

    #[test]
    fn a_query_is_meant_where_no_service_has_the_name() {
        let service = Service {
            node: "n".into(),
            id: "web".into(),
            name: "Web".into(),
            ..Service::default()
        };
        let register = Register {
            node: Node { name: "n".into(), address: "10.0.0.1".into(), ..Node::default() },
            skip_node_update: false,
            service: Some(Box::new(service)),
            checks: [].into(),
        };
        let query = |name: &str, number| {
            let id = catalog::Uuid::from_bytes([number; 16]);
            let query = PreparedQuery { id, name: name.into(), ..PreparedQuery::default() };
            Command::Query(Box::new(QueryWrite::Create(query)))
        };
        let mut state = State::default();
        let commands =
            [Command::Register(Box::new(register)), query("web", 1), query("db.near", 2)];
        for (number, command) in (1..).zip(commands) {
            state.apply(ModifyIndex(number), Time(1), [command]);
        }
        let snapshot = state.snapshot();
        let meant = ["web", "tag.web", "db.near", "DB.Near", "absent"];
        let queries = meant.map(|name| is_query(&snapshot, name));
        assert_eq!(queries, [false, false, true, true, false]);
    }
}
