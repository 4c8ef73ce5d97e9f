//! What must hold of settings together, in the order in which it is looked at.

use gotext::GoDuration;
use gotext::decode::Value;

use crate::Failure;
use crate::layer::Layer;
use crate::settings::Settings;
use crate::sources::Files;

/// First labels of names that DNS gives a meaning.
const RESERVED_LABELS: [&str; 5] = ["service", "connect", "node", "query", "addr"];

const CA_PROVIDERS: [&str; 4] = ["", "consul", "vault", "aws-pca"];

/// The shortest life of a certificate that the built-in authority gives.
const LEAF_TTL_LEAST: GoDuration = GoDuration::from_nanoseconds(3600 * 1_000_000_000);

/// Kinds of configuration entries.
const ENTRY_KINDS: [&str; 17] = [
    "api-gateway",
    "bound-api-gateway",
    "control-plane-request-limit",
    "exported-services",
    "http-route",
    "ingress-gateway",
    "inline-certificate",
    "jwt-provider",
    "mesh",
    "proxy-defaults",
    "sameness-group",
    "service-defaults",
    "service-intentions",
    "service-resolver",
    "service-router",
    "service-splitter",
    "tcp-route",
];

/// Refuses what cannot be, and adds warnings about what is odd.
pub(crate) fn check(settings: &mut Settings, files: &dyn Files) -> Result<(), Failure> {
    datacenter(settings)?;
    directories(settings, files)?;
    ports(settings)?;
    dns(settings)?;
    numbers(&settings.given)?;
    servers(settings)?;
    features(settings)?;
    let pairs = settings.node.meta.iter();
    let pairs = pairs.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
    catalog::pairs_valid(&Some(pairs), false)
        .map_err(|why| Failure::new(format!("node_meta invalid: {why}")))?;
    warn(settings);
    Ok(())
}

fn refuse(why: impl Into<String>) -> Result<(), Failure> {
    Err(Failure::new(why))
}

fn datacenter(settings: &Settings) -> Result<(), Failure> {
    let name = &settings.datacenter;
    if name.is_empty() {
        return refuse("datacenter cannot be empty");
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.chars().all(fits) {
        return refuse(format!(
            "datacenter can only contain lowercase alphanumeric, - or _ characters. received: {}",
            gotext::quote(name)
        ));
    }
    if settings.node.name.is_empty() {
        return refuse("node_name cannot be empty");
    }
    Ok(())
}

fn directories(settings: &Settings, files: &dyn Files) -> Result<(), Failure> {
    match &settings.data_dir {
        None if !settings.dev => return refuse("data_dir cannot be empty"),
        None => {}
        Some(path) => {
            let path = path.to_string_lossy();
            if files.is_directory(&path) == Some(false) {
                let quoted = gotext::quote(&path);
                return refuse(format!("data_dir {quoted} is not a directory"));
            }
        }
    }
    if settings.ui.enabled && settings.ui.dir.is_some() {
        return refuse(
            "Both the ui_config.enabled and ui_config.dir (or -ui and -ui-dir) were specified, \
             please provide only one.\n\
             If trying to use your own web UI resources, use ui_config.dir or the -ui-dir flag.\n\
             The web UI is included in the binary so use ui_config.enabled or the -ui flag to \
             enable it",
        );
    }
    let content = settings.given.text("ui_config.content_path");
    if !content.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/')) {
        return refuse(format!(
            "ui-content-path can only contain alphanumeric, -, _, or /. received: {}",
            gotext::quote(content)
        ));
    }
    Ok(())
}

fn ports(settings: &Settings) -> Result<(), Failure> {
    let (first, last) = (
        settings.given.int("ports.sidecar_min_port"),
        settings.given.int("ports.sidecar_max_port"),
    );
    if (first, last) != (0, 0) && first >= last {
        return refuse(
            "sidecar_min_port must be less than sidecar_max_port. To disable, set both to zero.",
        );
    }
    let network = &settings.network;
    let mut taken: Vec<(String, &str)> = Vec::new();
    let mut take = |address: String, whom: &'static str| {
        if let Some((_, other)) = taken.iter().find(|(known, _)| *known == address) {
            return refuse(format!("{whom} address {address} already configured for {other}"));
        }
        taken.push((address, whom));
        Ok(())
    };
    for address in &network.dns {
        take(address.to_string(), "DNS")?;
    }
    for (addresses, whom) in [(&network.http, "HTTP"), (&network.https, "HTTPS")] {
        for address in addresses {
            take(address.to_string(), whom)?;
        }
    }
    let others = [
        (Some(network.ports.server), network.advertise, "RPC Advertise"),
        (network.ports.serf_lan, network.advertise, "Serf Advertise LAN"),
        (network.ports.serf_wan, network.advertise_wan, "Serf Advertise WAN"),
    ];
    for (port, address, whom) in others {
        if let Some(port) = port {
            take(gotext::join_host_port(&address.to_string(), port), whom)?;
        }
    }
    Ok(())
}

