//! Whether a service can be what it says it is: a proxy, a gateway, a speaker of the mesh.

use std::collections::BTreeSet;

use catalog::Service;
use gotext::{multi_error, quote};

use crate::proxy::{ExposedPath, Proxy, Upstream};
use crate::service_definition::{CONNECT_PROXY, ServiceDefinition};

/// What an upstream is unless it says otherwise.
pub(crate) const SERVICE: &str = "service";

/// Where an upstream listens unless it says otherwise.
const LOOPBACK: &str = "127.0.0.1";

/// What a service says of itself that must go together.
#[derive(Clone, Copy, Debug)]
pub struct Structure<'a> {
    /// The service.
    pub service: &'a Service,
    /// What it says as a proxy.
    pub proxy: Option<&'a Proxy>,
    /// The sidecar that is to be made for it.
    pub sidecar: Option<Sidecar>,
    /// What an upstream is that does not say what it is.
    pub usual_upstream: &'a str,
}

/// What a sidecar says that it may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// It has an ID of its own.
    pub has_id: bool,
    /// It has a sidecar itself.
    pub is_nested: bool,
}

impl Structure<'_> {
    /// Whether the service can be what it says.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, as one list.
    pub fn check(&self) -> Result<(), String> {
        let mut wrong: Vec<String> = Vec::new();
        match &*self.service.kind {
            CONNECT_PROXY => proxy(self, &mut wrong),
            kind @ ("mesh-gateway" | "terminating-gateway" | "ingress-gateway" | "api-gateway") => {
                gateway(kind, self, &mut wrong);
            }
            _ => {}
        }
        if let Some(sidecar) = self.sidecar {
            if sidecar.has_id {
                let text = "A SidecarService cannot specify an ID as this is managed by the agent";
                wrong.push(text.to_owned());
            }
            if sidecar.is_nested {
                wrong.push("A SidecarService cannot have a nested SidecarService".to_owned());
            }
        }
        if self.service.kind.is_empty() && self.service.native && unreachable(self.service) {
            wrong.push("Port or SocketPath must be set for a Connect native service.".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(multi_error(&wrong)) }
    }
}

/// The same of a definition.
pub(crate) fn valid(definition: &ServiceDefinition) -> Result<(), String> {
    let sidecar = definition.sidecar.as_ref().map(|sidecar| Sidecar {
        has_id: definition.sidecar_id_given,
        is_nested: sidecar.sidecar.is_some(),
    });
    let (service, proxy) = (&definition.service, definition.proxy.as_ref());
    Structure { service, proxy, sidecar, usual_upstream: SERVICE }.check()
}

fn unreachable(service: &Service) -> bool {
    service.port == 0 && service.socket_path.is_empty()
}

fn proxy(of: &Structure<'_>, wrong: &mut Vec<String>) {
    if unreachable(of.service) {
        wrong.push("Port or SocketPath must be set for a connect-proxy".to_owned());
    }
    match of.proxy.map_or("", |proxy| proxy.destination_name.trim()) {
        "" => wrong.push(
            "Proxy.DestinationServiceName must be non-empty for Connect proxy services".to_owned(),
        ),
        "*" => wrong.push(
            "Proxy.DestinationServiceName must not be a wildcard for Connect proxy services"
                .to_owned(),
        ),
        _ => {}
    }
    if of.service.native {
        wrong.push("A Proxy cannot also be Connect Native, only typical services".to_owned());
    }
    if of.sidecar.is_some() {
        wrong.push("A Proxy cannot also have a SidecarService".to_owned());
    }
    let Some(proxy) = of.proxy else { return };
    upstreams(&proxy.upstreams, of.usual_upstream, wrong);
    exposed_paths(&proxy.expose_paths, wrong);
}

