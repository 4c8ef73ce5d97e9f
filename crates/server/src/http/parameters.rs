//! The parameters that many endpoints have in common (consul-http, "Common query parameters").

use std::time::Duration;

use api::{Consistency, Endpoint, Enterprise, Failure, Query};
use gotext::GoDuration;
use hyper::header::HeaderName;

/// What a request says besides what it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// How sure the answer must be.
    pub(crate) consistency: Consistency,
    /// Wait for an index above this one; 0 does not wait.
    pub(crate) index: u64,
    /// How long; `None` is the usual time.
    pub(crate) wait: Option<Duration>,
}

impl Parameters {
    /// Reads those that an endpoint looks at.
    pub(crate) fn read(endpoint: &Endpoint, query: &Query) -> Result<Self, Failure> {
        let mut parameters = Self::default();
        match endpoint.parameters {
            api::Parameters::None => return Ok(parameters),
            api::Parameters::Wait => {}
            api::Parameters::Consistency => {
                parameters.consistency = Consistency::read(query)?;
                return Ok(parameters);
            }
            api::Parameters::All | api::Parameters::Body => {
                parameters.consistency = Consistency::read(query)?;
            }
        }
        if let Some(text) = query.filled("wait") {
            let wait = GoDuration::parse(text).map_err(|_| Failure::bad("Invalid wait time"))?;
            parameters.wait = Some(wait.saturating_std()).filter(|wait| !wait.is_zero());
        }
        if let Some(text) = query.filled("index") {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let index = text.parse().ok().filter(|_| digits);
            parameters.index = index.ok_or_else(|| Failure::bad("Invalid index"))?;
        }
        Ok(parameters)
    }
}

/// Looks at what a client asks of a cache that is not there: at its numbers alone.
pub(crate) fn check_cache_control(text: &str) -> Result<(), Failure> {
    let wrong = |directive: &str| {
        let Some((name, value)) = directive.trim().split_once('=') else { return false };
        let counted = matches!(name.to_ascii_lowercase().as_str(), "max-age" | "stale-if-error");
        counted && value.parse::<u64>().is_err()
    };
    if text.split(',').any(wrong) {
        return Err(Failure::bad("Invalid Cache-Control header."));
    }
    Ok(())
}

/// Refuses what another edition has.
pub(crate) fn refuse_enterprise(
    endpoint: &Endpoint,
    query: &Query,
    header: impl Fn(&HeaderName) -> bool,
) -> Result<(), Failure> {
    const NAMESPACES: &str = "Namespaces are a Consul Enterprise feature";
    const PARTITIONS: &str = "Partitions are a Consul Enterprise feature";
    const NAMESPACE: HeaderName = HeaderName::from_static("x-consul-namespace");
    const PARTITION: HeaderName = HeaderName::from_static("x-consul-partition");
    let refused = [
        ("ns", "X-Consul-Namespace", NAMESPACE, NAMESPACES),
        ("partition", "X-Consul-Partition", PARTITION, PARTITIONS),
    ];
    let refused = match endpoint.enterprise {
        Enterprise::Ignore => return Ok(()),
        Enterprise::AllowNamespace => &refused[1..],
        Enterprise::Refuse => &refused[..],
    };
    for (name, header_name, key, why) in refused {
        if query.filled(name).is_some() {
            return Err(Failure::bad(format!("Invalid query parameter: \"{name}\" - {why}")));
        }
        if header(key) {
            return Err(Failure::bad(format!("Invalid header: \"{header_name}\" - {why}")));
        }
    }
    Ok(())
}
