//! Whether a service can be what it says it is: a proxy, a gateway, a speaker of the mesh.

use std::collections::BTreeSet;

use gotext::{multi_error, quote};

use crate::proxy::Upstream;
use crate::service_definition::{CONNECT_PROXY, ServiceDefinition};

/// What an upstream is unless it says otherwise.
pub(crate) const SERVICE: &str = "service";

/// Where an upstream listens unless it says otherwise.
const LOOPBACK: &str = "127.0.0.1";

/// Says everything that is wrong, as one list.
pub(crate) fn valid(definition: &ServiceDefinition) -> Result<(), String> {
    let mut wrong: Vec<String> = Vec::new();
    match &*definition.service.kind {
        CONNECT_PROXY => proxy(definition, &mut wrong),
        kind @ ("mesh-gateway" | "terminating-gateway" | "ingress-gateway" | "api-gateway") => {
            gateway(kind, definition, &mut wrong);
        }
        _ => {}
    }
    if let Some(sidecar) = &definition.sidecar {
        if definition.sidecar_id_given {
            let text = "A SidecarService cannot specify an ID as this is managed by the agent";
            wrong.push(text.to_owned());
        }
        if sidecar.sidecar.is_some() {
            wrong.push("A SidecarService cannot have a nested SidecarService".to_owned());
        }
    }
    if definition.service.kind.is_empty() && definition.service.native && unreachable(definition) {
        wrong.push("Port or SocketPath must be set for a Connect native service.".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(multi_error(&wrong)) }
}

fn unreachable(definition: &ServiceDefinition) -> bool {
    definition.service.port == 0 && definition.service.socket_path.is_empty()
}

fn proxy(definition: &ServiceDefinition, wrong: &mut Vec<String>) {
    if unreachable(definition) {
        wrong.push("Port or SocketPath must be set for a connect-proxy".to_owned());
    }
    match definition.proxy.as_ref().map_or("", |proxy| &proxy.destination_name) {
        "" => wrong.push(
            "Proxy.DestinationServiceName must be non-empty for Connect proxy services".to_owned(),
        ),
        "*" => wrong.push(
            "Proxy.DestinationServiceName must not be a wildcard for Connect proxy services"
                .to_owned(),
        ),
        _ => {}
    }
    if definition.service.native {
        wrong.push("A Proxy cannot also be Connect Native, only typical services".to_owned());
    }
    if definition.sidecar.is_some() {
        wrong.push("A Proxy cannot also have a SidecarService".to_owned());
    }
    upstreams(definition.proxy.as_ref().map_or(&[], |proxy| &proxy.upstreams), wrong);
}

fn upstreams(upstreams: &[Upstream], wrong: &mut Vec<String>) {
    let mut destinations = BTreeSet::new();
    let mut listeners = BTreeSet::new();
    for upstream in upstreams {
        if upstream.name.is_empty() {
            wrong.push("upstream destination name cannot be empty".to_owned());
            continue;
        }
        if upstream.bind_port == 0 && upstream.bind_socket_path.is_empty() {
            let text = "upstream local bind port or local socket path must be defined and nonzero";
            wrong.push(text.to_owned());
            continue;
        }
        let kind = Some(&*upstream.destination_type).filter(|kind| !kind.is_empty());
        let destination = format!(
            "[type={}, name={}, partition={}, namespace={}, peer={}, datacenter={}]",
            quote(kind.unwrap_or(SERVICE)),
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

/// An address to connect to; nobody has checked the port.
pub(crate) fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn gateway(kind: &str, definition: &ServiceDefinition, wrong: &mut Vec<String>) {
    // Those of the edge listen where their listeners say.
    let edge = matches!(kind, "ingress-gateway" | "api-gateway");
    if definition.service.port == 0 && !edge {
        wrong.push(format!("Port must be non-zero for a {kind}"));
    }
    if definition.service.native {
        wrong.push(format!("A {kind} cannot also be Connect Native, only typical services"));
    }
    if definition.sidecar.is_some() {
        wrong.push(format!("A {kind} cannot have a sidecar defined"));
    }
    let Some(proxy) = &definition.proxy else { return };
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
