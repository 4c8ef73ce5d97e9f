//! The table of endpoints.

use Handler::{Off, Read, Shell, Write};
use Method::{Delete, Get, Post, Put};

use crate::endpoint::{Endpoint, Enterprise, Handler, Meta, Parameters};
use crate::request::Method;
use crate::shell::Call;
use crate::{catalog, coordinate, health, kv, later, operator, query, register, session, txn};

/// What is known of a path.
#[derive(Clone, Copy)]
pub struct Found {
    /// Its row.
    pub endpoint: &'static Endpoint,
    /// Where in [`ENDPOINTS`] the row stands.
    pub index: usize,
    /// How many bytes of the path are not the row's.
    pub tail: usize,
}

/// How many slashes a row has at most. A key may have any number of them.
const SLASHES: usize = 8;

/// Looks a decoded path up: exactly, or below the longest row that ends in a slash.
#[must_use]
pub fn find(path: &str) -> Option<Found> {
    let row = |known: &str| {
        let index = ENDPOINTS.binary_search_by(|endpoint| endpoint.path.cmp(known)).ok()?;
        let endpoint = ENDPOINTS.get(index)?;
        Some(Found { endpoint, index, tail: path.len() - endpoint.path.len() })
    };
    row(path).or_else(|| {
        let mut ends = [0; SLASHES];
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let count = ends.iter_mut().zip(slashes).map(|(end, (at, _))| *end = at + 1).count();
        ends.iter().take(count).rev().find_map(|end| row(&path[..*end]))
    })
}

const ACL_OFF: Handler = Off(401, "ACL support disabled");
const CONNECT_OFF: Handler = Off(500, "Connect must be enabled in order to use this endpoint");
const PEERING_OFF: Handler = Off(500, "peering must be enabled to use this endpoint");
/// Not there yet.
const LATER: Handler = Off(501, "This server does not have this endpoint yet");

const fn row(
    path: &'static str,
    handlers: &'static [(Method, Handler)],
    meta: Meta,
    parameters: Parameters,
    enterprise: Enterprise,
    cached: bool,
) -> Endpoint {
    Endpoint { path, handlers, meta, parameters, enterprise, cached }
}

