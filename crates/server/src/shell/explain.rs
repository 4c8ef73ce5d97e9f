//! `tribune/explain/…`: how an answer of DNS comes about. Consul has no such thing.

use std::net::{IpAddr, Ipv4Addr};

use ::dns::{Step, Transport};
use api::{Failure, Request};
use catalog::Snapshot;
use serde_json::{Value, json};

use super::{Outcome, json as shown};
use crate::dns::{question, record_type};
use crate::http::Site;

/// Explains the answer to a question: any name, as over UDP unless it says otherwise.
pub(super) async fn name(site: &Site, request: &Request) -> Outcome {
    let record_type = request.query.filled("type").unwrap_or("A");
    let transport = request.query.filled("transport").unwrap_or("udp");
    explain(site, &request.tail_text(), record_type, transport).await
}

/// Explains which instances of a service, or of a prepared query, are given: those of the SRV
/// answer over TCP, where all fit.
pub(super) async fn service(site: &Site, request: &Request) -> Outcome {
    let name = request.tail_text();
    let form = if is_query(&site.catalogue().read(), &name) { "query" } else { "service" };
    let name = format!("{name}.{form}.{}", site.shell.dns.zone());
    explain(site, &name, "SRV", "tcp").await
}

/// Whether no service is meant, before whose name a tag may stand, but a prepared query is.
fn is_query(snapshot: &Snapshot, name: &str) -> bool {
    let service = name.rsplit('.').next().unwrap_or_default();
    snapshot.instances(&service.into()).next().is_none()
        && !matches!(snapshot.query_lookup(name), Ok(None))
}

async fn explain(site: &Site, name: &str, kind: &str, transport: &str) -> Outcome {
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
    let query = question(name, record_type)
        .ok_or_else(|| bad(format!("There can be no name {} in DNS", gotext::quote(name))))?;
    let source = IpAddr::from(Ipv4Addr::LOCALHOST);
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
