//! Addresses and ports: what is bound, and what others are told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use gotext::multi_error;
use ipnet::IpNet;

use crate::interface::Interface;
use crate::layer::Layer;
use crate::recursor::Recursor;
use crate::template::expand;
use crate::{Failure, Host};

/// Where something is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// The ports; none where nothing is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// DNS, over UDP and TCP.
    pub dns: Option<u16>,
    /// HTTP.
    pub http: Option<u16>,
    /// HTTPS.
    pub https: Option<u16>,
    /// gRPC.
    pub grpc: Option<u16>,
    /// gRPC with TLS.
    pub grpc_tls: Option<u16>,
    /// Gossip within the datacenter.
    pub serf_lan: Option<u16>,
    /// Gossip among datacenters.
    pub serf_wan: Option<u16>,
    /// Other servers, and agents.
    pub server: u16,
    /// What sidecars are given: the first and the last port; none without sidecars.
    pub sidecars: Option<(u16, u16)>,
}

/// Addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Bound for other servers and agents.
    pub bind: IpAddr,
    /// Bound for gossip within the datacenter.
    pub serf_lan_bind: IpAddr,
    /// Bound for gossip among datacenters.
    pub serf_wan_bind: IpAddr,
    /// What the datacenter is told.
    pub advertise: IpAddr,
    /// What other datacenters are told.
    pub advertise_wan: IpAddr,
    /// Addresses of the node by purpose: the configured ones, and lan, wan and their families.
    pub tagged_addresses: BTreeMap<String, String>,
    /// Whether other datacenters are told wan addresses.
    pub translate_wan_addrs: bool,
    /// For clients, in the order of the configuration.
    pub client: Vec<IpAddr>,
    /// The ports.
    pub ports: Ports,
    /// For DNS, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// For HTTP.
    pub http: Vec<ListenAddress>,
    /// For HTTPS.
    pub https: Vec<ListenAddress>,
    /// For gRPC.
    pub grpc: Vec<ListenAddress>,
    /// For gRPC with TLS.
    pub grpc_tls: Vec<ListenAddress>,
    /// Servers that DNS passes questions to, templates expanded; [`Recursor`]s.
    pub recursors: Vec<String>,
    /// Members within the datacenter come from these networks; empty: from any.
    pub serf_lan_allowed: Vec<IpNet>,
    /// The same among datacenters.
    pub serf_wan_allowed: Vec<IpNet>,
}

struct Builder<'a> {
    layer: &'a Layer,
    interfaces: &'a [Interface],
    problems: &'a mut Vec<String>,
}

/// Reads addresses and ports. What is wrong with single ones is added to the problems.
pub(crate) fn network(
    layer: &Layer,
    host: &Host,
    server: bool,
    problems: &mut Vec<String>,
) -> Result<Network, Failure> {
    let mut builder = Builder { layer, interfaces: &host.interfaces, problems };
    let ports = builder.ports(server)?;
    let bind = builder.bind()?;
    let (advertise, advertise_wan) = builder.advertised(bind)?;
    let serf_lan_bind = builder.one("serf_lan").unwrap_or(bind);
    let serf_wan_bind = builder.one("serf_wan").unwrap_or(bind);
    let client = builder.client();
    let dns = builder.listeners("addresses.dns", ports.dns, &client);
    let dns = dns.into_iter().map(|address| match address {
        ListenAddress::Tcp(address) => Ok(address),
        ListenAddress::Unix(_) => Err(Failure::new("DNS address cannot be a unix socket")),
    });
    Ok(Network {
        bind,
        serf_lan_bind,
        serf_wan_bind,
        advertise,
        advertise_wan,
        tagged_addresses: builder.tagged(advertise, advertise_wan),
        translate_wan_addrs: layer.bool("translate_wan_addrs"),
        ports,
        dns: dns.collect::<Result<_, _>>()?,
        http: builder.listeners("addresses.http", ports.http, &client),
        https: builder.listeners("addresses.https", ports.https, &client),
        grpc: builder.listeners("addresses.grpc", ports.grpc, &client),
        grpc_tls: builder.listeners("addresses.grpc_tls", ports.grpc_tls, &client),
        client,
        recursors: builder.recursors()?,
        serf_lan_allowed: builder.allowed("serf_lan_allowed_cidrs")?,
        serf_wan_allowed: builder.allowed("serf_wan_allowed_cidrs")?,
    })
}

