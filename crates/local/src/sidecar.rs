//! The proxy that goes with a service: what it takes from the service, and its port
//! (consul-acl-connect, "Sidecars and proxies in the catalog").

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use catalog::{ServiceId, ServiceName};
use gotext::GoDuration;

use crate::check_definition::CheckDefinition;
use crate::refused::Refused;
use crate::service_definition::{CONNECT_PROXY, ServiceDefinition};
use crate::structure::host_port;

/// What stands behind the names of the service.
const SUFFIX: &str = "-sidecar-proxy";

const LOOPBACK: &str = "127.0.0.1";

/// How often it is looked whether the proxy listens.
const LISTENING_INTERVAL_NS: i64 = 10_000_000_000;

/// The ID of a service's sidecar.
pub(crate) fn id_of(service: &ServiceId) -> ServiceId {
    ServiceId::from(format!("{service}{SUFFIX}").as_str())
}

/// Fills in what a sidecar takes from its service, which is complete. Its port may still be open.
pub(crate) fn complete(parent: &ServiceDefinition, sidecar: &mut ServiceDefinition) {
    let service = &parent.service;
    let own = &mut sidecar.service;
    own.id = id_of(&service.id);
    if own.name.is_empty() {
        own.name = ServiceName::from(format!("{}{SUFFIX}", service.name).as_str());
    }
    if own.kind.is_empty() {
        own.kind = CONNECT_PROXY.into();
    }
    if own.address.is_empty() {
        own.address = service.address.clone();
    }
    own.tags = own.tags.take().or_else(|| service.tags.clone());
    own.meta = own.meta.take().or_else(|| service.meta.clone());
    own.locality = own.locality.take().or_else(|| service.locality.clone());
    if sidecar.token.is_empty() {
        sidecar.token.clone_from(&parent.token);
    }
    let proxy = sidecar.proxy.get_or_insert_default();
    if proxy.destination_name.is_empty() {
        proxy.destination_name = service.name.to_string();
    }
    if proxy.destination_id.is_empty() {
        proxy.destination_id = service.id.to_string();
    }
    if proxy.local_socket_path.is_empty() && !service.socket_path.is_empty() {
        proxy.local_socket_path = service.socket_path.to_string();
    }
    if proxy.local_socket_path.is_empty() {
        if proxy.local_address.is_empty() {
            proxy.local_address = LOOPBACK.to_owned();
        }
        if proxy.local_port == 0 && service.port > 0 {
            proxy.local_port = service.port;
        }
    }
}

/// Gives a sidecar its port, if it has none, and its checks, if it has none: whether it listens,
/// and what its service says.
pub(crate) fn settle(
    sidecar: &mut ServiceDefinition,
    parent: &ServiceId,
    known_port: Option<i64>,
    range: Option<&RangeInclusive<u16>>,
    taken: impl FnOnce() -> BTreeSet<i64>,
) -> Result<(), Refused> {
    if sidecar.service.port == 0 && sidecar.service.socket_path.is_empty() {
        let range = range.ok_or(Refused::SidecarPortsOff)?;
        let free = || {
            let taken = taken();
            range.clone().map(i64::from).find(|port| !taken.contains(port))
        };
        sidecar.service.port = known_port
            .or_else(free)
            .ok_or(Refused::SidecarPortsTaken(*range.start(), *range.end()))?;
        // The addresses by family carry the port.
        for (_, address) in sidecar.service.tagged_addresses.iter_mut().flatten() {
            if address.address == sidecar.service.address && address.port == 0 {
                address.port = sidecar.service.port;
            }
        }
    }
    if !sidecar.checks.is_empty() {
        return Ok(());
    }
    if sidecar.service.socket_path.is_empty() {
        let local = sidecar.proxy.as_ref().map_or("", |proxy| &proxy.local_address);
        let host = match &*sidecar.service.address {
            "" => local,
            address => address,
        };
        sidecar.checks.push(CheckDefinition {
            name: "Connect Sidecar Listening".to_owned(),
            tcp: host_port(host, sidecar.service.port),
            interval: GoDuration::from_nanoseconds(LISTENING_INTERVAL_NS),
            ..CheckDefinition::default()
        });
    }
    sidecar.checks.push(CheckDefinition {
        name: format!("Connect Sidecar Aliasing {parent}"),
        alias_service: parent.to_string(),
        ..CheckDefinition::default()
    });
    Ok(())
}
