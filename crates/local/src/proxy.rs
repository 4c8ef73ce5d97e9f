//! A proxy's part of a service: read from any form, written in one.
//!
//! The catalogue keeps it as JSON. One form only is written, in the recorded order of the fields,
//! so that equal proxies are equal texts.

use std::collections::BTreeMap;

use gotext::Json;
use gotext::decode::Value;
use gotext::object::{Object, ObjectError};

use crate::fields::{Fields, Form};

/// Who shows a proxy: the agent leaves out more of what is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Catalog,
    Agent,
}

/// A proxy as the agent's endpoints show it, out of the catalogue's JSON; what is no proxy is
/// shown as one of which nothing is known.
#[must_use]
pub fn agent_proxy(json: Option<&str>) -> String {
    let proxy = json.and_then(|json| Proxy::parse(json).ok()).unwrap_or_default();
    proxy.form(View::Agent).compact()
}

/// What a proxy stands for and whom it reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxy {
    pub(crate) destination_name: String,
    pub(crate) destination_id: String,
    pub(crate) local_address: String,
    pub(crate) local_port: i64,
    pub(crate) local_socket_path: String,
    pub(crate) mode: String,
    pub(crate) transparent: Option<Transparent>,
    pub(crate) config: Option<BTreeMap<String, Value>>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) mesh_gateway: String,
    pub(crate) expose_checks: bool,
    pub(crate) expose_paths: Vec<ExposedPath>,
    pub(crate) access_logs: Option<AccessLogs>,
    pub(crate) extensions: Vec<Value>,
}

/// Where traffic is caught.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Transparent {
    pub(crate) outbound_listener_port: i64,
    pub(crate) dialed_directly: bool,
}

/// What the proxy logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AccessLogs {
    pub(crate) enabled: bool,
    pub(crate) disable_listener_logs: bool,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) json_format: String,
    pub(crate) text_format: String,
}

/// A service that the proxy reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) destination_type: String,
    pub(crate) namespace: String,
    pub(crate) partition: String,
    pub(crate) peer: String,
    pub(crate) name: String,
    pub(crate) datacenter: String,
    pub(crate) bind_address: String,
    pub(crate) bind_port: i64,
    pub(crate) bind_socket_path: String,
    pub(crate) bind_socket_mode: String,
    pub(crate) config: Option<BTreeMap<String, Value>>,
    pub(crate) mesh_gateway: String,
}

/// A path that others may reach without the mesh.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ExposedPath {
    pub(crate) listener_port: i64,
    pub(crate) path: String,
    pub(crate) local_path_port: i64,
    pub(crate) protocol: String,
}

impl Proxy {
    /// Reads a proxy from the body of a request.
    ///
    /// # Errors
    ///
    /// Unknown names and values of another type.
    pub fn from_body(object: Object) -> Result<Self, ObjectError> {
        Self::read(Fields::new(object, Form::Body))
    }

    /// The form in which the catalogue keeps it.
    #[must_use]
    pub fn stored(&self) -> String {
        self.json().compact()
    }

