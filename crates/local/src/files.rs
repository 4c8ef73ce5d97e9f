//! The files of the data directory, as Consul's agent writes and reads them (consul-agent, "Files
//! under `data_dir`"): a directory that it has left is taken over in place.

use catalog::{Check, CheckId, Service, ServiceId, ServiceName, Weights};
use gotext::Json;
use gotext::object::{Object, ObjectError};
use sha2::{Digest, Sha256};

use crate::check_definition::CheckDefinition;
use crate::entry::{LocalCheck, LocalService};
use crate::fields::{Fields, Form};
use crate::interface::{Output, Source};
use crate::proxy::{Proxy, Record};
use crate::service_definition::{self as definition, CONNECT_PROXY};
use crate::status::Status;
use crate::time::Time;

/// The directories that the agent reads at its start, below the data directory.
pub const DIRECTORIES: [&str; 3] = [SERVICES, CHECKS, STATES];

const SERVICES: &str = "services";
const CHECKS: &str = "checks";
const STATES: &str = "checks/state";

/// The JSON of a service that is no proxy.
const NO_PROXY: &str = r#"{"Mode":"","MeshGateway":{},"Expose":{}}"#;

pub(crate) fn service(id: &ServiceId) -> String {
    path(SERVICES, id.as_str())
}

pub(crate) fn check(id: &CheckId) -> String {
    path(CHECKS, id.as_str())
}

pub(crate) fn check_state(id: &CheckId) -> String {
    path(STATES, id.as_str())
}

fn path(directory: &str, id: &str) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('0');
    let hash = Sha256::digest(id.as_bytes());
    let digits = hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
    let mut name = format!("{directory}/");
    name.extend(digits);
    name
}

/// What a file is about, by its path below the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Service,
    Check,
    State,
}

impl Kind {
    pub(crate) fn of(file: &str) -> Option<Self> {
        match file.rsplit_once('/')?.0 {
            SERVICES => Some(Self::Service),
            CHECKS => Some(Self::Check),
            STATES => Some(Self::State),
            _ => None,
        }
    }
}

fn save(file: String, json: &Json) -> Output {
    Output::Save { file, bytes: json.compact().into_bytes() }
}

pub(crate) fn save_service(entry: &LocalService) -> Output {
    let mut out = Record::default();
    out.put("Token", text(&entry.token));
    out.put("Service", service_json(&entry.row));
    out.put("Source", source_json(entry.source));
    if entry.sidecar {
        out.put("LocallyRegisteredAsSidecar", Json::Bool(true));
    }
    save(service(&entry.row.id), &out.json())
}

pub(crate) fn save_check(entry: &LocalCheck) -> Output {
    let json = Json::record([
        ("Check", check_json(&entry.row)),
        ("ChkType", entry.definition.as_deref().map_or(Json::Null, definition_json)),
        ("Token", text(&entry.token)),
        ("Source", source_json(entry.source)),
    ]);
    save(check(&entry.row.id), &json)
}

pub(crate) fn save_state(id: &CheckId, output: &str, status: Status, expires: Time) -> Output {
    let json = Json::record([
        ("CheckID", text(id.as_str())),
        ("Output", text(output)),
        ("Status", text(status.as_str())),
        ("Expires", Json::Int(expires.as_secs().cast_signed())),
    ]);
    save(check_state(id), &json)
}

fn text(text: &str) -> Json {
    Json::text(text)
}

fn source_json(source: Source) -> Json {
    text(match source {
        Source::File => "local",
        Source::Request => "remote",
    })
}

fn tags_json(tags: &catalog::Tags) -> Json {
    match tags {
        None => Json::Null,
        Some(tags) => Json::List(tags.iter().map(|tag| text(tag)).collect()),
    }
}

