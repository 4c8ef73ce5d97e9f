//! From the layer of all sources to settings.

use std::path::PathBuf;
use std::time::Duration;

use gotext::object::Object;
use gotext::{GoDuration, decode_base64, multi_error};

use crate::dns::dns;
use crate::layer::{Definition, Layer};
use crate::network::{cidrs, network};
use crate::schema::Kind;
use crate::settings::{
    AclSettings, CheckSettings, ClusterSettings, GossipKey, GossipSettings, GossipTiming,
    HttpSettings, LimitSettings, LogSettings, NodeSettings, PerformanceSettings, Settings,
    TelemetrySettings, UiSettings, UnixSocketSettings,
};
use crate::sources::Reading;
use crate::table::{Effect, rows};
use crate::tls::tls;
use crate::{Failure, Host};

/// The shortest time that a server may have been away.
const REJOIN_AGE_LEAST: GoDuration = GoDuration::from_nanoseconds(6 * 3600 * 1_000_000_000);

/// Gives the sources their meaning. Single values that are wrong are complained about together.
pub(crate) fn build(reading: Reading, host: &Host) -> Result<Settings, Failure> {
    let Reading { layer, dev, ui_by_dev, mut warnings } = reading;
    let mut problems = Vec::new();
    durations(&layer, &mut problems);
    let server = layer.bool("server");
    let network = network(&layer, host, server, &mut problems)?;
    let dns = dns(&layer, &mut problems);
    let tls = tls(&layer, &mut problems);
    let http = http(&layer, &mut problems);
    other_problems(&layer, &mut problems);
    let gossip = gossip(&layer)?;
    if !problems.is_empty() {
        return Err(Failure::new(multi_error(&problems)));
    }
    let period = |name| layer.duration(name).saturating_std();
    let expected = u32::try_from(layer.int("bootstrap_expect")).unwrap_or(0);
    let datacenter = layer.text("datacenter").to_lowercase();
    let primary = layer.text("primary_datacenter").to_lowercase();
    for row in rows() {
        if let (Effect::Enterprise(name), Some(_)) = (row.effect, layer.given(row.name())) {
            warnings.push(format!(
                "\"{name}\" is a Consul Enterprise configuration and will have no effect"
            ));
        }
    }
    Ok(Settings {
        node: node(&layer, host),
        primary_datacenter: if primary.is_empty() { datacenter.clone() } else { primary },
        datacenter,
        data_dir: path(&layer, "data_dir"),
        dev,
        server,
        bootstrap: layer.bool("bootstrap") || expected == 1,
        bootstrap_expect: if expected == 1 { 0 } else { expected },
        pid_file: path(&layer, "pid_file"),
        enable_debug: layer.bool("enable_debug"),
        network,
        cluster: cluster(&layer, server),
        gossip,
        performance: PerformanceSettings {
            raft_multiplier: count(&layer, "performance.raft_multiplier"),
            leave_drain_time: period("performance.leave_drain_time"),
            rpc_hold_timeout: period("performance.rpc_hold_timeout"),
            raft_snapshot_threshold: size(&layer, "raft_snapshot_threshold"),
            raft_snapshot_interval: period("raft_snapshot_interval"),
            raft_trailing_logs: size(&layer, "raft_trailing_logs"),
        },
        limits: limits(&layer),
        http,
        ui: ui(&layer, ui_by_dev),
        unix_sockets: UnixSocketSettings {
            user: layer.text("unix_sockets.user").to_owned(),
            group: layer.text("unix_sockets.group").to_owned(),
            mode: layer.text("unix_sockets.mode").to_owned(),
        },
        tls,
        dns,
        checks: checks(&layer),
        log: log(&layer),
        telemetry: telemetry(&layer, &mut warnings),
        acl: acl(&layer),
        default_query_time: period("default_query_time"),
        max_query_time: period("max_query_time"),
        session_ttl_min: period("session_ttl_min"),
        services: layer.services.clone(),
        check_definitions: layer.checks.clone(),
        watches: layer.watches.clone(),
        warnings,
        given: layer,
    })
}

