//! DNS.

use std::collections::BTreeMap;
use std::time::Duration;

use gotext::GoDuration;

use crate::layer::Layer;

/// The order in which recursors are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecursorStrategy {
    /// As they stand.
    Sequential,
    /// Another one for each question.
    Random,
}

/// DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// The zone, in small letters, with a dot at its end.
    pub domain: String,
    /// A second zone of that form.
    pub alt_domain: Option<String>,
    /// Any server may answer.
    pub allow_stale: bool,
    /// How old such an answer may be.
    pub max_stale: Duration,
    /// TTL of nodes.
    pub node_ttl: Duration,
    /// TTLs of services by name; `*` at the end stands for any rest.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Instances with warnings are left out too.
    pub only_passing: bool,
    /// A cut answer says so.
    pub enable_truncate: bool,
    /// Most answers over UDP.
    pub udp_answer_limit: u32,
    /// Most addresses in one reply; 0: any number.
    pub a_record_limit: u32,
    /// How long a recursor may take.
    pub recursor_timeout: Duration,
    /// Whom to ask first.
    pub recursor_strategy: RecursorStrategy,
    /// Names are written in full.
    pub disable_compression: bool,
    /// Metadata of nodes goes along.
    pub node_meta_txt: bool,
    /// Refresh, retry, expiry and least TTL of the SOA, in seconds.
    pub soa: [u32; 4],
}

/// Reads the settings; the limits are judged by [`crate::check`].
pub(crate) fn dns(layer: &Layer, problems: &mut Vec<String>) -> DnsSettings {
    let period = |name| layer.duration(name).saturating_std();
    let limit = |name: &str| within(layer.int(name));
    let recursor_strategy = match layer.text("dns_config.recursor_strategy") {
        "sequential" | "" => RecursorStrategy::Sequential,
        "random" => RecursorStrategy::Random,
        other => {
            let quoted = gotext::quote(other);
            problems.push(format!("dns_config.recursor_strategy: invalid strategy: {quoted}"));
            RecursorStrategy::Sequential
        }
    };
    let ttls = layer
        .texts("dns_config.service_ttl")
        .into_iter()
        .map(|(name, ttl)| (name, GoDuration::parse(&ttl).unwrap_or_default().saturating_std()));
    DnsSettings {
        domain: zone(layer.text("domain")),
        alt_domain: Some(layer.text("alt_domain")).filter(|text| !text.is_empty()).map(zone),
        allow_stale: layer.bool("dns_config.allow_stale"),
        max_stale: period("dns_config.max_stale"),
        node_ttl: period("dns_config.node_ttl"),
        service_ttl: ttls.collect(),
        only_passing: layer.bool("dns_config.only_passing"),
        enable_truncate: layer.bool("dns_config.enable_truncate"),
        udp_answer_limit: limit("dns_config.udp_answer_limit"),
        a_record_limit: limit("dns_config.a_record_limit"),
        recursor_timeout: period("dns_config.recursor_timeout"),
        recursor_strategy,
        disable_compression: layer.bool("dns_config.disable_compression"),
        node_meta_txt: layer.bool("dns_config.enable_additional_node_meta_txt"),
        soa: ["refresh", "retry", "expire", "min_ttl"]
            .map(|name| limit(&format!("dns_config.soa.{name}"))),
    }
}

/// The nearest number that there is room for.
fn within(number: i64) -> u32 {
    u32::try_from(number.clamp(0, u32::MAX.into())).unwrap_or(u32::MAX)
}

fn zone(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_as_much_as_can_be() {
        assert_eq!([-1, 0, 8, 5_000_000_000].map(within), [0, 0, 8, u32::MAX]);
    }
}
