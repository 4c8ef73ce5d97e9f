//! The configuration as `agent/self` shows it: one entry for each setting, under the names that
//! Consul's clients look for. No key, token or secret is in it.
//!
//! Entries that are what a source or the table of options says are rows of tables here. The others
//! were resolved when the settings were read. Some describe what this server does not have; they
//! have the value that means so, in the type that clients expect.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gotext::GoDuration;
use serde_json::{Value, json};
use settings::{Definition, GossipTiming, Layer, ListenAddress, Settings, TlsListener};

use crate::identity::Identity;

/// What stands for everything that nobody may read.
const HIDDEN: &str = "hidden";

/// Switches: the name that is shown, and the key.
const SWITCHES: &[(&str, &str)] = &[
    ("ACLEnableKeyListPolicy", "acl.enable_key_list_policy"),
    ("ACLTokenReplication", "acl.enable_token_replication"),
    ("AutoEncryptAllowTLS", "auto_encrypt.allow_tls"),
    ("AutoEncryptTLS", "auto_encrypt.tls"),
    ("AutoReloadConfig", "auto_reload_config"),
    ("AutopilotCleanupDeadServers", "autopilot.cleanup_dead_servers"),
    ("AutopilotDisableUpgradeMigration", "autopilot.disable_upgrade_migration"),
    ("DNSUseCache", "dns_config.use_cache"),
    ("DisableAnonymousSignature", "disable_anonymous_signature"),
    ("DisableRemoteExec", "disable_remote_exec"),
    ("DisableUpdateCheck", "disable_update_check"),
    ("EnableCentralServiceConfig", "enable_central_service_config"),
    ("HTTPUseCache", "http_config.use_cache"),
    ("ReadReplica", "read_replica"),
    ("UseStreamingBackend", "use_streaming_backend"),
];

/// Whole numbers.
const NUMBERS: &[(&str, &str)] = &[
    ("AutopilotMaxTrailingLogs", "autopilot.max_trailing_logs"),
    ("AutopilotMinQuorum", "autopilot.min_quorum"),
    ("RPCMaxBurst", "limits.rpc_max_burst"),
    ("RPCMaxConnsPerClient", "limits.rpc_max_conns_per_client"),
    ("RaftProtocol", "raft_protocol"),
    ("RetryJoinMaxAttemptsWAN", "retry_max_wan"),
];

/// Numbers; the largest there is where there is no limit.
const RATES: &[(&str, &str)] = &[
    ("RPCRateLimit", "limits.rpc_rate"),
    ("RequestLimitsReadRate", "limits.request_limits.read_rate"),
    ("RequestLimitsWriteRate", "limits.request_limits.write_rate"),
    ("XDSUpdateRateLimit", "xds.update_max_per_second"),
];

/// Durations.
const DURATIONS: &[(&str, &str)] = &[
    ("AutopilotLastContactThreshold", "autopilot.last_contact_threshold"),
    ("AutopilotServerStabilizationTime", "autopilot.server_stabilization_time"),
    ("DNSCacheMaxAge", "dns_config.cache_max_age"),
    ("GRPCKeepaliveInterval", "performance.grpc_keepalive_interval"),
    ("GRPCKeepaliveTimeout", "performance.grpc_keepalive_timeout"),
    ("PrimaryGatewaysInterval", "primary_gateways_interval"),
    ("RPCClientTimeout", "limits.rpc_client_timeout"),
    ("RPCHandshakeTimeout", "limits.rpc_handshake_timeout"),
    ("ReconnectTimeoutWAN", "reconnect_timeout_wan"),
    ("RetryJoinIntervalWAN", "retry_interval_wan"),
];

/// Texts.
const TEXTS: &[(&str, &str)] = &[
    ("AutopilotRedundancyZoneTag", "autopilot.redundancy_zone_tag"),
    ("AutopilotUpgradeVersionTag", "autopilot.upgrade_version_tag"),
    ("ConnectCAProvider", "connect.ca_provider"),
];

/// Lists of texts.
const LISTS: &[(&str, &str)] = &[
    ("AutoEncryptDNSSAN", "auto_encrypt.dns_san"),
    ("AutoEncryptIPSAN", "auto_encrypt.ip_san"),
    ("Experiments", "experiments"),
    ("PrimaryGateways", "primary_gateways"),
    ("RetryJoinWAN", "retry_join_wan"),
];