fn path(layer: &Layer, key: &str) -> Option<PathBuf> {
    Some(layer.text(key)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// A number that is never negative.
fn count(layer: &Layer, key: &str) -> u32 {
    u32::try_from(layer.int(key).max(0)).unwrap_or(u32::MAX)
}

fn size(layer: &Layer, key: &str) -> u64 {
    u64::try_from(layer.int(key)).unwrap_or(0)
}

/// Every duration that is none.
fn durations(layer: &Layer, problems: &mut Vec<String>) {
    let mut check = |name: &str, text: &str| {
        if let Err(error) = GoDuration::parse(text) {
            let quoted = gotext::quote(text);
            problems.push(format!("{name}: invalid duration: {quoted}: {error}"));
        }
    };
    for row in rows() {
        let key = row.name();
        match row.kind {
            Kind::Duration if layer.given(key).is_some() => {
                // This one was always called so.
                let retention = key.strip_prefix("telemetry.").filter(|k| k.starts_with("prom"));
                check(retention.unwrap_or(key), layer.text(key));
            }
            Kind::Map(Kind::Duration) => {
                for (name, text) in layer.texts(key) {
                    check(&format!("{key}[{}]", gotext::quote(&name)), &text);
                }
            }
            _ => {}
        }
    }
    for definition in &layer.services {
        let mut service = definition.object.clone();
        let one = service.optional::<Object>("check").ok().flatten();
        let several = service.objects("checks").ok().flatten().unwrap_or_default();
        one.into_iter().chain(several).for_each(|object| check_durations(object, &mut check));
    }
    for Definition { object, .. } in &layer.checks {
        check_durations(object.clone(), &mut check);
    }
}

/// Those of the definition of a check.
fn check_durations(mut object: Object, check: &mut impl FnMut(&str, &str)) {
    let id: String = object.field("id").unwrap_or_default();
    for name in ["interval", "timeout", "ttl", "deregister_critical_service_after"] {
        if let Ok(Some(text)) = object.optional::<String>(name) {
            check(&format!("check[{id}].{name}"), &text);
        }
    }
}

fn other_problems(layer: &Layer, problems: &mut Vec<String>) {
    let age = layer.duration("server_rejoin_age_max");
    if age < REJOIN_AGE_LEAST {
        let text = layer.text("server_rejoin_age_max");
        // If it is no duration, that was said.
        if GoDuration::parse(text).is_ok() {
            problems.push(format!(
                "server_rejoin_age_max: duration '{text}' cannot be less than: {REJOIN_AGE_LEAST}"
            ));
        }
    }
    let mode = layer.text("limits.request_limits.mode");
    if !matches!(mode, "" | "disabled" | "permissive" | "enforcing") {
        let quoted = gotext::quote(mode);
        problems.push(format!("limits.request_limits.mode: invalid mode: {quoted}"));
    }
}

fn node(layer: &Layer, host: &Host) -> NodeSettings {
    let name = Some(layer.text("node_name")).filter(|name| !name.is_empty());
    NodeSettings {
        name: name.unwrap_or(&host.name).to_owned(),
        id: Some(layer.text("node_id")).filter(|id| !id.is_empty()).map(str::to_owned),
        disable_host_id: layer.bool("disable_host_node_id"),
        meta: layer.texts("node_meta"),
    }
}

fn cluster(layer: &Layer, server: bool) -> ClusterSettings {
    let period = |name| layer.duration(name).saturating_std();
    ClusterSettings {
        retry_join: layer.list("retry_join"),
        retry_interval: period("retry_interval"),
        retry_max: count(layer, "retry_max"),
        rejoin_after_leave: layer.bool("rejoin_after_leave"),
        leave_on_terminate: layer.given_bool("leave_on_terminate").unwrap_or(!server),
        skip_leave_on_interrupt: layer.given_bool("skip_leave_on_interrupt").unwrap_or(server),
        reconnect_timeout: period("reconnect_timeout"),
        server_rejoin_age_max: period("server_rejoin_age_max"),
        protocol: layer.int("protocol"),
        disable_coordinates: layer.bool("disable_coordinates"),
    }
}

fn gossip(layer: &Layer) -> Result<GossipSettings, Failure> {
    let encrypt = match layer.text("encrypt") {
        "" => None,
        text => Some(GossipKey(
            decode_base64(text)
                .map_err(|error| Failure::new(format!("encrypt has invalid key: {error}")))?,
        )),
    };
    let timing = |block: &str| {
        let number = |name| count(layer, &format!("{block}.{name}"));
        let period = |name| layer.duration(&format!("{block}.{name}")).saturating_std();
        GossipTiming {
            gossip_nodes: number("gossip_nodes"),
            gossip_interval: period("gossip_interval"),
            probe_interval: period("probe_interval"),
            probe_timeout: period("probe_timeout"),
            suspicion_mult: number("suspicion_mult"),
            retransmit_mult: number("retransmit_mult"),
        }
    };
    Ok(GossipSettings {
        encrypt,
        encrypt_verify_incoming: layer.bool("encrypt_verify_incoming"),
        encrypt_verify_outgoing: layer.bool("encrypt_verify_outgoing"),
        disable_keyring_file: layer.bool("disable_keyring_file"),
        lan: timing("gossip_lan"),
        wan: timing("gossip_wan"),
    })
}

fn limits(layer: &Layer) -> LimitSettings {
    let bytes = |name| usize::try_from(layer.int(name).max(0)).unwrap_or(usize::MAX);
    let connections = count(layer, "limits.http_max_conns_per_client");
    LimitSettings {
        http_max_conns_per_client: (connections > 0).then_some(connections),
        https_handshake_timeout: layer.duration("limits.https_handshake_timeout").saturating_std(),
        kv_max_value_size: bytes("limits.kv_max_value_size"),
        txn_max_req_len: bytes("limits.txn_max_req_len"),
    }
}

fn http(layer: &Layer, problems: &mut Vec<String>) -> HttpSettings {
    let (allow_write_http_from, wrong) = cidrs(&layer.list("http_config.allow_write_http_from"));
    problems.extend(wrong.into_iter().map(|why| format!("allow_write_http_from: {why}")));
    let head = usize::try_from(layer.int("http_config.max_header_bytes")).unwrap_or(0);
    HttpSettings {
        block_endpoints: layer.list("http_config.block_endpoints"),
        allow_write_http_from,
        response_headers: layer.texts("http_config.response_headers"),
        max_header_bytes: (head > 0).then_some(head),
        disable_unprintable_char_filter: layer.bool("disable_http_unprintable_char_filter"),
    }
}

fn ui(layer: &Layer, by_dev: bool) -> UiSettings {
    let dir = path(layer, "ui_config.dir");
    let content = layer.text("ui_config.content_path");
    UiSettings {
        // A directory goes over what `-dev` alone turns on.
        enabled: layer.bool("ui_config.enabled") && !(by_dev && dir.is_some()),
        dir,
        content_path: match content.trim_matches('/') {
            "" => "/".to_owned(),
            inner => format!("/{inner}/"),
        },
    }
}

fn checks(layer: &Layer) -> CheckSettings {
    let enable_remote_scripts = layer.bool("enable_script_checks");
    let enable_local_scripts = layer.given_bool("enable_local_script_checks");
    CheckSettings {
        update_interval: layer.duration("check_update_interval").saturating_std(),
        output_max_size: usize::try_from(layer.int("check_output_max_size")).unwrap_or(0),
        discard_output: layer.bool("discard_check_output"),
        enable_remote_scripts,
        enable_local_scripts: enable_local_scripts.unwrap_or(enable_remote_scripts),
        enable_agent_tls: layer.bool("enable_agent_tls_for_checks"),
    }
}

fn log(layer: &Layer) -> LogSettings {
    let bytes = size(layer, "log_rotate_bytes");
    LogSettings {
        level_name: layer.text("log_level").to_owned(),
        json: layer.bool("log_json"),
        file: path(layer, "log_file"),
        rotate_bytes: (bytes > 0).then_some(bytes),
        rotate_duration: match layer.duration("log_rotate_duration").saturating_std() {
            Duration::ZERO => Duration::from_secs(24 * 3600),
            period => period,
        },
        rotate_max_files: layer.int("log_rotate_max_files"),
        syslog: layer.bool("enable_syslog"),
        syslog_facility: layer.text("syslog_facility").to_owned(),
    }
}

fn telemetry(layer: &Layer, warnings: &mut Vec<String>) -> TelemetrySettings {
    let (mut allowed_prefixes, mut blocked_prefixes) = (Vec::new(), Vec::new());
    for rule in layer.list("telemetry.prefix_filter") {
        match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
            (Some(prefix), _) => allowed_prefixes.push(prefix.to_owned()),
            (_, Some(prefix)) => blocked_prefixes.push(prefix.to_owned()),
            _ if rule.is_empty() => {
                warnings.push("Cannot have empty filter rule in prefix_filter".to_owned())
            }
            _ => warnings.push(format!(
                "Filter rule must begin with either '+' or '-': {}",
                gotext::quote(&rule)
            )),
        }
    }
    let metrics_prefix = layer.text("telemetry.metrics_prefix").to_owned();
    // One metric for each method and outcome: only who asks for them gets so many.
    let calls = format!("{metrics_prefix}.rpc.server.call");
    if !allowed_prefixes.contains(&calls) {
        blocked_prefixes.push(calls);
    }
    let address = |name| Some(layer.text(name)).filter(|a| !a.is_empty()).map(str::to_owned);
    TelemetrySettings {
        metrics_prefix,
        disable_hostname: layer.bool("telemetry.disable_hostname"),
        prometheus_retention_time: layer
            .duration("telemetry.prometheus_retention_time")
            .saturating_std(),
        allowed_prefixes,
        blocked_prefixes,
        filter_default: layer.bool("telemetry.filter_default"),
        statsd_address: address("telemetry.statsd_address"),
        statsite_address: address("telemetry.statsite_address"),
    }
}

fn acl(layer: &Layer) -> AclSettings {
    let period = |name| layer.duration(name).saturating_std();
    AclSettings {
        enabled: layer.bool("acl.enabled"),
        default_policy: layer.text("acl.default_policy").to_owned(),
        down_policy: layer.text("acl.down_policy").to_owned(),
        token_ttl: period("acl.token_ttl"),
        policy_ttl: period("acl.policy_ttl"),
        role_ttl: period("acl.role_ttl"),
        enable_key_list_policy: layer.bool("acl.enable_key_list_policy"),
        enable_token_persistence: layer.bool("acl.enable_token_persistence"),
        initial_management: layer.text("acl.tokens.initial_management").into(),
        default_token: layer.text("acl.tokens.default").into(),
        agent_token: layer.text("acl.tokens.agent").into(),
        agent_recovery: layer.text("acl.tokens.agent_recovery").into(),
        config_file_service_registration: layer
            .text("acl.tokens.config_file_service_registration")
            .into(),
    }
}
