//! What is configured, as the shell has it, and compiled for answering.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::name::Name;

/// What the configuration says of DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The zone, as `consul.`
    pub domain: String,
    /// A second zone.
    pub alt_domain: Option<String>,
    /// The datacenter that names without one mean.
    pub datacenter: String,
    /// The agent's own node: what queries mean by `_agent`.
    pub node: String,
    /// TTL of what is said of nodes.
    pub node_ttl: Duration,
    /// TTLs of services by name; `*` at the end stands for any rest.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Instances with warnings are left out too.
    pub only_passing: bool,
    /// A cut answer says so.
    pub enable_truncate: bool,
    /// Most answers over UDP without EDNS0; more than 8 count as 8.
    pub udp_answer_limit: u32,
    /// Most addresses in one reply; 0: any number.
    pub a_record_limit: u32,
    /// Names are written in full.
    pub disable_compression: bool,
    /// Metadata of nodes goes along.
    pub node_meta_txt: bool,
    /// Refresh, retry, expiry and least TTL of the SOA, in seconds.
    pub soa: [u32; 4],
    /// Whether there are servers to pass questions to.
    pub recursors: bool,
}

/// What the agent does when nothing is configured.
impl Default for Settings {
    fn default() -> Self {
        Self {
            domain: "consul.".into(),
            alt_domain: None,
            datacenter: "dc1".into(),
            node: String::new(),
            node_ttl: Duration::ZERO,
            service_ttl: BTreeMap::new(),
            only_passing: false,
            enable_truncate: false,
            udp_answer_limit: 3,
            a_record_limit: 0,
            disable_compression: false,
            node_meta_txt: true,
            soa: [3600, 600, 86400, 0],
            recursors: false,
        }
    }
}

/// Why settings cannot be answered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A zone that is no name.
    #[error("{0:?} is no domain name: use labels of at most 63 bytes, 255 bytes in all")]
    Zone(String),
    /// A datacenter that cannot be part of a name.
    #[error("the datacenter {0:?} cannot stand in a domain name")]
    Datacenter(String),
}

/// A zone that is answered for.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: Name,
    /// The server and the mailbox in its SOA; none where the zone's name leaves no room for them.
    pub(crate) soa: Option<[Name; 2]>,
}

impl Zone {
    fn new(text: &str) -> Result<Self, Error> {
        let name = Name::from_text(&text.to_lowercase());
        let name = name.ok_or_else(|| Error::Zone(text.to_owned()))?;
        let below = |label: &[u8]| {
            let mut below = Name::empty();
            below.push(label).and_then(|()| below.raw(name.wire())).map(|()| below)
        };
        let soa = below(b"ns").zip(below(b"hostmaster")).map(<[Name; 2]>::from);
        Ok(Self { name, soa })
    }
}

/// Settings, compiled.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) settings: Settings,
    pub(crate) domain: Zone,
    pub(crate) alt_domain: Option<Zone>,
    pub(crate) node_ttl: u32,
    ttl_exact: BTreeMap<Box<str>, u32>,
    /// Without their `*`, the longest first.
    ttl_prefixes: Vec<(Box<str>, u32)>,
}

impl Config {
    /// Compiles settings.
    ///
    /// # Errors
    ///
    /// A zone or datacenter that is no name.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let datacenter = settings.datacenter.to_lowercase();
        if Name::from_text(&datacenter).is_none() || datacenter.contains('.') {
            return Err(Error::Datacenter(datacenter));
        }
        let mut ttl_exact = BTreeMap::new();
        let mut ttl_prefixes: Vec<(Box<str>, u32)> = Vec::new();
        for (name, ttl) in &settings.service_ttl {
            match name.strip_suffix('*') {
                Some(prefix) => ttl_prefixes.push((prefix.into(), seconds(*ttl))),
                None => drop(ttl_exact.insert(name.as_str().into(), seconds(*ttl))),
            }
        }
        ttl_prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self {
            domain: Zone::new(&settings.domain)?,
            alt_domain: settings.alt_domain.as_deref().map(Zone::new).transpose()?,
            node_ttl: seconds(settings.node_ttl),
            ttl_exact,
            ttl_prefixes,
            settings: Settings { datacenter, ..settings.clone() },
        })
    }

    /// The TTL of a service: by its name, else by the longest beginning.
    pub(crate) fn service_ttl(&self, name: &str) -> u32 {
        let exact = self.ttl_exact.get(name).copied();
        let by_prefix = || self.ttl_prefixes.iter().find(|(prefix, _)| name.starts_with(&**prefix));
        exact.or_else(|| by_prefix().map(|(_, ttl)| *ttl)).unwrap_or(0)
    }
}

/// A TTL.
pub(crate) fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}
