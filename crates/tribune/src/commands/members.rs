//! `serf members`.

use client::{Evidence, Member, MembersFilter};
use gotext::Json;

use super::why::{Since, no_evidence};
use super::{Format, bad_format, connect, fail, parse_tags};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;
use crate::table::columns;

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let mut pairs = parsed.list("tag");
    let role = parsed.text("role");
    if !role.is_empty() {
        say("Deprecation warning: 'Role' has been replaced with 'Tags'");
        pairs.push(format!("role={role}"));
    }
    let tags = match parse_tags(&pairs) {
        Ok(tags) => tags,
        Err(code) => return code,
    };
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let filter = MembersFilter { tags, status: parsed.text("status"), name: parsed.text("name") };
    let members = match client.members_filtered(filter) {
        Ok(members) => members,
        Err(error) => return fail(format!("Error retrieving members: {error}")),
    };
    let format = parsed.text("format");
    let Some(shape) = Format::from_name(&format) else { return bad_format(&format) };
    let evidence = if parsed.on("evidence") {
        match client.evidence("") {
            Ok(evidence) => Some(evidence),
            Err(error) => return no_evidence(&error),
        }
    } else {
        None
    };
    match shape {
        Format::Text => say(text(&members, parsed.on("detailed"), evidence.as_deref())),
        Format::Json => say(json(&members, evidence.as_deref()).indented()),
    }
    0
}

/// `address:port`; what is no address as nothing, which the real program cannot show either.
pub(super) fn address_of(member: &Member) -> String {
    let host = member.address.to_ip().map(|ip| ip.to_string()).unwrap_or_default();
    gotext::join_host_port(&host, member.port)
}

fn text(members: &[Member], detailed: bool, evidence: Option<&[Evidence]>) -> String {
    let rows: Vec<_> = members
        .iter()
        .map(|member| {
            let tags: Vec<_> =
                member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let mut row = vec![
                member.name.clone(),
                address_of(member),
                member.status.to_string(),
                tags.join(","),
            ];
            if detailed {
                let versions = member.versions;
                row.push(format!("Protocol Version: {}", versions.delegate_cur));
                row.push(format!(
                    "Available Protocol Range: [{}, {}]",
                    versions.delegate_min, versions.delegate_max
                ));
            }
            if let Some(evidence) = evidence {
                row.push(summary(&about(evidence, member)));
            }
            row
        })
        .collect();
    columns(&rows).trim().to_owned()
}

fn about<'a>(evidence: &'a [Evidence], member: &Member) -> Vec<&'a Evidence> {
    evidence.iter().filter(|piece| piece.node == member.name).collect()
}

/// The latest piece, and how many there are.
fn summary(pieces: &[&Evidence]) -> String {
    let Some(latest) = pieces.last() else { return "no evidence".to_owned() };
    let health = match latest.health {
        Some(health) => format!(" (health {health})"),
        None => String::new(),
    };
    let by = if latest.by.is_empty() { String::new() } else { format!(" by {}", latest.by) };
    format!(
        "{}{by}{health} {}, evidence: {}",
        latest.kind.as_str(),
        Since::now(latest.time_unix_ms),
        pieces.len()
    )
}

fn json(members: &[Member], evidence: Option<&[Evidence]>) -> Json {
    let members = members
        .iter()
        .map(|member| {
            let versions = member.versions;
            let record = Json::record([
                ("name", Json::text(member.name.as_str())),
                ("addr", Json::text(address_of(member))),
                ("port", Json::Int(i64::from(member.port))),
                ("tags", Json::map(&member.tags)),
                ("status", Json::text(member.status.as_bytes())),
                (
                    "protocol",
                    Json::record([
                        ("max", Json::Int(i64::from(versions.delegate_max))),
                        ("min", Json::Int(i64::from(versions.delegate_min))),
                        ("version", Json::Int(i64::from(versions.delegate_cur))),
                    ]),
                ),
            ]);
            match (record, evidence) {
                (Json::Object(mut fields), Some(evidence)) => {
                    let pieces = about(evidence, member).into_iter().map(evidence_json).collect();
                    fields.push(("evidence".to_owned(), Json::List(pieces)));
                    Json::Object(fields)
                }
                (record, _) => record,
            }
        })
        .collect();
    Json::record([("members", Json::list_or_null(members))])
}

fn evidence_json(piece: &Evidence) -> Json {
    let suspected_for = i64::try_from(piece.suspected_for.as_nanos()).unwrap_or(i64::MAX);
    Json::record([
        ("kind", Json::text(piece.kind.as_str())),
        ("by", Json::text(piece.by.as_str())),
        ("incarnation", Json::Int(i64::from(piece.incarnation.0))),
        ("health", piece.health.map_or(Json::Null, |health| Json::Int(i64::from(health)))),
        ("time_unix_ms", Json::Int(piece.time_unix_ms)),
        ("suspected_for_ns", Json::Int(suspected_for)),
    ])
}