fn exposed_paths(paths: &[ExposedPath], wrong: &mut Vec<String>) {
    const PORTS: std::ops::RangeInclusive<i64> = 1..=65_535;
    let mut listeners = BTreeSet::new();
    for path in paths {
        let why = if path.path.is_empty() {
            "empty path exposed".to_owned()
        } else if !PORTS.contains(&path.listener_port) {
            format!("invalid listener port: {}", path.listener_port)
        } else if !listeners.insert(path.listener_port) {
            "duplicate listener ports exposed".to_owned()
        } else {
            continue;
        };
        wrong.push(format!("expose.paths: {why}"));
    }
}

fn upstreams(upstreams: &[Upstream], usual: &str, wrong: &mut Vec<String>) {
    let mut destinations = BTreeSet::new();
    let mut listeners = BTreeSet::new();
    for upstream in upstreams {
        if let Some(why) = upstream_wrong(upstream) {
            wrong.push(why);
            continue;
        }
        let kind = Some(&*upstream.destination_type).filter(|kind| !kind.is_empty());
        let destination = format!(
            "[type={}, name={}, partition={}, namespace={}, peer={}, datacenter={}]",
            quote(kind.unwrap_or(usual)),
            quote(&upstream.name),
            quote(&upstream.partition),
            quote(&upstream.namespace),
            quote(&upstream.peer),
            quote(&upstream.datacenter),
        );
        if !destinations.insert(destination.clone()) {
            wrong.push(format!("upstreams cannot contain duplicates of {destination}"));
        }
        let address = Some(&*upstream.bind_address).filter(|address| !address.is_empty());
        let listener = match &*upstream.bind_socket_path {
            "" => host_port(address.unwrap_or(LOOPBACK), upstream.bind_port),
            path => path.to_owned(),
        };
        if !listeners.insert(listener.clone()) {
            wrong.push(format!(
                "upstreams cannot contain duplicates by local bind address and port or unix path; \
                 {} is specified twice",
                quote(&listener)
            ));
        }
    }
}

/// The first thing that is wrong with one upstream.
fn upstream_wrong(upstream: &Upstream) -> Option<String> {
    let (port, path) = (upstream.bind_port != 0, !upstream.bind_socket_path.is_empty());
    Some(match (&*upstream.name, &*upstream.destination_type) {
        (_, kind) if !matches!(kind, "" | SERVICE | "prepared_query") => {
            format!("unknown upstream destination type: {}", quote(kind))
        }
        ("", _) => "upstream destination name cannot be empty".to_owned(),
        ("*", _) => "upstream destination name cannot be a wildcard".to_owned(),
        _ if !port && !path => {
            "upstream local bind port or local socket path must be defined and nonzero".to_owned()
        }
        _ if port && path => "only one of upstream local bind port or local socket path can be \
                              defined and nonzero"
            .to_owned(),
        _ if !upstream.peer.is_empty() && !upstream.datacenter.is_empty() => {
            "upstream cannot specify both destination peer and datacenter".to_owned()
        }
        _ => return None,
    })
}

/// An address to connect to; nobody has checked the port.
pub(crate) fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn gateway(kind: &str, of: &Structure<'_>, wrong: &mut Vec<String>) {
    // Those of the edge listen where their listeners say.
    let edge = matches!(kind, "ingress-gateway" | "api-gateway");
    if of.service.port == 0 && !edge {
        wrong.push(format!("Port must be non-zero for a {kind}"));
    }
    if of.service.native {
        wrong.push(format!("A {kind} cannot also be Connect Native, only typical services"));
    }
    if of.sidecar.is_some() {
        wrong.push(format!("A {kind} cannot have a sidecar service defined"));
    }
    let Some(proxy) = of.proxy else { return };
    let given = [
        ("DestinationServiceName", !proxy.destination_name.is_empty()),
        ("DestinationServiceID", !proxy.destination_id.is_empty()),
        ("LocalServiceAddress", !proxy.local_address.is_empty()),
        ("LocalServicePort", proxy.local_port != 0),
        ("LocalServiceSocketPath", !proxy.local_socket_path.is_empty()),
        ("Upstreams", !proxy.upstreams.is_empty()),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        wrong.push(format!("The Proxy.{field} configuration is invalid for a {kind}"));
    }
}