type Entries = BTreeMap<&'static str, Value>;

/// What `agent/self` shows under `DebugConfig`.
pub fn shown_configuration(settings: &Settings, identity: &Identity) -> Value {
    let mut entries = Entries::new();
    from_tables(&mut entries, &settings.given);
    node(&mut entries, settings, identity);
    network(&mut entries, settings);
    cluster(&mut entries, settings);
    timing(&mut entries, settings);
    http(&mut entries, settings);
    dns(&mut entries, settings);
    checks(&mut entries, settings);
    security(&mut entries, settings);
    logs(&mut entries, settings);
    absent(&mut entries, identity);
    json!(entries)
}

fn from_tables(entries: &mut Entries, given: &Layer) {
    let rate = |key: &str| given.float(key).filter(|rate| *rate >= 0.0).unwrap_or(f64::MAX);
    entries.extend(SWITCHES.iter().map(|(name, key)| (*name, json!(given.bool(key)))));
    entries.extend(NUMBERS.iter().map(|(name, key)| (*name, json!(given.int(key)))));
    entries.extend(RATES.iter().map(|(name, key)| (*name, json!(rate(key)))));
    let duration = |key: &str| json!(given.duration(key).to_string());
    entries.extend(DURATIONS.iter().map(|(name, key)| (*name, duration(key))));
    entries.extend(TEXTS.iter().map(|(name, key)| (*name, json!(given.text(key)))));
    entries.extend(LISTS.iter().map(|(name, key)| (*name, json!(given.list(key)))));
}

fn node(entries: &mut Entries, settings: &Settings, identity: &Identity) {
    entries.extend([
        ("Bootstrap", json!(settings.bootstrap)),
        ("BootstrapExpect", json!(settings.bootstrap_expect)),
        ("DataDir", json!(path(settings.data_dir.as_ref()))),
        ("Datacenter", json!(settings.datacenter)),
        ("DefaultQueryTime", duration(settings.default_query_time)),
        ("DevMode", json!(settings.dev)),
        ("DisableHostNodeID", json!(settings.node.disable_host_id)),
        ("EnableDebug", json!(settings.enable_debug)),
        ("MaxQueryTime", duration(settings.max_query_time)),
        ("NodeID", json!(identity.node_id.to_string())),
        ("NodeMeta", json!(settings.node.meta)),
        ("NodeName", json!(settings.node.name)),
        ("PidFile", json!(path(settings.pid_file.as_ref()))),
        ("PrimaryDatacenter", json!(settings.primary_datacenter)),
        ("ServerMode", json!(settings.server)),
        ("SessionTTLMin", duration(settings.session_ttl_min)),
        ("BuildDate", json!(crate::BUILD_DATE)),
        ("Revision", json!("")),
        ("Version", json!(crate::VERSION)),
        ("VersionMetadata", json!("")),
        ("VersionPrerelease", json!("")),
    ]);
}

