//! The JSON forms of what an agent says of its own services and checks (consul-http, "Agent").

use catalog::{Check, Service, Usage};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::json::Kept;
use crate::rows::{Absent, Addresses, CheckRow, FullList, FullMap, WeightsRow};

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Native {
    native: bool,
}

/// A proxy as agents show it.
struct AgentProxy<'a>(Option<&'a str>);

impl Serialize for AgentProxy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Kept(&local::agent_proxy(self.0)).serialize(serializer)
    }
}

/// A service of the agent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentService<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: FullList<'a>,
    meta: FullMap<'a>,
    port: i64,
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    tagged_addresses: Addresses<'a>,
    weights: WeightsRow,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "is_zero")]
    create_index: u64,
    #[serde(skip_serializing_if = "is_zero")]
    modify_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<AgentProxy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Native>,
    datacenter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<Kept<'a>>,
}

impl<'a> AgentService<'a> {
    /// The form of a service; with the hash of its content where that is asked for.
    #[must_use]
    pub fn new(service: &'a Service, datacenter: &'a str, content_hash: Option<&'a str>) -> Self {
        Self {
            kind: &service.kind,
            id: service.id.as_str(),
            service: service.name.as_str(),
            tags: FullList(&service.tags),
            meta: FullMap(&service.meta),
            port: service.port,
            address: &service.address,
            socket_path: &service.socket_path,
            tagged_addresses: Addresses(&service.tagged_addresses),
            weights: WeightsRow::of(service),
            enable_tag_override: service.enable_tag_override,
            create_index: service.create.0,
            modify_index: service.modify.0,
            content_hash,
            proxy: Usage::KINDS
                .contains(&&*service.kind)
                .then_some(AgentProxy(service.proxy.as_deref())),
            connect: service.native.then_some(Native { native: true }),
            datacenter,
            locality: service.locality.as_deref().map(Kept),
        }
    }
}

/// A check of the agent, as the catalogue shows it.
pub struct AgentCheck<'a>(pub &'a Check);

impl Serialize for AgentCheck<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CheckRow::new(self.0, Absent::Empty).serialize(serializer)
    }
}

/// What stands for the definition of a check that is asked for its health: nothing of it.
const NO_DEFINITION: &str = concat!(
    r#"{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","#,
    r#""Header":null,"Method":"","Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","#,
    r#""TCPUseTLS":false,"UDP":"","GRPC":"","OSService":"","GRPCUseTLS":false}"#,
);

/// How a service is, by the agent's own checks. Without a service: that it is not known.
pub struct AgentHealth<'a> {
    /// The word for its worst check.
    pub status: &'a str,
    /// The service.
    pub service: Option<AgentService<'a>>,
    /// Its checks.
    pub checks: Vec<&'a Check>,
}

impl<'a> Serialize for AgentHealth<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |check: &&'a Check| CheckRow::undefined(check, NO_DEFINITION);
        let known = self.service.is_some();
        let checks = known.then(|| self.checks.iter().map(row).collect::<Vec<_>>());
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("AggregatedStatus", self.status)?;
        map.serialize_entry("Service", &self.service)?;
        map.serialize_entry("Checks", &checks)?;
        map.end()
    }
}

#[cfg(test)]
mod tests;
