//! A service with its checks, from a request or from a configuration file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use catalog::{CheckId, Pairs, Service, ServiceAddress, ServiceId, ServiceName, Tags, Weights};
use gotext::Json;
use gotext::object::{Object, ObjectError};
use gotext::quote;

use crate::check_definition::{CheckDefinition, CheckError};
use crate::fields::{Fields, Form};
use crate::proxy::{Proxy, Record};
use crate::refused::Refused;
use crate::{sidecar, structure};

/// The most that DNS can say of a weight.
const WEIGHT_MAX: i64 = 65_535;

/// The kind of a service that stands for another one.
pub(crate) const CONNECT_PROXY: &str = "connect-proxy";

/// A service that is to be registered, with its checks and perhaps its sidecar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceDefinition {
    pub(crate) service: Service,
    pub(crate) weights: Option<Weights>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) checks: Vec<CheckDefinition>,
    pub(crate) token: String,
    pub(crate) sidecar: Option<Box<ServiceDefinition>>,
    /// Whether the sidecar came with an ID, which is not for anybody to choose.
    pub(crate) sidecar_id_given: bool,
}

impl ServiceDefinition {
    /// Reads the body of a registration and refuses what no agent could take.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the recorded order.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let mut definition = Self::read(Fields::new(Object::parse(body)?, Form::Body))?;
        let service = &definition.service;
        if service.name.is_empty() {
            return Err(Refused::ServiceName);
        }
        if matches!(&*service.address, "0.0.0.0" | "::" | "[::]") {
            return Err(Refused::Address);
        }
        definition.weights_valid().map_err(Refused::Weights)?;
        catalog::pairs_valid(&service.meta, &*service.kind == "mesh-gateway")
            .map_err(Refused::Meta)?;
        structure::valid(&definition).map_err(Refused::Structure)?;
        definition.checks_valid().map_err(Refused::Check)?;
        if !definition.checks.iter().all(CheckDefinition::status_valid) {
            return Err(Refused::ServiceCheckStatus);
        }
        definition.complete();
        if let Some(sidecar) = &definition.sidecar {
            sidecar.checks_valid().map_err(Refused::SidecarCheck)?;
            structure::valid(&sidecar.with_port()).map_err(Refused::Sidecar)?;
        }
        Ok(definition)
    }

    /// Fills a service from a configuration file. Unknown names are refused; whether it makes
    /// sense is for [`ServiceDefinition::complaints`] and [`ServiceDefinition::validate`].
    ///
    /// # Errors
    ///
    /// A value of another type, a duration that is none, an unknown name.
    pub fn from_file(object: Object) -> Result<Self, ObjectError> {
        let mut definition = Self::read(Fields::new(object, Form::File))?;
        definition.complete();
        Ok(definition)
    }

    /// What is wrong with a service of a configuration file, in the words of the list of a
    /// configuration's errors.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let service = &self.service;
        let name = &service.name;
        if !service.socket_path.is_empty() && (!service.address.is_empty() || service.port != 0) {
            let path = &service.socket_path;
            complaints.push(format!(
                "service {name} cannot have both socket path {path} and address/port"
            ));
        }
        if let Err(why) = catalog::pairs_valid(&service.meta, &*service.kind == "mesh-gateway") {
            complaints.push(format!("invalid meta for service {name}: {why}"));
        }
        if let Err(why) = self.weights_valid() {
            complaints.push(format!("Invalid weight definition for service {name}: {why}"));
        }
        if self.sidecar_id_given {
            complaints.push("sidecar_service can't specify an ID".to_owned());
        }
        complaints
    }

    /// Whether a service of a configuration file can be run.
    ///
    /// # Errors
    ///
    /// The first reason why not, in the words of a configuration's error.
    pub fn validate(&self) -> Result<(), String> {
        let name = quote(self.service.name.as_str());
        structure::valid(self).map_err(|why| format!("service {name}: {why}"))?;
        for check in &self.checks {
            let check_name = quote(&check.name);
            check.validate().map_err(|why| format!("service {name}: check {check_name}: {why}"))?;
        }
        self.sidecar.as_deref().map_or(Ok(()), |sidecar| sidecar.with_port().validate())
    }

    /// A sidecar whose port may be chosen later, as if it had been.
    fn with_port(&self) -> ServiceDefinition {
        let mut sidecar = self.clone();
        sidecar.service.port = sidecar.service.port.max(1);
        sidecar
    }

    /// The service as the catalogue will have it, but for the node.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Its checks in the order of their numbers.
    #[must_use]
    pub fn checks(&self) -> &[CheckDefinition] {
        &self.checks
    }

    /// The token that the definition itself carries; empty for none.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The proxy that goes with it.
    #[must_use]
    pub fn sidecar(&self) -> Option<&ServiceDefinition> {
        self.sidecar.as_deref()
    }

    fn read(mut f: Fields) -> Result<Self, ObjectError> {
        let id: String = f.word("ID")?;
        let name: String = f.word("Name")?;
        let mut service = Service {
            id: ServiceId::from(id.as_str()),
            name: ServiceName::from(name.as_str()),
            kind: boxed(f.word("Kind")?),
            tags: tags(&mut f)?,
            address: boxed(f.word("Address")?),
            tagged_addresses: tagged_addresses(&mut f)?,
            meta: meta(&mut f)?,
            port: f.word("Port")?,
            socket_path: boxed(f.named(&["SocketPath"], &["socket_path"])?),
            enable_tag_override: f
                .named(&["EnableTagOverride", "enable_tag_override"], &["enable_tag_override"])?,
            locality: locality(&mut f)?,
            ..Service::default()
        };
        let mut checks = Vec::new();
        if let Some(check) = f.nested(&["Check"], &["check"])? {
            let check = CheckDefinition::within_service(check)?;
            // An empty check is none; in the list it is one.
            checks.extend((check != CheckDefinition::default()).then_some(check));
        }
        for check in f.list(&["Checks"], &["checks"])?.unwrap_or_default() {
            checks.push(CheckDefinition::within_service(check)?);
        }
        let weights = weights(&mut f)?;
        let token = f.word("Token")?;
        let proxy = f.nested(&["Proxy"], &["proxy"])?.map(Proxy::read).transpose()?;
        let mut sidecar: Option<Box<Self>> = None;
        if let Some(connect) = f.nested(&["Connect"], &["connect"])? {
            // A body's part is read by rules of its own, which do not know strictness.
            let lenient = connect.form == Form::Body;
            let mut connect = if lenient { connect.lenient() } else { connect };
            service.native = connect.word("Native")?;
            let names = ["SidecarService", "sidecar_service"];
            if let Some(inner) = connect.nested(&names, &names[1..])? {
                sidecar = Some(Box::new(Self::read(inner)?));
            }
            connect.finish()?;
        }
        f.finish()?;
        let sidecar_id_given = sidecar.as_ref().is_some_and(|own| !own.service.id.is_empty());
        Ok(Self { service, weights, proxy, checks, token, sidecar, sidecar_id_given })
    }

    fn weights_valid(&self) -> Result<(), &'static str> {
        let Some(weights) = self.weights else { return Ok(()) };
        if weights.passing < 1 {
            return Err("Passing must be greater than 0");
        }
        if weights.warning < 0 {
            return Err("Warning must be greater or equal than 0");
        }
        if weights.passing > WEIGHT_MAX || weights.warning > WEIGHT_MAX {
            return Err("DNS Weight must be between 0 and 65535");
        }
        Ok(())
    }

    fn checks_valid(&self) -> Result<(), CheckError> {
        self.checks.iter().try_for_each(CheckDefinition::validate)
    }

    /// Fills in what may be left out, the sidecar's part too.
    pub(crate) fn complete(&mut self) {
        let service = &mut self.service;
        if service.id.is_empty() {
            service.id = ServiceId::from(service.name.as_str());
        }
        service.weights = self.weights.unwrap_or(Weights { passing: 1, warning: 1 });
        if let Some(proxy) = &mut self.proxy {
            for upstream in &mut proxy.upstreams {
                if upstream.destination_type.is_empty() {
                    upstream.destination_type = structure::SERVICE.to_owned();
                }
            }
            if &*service.kind == CONNECT_PROXY && !proxy.destination_name.is_empty() {
                service.destination = Some(ServiceName::from(proxy.destination_name.as_str()));
            }
            service.proxy = Some(proxy.json().compact().into());
        }
        address_for_families(service);
        if let Some(mut sidecar) = self.sidecar.take() {
            sidecar::complete(self, &mut sidecar);
            sidecar.complete();
            self.sidecar = Some(sidecar);
        }
    }

    /// The IDs and rows of its checks, numbered where there is more than one.
    pub(crate) fn check_rows(&self) -> Vec<catalog::Check> {
        let service = &self.service;
        let several = self.checks.len() > 1;
        let mut rows = Vec::new();
        for (index, check) in self.checks.iter().enumerate() {
            let id = if !check.id.is_empty() {
                CheckId::from(check.id.as_str())
            } else if several {
                CheckId::from(format!("service:{}:{}", service.id, index + 1).as_str())
            } else {
                CheckId::from(format!("service:{}", service.id).as_str())
            };
            let mut row = check.row_within(id);
            if row.name.is_empty() {
                row.name = format!("Service '{}' check", service.name).into();
            }
            row.service_id = service.id.clone();
            row.service_name = service.name.clone();
            row.service_tags = service.tags.clone();
            rows.push(row);
        }
        rows
    }

    /// Whether each address is of the family that its purpose names.
    pub(crate) fn addresses_valid(&self) -> Result<(), Refused> {
        for (tag, address) in self.service.tagged_addresses.iter().flatten() {
            let parsed = address.address.parse::<IpAddr>();
            let (family, fits) = match &**tag {
                "lan_ipv4" | "wan_ipv4" => ("ipv4", parsed.is_ok_and(|ip| ip.is_ipv4())),
                // An IPv4 address can be written as one of IPv6.
                "lan_ipv6" | "wan_ipv6" => ("ipv6", parsed.is_ok()),
                _ => continue,
            };
            if !fits {
                return Err(Refused::TaggedAddress { tag: tag.to_string(), family });
            }
        }
        Ok(())
    }
}