fn network(entries: &mut Entries, settings: &Settings) {
    let network = &settings.network;
    let ports = network.ports;
    let tcp = |address: IpAddr, port: Option<u16>| {
        json!(port.map(|port| format!("tcp://{}", SocketAddr::new(address, port))))
    };
    let port = |port: Option<u16>| json!(port.map_or(-1, i32::from));
    let sidecars = ports.sidecars.unwrap_or_default();
    entries.extend([
        ("AdvertiseAddrLAN", json!(network.advertise)),
        ("AdvertiseAddrWAN", json!(network.advertise_wan)),
        ("BindAddr", json!(network.bind)),
        ("ClientAddrs", texts(&network.client)),
        ("ConnectSidecarMinPort", json!(sidecars.0)),
        ("ConnectSidecarMaxPort", json!(sidecars.1)),
        ("DNSPort", port(ports.dns)),
        ("GRPCAddrs", listeners(&network.grpc)),
        ("GRPCPort", port(ports.grpc)),
        ("GRPCTLSAddrs", listeners(&network.grpc_tls)),
        ("GRPCTLSPort", port(ports.grpc_tls)),
        ("HTTPAddrs", listeners(&network.http)),
        ("HTTPPort", port(ports.http)),
        ("HTTPSAddrs", listeners(&network.https)),
        ("HTTPSPort", port(ports.https)),
        ("RPCAdvertiseAddr", tcp(network.advertise, Some(ports.server))),
        ("RPCBindAddr", tcp(network.bind, Some(ports.server))),
        ("SerfAdvertiseAddrLAN", tcp(network.advertise, ports.serf_lan)),
        ("SerfAdvertiseAddrWAN", tcp(network.advertise_wan, ports.serf_wan)),
        ("SerfAllowedCIDRsLAN", texts(&network.serf_lan_allowed)),
        ("SerfAllowedCIDRsWAN", texts(&network.serf_wan_allowed)),
        ("SerfBindAddrLAN", tcp(network.serf_lan_bind, ports.serf_lan)),
        ("SerfBindAddrWAN", tcp(network.serf_wan_bind, ports.serf_wan)),
        ("SerfPortLAN", port(ports.serf_lan)),
        ("SerfPortWAN", port(ports.serf_wan)),
        ("ServerPort", json!(ports.server)),
        ("TaggedAddresses", json!(network.tagged_addresses)),
        ("TranslateWANAddrs", json!(network.translate_wan_addrs)),
        ("UnixSocketGroup", json!(settings.unix_sockets.group)),
        ("UnixSocketMode", json!(settings.unix_sockets.mode)),
        ("UnixSocketUser", json!(settings.unix_sockets.user)),
    ]);
}

fn cluster(entries: &mut Entries, settings: &Settings) {
    let cluster = &settings.cluster;
    let gossip = &settings.gossip;
    let verify = json!({
        "EncryptVerifyIncoming": gossip.encrypt_verify_incoming,
        "EncryptVerifyOutgoing": gossip.encrypt_verify_outgoing,
    });
    entries.extend([
        ("DisableCoordinates", json!(cluster.disable_coordinates)),
        ("DisableKeyringFile", json!(gossip.disable_keyring_file)),
        ("EncryptKey", json!(HIDDEN)),
        ("LeaveOnTerm", json!(cluster.leave_on_terminate)),
        ("RPCProtocol", json!(cluster.protocol)),
        ("ReconnectTimeoutLAN", duration(cluster.reconnect_timeout)),
        ("RejoinAfterLeave", json!(cluster.rejoin_after_leave)),
        ("RetryJoinIntervalLAN", duration(cluster.retry_interval)),
        ("RetryJoinLAN", json!(cluster.retry_join)),
        ("RetryJoinMaxAttemptsLAN", json!(cluster.retry_max)),
        ("ServerRejoinAgeMax", duration(cluster.server_rejoin_age_max)),
        ("SkipLeaveOnInt", json!(cluster.skip_leave_on_interrupt)),
        ("StaticRuntimeConfig", verify),
    ]);
    let GossipTiming { gossip_nodes, suspicion_mult, retransmit_mult, .. } = gossip.lan;
    entries.extend([
        ("GossipLANGossipInterval", duration(gossip.lan.gossip_interval)),
        ("GossipLANGossipNodes", json!(gossip_nodes)),
        ("GossipLANProbeInterval", duration(gossip.lan.probe_interval)),
        ("GossipLANProbeTimeout", duration(gossip.lan.probe_timeout)),
        ("GossipLANRetransmitMult", json!(retransmit_mult)),
        ("GossipLANSuspicionMult", json!(suspicion_mult)),
    ]);
    let GossipTiming { gossip_nodes, suspicion_mult, retransmit_mult, .. } = gossip.wan;
    entries.extend([
        ("GossipWANGossipInterval", duration(gossip.wan.gossip_interval)),
        ("GossipWANGossipNodes", json!(gossip_nodes)),
        ("GossipWANProbeInterval", duration(gossip.wan.probe_interval)),
        ("GossipWANProbeTimeout", duration(gossip.wan.probe_timeout)),
        ("GossipWANRetransmitMult", json!(retransmit_mult)),
        ("GossipWANSuspicionMult", json!(suspicion_mult)),
    ]);
}