impl Builder<'_> {
    fn ports(&mut self, server: bool) -> Result<Ports, Failure> {
        if self.layer.int("ports.server") <= 0 {
            return Err(Failure::new("server-port must be greater than zero"));
        }
        let grpc_tls = match self.layer.given("ports.grpc_tls") {
            Some(_) => self.port("ports.grpc_tls"),
            None => server.then_some(GRPC_TLS_OF_SERVERS),
        };
        Ok(Ports {
            dns: self.port("ports.dns"),
            http: self.port("ports.http"),
            https: self.port("ports.https"),
            grpc: self.port("ports.grpc"),
            grpc_tls,
            serf_lan: self.port("ports.serf_lan"),
            serf_wan: self.port("ports.serf_wan"),
            // One that is too large was complained about.
            server: self.port("ports.server").unwrap_or_default(),
            sidecars: self.port("ports.sidecar_min_port").zip(self.port("ports.sidecar_max_port")),
        })
    }

    fn port(&mut self, key: &str) -> Option<u16> {
        let number = self.layer.int(key);
        if number > i64::from(u16::MAX) {
            self.problems.push(format!("{key}: invalid port: {number}"));
        }
        u16::try_from(number).ok().filter(|port| *port != 0)
    }

    /// The words of an address key, templates expanded.
    fn words(&mut self, key: &str, text: &str) -> Vec<String> {
        match expand(text, self.interfaces) {
            Ok(expanded) => expanded.split_whitespace().map(str::to_owned).collect(),
            Err(error) => {
                self.problems
                    .push(format!("{key}: invalid template {}: {error}", gotext::quote(text)));
                Vec::new()
            }
        }
    }

    fn ip(&mut self, key: &str, word: &str) -> Option<IpAddr> {
        // IPv6 may stand in brackets.
        let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
        let address = bare.unwrap_or(word).parse().ok();
        if address.is_none() {
            self.problems.push(format!("{key}: invalid ip address: {word}"));
        }
        address
    }

    /// A key with a single address.
    fn one(&mut self, key: &str) -> Option<IpAddr> {
        let text = self.layer.text(key).to_owned();
        let words = self.words(key, &text);
        match words.as_slice() {
            [] => None,
            [word] => self.ip(key, word),
            several => {
                let several = several.join(" ");
                self.problems.push(format!("{key}: multiple addresses found: {several}"));
                None
            }
        }
    }

    fn bind(&mut self) -> Result<IpAddr, Failure> {
        const KEY: &str = "bind_addr";
        let before = self.problems.len();
        let text = self.layer.text(KEY).to_owned();
        let words = self.words(KEY, &text);
        let addresses: Vec<_> = words.iter().filter_map(|word| self.ip(KEY, word)).collect();
        match addresses.as_slice() {
            [address] => Ok(*address),
            [] => {
                let failure = Failure::new("bind_addr cannot be empty");
                Err(match self.problems.get(before) {
                    Some(problem) => failure.hint(problem.clone()),
                    None if text.is_empty() => failure,
                    None => failure.hint(format!("{} finds no address", gotext::quote(&text))),
                })
            }
            _ => Err(Failure::new(
                "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' \
                 instead.",
            )),
        }
    }

    /// What the datacenter and what others are told.
    fn advertised(&mut self, bind: IpAddr) -> Result<(IpAddr, IpAddr), Failure> {
        let configured = self.advertise_address(["", "_ipv4", "_ipv6"]);
        // Asked once for each of the two, and complained about twice, as ever.
        let again = self.advertise_address([""; 1]);
        let wan = self.advertise_address(["_wan", "_wan_ipv4", "_wan_ipv6"]);
        let unspecified =
            |what| Failure::new(format!("{what} address cannot be 0.0.0.0, :: or [::]"));
        if configured.or(again).is_some_and(|address| address.is_unspecified()) {
            return Err(unspecified("Advertise"));
        }
        if wan.is_some_and(|address| address.is_unspecified()) {
            return Err(unspecified("Advertise WAN"));
        }
        let lan = match configured {
            Some(address) => address,
            // There is a complaint already.
            None if !self.problems.is_empty() => bind,
            None if bind.is_unspecified() => found(bind, self.interfaces)?,
            None => bind,
        };
        Ok((lan, wan.unwrap_or(lan)))
    }

    fn advertise_address<const N: usize>(&mut self, suffixes: [&str; N]) -> Option<IpAddr> {
        let mut first = None;
        for suffix in suffixes {
            let address = self.one(&format!("advertise_addr{suffix}"));
            first = first.or(address);
        }
        first
    }

    fn tagged(&self, lan: IpAddr, wan: IpAddr) -> BTreeMap<String, String> {
        let mut tagged = self.layer.texts("tagged_addresses");
        for (name, address) in [("lan", lan), ("wan", wan)] {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            tagged.insert(name.to_owned(), address.to_string());
            tagged.insert(format!("{name}_{family}"), address.to_string());
            for family in ["ipv4", "ipv6"] {
                let (middle, key) = if name == "wan" { ("_wan", "wan") } else { ("", "lan") };
                let configured = self.layer.text(&format!("advertise_addr{middle}_{family}"));
                let expanded = expand(configured, self.interfaces).unwrap_or_default();
                if let Ok(address) = expanded.trim().parse::<IpAddr>() {
                    tagged.insert(format!("{key}_{family}"), address.to_string());
                }
            }
        }
        tagged
    }

    fn client(&mut self) -> Vec<IpAddr> {
        const KEY: &str = "client_addr";
        let text = self.layer.text(KEY).to_owned();
        let mut addresses = Vec::new();
        for word in self.words(KEY, &text) {
            if word.starts_with("unix:") {
                self.problems.push(format!("{KEY} cannot be a unix socket"));
                continue;
            }
            // The first mistake is enough.
            let Some(address) = self.ip(KEY, &word) else { break };
            addresses.push(address);
        }
        addresses
    }

    /// What is listened on: the own addresses, or those for clients.
    fn listeners(&mut self, key: &str, port: Option<u16>, client: &[IpAddr]) -> Vec<ListenAddress> {
        let text = self.layer.text(key).to_owned();
        let mut own = Vec::new();
        for word in self.words(key, &text) {
            if let Some(path) = word.strip_prefix("unix://") {
                own.push(ListenAddress::Unix(path.into()));
            } else if let Some(address) = self.ip(key, &word) {
                own.push(ListenAddress::Tcp(SocketAddr::new(address, port.unwrap_or(0))));
            }
        }
        match port {
            None => Vec::new(),
            Some(_) if !text.is_empty() => own,
            Some(port) => {
                let tcp = |address: &IpAddr| ListenAddress::Tcp(SocketAddr::new(*address, port));
                client.iter().map(tcp).collect()
            }
        }
    }

    fn recursors(&mut self) -> Result<Vec<String>, Failure> {
        let mut recursors = Vec::new();
        for text in self.layer.list("recursors") {
            match text.contains("{{") {
                true => recursors.extend(self.words("recursors", &text)),
                false => recursors.extend(text.split_whitespace().map(str::to_owned)),
            }
        }
        for text in &recursors {
            match Recursor::read(text) {
                Some(Recursor::Address(address)) if address.ip().is_unspecified() => {
                    let why = "DNS recursor address cannot be 0.0.0.0, :: or [::]";
                    return Err(Failure::new(why));
                }
                Some(_) => {}
                None => {
                    let shown = gotext::quote(text);
                    return Err(Failure::new(format!("Invalid recursor address: {shown}")).hint(
                        "'recursors' (-recursor) takes IP, IP:port, [IPv6]:port, or a host's name \
                         with or without a port",
                    ));
                }
            }
        }
        Ok(recursors)
    }

    fn allowed(&self, key: &str) -> Result<Vec<IpNet>, Failure> {
        let (networks, problems) = cidrs(&self.layer.list(key));
        match problems.as_slice() {
            [] => Ok(networks),
            problems => Err(Failure::new(format!("{key}: {}", multi_error(problems)))),
        }
    }
}