/// An IP address is also the one of its family, unless told otherwise.
fn address_for_families(service: &mut Service) {
    let Ok(ip) = service.address.parse::<IpAddr>() else { return };
    let tags = if ip.is_ipv4() { ["lan_ipv4", "wan_ipv4"] } else { ["lan_ipv6", "wan_ipv6"] };
    let given = service.tagged_addresses.take().unwrap_or_default();
    let mut all: BTreeMap<Box<str>, ServiceAddress> = given.into_vec().into_iter().collect();
    for tag in tags {
        all.entry(tag.into()).or_insert_with(|| ServiceAddress {
            address: service.address.clone(),
            port: service.port,
        });
    }
    service.tagged_addresses = Some(all.into_iter().collect());
}

fn boxed(text: String) -> Box<str> {
    text.into()
}

pub(crate) fn tags(f: &mut Fields) -> Result<Tags, ObjectError> {
    let tags: Option<Vec<String>> = f.optional(&["Tags"], &["tags"])?;
    Ok(tags.map(|tags| tags.into_iter().map(boxed).collect()))
}

pub(crate) fn meta(f: &mut Fields) -> Result<Pairs, ObjectError> {
    let map = f.map::<String>(&["Meta"], &["meta"])?;
    Ok(map.map(|map| map.into_iter().map(|(key, value)| (boxed(key), boxed(value))).collect()))
}