/// Raft, and how long servers wait.
fn timing(entries: &mut Entries, settings: &Settings) {
    let performance = &settings.performance;
    let given = &settings.given;
    // Those of a development server are so short that it leads at once.
    let (heartbeat, election, lease) = match settings.dev {
        true => (35, 52, 20),
        false => (1000, 1000, 500),
    };
    let times = if settings.dev { 1 } else { performance.raft_multiplier };
    let time = |milliseconds| duration(Duration::from_millis(milliseconds) * times);
    let store = json!({
        "Backend": given.text("raft_logstore.backend"),
        "BoltDB": { "NoFreelistSync": given.bool("raft_logstore.boltdb.no_freelist_sync") },
        "DisableLogCache": given.bool("raft_logstore.disable_log_cache"),
        "Verification": {
            "Enabled": given.bool("raft_logstore.verification.enabled"),
            "Interval": given.duration("raft_logstore.verification.interval").to_string(),
        },
        "WAL": { "SegmentSize": given.int("raft_logstore.wal.segment_size_mb") << 20 },
    });
    entries.extend([
        ("ConsulRaftElectionTimeout", time(election)),
        ("ConsulRaftHeartbeatTimeout", time(heartbeat)),
        ("ConsulRaftLeaderLeaseTimeout", time(lease)),
        ("LeaveDrainTime", duration(performance.leave_drain_time)),
        ("RPCHoldTimeout", duration(performance.rpc_hold_timeout)),
        ("RaftLogStoreConfig", store),
        ("RaftSnapshotInterval", duration(performance.raft_snapshot_interval)),
        ("RaftSnapshotThreshold", json!(performance.raft_snapshot_threshold)),
        ("RaftTrailingLogs", json!(performance.raft_trailing_logs)),
    ]);
}

fn http(entries: &mut Entries, settings: &Settings) {
    let http = &settings.http;
    let limits = &settings.limits;
    let ui = &settings.ui;
    let given = &settings.given;
    let shown_ui = json!({
        "ContentPath": ui.content_path,
        "DashboardURLTemplates": {},
        "Dir": path(ui.dir.as_ref()),
        "Enabled": ui.enabled,
        "HCPEnabled": false,
        "MetricsProvider": given.text("ui_config.metrics_provider"),
        "MetricsProviderFiles": given.list("ui_config.metrics_provider_files"),
        "MetricsProviderOptionsJSON": given.text("ui_config.metrics_provider_options_json"),
        "MetricsProxy": {
            // Its headers carry what authorises the requests.
            "AddHeaders": [],
            "BaseURL": given.text("ui_config.metrics_proxy.base_url"),
            "PathAllowlist": given.list("ui_config.metrics_proxy.path_allowlist"),
        },
    });
    let headers: BTreeMap<_, _> = http
        .response_headers
        .iter()
        .map(|(name, value)| (name, hide(name, json!(value))))
        .collect();
    entries.extend([
        ("AllowWriteHTTPFrom", texts(&http.allow_write_http_from)),
        ("DisableHTTPUnprintableCharFilter", json!(http.disable_unprintable_char_filter)),
        ("HTTPBlockEndpoints", json!(http.block_endpoints)),
        ("HTTPMaxConnsPerClient", json!(limits.http_max_conns_per_client.unwrap_or(0))),
        ("HTTPMaxHeaderBytes", json!(http.max_header_bytes.unwrap_or(0))),
        ("HTTPResponseHeaders", json!(headers)),
        ("HTTPSHandshakeTimeout", duration(limits.https_handshake_timeout)),
        ("KVMaxValueSize", json!(limits.kv_max_value_size)),
        ("TxnMaxReqLen", json!(limits.txn_max_req_len)),
        ("UIConfig", shown_ui),
    ]);
}