    /// The service that it stands in front of; empty for none.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination_name
    }

    /// Out of the catalogue's JSON; what it does not know is left out.
    pub(crate) fn parse(json: &str) -> Result<Self, ObjectError> {
        Self::read(Fields::new(Object::parse(json.as_bytes())?, Form::Body).lenient())
    }

    pub(crate) fn read(mut fields: Fields) -> Result<Self, ObjectError> {
        let f = &mut fields;
        let mut proxy = Self {
            destination_name: f.named(
                &["DestinationServiceName", "destination_service_name"],
                &["destination_service_name"],
            )?,
            destination_id: f.named(
                &["DestinationServiceID", "destination_service_id"],
                &["destination_service_id"],
            )?,
            local_address: f.named(
                &["LocalServiceAddress", "local_service_address"],
                &["local_service_address"],
            )?,
            local_port: f
                .named(&["LocalServicePort", "local_service_port"], &["local_service_port"])?,
            local_socket_path: f.named(
                &["LocalServiceSocketPath", "local_service_socket_path"],
                &["local_service_socket_path"],
            )?,
            mode: f.word("Mode")?,
            config: config(f)?,
            mesh_gateway: mesh_gateway(f)?,
            extensions: f.named(&["EnvoyExtensions", "envoy_extensions"], &["envoy_extensions"])?,
            ..Self::default()
        };
        let names = ["TransparentProxy", "transparent_proxy"];
        proxy.transparent = f.nested(&names, &names[1..])?.map(Transparent::read).transpose()?;
        let names = ["AccessLogs", "access_logs"];
        proxy.access_logs = f.nested(&names, &names[1..])?.map(AccessLogs::read).transpose()?;
        let upstreams = f.list(&["Upstreams"], &["upstreams"])?.unwrap_or_default();
        proxy.upstreams = upstreams.into_iter().map(Upstream::read).collect::<Result<_, _>>()?;
        if let Some(mut expose) = f.nested(&["Expose"], &["expose"])? {
            proxy.expose_checks = expose.word("Checks")?;
            let paths = expose.list(&["Paths"], &["paths"])?.unwrap_or_default();
            proxy.expose_paths =
                paths.into_iter().map(ExposedPath::read).collect::<Result<_, _>>()?;
            expose.finish()?;
        }
        fields.finish()?;
        Ok(proxy)
    }

    /// The form of the catalogue.
    pub(crate) fn json(&self) -> Json {
        self.form(View::Catalog)
    }

    fn form(&self, view: View) -> Json {
        let mut out = Record::default();
        if !self.extensions.is_empty() {
            out.put(
                "EnvoyExtensions",
                Json::List(self.extensions.iter().map(Json::from).collect()),
            );
        }
        let filled = |transparent: &&Transparent| **transparent != Transparent::default();
        if let Some(transparent) = self.transparent.as_ref().filter(filled) {
            let mut inner = Record::default();
            inner.int("OutboundListenerPort", transparent.outbound_listener_port);
            inner.bool("DialedDirectly", transparent.dialed_directly);
            out.put("TransparentProxy", inner.json());
        }
        let filled = |logs: &&AccessLogs| **logs != AccessLogs::default();
        if let Some(logs) = self.access_logs.as_ref().filter(filled) {
            let mut inner = Record::default();
            inner.bool("Enabled", logs.enabled);
            inner.bool("DisableListenerLogs", logs.disable_listener_logs);
            inner.text("Type", &logs.kind);
            inner.text("Path", &logs.path);
            inner.text("JSONFormat", &logs.json_format);
            inner.text("TextFormat", &logs.text_format);
            out.put("AccessLogs", inner.json());
        }
        out.text("DestinationServiceName", &self.destination_name);
        out.text("DestinationServiceID", &self.destination_id);
        out.text("LocalServiceAddress", &self.local_address);
        out.int("LocalServicePort", self.local_port);
        out.text("LocalServiceSocketPath", &self.local_socket_path);
        out.view(view, "Mode", &self.mode);
        out.map("Config", self.config.as_ref());
        if !self.upstreams.is_empty() {
            let upstreams = self.upstreams.iter().map(|upstream| upstream.json(view));
            out.put("Upstreams", Json::List(upstreams.collect()));
        }
        out.put("MeshGateway", mode(&self.mesh_gateway));
        let mut expose = Record::default();
        expose.bool("Checks", self.expose_checks);
        if !self.expose_paths.is_empty() {
            let paths = self.expose_paths.iter().map(ExposedPath::json).collect();
            expose.put("Paths", Json::List(paths));
        }
        out.put("Expose", expose.json());
        out.json()
    }
}

/// An empty map says what none says.
fn config(f: &mut Fields) -> Result<Option<BTreeMap<String, Value>>, ObjectError> {
    Ok(f.map(&["Config"], &["config"])?.filter(|config: &BTreeMap<_, _>| !config.is_empty()))
}

fn mesh_gateway(f: &mut Fields) -> Result<String, ObjectError> {
    let names = ["MeshGateway", "mesh_gateway"];
    let Some(mut gateway) = f.nested(&names, &names[1..])? else { return Ok(String::new()) };
    let mode = gateway.word("Mode")?;
    gateway.finish()?;
    Ok(mode)
}

fn mode(mode: &str) -> Json {
    let mut out = Record::default();
    out.text("Mode", mode);
    out.json()
}

impl Transparent {
    fn read(mut f: Fields) -> Result<Self, ObjectError> {
        let transparent = Self {
            outbound_listener_port: f
                .named(&["OutboundListenerPort"], &["outbound_listener_port"])?,
            dialed_directly: f.named(&["DialedDirectly"], &["dialed_directly"])?,
        };
        f.finish()?;
        Ok(transparent)
    }
}

