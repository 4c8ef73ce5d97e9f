//! `operator/`: what there is to operate on one server.

use api::{Failure, Request};
use serde_json::json;

use super::{Outcome, json as shown};
use crate::http::{Reply, Site};
use crate::reconcile;

pub(super) fn raft_configuration(site: &Site) -> Reply {
    let identity = &site.shell.identity;
    let status = site.store.status();
    shown(&json!({
        "Servers": [{
            "ID": identity.node_id.to_string(),
            "Node": identity.node,
            "Address": identity.server.to_string(),
            "Leader": status.is_leader,
            "ProtocolVersion": "3",
            "Voter": true,
            "LastIndex": status.last_entry,
        }],
        "Index": 0,
    }))
}

pub(super) fn raft_peer(request: &Request) -> Outcome {
    let (id, address) = (request.query.first("id"), request.query.first("address"));
    let unknown = |kind: &str, name: &str| {
        let name = gotext::quote(name);
        Err(Failure::internal(format!("{kind} {name} was not found in the Raft configuration")))
    };
    match (id, address) {
        (None, None) => Err(Failure::bad(
            "Must specify either ?id with the server's ID or ?address with IP:port of peer to \
             remove",
        )),
        (Some(_), Some(_)) => Err(Failure::bad("Must specify only one of ?id or ?address")),
        (Some(id), None) => unknown("id", id),
        (None, Some(address)) => unknown("address", address),
    }
}

pub(super) fn transfer_leader(site: &Site, request: &Request) -> Outcome {
    if request.query.filled("partition").is_some() {
        return Err(Failure::bad(
            "Invalid query parameter: \"partition\" - Partitions are a Consul Enterprise feature",
        ));
    }
    Err(Failure::internal(match request.query.filled("id") {
        None => "cannot find peer".to_owned(),
        Some(id) if id == site.shell.identity.node_id.to_string() => {
            "cannot transfer leadership to itself".to_owned()
        }
        Some(id) => format!("Could not find address for server id {id}"),
    }))
}

/// Since when this server is well: since it started, for it never was not.
fn stable_since(site: &Site) -> String {
    let since = chrono::DateTime::<chrono::Utc>::from(site.shell.started);
    since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub(super) fn health(site: &Site) -> Reply {
    let identity = &site.shell.identity;
    let status = site.store.status();
    let healthy = status.is_leader;
    let reply = shown(&json!({
        "Healthy": healthy,
        "FailureTolerance": 0,
        "Servers": [{
            "ID": identity.node_id.to_string(),
            "Name": identity.node,
            "Address": identity.server.to_string(),
            "SerfStatus": "alive",
            "Version": crate::VERSION,
            "Leader": status.is_leader,
            "LastContact": "0s",
            "LastTerm": status.term,
            "LastIndex": status.last_entry,
            "Healthy": healthy,
            "Voter": true,
            "StableSince": stable_since(site),
        }],
    }));
    Reply { status: if healthy { 200 } else { 429 }, ..reply }
}

pub(super) fn state(site: &Site) -> Reply {
    let identity = &site.shell.identity;
    let id = identity.node_id.to_string();
    let status = site.store.status();
    let meta = reconcile::own_meta(identity).into_vec();
    let meta: serde_json::Map<_, _> =
        meta.into_iter().map(|(key, value)| (key.into(), String::from(value).into())).collect();
    let server = json!({
        "ID": id,
        "Name": identity.node,
        "Address": identity.server.to_string(),
        "NodeStatus": "alive",
        "Version": crate::VERSION,
        "LastContact": "0s",
        "LastTerm": status.term,
        "LastIndex": status.last_entry,
        "Healthy": status.is_leader,
        "StableSince": stable_since(site),
        "ReadReplica": false,
        "Status": if status.is_leader { "leader" } else { "voter" },
        "Meta": meta,
        "NodeType": "voter",
    });
    shown(&json!({
        "Healthy": status.is_leader,
        "FailureTolerance": 0,
        "OptimisticFailureTolerance": 0,
        "Servers": { &id: server },
        "Leader": id,
        "Voters": [id],
    }))
}
