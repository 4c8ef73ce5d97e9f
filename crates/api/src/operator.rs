//! `/v1/operator/`: what of it is in the state (consul-http, "Operator").

use catalog::{Autopilot, AutopilotWrite, Command, Kind, ModifyIndex, Usage, Watch};
use gotext::GoDuration;
use gotext::object::{Nanoseconds, Object, ObjectError};
use serde_json::{Map, json};

use crate::answer::{Answer, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::kv;
use crate::request::Request;

/// What Go calls the record of the configuration.
const RECORD: &str = "AutopilotConfiguration";

pub(crate) fn autopilot(_: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let kept = reader.snapshot.autopilot();
    let usual = Autopilot::default();
    let row = kept.unwrap_or(&usual);
    let duration = |ns| GoDuration::from_nanoseconds(ns).to_string();
    Ok(Answer::new(json::body(&json!({
        "CleanupDeadServers": row.cleanup_dead_servers,
        "LastContactThreshold": duration(row.last_contact_threshold_ns),
        "MaxTrailingLogs": row.max_trailing_logs,
        "MinQuorum": row.min_quorum,
        "ServerStabilizationTime": duration(row.server_stabilization_ns),
        "RedundancyZoneTag": row.redundancy_zone_tag,
        "DisableUpgradeMigration": row.disable_upgrade_migration,
        "UpgradeVersionTag": row.upgrade_version_tag,
        "CreateIndex": row.create.0,
        "ModifyIndex": row.modify.0,
    }))))
}

pub(crate) fn autopilot_set(request: &Request, _: &Reader<'_>) -> Result<Proposal, Failure> {
    let row = read(&request.body).map_err(|error| {
        Failure::bad(format!("Error parsing autopilot config: {}", error.within(RECORD)))
    })?;
    let index =
        match request.query.first("cas") {
            None => None,
            Some(text) => Some(kv::number(text).map_err(|error| {
                Failure::bad(format!("Error parsing cas value: {}", error.text))
            })?),
        };
    // There always is a row, so that zero never is its index.
    let write = AutopilotWrite { row, index: index.map(ModifyIndex) };
    Ok(Proposal::written("", Command::Autopilot(Box::new(write))))
}

/// What is left out is as in a new cluster, not as it was.
fn read(body: &[u8]) -> Result<Autopilot, ObjectError> {
    let mut body = Object::parse(body)?;
    let usual = Autopilot::default();
    let row = Autopilot {
        cleanup_dead_servers: body.optional("CleanupDeadServers")?.unwrap_or(true),
        last_contact_threshold_ns: duration(
            &mut body,
            "LastContactThreshold",
            usual.last_contact_threshold_ns,
        )?,
        max_trailing_logs: body.optional("MaxTrailingLogs")?.unwrap_or(usual.max_trailing_logs),
        min_quorum: body.optional("MinQuorum")?.unwrap_or(usual.min_quorum),
        server_stabilization_ns: duration(
            &mut body,
            "ServerStabilizationTime",
            usual.server_stabilization_ns,
        )?,
        redundancy_zone_tag: body.field::<String>("RedundancyZoneTag")?.into(),
        disable_upgrade_migration: body.field("DisableUpgradeMigration")?,
        upgrade_version_tag: body.field::<String>("UpgradeVersionTag")?.into(),
        ..usual
    };
    for given_back in ["CreateIndex", "ModifyIndex"] {
        let _: u64 = body.field(given_back)?;
    }
    body.finish()?;
    Ok(row)
}

/// A length of time; `null` is none at all.
fn duration(body: &mut Object, name: &str, usual_ns: i64) -> Result<i64, ObjectError> {
    if !body.has(name) {
        return Ok(usual_ns);
    }
    Ok(body.field::<Nanoseconds>(name)?.0.unwrap_or(0))
}

pub(crate) fn usage(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    let usage = reader.snapshot.usage();
    let index = reader.snapshot.node_list_index().max(reader.snapshot.service_list_index());
    let mut kinds: Vec<_> = Usage::KINDS.into_iter().zip(usage.kinds).collect();
    kinds.push(("connect-native", usage.native));
    kinds.sort_unstable();
    let kinds: Map<_, _> =
        kinds.into_iter().map(|(kind, count)| (kind.into(), count.into())).collect();
    let consistency = ["stale", "consistent"].into_iter().find(|name| request.query.has(name));
    let body = json!({
        "Usage": {
            &*reader.agent.datacenter: {
                "Services": usage.services,
                "ServiceInstances": usage.instances,
                "ConnectServiceInstances": kinds,
                "BillableServiceInstances": usage.billable,
                "Nodes": usage.nodes,
            },
        },
        "Index": index.0.max(1),
        "LastContact": 0,
        "KnownLeader": true,
        "ConsistencyLevel": consistency.unwrap_or("leader"),
        "NotModified": false,
        "Backend": 0,
        "ResultsFilteredByACLs": false,
    });
    let watches = [Watch::Any(Kind::Nodes), Watch::Any(Kind::Services)];
    Ok(Answer::new(json::body(&body)).at(index, watches))
}