impl AccessLogs {
    fn read(mut f: Fields) -> Result<Self, ObjectError> {
        let logs = Self {
            enabled: f.word("Enabled")?,
            disable_listener_logs: f.named(&["DisableListenerLogs"], &["disable_listener_logs"])?,
            kind: f.word("Type")?,
            path: f.word("Path")?,
            json_format: f.named(&["JSONFormat"], &["json_format"])?,
            text_format: f.named(&["TextFormat"], &["text_format"])?,
        };
        f.finish()?;
        Ok(logs)
    }
}

impl Upstream {
    fn read(mut f: Fields) -> Result<Self, ObjectError> {
        let mut text = |pascal: &str, snake: &str| -> Result<String, ObjectError> {
            f.named(&[pascal, snake], &[snake])
        };
        let mut upstream = Self {
            destination_type: text("DestinationType", "destination_type")?,
            namespace: text("DestinationNamespace", "destination_namespace")?,
            partition: text("DestinationPartition", "destination_partition")?,
            peer: text("DestinationPeer", "destination_peer")?,
            name: text("DestinationName", "destination_name")?,
            datacenter: text("Datacenter", "datacenter")?,
            bind_address: text("LocalBindAddress", "local_bind_address")?,
            bind_socket_path: text("LocalBindSocketPath", "local_bind_socket_path")?,
            bind_socket_mode: text("LocalBindSocketMode", "local_bind_socket_mode")?,
            ..Self::default()
        };
        upstream.bind_port =
            f.named(&["LocalBindPort", "local_bind_port"], &["local_bind_port"])?;
        upstream.config = config(&mut f)?;
        upstream.mesh_gateway = mesh_gateway(&mut f)?;
        f.finish()?;
        Ok(upstream)
    }

    fn json(&self, view: View) -> Json {
        let mut out = Record::default();
        out.view(view, "DestinationType", &self.destination_type);
        out.text("DestinationNamespace", &self.namespace);
        out.text("DestinationPartition", &self.partition);
        out.text("DestinationPeer", &self.peer);
        out.put("DestinationName", Json::text(self.name.as_str()));
        out.view(view, "Datacenter", &self.datacenter);
        out.text("LocalBindAddress", &self.bind_address);
        out.int("LocalBindPort", self.bind_port);
        out.text("LocalBindSocketPath", &self.bind_socket_path);
        out.text("LocalBindSocketMode", &self.bind_socket_mode);
        out.map("Config", self.config.as_ref());
        out.put("MeshGateway", mode(&self.mesh_gateway));
        out.json()
    }
}

impl ExposedPath {
    fn read(mut f: Fields) -> Result<Self, ObjectError> {
        let path = Self {
            listener_port: f.named(&["ListenerPort", "listener_port"], &["listener_port"])?,
            path: f.word("Path")?,
            local_path_port: f
                .named(&["LocalPathPort", "local_path_port"], &["local_path_port"])?,
            protocol: f.word("Protocol")?,
        };
        f.finish()?;
        Ok(path)
    }

    fn json(&self) -> Json {
        let mut out = Record::default();
        out.int("ListenerPort", self.listener_port);
        out.text("Path", &self.path);
        out.int("LocalPathPort", self.local_path_port);
        out.text("Protocol", &self.protocol);
        out.json()
    }
}

/// An object whose empty fields are left out.
#[derive(Default)]
pub(crate) struct Record(Vec<(String, Json)>);

impl Record {
    pub(crate) fn put(&mut self, name: &str, value: Json) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(name, Json::text(text));
        }
    }

    /// A text that the catalogue shows although it is empty.
    fn view(&mut self, view: View, name: &str, text: &str) {
        if view == View::Catalog || !text.is_empty() {
            self.put(name, Json::text(text));
        }
    }

    fn int(&mut self, name: &str, number: i64) {
        if number != 0 {
            self.put(name, Json::Int(number));
        }
    }

    fn bool(&mut self, name: &str, value: bool) {
        if value {
            self.put(name, Json::Bool(true));
        }
    }

    fn map(&mut self, name: &str, map: Option<&BTreeMap<String, Value>>) {
        if let Some(map) = map {
            let fields = map.iter().map(|(key, value)| (key.clone(), Json::from(value)));
            self.put(name, Json::Object(fields.collect()));
        }
    }

    pub(crate) fn json(self) -> Json {
        Json::Object(self.0)
    }
}