/// Every endpoint, sorted by path.
#[rustfmt::skip]
pub const ENDPOINTS: &[Endpoint] = &[
    row("/v1/acl/auth-method", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/auth-method/", &[(Get, ACL_OFF), (Put, ACL_OFF), (Delete, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/auth-methods", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/binding-rule", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/binding-rule/", &[(Get, ACL_OFF), (Put, ACL_OFF), (Delete, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/binding-rules", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/bootstrap", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/login", &[(Post, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/logout", &[(Post, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/policies", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/policy", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/policy/", &[(Get, ACL_OFF), (Put, ACL_OFF), (Delete, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/policy/name/", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/replication", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/role", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/role/", &[(Get, ACL_OFF), (Put, ACL_OFF), (Delete, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/role/name/", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/roles", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/token", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/token/", &[(Get, ACL_OFF), (Put, ACL_OFF), (Delete, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/token/self", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/acl/tokens", &[(Get, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/deregister/", &[(Put, Shell(Call::AgentCheckDeregister))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/fail/", &[(Put, Shell(Call::AgentCheckFail))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/pass/", &[(Put, Shell(Call::AgentCheckPass))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/register", &[(Put, Shell(Call::AgentCheckRegister))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/update/", &[(Put, Shell(Call::AgentCheckUpdate))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/check/warn/", &[(Put, Shell(Call::AgentCheckWarn))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/checks", &[(Get, Shell(Call::AgentChecks))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/connect/authorize", &[(Post, CONNECT_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/connect/ca/leaf/", &[(Get, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/agent/connect/ca/roots", &[(Get, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/agent/force-leave/", &[(Put, Shell(Call::AgentForceLeave))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/health/service/id/", &[(Get, Shell(Call::AgentHealthById))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/health/service/name/", &[(Get, Shell(Call::AgentHealthByName))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/host", &[(Get, Shell(Call::AgentHost))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/join/", &[(Put, Shell(Call::AgentJoin))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/leave", &[(Put, Shell(Call::AgentLeave))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/maintenance", &[(Put, Shell(Call::AgentMaintenance))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/members", &[(Get, Shell(Call::AgentMembers))], Meta::None, Parameters::None, Enterprise::AllowNamespace, false),
    row("/v1/agent/metrics", &[(Get, Shell(Call::AgentMetrics))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/metrics/stream", &[(Get, Shell(Call::AgentMetricsStream))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/monitor", &[(Get, Shell(Call::AgentMonitor))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/reload", &[(Put, Shell(Call::AgentReload))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/self", &[(Get, Shell(Call::AgentSelf))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/service/", &[(Get, Shell(Call::AgentService))], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/agent/service/deregister/", &[(Put, Shell(Call::AgentServiceDeregister))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/service/maintenance/", &[(Put, Shell(Call::AgentServiceMaintenance))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/service/register", &[(Put, Shell(Call::AgentServiceRegister))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/services", &[(Get, Shell(Call::AgentServices))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/token/", &[(Put, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/agent/version", &[(Get, Shell(Call::AgentVersion))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/catalog/connect/", &[(Get, Read(catalog::connect))], Meta::Catalog, Parameters::All, Enterprise::Refuse, true),
    row("/v1/catalog/datacenters", &[(Get, Shell(Call::Datacenters))], Meta::None, Parameters::Consistency, Enterprise::Ignore, true),
    row("/v1/catalog/deregister", &[(Put, Write(register::deregister))], Meta::None, Parameters::Body, Enterprise::Refuse, false),
    row("/v1/catalog/gateway-services/", &[(Get, Read(later::of_gateway))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/catalog/node-services/", &[(Get, Read(catalog::node_list))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/catalog/node/", &[(Get, Read(catalog::node))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/catalog/nodes", &[(Get, Read(catalog::nodes))], Meta::Catalog, Parameters::All, Enterprise::AllowNamespace, false),
    row("/v1/catalog/register", &[(Put, Write(register::register))], Meta::None, Parameters::Body, Enterprise::Refuse, false),
    row("/v1/catalog/service/", &[(Get, Read(catalog::service))], Meta::Catalog, Parameters::All, Enterprise::Refuse, true),
    row("/v1/catalog/services", &[(Get, Read(catalog::services))], Meta::Catalog, Parameters::All, Enterprise::Refuse, true),
    row("/v1/config", &[(Put, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/config/", &[(Get, Read(later::config)), (Delete, Write(later::remove_config))], Meta::Query, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/ca/configuration", &[(Get, CONNECT_OFF), (Put, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/ca/roots", &[(Get, CONNECT_OFF)], Meta::Deferred, Parameters::All, Enterprise::Ignore, false),
    row("/v1/connect/intentions", &[(Get, CONNECT_OFF), (Post, CONNECT_OFF)], Meta::Deferred, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/intentions/", &[(Get, CONNECT_OFF), (Put, CONNECT_OFF), (Delete, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/intentions/check", &[(Get, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/intentions/exact", &[(Get, CONNECT_OFF), (Put, CONNECT_OFF), (Delete, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/connect/intentions/match", &[(Get, CONNECT_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/coordinate/datacenters", &[(Get, Shell(Call::CoordinateDatacenters))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/coordinate/node/", &[(Get, Read(coordinate::node))], Meta::Deferred, Parameters::All, Enterprise::AllowNamespace, false),
    row("/v1/coordinate/nodes", &[(Get, Read(coordinate::nodes))], Meta::Deferred, Parameters::All, Enterprise::AllowNamespace, false),
    row("/v1/coordinate/update", &[(Put, Write(coordinate::update))], Meta::None, Parameters::Body, Enterprise::Refuse, false),
    row("/v1/discovery-chain/", &[(Get, CONNECT_OFF), (Post, CONNECT_OFF)], Meta::Deferred, Parameters::All, Enterprise::Refuse, false),
    row("/v1/event/fire/", &[(Put, Shell(Call::EventFire))], Meta::None, Parameters::Body, Enterprise::Ignore, false),
    row("/v1/event/list", &[(Get, Shell(Call::EventList))], Meta::None, Parameters::Wait, Enterprise::Ignore, false),
    row("/v1/health/checks/", &[(Get, Read(health::service_checks))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/health/connect/", &[(Get, Read(health::connect))], Meta::Health, Parameters::All, Enterprise::Refuse, true),
    row("/v1/health/ingress/", &[(Get, Read(health::ingress))], Meta::Health, Parameters::All, Enterprise::Refuse, true),
    row("/v1/health/node/", &[(Get, Read(health::node))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/health/service/", &[(Get, Read(health::service))], Meta::Health, Parameters::All, Enterprise::Refuse, true),
    row("/v1/health/state/", &[(Get, Read(health::state))], Meta::Catalog, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/acl/authorize", &[(Post, ACL_OFF)], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/internal/federation-state/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/federation-states", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/federation-states/mesh-gateways", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/service-virtual-ip", &[(Put, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/catalog-overview", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/exported-services", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/gateway-intentions/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/gateway-services-nodes/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/metrics-proxy/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/node/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/nodes", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/service-topology/", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/internal/ui/services", &[(Get, LATER)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/kv/", &[(Get, Read(kv::get)), (Put, Write(kv::write)), (Delete, Write(kv::write))], Meta::Query, Parameters::All, Enterprise::Refuse, false),
    row("/v1/operator/autopilot/configuration", &[(Get, Read(operator::autopilot)), (Put, Write(operator::autopilot_set))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/autopilot/health", &[(Get, Shell(Call::AutopilotHealth))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/autopilot/state", &[(Get, Shell(Call::AutopilotState))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/keyring", &[(Get, Shell(Call::Keyring)), (Post, Shell(Call::Keyring)), (Put, Shell(Call::Keyring)), (Delete, Shell(Call::Keyring))], Meta::None, Parameters::None, Enterprise::Ignore, false),
    row("/v1/operator/raft/configuration", &[(Get, Shell(Call::RaftConfiguration))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/raft/peer", &[(Delete, Shell(Call::RaftPeer))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/raft/transfer-leader", &[(Post, Shell(Call::RaftTransferLeader))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/operator/usage", &[(Get, Read(operator::usage))], Meta::Catalog, Parameters::Body, Enterprise::Refuse, false),
    row("/v1/peering/", &[(Get, PEERING_OFF), (Delete, PEERING_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/peering/establish", &[(Post, PEERING_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/peering/token", &[(Post, PEERING_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/peerings", &[(Get, PEERING_OFF)], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/query", &[(Get, Read(query::list)), (Post, Write(query::create))], Meta::Catalog, Parameters::All, Enterprise::Ignore, false),
    row("/v1/query/", &[(Get, Read(query::read)), (Put, Write(query::update)), (Delete, Write(query::remove))], Meta::Catalog, Parameters::All, Enterprise::Ignore, true),
    row("/v1/session/create", &[(Put, Write(session::create))], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/session/destroy/", &[(Put, Write(session::destroy))], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/session/info/", &[(Get, Read(session::info))], Meta::Deferred, Parameters::All, Enterprise::Refuse, false),
    row("/v1/session/list", &[(Get, Read(session::all))], Meta::Deferred, Parameters::All, Enterprise::Refuse, false),
    row("/v1/session/node/", &[(Get, Read(session::of_node))], Meta::Deferred, Parameters::All, Enterprise::Refuse, false),
    row("/v1/session/renew/", &[(Put, Shell(Call::SessionRenew))], Meta::None, Parameters::All, Enterprise::Refuse, false),
    row("/v1/snapshot", &[(Get, Shell(Call::Snapshot)), (Put, Shell(Call::Snapshot))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/status/leader", &[(Get, Shell(Call::StatusLeader))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/status/peers", &[(Get, Shell(Call::StatusPeers))], Meta::None, Parameters::All, Enterprise::Ignore, false),
    row("/v1/tribune/explain/dns/", &[(Get, Shell(Call::ExplainDns))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/tribune/explain/service/", &[(Get, Shell(Call::ExplainService))], Meta::None, Parameters::None, Enterprise::Refuse, false),
    row("/v1/txn", &[(Put, Write(txn::apply))], Meta::None, Parameters::All, Enterprise::Refuse, false),
];

#[cfg(test)]
mod tests;