fn dns(entries: &mut Entries, settings: &Settings) {
    let dns = &settings.dns;
    let addresses = &settings.network.dns;
    let at = |kind: &'static str| addresses.iter().map(move |at| format!("{kind}://{at}"));
    let [refresh, retry, expire, min_ttl] = dns.soa;
    let soa = json!({ "Expire": expire, "Minttl": min_ttl, "Refresh": refresh, "Retry": retry });
    let ttls: BTreeMap<_, _> =
        dns.service_ttl.iter().map(|(service, ttl)| (service, duration(*ttl))).collect();
    entries.extend([
        ("DNSARecordLimit", json!(dns.a_record_limit)),
        ("DNSAddrs", json!(at("tcp").chain(at("udp")).collect::<Vec<_>>())),
        ("DNSAllowStale", json!(dns.allow_stale)),
        ("DNSAltDomain", json!(dns.alt_domain.as_deref().unwrap_or_default())),
        ("DNSDisableCompression", json!(dns.disable_compression)),
        ("DNSDomain", json!(dns.domain)),
        ("DNSEnableTruncate", json!(dns.enable_truncate)),
        ("DNSMaxStale", duration(dns.max_stale)),
        ("DNSNodeMetaTXT", json!(dns.node_meta_txt)),
        ("DNSNodeTTL", duration(dns.node_ttl)),
        ("DNSOnlyPassing", json!(dns.only_passing)),
        ("DNSRecursorStrategy", json!(settings.given.text("dns_config.recursor_strategy"))),
        ("DNSRecursorTimeout", duration(dns.recursor_timeout)),
        ("DNSRecursors", json!(settings.network.recursors)),
        ("DNSSOA", soa),
        ("DNSServiceTTL", json!(ttls)),
        ("DNSUDPAnswerLimit", json!(dns.udp_answer_limit)),
    ]);
}

fn checks(entries: &mut Entries, settings: &Settings) {
    let checks = &settings.checks;
    entries.extend([
        ("CheckOutputMaxSize", json!(checks.output_max_size)),
        ("CheckUpdateInterval", duration(checks.update_interval)),
        ("Checks", definitions(&settings.check_definitions)),
        ("DiscardCheckOutput", json!(checks.discard_output)),
        ("EnableAgentTLSForChecks", json!(checks.enable_agent_tls)),
        ("EnableLocalScriptChecks", json!(checks.enable_local_scripts)),
        ("EnableRemoteScriptChecks", json!(checks.enable_remote_scripts)),
        ("Services", definitions(&settings.services)),
        ("Watches", definitions(&settings.watches)),
    ]);
}

fn security(entries: &mut Entries, settings: &Settings) {
    let acl = &settings.acl;
    let tls = &settings.tls;
    let server_name = tls.server_name.as_deref().unwrap_or_default();
    let listener = |listener: &TlsListener| {
        json!({
            "CAFile": path(listener.ca_file.as_ref()),
            "CAPath": path(listener.ca_path.as_ref()),
            "CertFile": path(listener.cert_file.as_ref()),
            "CipherSuites": listener.cipher_suites,
            "KeyFile": HIDDEN,
            "TLSMinVersion": listener.min_version.to_string(),
            "UseAutoCert": false,
            "VerifyIncoming": listener.verify_incoming,
            "VerifyOutgoing": listener.verify_outgoing,
            "VerifyServerHostname": false,
        })
    };
    let mut internal = listener(&tls.internal_rpc);
    internal["VerifyServerHostname"] = json!(tls.verify_server_hostname);
    let shown_tls = json!({
        "AutoTLS": false,
        "Domain": settings.dns.domain,
        "EnableAgentTLSForChecks": settings.checks.enable_agent_tls,
        "GRPC": listener(&tls.grpc),
        "HTTPS": listener(&tls.https),
        "InternalRPC": internal,
        "NodeName": settings.node.name,
        "ServerMode": settings.server,
        "ServerName": server_name,
    });
    let resolver = json!({
        "ACLDefaultPolicy": acl.default_policy,
        "ACLDownPolicy": acl.down_policy,
        "ACLPolicyTTL": duration(acl.policy_ttl),
        "ACLRoleTTL": duration(acl.role_ttl),
        "ACLTokenTTL": duration(acl.token_ttl),
        "ACLsEnabled": acl.enabled,
        "Datacenter": settings.datacenter,
        "EnterpriseMeta": {},
        "NodeName": settings.node.name,
    });
    let tokens = json!({
        "ACLAgentRecoveryToken": HIDDEN,
        "ACLAgentToken": HIDDEN,
        "ACLConfigFileRegistrationToken": HIDDEN,
        "ACLDefaultToken": HIDDEN,
        "ACLReplicationToken": HIDDEN,
        "DataDir": path(settings.data_dir.as_ref()),
        "EnablePersistence": acl.enable_token_persistence,
        "EnterpriseConfig": {},
    });
    entries.extend([
        ("ACLInitialManagementToken", json!(HIDDEN)),
        ("ACLResolverSettings", resolver),
        ("ACLTokens", tokens),
        ("ACLsEnabled", json!(acl.enabled)),
        ("ServerName", json!(server_name)),
        ("TLS", shown_tls),
    ]);
}