/// The networks, and what is wrong with those that are none.
pub(crate) fn cidrs(texts: &[String]) -> (Vec<IpNet>, Vec<String>) {
    let (mut networks, mut problems) = (Vec::new(), Vec::new());
    for text in texts {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(_) => problems.push(format!("invalid cidr: {text}")),
        }
    }
    (networks, problems)
}

/// The port that servers have for gRPC with TLS.
const GRPC_TLS_OF_SERVERS: u16 = 8503;

/// The only address that others can be told where every address is bound: a private one of IPv4, or
/// one of IPv6 that is public. Loopback ones count where nothing else is up.
fn found(bind: IpAddr, interfaces: &[Interface]) -> Result<IpAddr, Failure> {
    let kind = if bind.is_ipv4() { "private IPv4" } else { "public IPv6" };
    let wanted = |i: &&Interface| match i.address {
        IpAddr::V4(address) => bind.is_ipv4() && is_private(address),
        IpAddr::V6(address) => {
            let unique_local = address.is_unique_local() || address.is_unicast_link_local();
            bind.is_ipv6() && !unique_local && !address.is_loopback()
        }
    };
    let up = interfaces.iter().filter(|i| i.up && !i.is_loopback());
    let mut candidates: Vec<_> = up.clone().filter(wanted).map(|i| i.address).collect();
    if up.clone().next().is_none() {
        candidates.extend(interfaces.iter().filter(wanted).map(|i| i.address));
    }
    match candidates.as_slice() {
        [address] => Ok(*address),
        [] => Err(Failure::new(format!("No {kind} address found")).hint(
            "say with 'bind_addr' (-bind) or 'advertise_addr' (-advertise) which one to use",
        )),
        several => {
            let several: Vec<_> = several.iter().map(ToString::to_string).collect();
            Err(Failure::new(format!(
                "Multiple {kind} addresses found. Please configure one with 'bind' and/or \
                 'advertise'."
            ))
            .hint(format!("there are {}", several.join(", "))))
        }
    }
}

/// Addresses for private networks, shared ones, loopback and link-local ones.
fn is_private(address: Ipv4Addr) -> bool {
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    address.is_private() || shared || address.is_loopback() || address.is_link_local()
}