fn dns(settings: &Settings) -> Result<(), Failure> {
    let zones =
        [("domain", Some(&settings.dns.domain)), ("alt_domain", settings.dns.alt_domain.as_ref())];
    for (key, zone) in zones {
        if let Some(zone) = zone.filter(|zone| !is_domain(zone)) {
            return refuse(format!(
                "{key} {} is no domain name: use labels of 1 to 63 bytes with dots between them, \
                 255 bytes in all",
                gotext::quote(zone)
            ));
        }
    }
    let Some(zone) = &settings.dns.alt_domain else { return Ok(()) };
    let label = zone.split('.').next().unwrap_or_default();
    if RESERVED_LABELS.contains(&label) || label == settings.datacenter {
        return refuse(format!(
            "alt_domain cannot start with {{{},{}}}",
            RESERVED_LABELS.join(","),
            settings.datacenter
        ));
    }
    Ok(())
}

/// Whether a text with a dot at its end can be a name in DNS.
fn is_domain(text: &str) -> bool {
    let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
    text.len() < 255 && labels.all(|label| (1..=63).contains(&label.len()))
}

/// Numbers with a range.
fn numbers(layer: &Layer) -> Result<(), Failure> {
    for key in [
        "bootstrap_expect",
        "dns_config.udp_answer_limit",
        "dns_config.a_record_limit",
        "autopilot.max_trailing_logs",
    ] {
        let number = layer.int(key);
        if number < 0 {
            return refuse(format!(
                "{key} cannot be {number}. Must be greater than or equal to zero"
            ));
        }
    }
    let multiplier = layer.int("performance.raft_multiplier");
    if !(1..=10).contains(&multiplier) {
        return refuse(format!(
            "performance.raft_multiplier cannot be {multiplier}. Must be between 1 and 10"
        ));
    }
    let raft = layer.int("raft_protocol");
    if raft != 3 {
        return refuse(format!(
            "raft_protocol version {raft} is not supported by this version of Consul"
        ));
    }
    if layer.int("check_output_max_size") < 1 {
        return refuse(
            "check_output_max_size must be positive, to discard check output use the \
             discard_check_output flag",
        );
    }
    let burst = layer.int("cache.entry_fetch_max_burst");
    if burst < 1 {
        return refuse(format!(
            "cache.entry_fetch_max_burst must be strictly positive, was: {burst}"
        ));
    }
    match layer.float("cache.entry_fetch_rate") {
        Some(rate) if rate <= 0.0 => {
            refuse(format!("cache.entry_fetch_rate must be strictly positive, was: {rate}"))
        }
        _ => Ok(()),
    }
}

/// What goes with `server`, and what does not.
fn servers(settings: &Settings) -> Result<(), Failure> {
    let layer = &settings.given;
    let (server, bootstrap) = (settings.server, layer.bool("bootstrap"));
    let expect = layer.int("bootstrap_expect");
    if expect > 0 && !server {
        return refuse("'bootstrap_expect > 0' requires 'server = true'");
    }
    if expect > 1 && settings.dev {
        return refuse("'bootstrap_expect > 0' not allowed in dev mode");
    }
    if expect > 1 && bootstrap {
        return refuse("'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive");
    }
    if bootstrap && !server {
        return refuse("'bootstrap = true' requires 'server = true'");
    }
    if server && layer.bool("auto_encrypt.tls") {
        return refuse("auto_encrypt.tls can only be used on a client.");
    }
    if !server && layer.bool("auto_encrypt.allow_tls") {
        return refuse("auto_encrypt.allow_tls can only be used on a server.");
    }
    if server && layer.given("advertise_reconnect_timeout").is_some() {
        return refuse("advertise_reconnect_timeout can only be used on a client");
    }
    if !layer.list("primary_gateways").is_empty() {
        if !server {
            return refuse("'primary_gateways' requires 'server = true'");
        }
        if settings.primary_datacenter == settings.datacenter {
            return refuse(
                "'primary_gateways' should only be configured in a secondary datacenter",
            );
        }
    }
    Ok(())
}

