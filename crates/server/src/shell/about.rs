//! `agent/self`, `agent/version`: who this agent says it is.

use serde_json::json;

use super::{Outcome, json as shown};
use crate::http::{Reply, Site};
use crate::pools::MemberRow;

/// The day that builds without one show, as Consul's do.
const BUILD_DATE: &str = "1970-01-01T00:00:01Z";

pub(super) fn version() -> Reply {
    shown(&json!({
        "SHA": "",
        "BuildDate": BUILD_DATE,
        "HumanVersion": crate::VERSION,
        "FIPS": "",
    }))
}

pub(super) async fn own(site: &Site) -> Outcome {
    let identity = &site.shell.identity;
    let members = site.shell.lan.members().await;
    let own = members.iter().find(|member| member.name == *site.shell.lan.name());
    let coordinate = site.shell.lan.coordinate(&identity.node).await;
    let coordinate = coordinate.map(|place| {
        json!({
            "Vec": place.vec,
            "Error": place.error,
            "Adjustment": place.adjustment,
            "Height": place.height,
        })
    });
    let status = site.store.status();
    let leader = super::leader(site);
    let id = identity.node_id.to_string();
    let meta: std::collections::BTreeMap<_, _> = crate::reconcile::own_node(identity)
        .meta
        .unwrap_or_default()
        .into_vec()
        .into_iter()
        .collect();
    Ok(shown(&json!({
        "Config": {
            "Datacenter": identity.datacenter,
            "PrimaryDatacenter": identity.datacenter,
            "NodeName": identity.node,
            "NodeID": id,
            "Revision": "",
            "Server": true,
            "Version": crate::VERSION,
            "BuildDate": BUILD_DATE,
        },
        "DebugConfig": {
            "ACLsEnabled": false,
            "AdvertiseAddrLAN": identity.advertise,
            "AdvertiseAddrWAN": identity.advertise_wan,
            "ConnectEnabled": false,
            "Datacenter": identity.datacenter,
            "NodeID": id,
            "NodeName": identity.node,
            "PeeringEnabled": false,
            "PrimaryDatacenter": identity.datacenter,
            "ServerMode": true,
            "ServerPort": identity.server.port(),
            "Version": crate::VERSION,
        },
        "Coord": coordinate,
        "Member": own.map(MemberRow::new),
        "Stats": {
            "build": {
                "prerelease": "", "revision": "", "version": crate::VERSION, "version_metadata": "",
            },
            "consul": {
                "acl": "disabled",
                "bootstrap": "true",
                "known_datacenters": "1",
                "leader": status.is_leader.to_string(),
                "leader_addr": leader,
                "server": "true",
            },
            "raft": {
                "applied_index": status.applied_entry.to_string(),
                "commit_index": status.applied_entry.to_string(),
                "last_log_index": status.last_entry.to_string(),
                "last_log_term": status.term.to_string(),
                "last_snapshot_index": status.snapshot_entry.to_string(),
                "num_peers": "0",
                "state": if status.is_leader { "Leader" } else { "Follower" },
                "term": status.term.to_string(),
            },
        },
        "Meta": meta,
    })))
}

/// Where the servers of other datacenters are: of this one alone, there is its own.
pub(super) async fn datacenter_coordinates(site: &Site) -> Reply {
    let Some(wan) = &site.shell.wan else { return shown(&json!([])) };
    let identity = &site.shell.identity;
    let place = wan.coordinate(&identity.wan_name()).await;
    let rows: Vec<_> = place
        .into_iter()
        .map(|place| {
            json!({
                "Node": identity.node,
                "Segment": "",
                "Coord": {
                    "Vec": place.vec,
                    "Error": place.error,
                    "Adjustment": place.adjustment,
                    "Height": place.height,
                },
            })
        })
        .collect();
    shown(&json!([{ "Datacenter": identity.datacenter, "AreaID": "wan", "Coordinates": rows }]))
}
