//! What the leader says about the members of its pool: that they live, and which are servers
//! (consul-agent, "Server self-registration").

use std::collections::BTreeSet;

use agent::log::{Level, Log};
use agent::node::NodeHandle;
use catalog::{
    Autopilot, AutopilotWrite, Check, CheckId, Command, ModifyIndex, Node, NodeId, NodeName,
    Register, Response, SERF_HEALTH, Service, ServiceId, ServiceName, Weights,
};

use crate::identity::Identity;
use crate::limits::RECONCILE_EVERY;
use crate::store::Store;

/// The service that servers are.
pub(crate) const SERVICE: &str = "consul";

fn health(node: &NodeName, alive: bool) -> Check {
    let (status, output) = if alive {
        ("passing", "Agent alive and reachable")
    } else {
        ("critical", "Agent not live or unreachable")
    };
    Check {
        node: node.clone(),
        id: CheckId::from(SERF_HEALTH),
        name: "Serf Health Status".into(),
        status: status.into(),
        output: output.into(),
        ..Check::default()
    }
}

fn server_service(identity: &Identity, node: &NodeName) -> Service {
    let meta = [
        ("grpc_port", "-1"),
        ("grpc_tls_port", "-1"),
        ("non_voter", "false"),
        ("raft_version", "3"),
        ("read_replica", "false"),
        ("serf_protocol_current", "2"),
        ("serf_protocol_max", "5"),
        ("serf_protocol_min", "1"),
        ("version", crate::VERSION),
    ];
    Service {
        node: node.clone(),
        id: ServiceId::from(SERVICE),
        name: ServiceName::from(SERVICE),
        tags: Some([].into()),
        meta: Some(meta.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
        port: i64::from(identity.server.port()),
        weights: Weights { passing: 1, warning: 1 },
        ..Service::default()
    }
}

/// The agent's own node, as its leader registers it.
pub(crate) fn own_node(identity: &Identity) -> Node {
    Node {
        id: NodeId::from(&*identity.node_id.to_string()),
        name: NodeName::from(&*identity.node),
        address: identity.advertise.to_string().into(),
        tagged_addresses: Some(identity.tagged_addresses().into()),
        meta: Some(own_meta(identity)),
        locality: None,
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    }
}

/// What the agent's own node is told apart by.
pub(crate) fn own_meta(identity: &Identity) -> Box<[(Box<str>, Box<str>)]> {
    let mut pairs = vec![
        ("consul-network-segment".into(), "".into()),
        ("consul-version".into(), crate::VERSION.into()),
    ];
    pairs.extend(identity.meta.pairs().iter().cloned());
    pairs.sort();
    pairs.into()
}

/// The agent's own node, as the catalogue has it now.
pub(crate) fn known_node(identity: &Identity, store: &Store) -> Node {
    let snapshot = store.catalogue().read();
    let known = snapshot.node(&NodeName::from(&*identity.node).fold()).cloned();
    Node { create: ModifyIndex::ZERO, modify: ModifyIndex::ZERO, ..known.unwrap_or_default() }
}

/// Registers this server: its node, that it lives, and the service that it is. What a known node
/// says about itself stays; the agent adds it to a new one. A new cluster also gets its
/// configuration. What cannot be written now is written later by [`run`].
pub(crate) async fn own(identity: &Identity, store: &Store, log: &Log) {
    if let Err(why) = register(identity, store).await {
        let fields = [("member", (&*identity.node).into()), ("error", why.into())];
        log.entry(Level::Err, "agent.leader", "failed to reconcile member", fields);
    }
}

async fn register(identity: &Identity, store: &Store) -> Result<(), String> {
    let node = Node {
        tagged_addresses: None,
        meta: Some([("consul-version".into(), crate::VERSION.into())].into()),
        ..own_node(identity)
    };
    let known = known_node(identity, store);
    let is_known = known.id == node.id && known.address == node.address;
    let register = Register {
        service: Some(Box::new(server_service(identity, &node.name))),
        checks: [health(&node.name, true)].into(),
        skip_node_update: is_known,
        node,
    };
    // In a cluster that has been there before, there is one.
    let autopilot = AutopilotWrite { row: Autopilot::default(), index: Some(ModifyIndex::ZERO) };
    for command in [Command::Autopilot(autopilot.into()), Command::Register(register.into())] {
        match store.write(command).await {
            // Another node may have the name.
            Ok(Response::Refused(error)) => return Err(error.to_string()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Whether the catalogue says of this server what it said last.
fn stands(identity: &Identity, store: &Store) -> bool {
    let snapshot = store.catalogue().read();
    let name = NodeName::from(&*identity.node).fold();
    let id = identity.node_id.to_string();
    let node = snapshot.node(&name);
    let lives = snapshot.check(&name, &CheckId::from(SERF_HEALTH));
    let service = snapshot.service(&name, &ServiceId::from(SERVICE));
    node.is_some_and(|node| node.id.as_str() == id)
        && lives.is_some_and(|check| &*check.status == "passing")
        && service.is_some_and(|service| service.port == i64::from(identity.server.port()))
}

/// Removes nodes that were members of a pool, which `serfHealth` shows, and are none of this one's:
/// they were forgotten here, or belong to the datacenter that an archive was taken from. Nobody
/// would ever say of them that they do not live.
async fn remove_strangers(members: &BTreeSet<NodeName>, store: &Store, log: &Log) {
    let snapshot = store.catalogue().read();
    let lives = CheckId::from(SERF_HEALTH);
    let strangers = snapshot.node_list().filter(|node| {
        !members.contains(&node.name.fold()) && snapshot.check(&node.name, &lives).is_some()
    });
    let strangers: Vec<_> = strangers.map(|node| node.name.clone()).collect();
    drop(snapshot);
    for node in strangers {
        let fields = [("member", node.as_str().into()), ("reason", "reaped".into())];
        log.entry(Level::Info, "agent.server", "deregistering member", fields);
        let (service, check) = (ServiceId::default(), CheckId::default());
        let command = Command::Deregister { node, service, check };
        if let Err(why) = store.write(command).await {
            let fields = [("error", why.to_string().into())];
            log.entry(Level::Err, "agent.leader", "failed to deregister member", fields);
        }
    }
}

/// Looks every now and then whether somebody has removed what the leader says of itself, and says
/// it again, for ever; and whether there are nodes that are members no more.
pub(crate) async fn run(identity: Identity, lan: NodeHandle, store: Store, log: Log) {
    loop {
        tokio::time::sleep(RECONCILE_EVERY).await;
        let members = lan.members().await.into_iter();
        let members: BTreeSet<_> =
            members.map(|member| NodeName::from(member.name.as_str()).fold()).collect();
        // A pool that has ended has no members.
        if members.contains(&NodeName::from(&*identity.node).fold()) {
            remove_strangers(&members, &store, &log).await;
        }
        if stands(&identity, &store) {
            continue;
        }
        log.line(Level::Info, "agent.leader", "member joined, marking health alive");
        own(&identity, &store, &log).await;
    }
}

#[cfg(test)]
mod tests;
