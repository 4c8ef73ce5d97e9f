//! From settings to what a server is started with.

use std::net::IpAddr;
use std::time::Duration;

use agent::log::Log;
use catalog::Uuid;
use settings::{GossipTiming, ListenAddress, Settings};

use super::definitions::Definitions;
use super::keyring::Keys;
use crate::identity::{Identity, Meta};
use crate::options::{
    CheckOptions, DnsOptions, DnsRules, Endpoint, HttpOptions, Options, PoolOptions, SocketOptions,
    TlsOptions,
};
use crate::shell::shown_configuration;
use crate::telemetry::TelemetryOptions;

/// What a server is started with.
pub(super) fn options(
    settings: &Settings,
    definitions: Definitions,
    node_id: Uuid,
    log: Log,
) -> Result<Options, String> {
    let network = &settings.network;
    let ports = network.ports;
    let identity = Identity {
        node: settings.node.name.as_str().into(),
        node_id,
        datacenter: settings.datacenter.as_str().into(),
        advertise: network.advertise,
        advertise_wan: network.advertise_wan,
        server: (network.advertise, ports.server).into(),
        expect: settings.bootstrap_expect,
        meta: Meta::new(meta(settings)),
    };
    let configuration = shown_configuration(settings, &identity);
    let lan = ports.serf_lan.ok_or("the port of the LAN pool cannot be switched off")?;
    let gossip = &settings.gossip;
    let bind = (network.serf_lan_bind, lan);
    let mut lan = pool(settings, "local", bind, gossip.lan, settings.cluster.reconnect_timeout)?;
    lan.allowed.clone_from(&network.serf_lan_allowed);
    let wan_timeout = settings.given.duration("reconnect_timeout_wan").saturating_std();
    let wan = ports.serf_wan.map(|port| {
        let bind = (network.serf_wan_bind, port);
        let mut wan = pool(settings, "remote", bind, gossip.wan, wan_timeout)?;
        wan.allowed.clone_from(&network.serf_wan_allowed);
        Ok::<_, String>(wan)
    });
    Ok(Options {
        identity,
        data_dir: settings.data_dir.clone(),
        durable: !settings.dev,
        rpc: (network.bind, ports.server).into(),
        lan,
        wan: wan.transpose()?,
        checks: checks(settings, definitions),
        http: http(settings),
        dns: DnsOptions { endpoints: network.dns.clone(), rules: dns_rules(settings, settings) },
        coordinates: !settings.cluster.disable_coordinates,
        session_ttl_min_ns: i64::try_from(settings.session_ttl_min.as_nanos()).unwrap_or(i64::MAX),
        telemetry: TelemetryOptions::new(settings),
        configuration,
        log,
    })
}

/// What the node says about itself.
pub(super) fn meta(settings: &Settings) -> Vec<(Box<str>, Box<str>)> {
    let pairs = settings.node.meta.iter();
    pairs.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

fn pool(
    settings: &Settings,
    name: &str,
    bind: (IpAddr, u16),
    timing: GossipTiming,
    reconnect_timeout: Duration,
) -> Result<PoolOptions, String> {
    let keys = Keys::of(settings, name)?;
    Ok(PoolOptions {
        bind: bind.into(),
        keyring: keys.keys,
        keyring_file: keys.file,
        verify_incoming: settings.gossip.encrypt_verify_incoming,
        verify_outgoing: settings.gossip.encrypt_verify_outgoing,
        allowed: Vec::new(),
        timing,
        rejoin_after_leave: settings.cluster.rejoin_after_leave,
        reconnect_timeout,
    })
}

fn checks(settings: &Settings, definitions: Definitions) -> CheckOptions {
    let checks = &settings.checks;
    CheckOptions {
        update_interval: checks.update_interval,
        output_max_bytes: checks.output_max_size,
        discard_output: checks.discard_output,
        scripts_of_files: checks.enable_local_scripts,
        scripts_of_requests: checks.enable_remote_scripts,
        sidecar_ports: settings.network.ports.sidecars,
        services: definitions.services,
        checks: definitions.checks,
    }
}

/// How DNS is answered. The zones and the node are those of the start.
pub(super) fn dns_rules(settings: &Settings, started: &Settings) -> DnsRules {
    let dns = &settings.dns;
    let recursors = settings.network.recursors.clone();
    DnsRules {
        zone: ::dns::Settings {
            domain: started.dns.domain.clone(),
            alt_domain: started.dns.alt_domain.clone(),
            datacenter: settings.datacenter.clone(),
            node: started.node.name.clone(),
            node_ttl: dns.node_ttl,
            service_ttl: dns.service_ttl.clone(),
            only_passing: dns.only_passing,
            enable_truncate: dns.enable_truncate,
            udp_answer_limit: dns.udp_answer_limit,
            a_record_limit: dns.a_record_limit,
            disable_compression: dns.disable_compression,
            node_meta_txt: dns.node_meta_txt,
            soa: dns.soa,
            recursors: !recursors.is_empty(),
        },
        recursors,
        strategy: dns.recursor_strategy,
        recursor_timeout: dns.recursor_timeout,
        allow_stale: dns.allow_stale,
        max_stale: dns.max_stale,
    }
}

/// Most connections of one address.
pub(super) fn connections(settings: &Settings) -> usize {
    settings.limits.http_max_conns_per_client.map_or(usize::MAX, |most| most as usize)
}

fn http(settings: &Settings) -> HttpOptions {
    let endpoint = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => Endpoint::Tcp(*address),
        ListenAddress::Unix(path) => Endpoint::Unix(path.clone()),
    };
    let secure: Vec<_> = settings.network.https.iter().map(endpoint).collect();
    let tls = (!secure.is_empty()).then(|| TlsOptions {
        endpoints: secure,
        listener: settings.tls.https.clone(),
        handshake_time: settings.limits.https_handshake_timeout,
    });
    let usual = HttpOptions::default();
    let limits = settings.limits;
    let headers = settings.http.response_headers.iter();
    let sockets = &settings.unix_sockets;
    HttpOptions {
        endpoints: settings.network.http.iter().map(endpoint).collect(),
        tls,
        sockets: SocketOptions {
            // Whether it is octal was checked before.
            mode: u32::from_str_radix(&sockets.mode, 8).ok(),
            user: sockets.user.clone(),
            group: sockets.group.clone(),
        },
        pretty: settings.dev,
        response_headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        block_endpoints: settings.http.block_endpoints.clone(),
        allow_write_from: settings.http.allow_write_http_from.clone(),
        unprintable: settings.http.disable_unprintable_char_filter,
        query_time: settings.default_query_time,
        query_time_max: settings.max_query_time,
        pages: settings.ui.enabled,
        cache: settings.given.bool("http_config.use_cache"),
        connections_per_client: connections(settings),
        header_max_bytes: settings.http.max_header_bytes.unwrap_or(usual.header_max_bytes),
        kv_value_max_bytes: limits.kv_max_value_size,
        txn_max_bytes: limits.txn_max_req_len,
    }
}
