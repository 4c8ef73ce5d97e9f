//! The calls that concern the agent itself.

mod about;
mod checks;
mod events;
mod explain;
mod host;
mod keyring;
mod members;
mod metrics;
mod monitor;
mod operator;
mod owned;
mod process;
mod services;
mod snapshot;

pub use about::shown_configuration;
pub(crate) use owned::{owned, warn};
pub(crate) use snapshot::{Spool, restore};

use std::sync::Arc;

use agent::log::Log;
use agent::node::NodeHandle;
use api::{Answer, Body, Call, Failure, Reader, Request};
use catalog::Uuid;
use local::Status;

use crate::ask::Ask;
use crate::dns::Dns;
use crate::events::Events;
use crate::http::{Parameters, Reply, Site};
use crate::identity::Identity;
use crate::keeper::Keeper;

/// What the agent itself consists of, for its API.
pub(crate) struct Shell {
    pub(crate) identity: Identity,
    /// The member of the datacenter's pool.
    pub(crate) lan: NodeHandle,
    /// The member of the pool of all servers.
    pub(crate) wan: Option<NodeHandle>,
    pub(crate) events: Events,
    pub(crate) keeper: Keeper,
    pub(crate) dns: Arc<Dns>,
    pub(crate) log: Log,
    /// To the one who runs the process.
    pub(crate) asks: tokio::sync::mpsc::Sender<Ask>,
    pub(crate) started: std::time::SystemTime,
    /// Where a file without a name can be.
    pub(crate) scratch: std::path::PathBuf,
    /// The configuration as `agent/self` shows it.
    pub(crate) configuration: serde_json::Value,
}

type Outcome = Result<Reply, Failure>;

/// Carries a call out.
pub(crate) async fn call(
    site: &Arc<Site>,
    call: Call,
    request: &Request,
    parameters: Parameters,
    accept: &str,
) -> Reply {
    let outcome = match call {
        Call::AgentSelf => about::own(site).await,
        Call::AgentVersion => Ok(about::version()),
        Call::AgentHost => Ok(host::show().await),
        Call::AgentMetrics => Ok(metrics::show(site, request, accept)),
        Call::AgentMetricsStream => Ok(metrics::stream(site)),
        Call::AgentMonitor => monitor::follow(site, request),
        Call::AgentMembers => members::list(site, request).await,
        Call::AgentJoin => members::join(site, request).await,
        Call::AgentLeave => process::leave(site).await,
        Call::AgentReload => process::reload(site).await,
        Call::AgentForceLeave => members::force_leave(site, request).await,
        Call::AgentServices => services::list(site, request).await,
        Call::AgentService => services::one(site, request, parameters).await,
        Call::AgentServiceRegister => services::register(site, request).await,
        Call::AgentServiceDeregister => services::deregister(site, request).await,
        Call::AgentServiceMaintenance => services::maintenance(site, request).await,
        Call::AgentMaintenance => services::node_maintenance(site, request).await,
        Call::AgentChecks => checks::list(site, request).await,
        Call::AgentCheckRegister => checks::register(site, request).await,
        Call::AgentCheckDeregister => checks::deregister(site, request).await,
        Call::AgentCheckPass => checks::told(site, request, Status::Passing).await,
        Call::AgentCheckWarn => checks::told(site, request, Status::Warning).await,
        Call::AgentCheckFail => checks::told(site, request, Status::Critical).await,
        Call::AgentCheckUpdate => checks::update(site, request).await,
        Call::AgentHealthById => checks::health_by_id(site, request, accept).await,
        Call::AgentHealthByName => checks::health_by_name(site, request, accept).await,
        Call::SessionRenew => renew(site, request),
        Call::StatusLeader => Ok(json(&leader(site))),
        Call::StatusPeers => Ok(json(&[leader(site)])),
        Call::Datacenters => Ok(json(&[&site.agent.datacenter])),
        Call::CoordinateDatacenters if !site.agent.coordinates => {
            Err(Failure::new(401, "Coordinate support disabled"))
        }
        Call::CoordinateDatacenters => Ok(about::datacenter_coordinates(site).await),
        Call::ExplainDns => explain::name(site, request).await,
        Call::ExplainService => explain::service(site, request).await,
        Call::EventFire => events::fire(site, request).await,
        Call::EventList => Ok(events::list(site, request, parameters).await),
        Call::Keyring => keyring::call(site, request).await,
        // Taking one in has a body that is not kept in memory: [`restore`].
        Call::Snapshot => snapshot::save(site, parameters).await,
        Call::RaftConfiguration => Ok(operator::raft_configuration(site)),
        Call::RaftPeer => operator::raft_peer(request),
        Call::RaftTransferLeader => operator::transfer_leader(site, request),
        Call::AutopilotHealth => Ok(operator::health(site)),
        Call::AutopilotState => Ok(operator::state(site)),
        _ => Err(Failure::new(501, "This server does not have this endpoint yet")),
    };
    outcome.unwrap_or_else(Reply::from)
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Reply {
    Reply::new(200, api::json::body(value))
}

fn empty() -> Reply {
    Reply::new(200, Body::Empty)
}

fn leader(site: &Site) -> String {
    let leads = site.store.status().is_leader;
    if leads { site.shell.identity.server.to_string() } else { String::new() }
}

fn renew(site: &Site, request: &Request) -> Outcome {
    let snapshot = site.catalogue().read();
    let fresh = Uuid::from_bytes([0; 16]);
    let reader = Reader { snapshot: &snapshot, agent: &site.agent, fresh };
    let (session, answer): (_, Answer) = api::session::renew(request, &reader)?;
    site.timers.renew(&session);
    Ok(answer.into())
}
