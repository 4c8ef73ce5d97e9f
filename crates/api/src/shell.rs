//! What a handler without an agent cannot answer, by name.

/// A call that the agent's shell carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `agent/self`.
    AgentSelf,
    /// `agent/host`.
    AgentHost,
    /// `agent/version`.
    AgentVersion,
    /// `tribune/explain/dns/`.
    ExplainDns,
    /// `tribune/explain/service/`.
    ExplainService,
    /// `agent/members`.
    AgentMembers,
    /// `agent/join/`.
    AgentJoin,
    /// `agent/leave`.
    AgentLeave,
    /// `agent/force-leave/`.
    AgentForceLeave,
    /// `agent/reload`.
    AgentReload,
    /// `agent/maintenance`.
    AgentMaintenance,
    /// `agent/metrics`.
    AgentMetrics,
    /// `agent/metrics/stream`.
    AgentMetricsStream,
    /// `agent/monitor`.
    AgentMonitor,
    /// `agent/services`.
    AgentServices,
    /// `agent/service/`.
    AgentService,
    /// `agent/checks`.
    AgentChecks,
    /// `agent/health/service/id/`.
    AgentHealthById,
    /// `agent/health/service/name/`.
    AgentHealthByName,
    /// `agent/service/register`.
    AgentServiceRegister,
    /// `agent/service/deregister/`.
    AgentServiceDeregister,
    /// `agent/service/maintenance/`.
    AgentServiceMaintenance,
    /// `agent/check/register`.
    AgentCheckRegister,
    /// `agent/check/deregister/`.
    AgentCheckDeregister,
    /// `agent/check/pass/`.
    AgentCheckPass,
    /// `agent/check/warn/`.
    AgentCheckWarn,
    /// `agent/check/fail/`.
    AgentCheckFail,
    /// `agent/check/update/`.
    AgentCheckUpdate,
    /// `session/renew/`.
    SessionRenew,
    /// `status/leader`.
    StatusLeader,
    /// `status/peers`.
    StatusPeers,
    /// `catalog/datacenters`.
    Datacenters,
    /// `coordinate/datacenters`.
    CoordinateDatacenters,
    /// `coordinate/update`.
    CoordinateUpdate,
    /// `event/fire/`.
    EventFire,
    /// `event/list`.
    EventList,
    /// `operator/raft/configuration`.
    RaftConfiguration,
    /// `operator/raft/peer`.
    RaftPeer,
    /// `operator/raft/transfer-leader`.
    RaftTransferLeader,
    /// `operator/keyring`.
    Keyring,
    /// `operator/autopilot/health`.
    AutopilotHealth,
    /// `operator/autopilot/state`.
    AutopilotState,
    /// `snapshot`.
    Snapshot,
}