fn service_json(row: &Service) -> Json {
    let mut out = Record::default();
    out.text("Kind", &row.kind);
    out.put("ID", text(row.id.as_str()));
    out.put("Service", text(row.name.as_str()));
    out.put("Tags", tags_json(&row.tags));
    out.put("Address", text(&row.address));
    let addresses = row.tagged_addresses.as_deref().unwrap_or_default();
    if !addresses.is_empty() {
        let address = |address: &catalog::ServiceAddress| {
            Json::record([("Address", text(&address.address)), ("Port", Json::Int(address.port))])
        };
        let all = addresses.iter().map(|(tag, value)| (tag.to_string(), address(value)));
        out.put("TaggedAddresses", Json::Object(all.collect()));
    }
    out.put(
        "Meta",
        match &row.meta {
            None => Json::Null,
            Some(meta) => Json::map(meta.iter().map(|(key, value)| (key, value.as_bytes()))),
        },
    );
    if row.port != 0 {
        out.put("Port", Json::Int(row.port));
    }
    out.text("SocketPath", &row.socket_path);
    let weight = |(name, weight)| (name, Json::Int(weight));
    let weights = [("Passing", row.weights.passing), ("Warning", row.weights.warning)];
    out.put("Weights", Json::record(weights.map(weight)));
    out.put("EnableTagOverride", Json::Bool(row.enable_tag_override));
    if let Some(locality) = &row.locality {
        out.put("Locality", Json::Verbatim(locality.clone()));
    }
    let proxy = row.proxy.as_deref().unwrap_or(NO_PROXY);
    out.put("Proxy", Json::Verbatim(proxy.into()));
    let mut connect = Record::default();
    if row.native {
        connect.put("Native", Json::Bool(true));
    }
    out.put("Connect", connect.json());
    out.put("PeerName", text(""));
    out.put("CreateIndex", Json::Int(0));
    out.put("ModifyIndex", Json::Int(0));
    out.json()
}

fn check_json(row: &Check) -> Json {
    Json::record([
        ("Node", text(row.node.as_str())),
        ("CheckID", text(row.id.as_str())),
        ("Name", text(&row.name)),
        ("Status", text(&row.status)),
        ("Notes", text(&row.notes)),
        ("Output", text(&row.output)),
        ("ServiceID", text(row.service_id.as_str())),
        ("ServiceName", text(row.service_name.as_str())),
        ("ServiceTags", tags_json(&row.service_tags)),
        ("Type", text(&row.kind)),
        ("Interval", text(&row.interval)),
        ("Timeout", text(&row.timeout)),
        ("ExposedPort", Json::Int(row.exposed_port)),
        ("Definition", Json::Object(Vec::new())),
        ("CreateIndex", Json::Int(0)),
        ("ModifyIndex", Json::Int(0)),
    ])
}

fn definition_json(check: &CheckDefinition) -> Json {
    let texts = |items: &[String]| Json::list_or_null(items.iter().map(|i| text(i)).collect());
    let headers = match check.header.is_empty() {
        true => Json::Null,
        false => {
            let header = |(name, values): (&String, &Vec<String>)| (name.clone(), texts(values));
            Json::Object(check.header.iter().map(header).collect())
        }
    };
    let duration = |duration: gotext::GoDuration| Json::Int(duration.as_nanoseconds());
    Json::record([
        ("CheckID", text(&check.id)),
        ("Name", text(&check.name)),
        ("Status", text(&check.status)),
        ("Notes", text(&check.notes)),
        ("ScriptArgs", texts(&check.script_args)),
        ("HTTP", text(&check.http)),
        ("H2PING", text(&check.h2ping)),
        ("H2PingUseTLS", Json::Bool(check.h2ping_use_tls)),
        ("Header", headers),
        ("Method", text(&check.method)),
        ("Body", text(&check.body)),
        ("DisableRedirects", Json::Bool(check.disable_redirects)),
        ("TCP", text(&check.tcp)),
        ("TCPUseTLS", Json::Bool(check.tcp_use_tls)),
        ("UDP", text(&check.udp)),
        ("Interval", duration(check.interval)),
        ("AliasNode", text(&check.alias_node)),
        ("AliasService", text(&check.alias_service)),
        ("DockerContainerID", text(&check.docker_container_id)),
        ("Shell", text(&check.shell)),
        ("GRPC", text(&check.grpc)),
        ("GRPCUseTLS", Json::Bool(check.grpc_use_tls)),
        ("OSService", text(&check.os_service)),
        ("TLSServerName", text(&check.tls_server_name)),
        ("TLSSkipVerify", Json::Bool(check.tls_skip_verify)),
        ("Timeout", duration(check.timeout)),
        ("TTL", duration(check.ttl)),
        ("SuccessBeforePassing", Json::Int(check.success_before_passing)),
        ("FailuresBeforeWarning", Json::Int(check.failures_before_warning)),
        ("FailuresBeforeCritical", Json::Int(check.failures_before_critical)),
        ("ProxyHTTP", text(&check.proxy_http)),
        ("ProxyGRPC", text(&check.proxy_grpc)),
        ("DeregisterCriticalServiceAfter", duration(check.deregister_critical_service_after)),
        ("OutputMaxSize", Json::Int(check.output_max_size)),
    ])
}