/// What is kept for later is looked at as far as it can be.
fn features(settings: &Settings) -> Result<(), Failure> {
    let layer = &settings.given;
    if let Some(Value::List(segments)) = layer.given("segments") {
        for segment in segments {
            let positive =
                matches!(field(segment, "port"), Some(Value::Number(n)) if n.float() > 0.0);
            if !positive {
                let name = field(segment, "name").map(ToString::to_string).unwrap_or_default();
                let quoted = gotext::quote(&name);
                return refuse(format!("Port for segment {quoted} cannot be <= 0"));
            }
        }
    }
    let segments = matches!(layer.given("segments"), Some(Value::List(list)) if !list.is_empty());
    if segments || !layer.text("segment").is_empty() {
        return refuse("Network segments are not supported in this version of Consul");
    }
    let provider = layer.text("connect.ca_provider");
    if !CA_PROVIDERS.contains(&provider) {
        return refuse(format!("{provider} is not a valid CA provider"));
    }
    if matches!(provider, "" | "consul")
        && let Some(Value::Text(text)) =
            layer.given("connect.ca_config").and_then(|config| field(config, "leaf_cert_ttl"))
        && GoDuration::parse(text).is_ok_and(|ttl| ttl < LEAF_TTL_LEAST)
    {
        return refuse(format!("leaf cert TTL must be greater or equal than {LEAF_TTL_LEAST}"));
    }
    let entries = match layer.given("config_entries.bootstrap") {
        Some(Value::List(entries)) => entries.as_slice(),
        _ => &[],
    };
    for (index, entry) in entries.iter().enumerate() {
        entry_valid(entry)
            .map_err(|why| Failure::new(format!("config_entries.bootstrap[{index}]: {why}")))?;
    }
    Ok(())
}

fn entry_valid(entry: &Value) -> Result<(), String> {
    let text = |name| field(entry, name).map(ToString::to_string).unwrap_or_default();
    let (kind, name) = (text("kind"), text("name"));
    if !ENTRY_KINDS.contains(&kind.as_str()) {
        return Err(format!("invalid config entry kind: {kind}"));
    }
    if kind == "proxy-defaults" && name != "global" {
        let quoted = gotext::quote(&name);
        return Err(format!("invalid name ({quoted}), only \"global\" is supported"));
    }
    Ok(())
}

/// A field of an object, whatever its case.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Object(fields) = object else { return None };
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn warn(settings: &mut Settings) {
    const TABLE: &str = "See https://www.consul.io/docs/internals/consensus.html#deployment-table";
    let layer = &settings.given;
    let expect = layer.int("bootstrap_expect");
    let mut warnings = Vec::new();
    if expect == 1 {
        warnings
            .push("BootstrapExpect is set to 1; this is the same as Bootstrap mode.".to_owned());
    } else if expect == 2 {
        warnings.push(format!(
            "bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance. \
             {TABLE}"
        ));
    } else if expect > 0 && expect % 2 == 0 {
        warnings.push(format!(
            "bootstrap_expect is even number: A cluster with an even number of servers does not \
             achieve optimum fault tolerance. {TABLE}"
        ));
    }
    if settings.bootstrap {
        warnings.push("bootstrap = true: do not enable unless necessary".to_owned());
    }
    if settings.bootstrap_expect > 0 {
        warnings.push(format!("bootstrap_expect > 0: expecting {expect} servers"));
    }
    let name = &settings.node.name;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        warnings.push(format!(
            "Node name {} will not be discoverable via DNS due to invalid characters. Valid \
             characters include all alpha-numerics and dashes.",
            gotext::quote(name)
        ));
    } else if name.len() > LABEL_BYTES {
        warnings.push(format!(
            "Node name {} will not be discoverable via DNS due to it being too long. Valid \
             lengths are between 1 and {LABEL_BYTES} bytes.",
            gotext::quote(name)
        ));
    }
    if settings.checks.enable_remote_scripts
        && !settings.acl.enabled
        && settings.http.allow_write_http_from.is_empty()
    {
        warnings.push(
            "using enable-script-checks without ACLs and without allow_write_http_from is \
             DANGEROUS, use enable-local-script-checks instead, see \
             https://www.hashicorp.com/blog/protecting-consul-from-rce-risk-in-specific-\
             configurations/"
                .to_owned(),
        );
    }
    settings.warnings.extend(warnings);
}

/// Longest label of a name in DNS.
const LABEL_BYTES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_what_a_message_can_hold() {
        for good in
            ["consul.", "a b.", "a.b.c.", &format!("{}.", "a".repeat(63)), &"a.".repeat(127)]
        {
            assert!(is_domain(good), "{good}");
        }
        for bad in [".", "a..b.", ".a.", &format!("{}.", "a".repeat(64)), &"a.".repeat(128)] {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