pub(crate) fn tagged_addresses(f: &mut Fields) -> Result<Pairs<ServiceAddress>, ObjectError> {
    let names = ["TaggedAddresses", "tagged_addresses"];
    let Some(map) = f.map::<Object>(&names, &names[1..])? else { return Ok(None) };
    let mut addresses = Vec::new();
    for (tag, object) in map {
        let mut inner = f.within(object);
        let address = boxed(inner.word("Address")?);
        addresses.push((boxed(tag), ServiceAddress { address, port: inner.word("Port")? }));
        inner.finish()?;
    }
    Ok(Some(addresses.into()))
}

pub(crate) fn weights(f: &mut Fields) -> Result<Option<Weights>, ObjectError> {
    let Some(mut inner) = f.nested(&["Weights"], &["weights"])? else { return Ok(None) };
    let weights = Weights { passing: inner.word("Passing")?, warning: inner.word("Warning")? };
    inner.finish()?;
    Ok(Some(weights))
}

pub(crate) fn locality(f: &mut Fields) -> Result<Option<Box<str>>, ObjectError> {
    let Some(mut inner) = f.nested(&["Locality"], &["locality"])? else { return Ok(None) };
    let mut out = Record::default();
    for name in ["Region", "Zone"] {
        out.put(name, Json::text(inner.word::<String>(name)?));
    }
    inner.finish()?;
    Ok(Some(out.json().compact().into()))
}