/// A service out of its file.
pub(crate) fn read_service(bytes: &[u8]) -> Result<LocalService, ObjectError> {
    let mut file = Fields::new(Object::parse(bytes)?, Form::Body).lenient();
    let token: String = file.word("Token")?;
    let source = read_source(&mut file)?;
    let sidecar = file.word("LocallyRegisteredAsSidecar")?;
    let inner = file.nested(&["Service"], &[])?;
    let mut f = inner.unwrap_or_else(|| file.within(Object::default()));
    let id: String = f.word("ID")?;
    let name: String = f.word("Service")?;
    let kind: String = f.word("Kind")?;
    let address: String = f.word("Address")?;
    let socket_path: String = f.word("SocketPath")?;
    let proxy = f.nested(&["Proxy"], &[])?.map(Proxy::read).transpose()?;
    let native = match f.nested(&["Connect"], &[])? {
        None => false,
        Some(mut connect) => connect.word("Native")?,
    };
    let destination = proxy
        .as_ref()
        .map(|proxy| proxy.destination_name.as_str())
        .filter(|destination| kind == CONNECT_PROXY && !destination.is_empty());
    let row = Service {
        id: ServiceId::from(id.as_str()),
        name: ServiceName::from(name.as_str()),
        tags: definition::tags(&mut f)?,
        address: address.into(),
        tagged_addresses: definition::tagged_addresses(&mut f)?,
        meta: definition::meta(&mut f)?,
        port: f.word("Port")?,
        socket_path: socket_path.into(),
        weights: definition::weights(&mut f)?.unwrap_or(Weights { passing: 1, warning: 1 }),
        enable_tag_override: f.word("EnableTagOverride")?,
        destination: destination.map(ServiceName::from),
        // What is no proxy has an empty one in its file.
        proxy: proxy
            .filter(|proxy| *proxy != Proxy::default())
            .map(|proxy| proxy.json().compact().into()),
        native,
        locality: definition::locality(&mut f)?,
        kind: kind.into(),
        ..Service::default()
    };
    Ok(LocalService { row, token: token.into(), source, sidecar })
}

/// A check out of its file: its row, what it does, its token and who defined it.
pub(crate) struct SavedCheck {
    pub(crate) row: Check,
    pub(crate) definition: Option<CheckDefinition>,
    pub(crate) token: String,
    pub(crate) source: Source,
}

pub(crate) fn read_check(bytes: &[u8]) -> Result<SavedCheck, ObjectError> {
    let mut file = Fields::new(Object::parse(bytes)?, Form::Body).lenient();
    let token = file.word("Token")?;
    let source = read_source(&mut file)?;
    let definition = file.optional::<Object>(&["ChkType"], &[])?;
    let inner = file.nested(&["Check"], &[])?;
    let mut f = inner.unwrap_or_else(|| file.within(Object::default()));
    let mut word = |name: &str| f.word::<String>(name);
    let row = Check {
        id: CheckId::from(word("CheckID")?.as_str()),
        name: word("Name")?.into(),
        notes: word("Notes")?.into(),
        service_id: ServiceId::from(word("ServiceID")?.as_str()),
        service_name: ServiceName::from(word("ServiceName")?.as_str()),
        kind: word("Type")?.into(),
        interval: word("Interval")?.into(),
        timeout: word("Timeout")?.into(),
        service_tags: f
            .optional::<Vec<String>>(&["ServiceTags"], &[])?
            .map(|tags| tags.into_iter().map(Into::into).collect()),
        exposed_port: f.word("ExposedPort")?,
        // What was so when the agent ended need not be so now.
        status: catalog::CRITICAL.into(),
        ..Check::default()
    };
    let definition = definition.map(CheckDefinition::from_saved).transpose()?;
    Ok(SavedCheck { row, definition, token, source })
}

fn read_source(file: &mut Fields) -> Result<Source, ObjectError> {
    let source: String = file.word("Source")?;
    Ok(if source == "local" { Source::File } else { Source::Request })
}

/// What a check with a TTL was told, and until when it is true.
pub(crate) struct SavedState {
    pub(crate) check: CheckId,
    pub(crate) output: String,
    pub(crate) status: Option<Status>,
    pub(crate) expires: Time,
}

pub(crate) fn read_state(bytes: &[u8]) -> Result<SavedState, ObjectError> {
    let mut file = Object::parse(bytes)?;
    let check: String = file.field("CheckID")?;
    let status: String = file.field("Status")?;
    let expires: i64 = file.field("Expires")?;
    Ok(SavedState {
        check: CheckId::from(check.as_str()),
        output: file.field("Output")?,
        status: Status::parse(&status),
        expires: Time::from_secs(u64::try_from(expires).unwrap_or(0)),
    })
}
