//! `agent/self`, `agent/version`: who this agent says it is.

mod configuration;

use local::{CheckKind, Local};
use serde_json::{Value, json};

pub use configuration::shown_configuration;

use super::{Outcome, json as shown};
use crate::http::{Reply, Site};
use crate::pools::MemberRow;

/// The same day as [`crate::BUILD_DATE`], as JSON has it.
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
        "DebugConfig": site.shell.configuration,
        "Coord": coordinate,
        "Member": own.map(MemberRow::new),
        "Stats": stats(site).await,
        "Meta": meta,
        // No proxy is served. Clients look for the key all the same.
        "xDS": {
            "SupportedProxies": { "envoy": [] },
            "Port": -1,
            "Ports": { "Plaintext": -1, "TLS": -1 },
        },
    })))
}

/// Numbers of every part, as texts.
async fn stats(site: &Site) -> Value {
    let identity = &site.shell.identity;
    let status = site.store.status();
    let id = identity.node_id;
    let mut stats = json!({
        "agent": agent_stats(site).await,
        "build": {
            "prerelease": "", "revision": "", "version": crate::VERSION, "version_metadata": "",
        },
        "consul": {
            "acl": "disabled",
            "bootstrap": (identity.expect == 1).to_string(),
            "known_datacenters": "1",
            "leader": status.is_leader.to_string(),
            "leader_addr": super::leader(site),
            "server": "true",
        },
        "raft": {
            "applied_index": status.applied_entry.to_string(),
            // What is committed is applied before anybody sees it.
            "commit_index": status.applied_entry.to_string(),
            "fsm_pending": "0",
            "last_contact": if status.is_leader { "0" } else { "never" },
            "last_log_index": status.last_entry.to_string(),
            "last_log_term": status.term.to_string(),
            "last_snapshot_index": status.snapshot_entry.to_string(),
            "last_snapshot_term": if status.snapshot_entry == 0 { 0 } else { status.term }
                .to_string(),
            "latest_configuration":
                format!("[{{Suffrage:Voter ID:{id} Address:{}}}]", identity.server),
            "latest_configuration_index": "0",
            "num_peers": "0",
            "protocol_version": "3",
            "protocol_version_max": "3",
            "protocol_version_min": "0",
            "snapshot_version_max": "1",
            "snapshot_version_min": "0",
            "state": if status.is_leader { "Leader" } else { "Follower" },
            "term": status.term.to_string(),
        },
        "runtime": agent::runtime::section(),
        "serf_lan": site.shell.lan.statistics_section().await,
    });
    if let Some(wan) = &site.shell.wan {
        stats["serf_wan"] = json!(wan.statistics_section().await);
    }
    stats
}

async fn agent_stats(site: &Site) -> Value {
    let counts = |local: &mut Local, _| {
        let of_kind = |kinds: &[CheckKind]| {
            let definitions = local.checks().filter_map(|check| check.definition());
            definitions.filter(|definition| kinds.contains(&definition.kind())).count().to_string()
        };
        json!({
            "check_monitors": of_kind(&[CheckKind::Script]),
            "check_ttls": of_kind(&[CheckKind::Ttl]),
            "checks": local.checks().count().to_string(),
            "services": local.services().count().to_string(),
        })
    };
    site.shell.keeper.look(counts).await.unwrap_or_default()
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