fn logs(entries: &mut Entries, settings: &Settings) {
    let log = &settings.log;
    let telemetry = &settings.telemetry;
    let given = &settings.given;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let logging = json!({
        "EnableSyslog": log.syslog,
        "LogFilePath": path(log.file.as_ref()),
        "LogJSON": log.json,
        "LogLevel": log.level_name,
        "LogRotateBytes": log.rotate_bytes.unwrap_or(0),
        "LogRotateDuration": duration(log.rotate_duration),
        "LogRotateMaxFiles": log.rotate_max_files,
        "Name": "",
        "SyslogFacility": log.syslog_facility,
    });
    let mut metrics = json!({
        "AllowedPrefixes": telemetry.allowed_prefixes,
        "BlockedPrefixes": telemetry.blocked_prefixes,
        "Disable": false,
        "DisableHostname": telemetry.disable_hostname,
        "DogstatsdAddr": given.text("telemetry.dogstatsd_addr"),
        "DogstatsdTags": given.list("telemetry.dogstatsd_tags"),
        "EnableHostMetrics": given.bool("telemetry.enable_host_metrics"),
        "FilterDefault": telemetry.filter_default,
        "MetricsPrefix": telemetry.metrics_prefix,
        "PrometheusOpts": {
            "CounterDefinitions": [],
            "Expiration": duration(telemetry.prometheus_retention_time),
            "GaugeDefinitions": [],
            "Name": telemetry.metrics_prefix,
            "Registerer": null,
            "SummaryDefinitions": [],
        },
        "RetryFailedConfiguration": given.bool("telemetry.retry_failed_connection"),
        "StatsdAddr": text(&telemetry.statsd_address),
        "StatsiteAddr": text(&telemetry.statsite_address),
    });
    for name in ["APIApp", "APIURL", "BrokerID", "BrokerSelectTag", "CheckDisplayName"] {
        metrics[format!("Circonus{name}")] = json!("");
    }
    for name in ["CheckForceMetricActivation", "CheckID", "CheckInstanceID", "CheckSearchTag"] {
        metrics[format!("Circonus{name}")] = json!("");
    }
    for name in ["CheckTags", "SubmissionInterval", "SubmissionURL"] {
        metrics[format!("Circonus{name}")] = json!("");
    }
    metrics["CirconusAPIToken"] = json!(HIDDEN);
    entries.extend([("Logging", logging), ("Telemetry", metrics)]);
}

