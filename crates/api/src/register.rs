//! `/v1/catalog/register` and `/v1/catalog/deregister`: bodies to rows (consul-http, "Catalog").

use std::collections::BTreeMap;

use catalog::{
    Check, CheckId, Command, ModifyIndex, Node, NodeId, NodeName, Pairs, Register, Response,
    Service, ServiceAddress, ServiceId, ServiceName, Tags, Weights,
};
use gotext::GoDuration;
use gotext::object::{Nanoseconds, Object, ObjectError};
use local::{Proxy, Sidecar, Structure};
use serde_json::{Map, Value as Json};

use crate::answer::{Answer, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::request::Request;

/// The weights of a service that names none, or none that make sense.
const WEIGHTS: Weights = Weights { passing: 1, warning: 1 };
const WEIGHT_MAX: i64 = 65_535;

fn decode_failed(error: &ObjectError) -> Failure {
    let hint = match error {
        ObjectError::Unknown(name) if name.eq_ignore_ascii_case("Namespace") => {
            " - Namespaces are a Consul Enterprise feature"
        }
        _ => "",
    };
    Failure::bad(format!("Request decode failed: {error}{hint}"))
}

pub(crate) fn register(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    let Read { mut register, service, datacenter, of_a_peer } =
        read_register(&request.body).map_err(|error| decode_failed(&error))?;
    other_datacenter(&datacenter, reader)?;
    if of_a_peer {
        return Err(Failure::internal("cannot register requests with PeerName in them"));
    }
    let mut rest = None;
    if let Some(Described { service, proxy, sidecar }) = service {
        register.service = Some(Box::new(service));
        rest = Some((proxy, sidecar));
    }
    register.prepare().map_err(|error| Failure::internal(error.to_string()))?;
    if let (Some(service), Some((proxy, sidecar))) = (&register.service, &rest) {
        check_structure(service, proxy.as_ref(), *sidecar)?;
    }
    Ok(propose(Command::Register(Box::new(register))))
}

fn propose(command: Command) -> Proposal {
    let then = |response| match response {
        Response::Refused(error) => Err(Failure::internal(error.to_string())),
        _ => Ok(Answer::truth(true)),
    };
    Proposal::Command(command, Box::new(then))
}

fn other_datacenter(datacenter: &str, reader: &Reader<'_>) -> Result<(), Failure> {
    if datacenter.is_empty() || datacenter == &*reader.agent.datacenter {
        Ok(())
    } else {
        Err(Failure::internal("No path to datacenter"))
    }
}

/// What a registration says.
struct Read {
    register: Register,
    service: Option<Described>,
    datacenter: String,
    /// Whether something in it is another cluster's.
    of_a_peer: bool,
}

fn read_register(body: &[u8]) -> Result<Read, ObjectError> {
    let mut body = Object::parse(body)?;
    let datacenter = body.field("Datacenter")?;
    let name: String = body.field("Node")?;
    let node = node(&mut body, &name)?;
    let mut peers = vec![body.field::<String>("PeerName")?];
    let service = match body.optional::<Object>("Service")? {
        None => None,
        Some(mut object) => {
            peers.push(object.field("PeerName")?);
            Some(service(object)?)
        }
    };
    let mut checks = Vec::new();
    let one = body.optional::<Object>("Check")?;
    for mut object in one.into_iter().chain(body.objects("Checks")?.unwrap_or_default()) {
        peers.push(object.field("PeerName")?);
        checks.push(check(object)?);
    }
    let register = Register {
        node,
        skip_node_update: body.field("SkipNodeUpdate")?,
        service: None,
        checks: checks.into(),
    };
    let _: String = body.field("Token")?;
    indexes(&mut body)?;
    body.finish()?;
    Ok(Read { register, service, datacenter, of_a_peer: peers.iter().any(|peer| !peer.is_empty()) })
}

pub(crate) fn deregister(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    let (command, datacenter, of_a_peer) =
        read_deregister(&request.body).map_err(|error| decode_failed(&error))?;
    other_datacenter(&datacenter, reader)?;
    if matches!(&command, Command::Deregister { node, .. } if node.is_empty()) {
        return Err(Failure::internal("Must provide node"));
    }
    if of_a_peer {
        return Ok(Proposal::Answer(Answer::truth(true)));
    }
    Ok(propose(command))
}

/// The command, the datacenter, and whether something of another cluster is meant.
fn read_deregister(body: &[u8]) -> Result<(Command, String, bool), ObjectError> {
    let mut body = Object::parse(body)?;
    let datacenter = body.field("Datacenter")?;
    let node: String = body.field("Node")?;
    let service: String = body.field("ServiceID")?;
    let check: String = body.field("CheckID")?;
    let peer: String = body.field("PeerName")?;
    for ignored in ["Address", "Token"] {
        let _: String = body.field(ignored)?;
    }
    body.finish()?;
    let command = Command::Deregister {
        node: NodeName::from(&*node),
        service: ServiceId::from(&*service),
        check: CheckId::from(&*check),
    };
    // What another cluster has is not here.
    Ok((command, datacenter, !peer.is_empty()))
}

/// The indexes of a row that was read before and comes back.
pub(crate) fn indexes(object: &mut Object) -> Result<(ModifyIndex, ModifyIndex), ObjectError> {
    let create = object.field("CreateIndex")?;
    let modify = object.field("ModifyIndex")?;
    Ok((ModifyIndex(create), ModifyIndex(modify)))
}

fn pairs(map: Option<BTreeMap<String, String>>) -> Pairs {
    map.map(|map| map.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

fn tags(list: Option<Vec<String>>) -> Tags {
    list.map(|list| list.into_iter().map(String::into_boxed_str).collect())
}

/// JSON as the catalogue keeps it: the bytes that answers show.
fn kept(form: &Map<String, Json>) -> Box<str> {
    String::from_utf8(json::encode(form)).expect("JSON is made of texts").into()
}

fn locality(object: &mut Object) -> Result<Option<Box<str>>, ObjectError> {
    let Some(mut locality) = object.optional::<Object>("Locality")? else { return Ok(None) };
    let mut form = Map::new();
    for name in ["Region", "Zone"] {
        let value: String = locality.field(name)?;
        if !value.is_empty() {
            form.insert(name.into(), value.into());
        }
    }
    locality.finish()?;
    Ok(Some(kept(&form)))
}

/// The node of a request: its fields stand beside others.
pub(crate) fn node(object: &mut Object, name: &str) -> Result<Node, ObjectError> {
    let meta = object.aliased(&["NodeMeta", "Meta"])?;
    Ok(Node {
        id: NodeId::from(&*object.field::<String>("ID")?),
        name: NodeName::from(name),
        address: object.field::<String>("Address")?.into(),
        tagged_addresses: pairs(object.optional("TaggedAddresses")?),
        meta: pairs(meta),
        locality: locality(object)?,
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    })
}

/// A service as the catalogue takes it, and what must go together in it.
pub(crate) struct Described {
    pub(crate) service: Service,
    proxy: Option<Proxy>,
    sidecar: Option<Sidecar>,
}

/// Refuses a service that cannot be what it says.
fn check_structure(
    service: &Service,
    proxy: Option<&Proxy>,
    sidecar: Option<Sidecar>,
) -> Result<(), Failure> {
    let structure = Structure { service, proxy, sidecar, usual_upstream: "" };
    structure.check().map_err(Failure::internal)
}

/// A service as the catalogue takes it.
pub(crate) fn service(mut object: Object) -> Result<Described, ObjectError> {
    let name: String = object.field("Service")?;
    let id: String = object.field("ID")?;
    let tagged: Option<BTreeMap<String, Object>> = object.optional("TaggedAddresses")?;
    object.refuse_null("Proxy")?;
    let proxy = object.optional("Proxy")?.map(Proxy::from_body).transpose()?;
    let (native, sidecar) = connect(object.optional("Connect")?)?;
    let kind: String = object.field("Kind")?;
    let destination = proxy.as_ref().map_or("", Proxy::destination);
    let service = Service {
        node: NodeName::from(""),
        id: ServiceId::from(&*id),
        name: ServiceName::from(&*name),
        tags: tags(object.optional("Tags")?),
        address: object.field::<String>("Address")?.into(),
        tagged_addresses: tagged.map(addresses).transpose()?,
        meta: pairs(object.optional("Meta")?),
        port: object.field("Port")?,
        socket_path: object.field::<String>("SocketPath")?.into(),
        weights: weights(object.optional("Weights")?)?,
        enable_tag_override: object.field("EnableTagOverride")?,
        destination: (kind == "connect-proxy" && !destination.is_empty())
            .then(|| ServiceName::from(destination)),
        kind: kind.into(),
        proxy: proxy.as_ref().map(|proxy| proxy.stored().into()),
        native,
        locality: locality(&mut object)?,
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    };
    let _: String = object.field("PeerName")?;
    let (create, modify) = indexes(&mut object)?;
    object.finish()?;
    Ok(Described { service: Service { create, modify, ..service }, proxy, sidecar })
}

/// Whether a service speaks the mesh's language, and the sidecar that is to be made for it.
fn connect(object: Option<Object>) -> Result<(bool, Option<Sidecar>), ObjectError> {
    let Some(mut connect) = object else { return Ok((false, None)) };
    let native = connect.field("Native")?;
    let Some(mut sidecar) = connect.optional::<Object>("SidecarService")? else {
        return Ok((native, None));
    };
    let own: Object = sidecar.field("Connect")?;
    let has_id = !sidecar.field::<String>("ID")?.is_empty();
    Ok((native, Some(Sidecar { has_id, is_nested: own.has("SidecarService") })))
}

/// Addresses by name.
type Addresses = Box<[(Box<str>, ServiceAddress)]>;

fn addresses(map: BTreeMap<String, Object>) -> Result<Addresses, ObjectError> {
    let address = |(name, mut object): (String, Object)| {
        let address: String = object.field("Address")?;
        let port = object.field("Port")?;
        object.finish()?;
        Ok((name.into(), ServiceAddress { address: address.into(), port }))
    };
    map.into_iter().map(address).collect()
}

fn weights(object: Option<Object>) -> Result<Weights, ObjectError> {
    let Some(mut object) = object else { return Ok(WEIGHTS) };
    let weights = Weights { passing: object.field("Passing")?, warning: object.field("Warning")? };
    object.finish()?;
    let fits =
        (1..=WEIGHT_MAX).contains(&weights.passing) && (0..=WEIGHT_MAX).contains(&weights.warning);
    Ok(if fits { weights } else { WEIGHTS })
}

/// A check as the catalogue takes it.
pub(crate) fn check(mut object: Object) -> Result<Check, ObjectError> {
    let text = |object: &mut Object, name| object.field::<String>(name);
    let status = text(&mut object, "Status")?;
    let definition = object.optional::<Object>("Definition")?.map(definition).transpose()?;
    let definition = definition.filter(|form| !form.is_empty());
    let kind = text(&mut object, "Type")?;
    let derived = || definition.as_ref().map_or("", check_kind);
    let check = Check {
        node: NodeName::from(&*text(&mut object, "Node")?),
        id: CheckId::from(&*text(&mut object, "CheckID")?),
        name: text(&mut object, "Name")?.into(),
        status: if status.is_empty() { catalog::CRITICAL.into() } else { status.into() },
        notes: text(&mut object, "Notes")?.into(),
        output: text(&mut object, "Output")?.into(),
        service_id: ServiceId::from(&*text(&mut object, "ServiceID")?),
        service_name: ServiceName::from(&*text(&mut object, "ServiceName")?),
        service_tags: tags(object.optional("ServiceTags")?),
        interval: text(&mut object, "Interval")?.into(),
        timeout: text(&mut object, "Timeout")?.into(),
        exposed_port: object.field("ExposedPort")?,
        kind: if kind.is_empty() { derived().into() } else { kind.into() },
        definition: definition.as_ref().map(kept),
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    };
    let _: String = object.field("PeerName")?;
    let (create, modify) = indexes(&mut object)?;
    object.finish()?;
    Ok(Check { create, modify, ..check })
}

/// What a check is, from what its definition names; the first that fits. Most need an interval.
fn check_kind(form: &Map<String, Json>) -> &'static str {
    const KINDS: [(&str, bool, &str); 11] = [
        ("GRPC", true, "grpc"),
        ("HTTP", true, "http"),
        ("TTL", false, "ttl"),
        ("TCP", true, "tcp"),
        ("UDP", true, "udp"),
        ("AliasNode", false, "alias"),
        ("AliasService", false, "alias"),
        ("DockerContainerID", true, "docker"),
        ("ScriptArgs", true, "script"),
        ("H2PING", true, "h2ping"),
        ("OSService", true, "os_service"),
    ];
    let runs = form.contains_key("Interval");
    let fits =
        |(name, interval, _): &&(&str, bool, &str)| form.contains_key(*name) && (runs || !interval);
    KINDS.iter().find(fits).map_or("", |(_, _, kind)| kind)
}

/// The definition of a check: lengths of time first, as texts, then what is not empty. What it does
/// not know is ignored, as Consul does here.
fn definition(mut object: Object) -> Result<Map<String, Json>, ObjectError> {
    let mut form = Map::new();
    let duration = |form: &mut Map<String, Json>, object: &mut Object, name: &str| {
        let given: Nanoseconds = object.field(name)?;
        if let Some(ns) = given.0.filter(|ns| *ns != 0) {
            form.insert(name.into(), GoDuration::from_nanoseconds(ns).to_string().into());
        }
        Ok::<(), ObjectError>(())
    };
    duration(&mut form, &mut object, "Interval")?;
    number(&mut form, &mut object, "OutputMaxSize")?;
    duration(&mut form, &mut object, "Timeout")?;
    duration(&mut form, &mut object, "DeregisterCriticalServiceAfter")?;
    text(&mut form, &mut object, "HTTP")?;
    text(&mut form, &mut object, "TLSServerName")?;
    truth(&mut form, &mut object, "TLSSkipVerify")?;
    if let Some(header) = object.optional::<BTreeMap<String, Vec<String>>>("Header")?
        && !header.is_empty()
    {
        form.insert("Header".into(), serde_json::json!(header));
    }
    text(&mut form, &mut object, "Method")?;
    text(&mut form, &mut object, "Body")?;
    truth(&mut form, &mut object, "DisableRedirects")?;
    text(&mut form, &mut object, "TCP")?;
    truth(&mut form, &mut object, "TCPUseTLS")?;
    text(&mut form, &mut object, "UDP")?;
    text(&mut form, &mut object, "H2PING")?;
    text(&mut form, &mut object, "OSService")?;
    truth(&mut form, &mut object, "H2PingUseTLS")?;
    if let Some(list) = object.optional::<Vec<String>>("ScriptArgs")?.filter(|l| !l.is_empty()) {
        form.insert("ScriptArgs".into(), list.into());
    }
    for name in ["DockerContainerID", "Shell", "GRPC"] {
        text(&mut form, &mut object, name)?;
    }
    truth(&mut form, &mut object, "GRPCUseTLS")?;
    text(&mut form, &mut object, "AliasNode")?;
    text(&mut form, &mut object, "AliasService")?;
    let ttl: Nanoseconds = object.field("TTL")?;
    if let Some(ns) = ttl.0.filter(|ns| *ns != 0) {
        form.insert("TTL".into(), ns.into());
    }
    Ok(form)
}

fn text(form: &mut Map<String, Json>, object: &mut Object, name: &str) -> Result<(), ObjectError> {
    let value: String = object.field(name)?;
    if !value.is_empty() {
        form.insert(name.into(), value.into());
    }
    Ok(())
}

fn truth(form: &mut Map<String, Json>, object: &mut Object, name: &str) -> Result<(), ObjectError> {
    if object.field(name)? {
        form.insert(name.into(), true.into());
    }
    Ok(())
}

fn number(
    form: &mut Map<String, Json>,
    object: &mut Object,
    name: &str,
) -> Result<(), ObjectError> {
    let value: i64 = object.field(name)?;
    if value != 0 {
        form.insert(name.into(), value.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