/// What this server does not have, or does not let anybody set.
fn absent(entries: &mut Entries, identity: &Identity) {
    let cloud = json!({
        "AuthURL": "", "ClientID": "", "ClientSecret": HIDDEN, "Hostname": "",
        "ManagementToken": HIDDEN, "NodeID": identity.node_id.to_string(),
        "NodeName": identity.node, "ResourceID": "", "ScadaAddress": "", "TLSConfig": null,
    });
    let auth_method = json!({
        "ACLAuthMethodEnterpriseFields": {},
        "Config": {
            "BoundAudiences": null, "BoundIssuer": "", "ClaimMappings": null,
            "ClockSkewLeeway": 0, "ExpirationLeeway": 0, "JWKSCACert": "", "JWKSURL": "",
            "JWTSupportedAlgs": null, "JWTValidationPubKeys": null, "ListClaimMappings": null,
            "NotBeforeLeeway": 0, "OIDCDiscoveryCACert": "", "OIDCDiscoveryURL": "",
        },
        "Description": "", "DisplayName": "", "EnterpriseMeta": {}, "MaxTokenTTL": "0s",
        "Name": "Auto Config Authorizer", "RaftIndex": { "CreateIndex": 0, "ModifyIndex": 0 },
        "TokenLocality": "", "Type": "jwt",
    });
    let auto_config = json!({
        "Authorizer": {
            "AllowReuse": false, "AuthMethod": auth_method, "ClaimAssertions": [],
            "Enabled": false,
        },
        "DNSSANs": [], "Enabled": false, "IPSANs": [], "IntroToken": HIDDEN,
        "IntroTokenFile": "", "ServerAddresses": [],
    });
    let no_limit = f64::MAX;
    entries.extend([
        ("AEInterval", json!("1m0s")),
        ("AdvertiseReconnectTimeout", json!("0s")),
        ("AutoConfig", auto_config),
        ("AutoReloadConfigCoalesceInterval", json!("1s")),
        ("Cache", json!({ "EntryFetchMaxBurst": 2, "EntryFetchRate": no_limit, "Logger": null })),
        ("CheckDeregisterIntervalMin", json!("1m0s")),
        ("CheckReapInterval", json!("30s")),
        ("Cloud", cloud),
        ("ConfigEntryBootstrap", json!([])),
        ("ConnectCAConfig", json!({})),
        ("ConnectEnabled", json!(false)),
        ("ConnectMeshGatewayWANFederationEnabled", json!(false)),
        ("ConnectTestCALeafRootChangeSpread", json!("0s")),
        ("ConsulCoordinateUpdateBatchSize", json!(128)),
        ("ConsulCoordinateUpdateMaxBatches", json!(5)),
        ("ConsulCoordinateUpdatePeriod", json!("5s")),
        ("ConsulServerHealthInterval", json!("2s")),
        ("DiscoveryMaxStale", json!("0s")),
        ("EnterpriseRuntimeConfig", json!({})),
        ("ExposeMaxPort", json!(21755)),
        ("ExposeMinPort", json!(21500)),
        ("LocalProxyConfigResyncInterval", json!("30s")),
        ("Locality", Value::Null),
        ("PeeringEnabled", json!(false)),
        ("PeeringTestAllowPeerRegistrations", json!(false)),
        ("RPCConfig", json!({ "EnableStreaming": true })),
        ("Reporting", json!({ "License": { "Enabled": false } })),
        ("RequestLimitsMode", json!(0)),
        ("SegmentLimit", json!(64)),
        ("SegmentName", json!("")),
        ("SegmentNameLimit", json!(64)),
        ("Segments", json!([])),
        ("SyncCoordinateIntervalMin", json!("15s")),
        ("SyncCoordinateRateTarget", json!(64)),
    ]);
}

fn duration(duration: Duration) -> Value {
    let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    json!(GoDuration::from_nanoseconds(nanoseconds).to_string())
}

fn path(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn texts<T: Display>(items: &[T]) -> Value {
    items.iter().map(ToString::to_string).collect()
}

fn listeners(addresses: &[ListenAddress]) -> Value {
    let shown = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => format!("tcp://{address}"),
        ListenAddress::Unix(_) => address.to_string(),
    };
    addresses.iter().map(shown).collect()
}

/// Definitions of files, as they were written but for what is secret.
fn definitions(definitions: &[Definition]) -> Value {
    let shown = |definition: &Definition| object(&definition.object.clone().rest());
    definitions.iter().map(shown).collect()
}

fn object(fields: &[(String, gotext::decode::Value)]) -> Value {
    fields.iter().map(|(name, value)| (name.clone(), hide(name, plain(value)))).collect()
}

fn plain(value: &gotext::decode::Value) -> Value {
    use gotext::decode::Value as Written;
    match value {
        Written::Object(fields) => object(fields),
        Written::List(items) => items.iter().map(plain).collect(),
        Written::Bool(value) => json!(value),
        Written::Number(number) => json!(number.float()),
        Written::Text(text) => json!(text),
        Written::Null => Value::Null,
    }
}

/// What names say that it is secret is not shown; nor are headers, which often carry it.
fn hide(name: &str, value: Value) -> Value {
    let name = name.to_ascii_lowercase();
    let secret = ["token", "secret", "password", "authorization", "cookie", "header"];
    let is_secret = secret.iter().any(|word| name.contains(word)) || name.ends_with("key");
    if is_secret { json!(HIDDEN) } else { value }
}

#[cfg(test)]
mod tests;
