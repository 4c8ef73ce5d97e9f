//! What a service says about itself as a proxy, brought into the one form that is stored and shown.

use gotext::decode::Value;
use gotext::object::{Object, ObjectError};
use serde_json::{Map, Number, Value as Json};

/// Fields in the order in which they are shown, the empty ones left out where Consul does so.
#[derive(Default)]
struct Form(Map<String, Json>);

impl Form {
    fn text(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.insert(name.into(), value.into());
        }
    }

    fn number(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value != 0) {
            self.0.insert(name.into(), value.into());
        }
    }

    fn truth(&mut self, name: &str, value: Option<bool>) {
        if value == Some(true) {
            self.0.insert(name.into(), true.into());
        }
    }

    fn form(&mut self, name: &str, value: Form) {
        if !value.0.is_empty() {
            self.0.insert(name.into(), Json::Object(value.0));
        }
    }

    fn free(&mut self, name: &str, value: Option<Value>) {
        if let Some(Json::Object(fields)) = value.map(free_form)
            && !fields.is_empty()
        {
            self.0.insert(name.into(), Json::Object(fields));
        }
    }
}

/// JSON of a form that nobody knows, its names sorted.
fn free_form(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_str().parse::<i64>() {
            Ok(whole) => whole.into(),
            Err(_) => Number::from_f64(number.float()).map_or(Json::Null, Json::Number),
        },
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(free_form).collect(),
        Value::Object(mut fields) => {
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().map(|(key, value)| (key, free_form(value))).collect())
        }
    }
}

/// Reads a proxy: its stored form, and the service that it stands in front of.
///
/// # Errors
///
/// Unknown names and values of another type.
pub(crate) fn read(mut object: Object) -> Result<(Box<str>, String), ObjectError> {
    let mut form = Form::default();
    let transparent = object.aliased(&["TransparentProxy", "transparent_proxy"])?;
    form.form("TransparentProxy", transparent.map_or(Ok(Form::default()), transparent_proxy)?);
    let logs = object.aliased(&["AccessLogs", "access_logs"])?;
    form.form("AccessLogs", logs.map_or(Ok(Form::default()), access_logs)?);
    let destination: Option<String> =
        object.aliased(&["DestinationServiceName", "destination_service_name"])?;
    form.text("DestinationServiceName", destination.clone());
    for (name, alias) in [
        ("DestinationServiceID", "destination_service_id"),
        ("LocalServiceAddress", "local_service_address"),
    ] {
        let value = object.aliased(&[name, alias])?;
        form.text(name, value);
    }
    let port = object.aliased(&["LocalServicePort", "local_service_port"])?;
    form.number("LocalServicePort", port);
    let socket = object.aliased(&["LocalServiceSocketPath", "local_service_socket_path"])?;
    form.text("LocalServiceSocketPath", socket);
    form.0.insert("Mode".into(), object.field::<String>("Mode")?.into());
    form.free("Config", object.optional("Config")?);
    if let Some(upstreams) = object.objects("Upstreams")?.filter(|list| !list.is_empty()) {
        let upstreams = upstreams.into_iter().map(upstream).collect::<Result<Vec<_>, _>>()?;
        form.0.insert("Upstreams".into(), upstreams.into());
    }
    let gateway = object.aliased(&["MeshGateway", "mesh_gateway"])?;
    form.0.insert("MeshGateway".into(), mesh_gateway(gateway)?);
    form.0.insert("Expose".into(), expose(object.optional("Expose")?)?);
    object.finish()?;
    Ok((Json::Object(form.0).to_string().into(), destination.unwrap_or_default()))
}

fn transparent_proxy(mut object: Object) -> Result<Form, ObjectError> {
    let mut form = Form::default();
    form.number("OutboundListenerPort", object.optional("OutboundListenerPort")?);
    form.truth("DialedDirectly", object.optional("DialedDirectly")?);
    object.finish()?;
    Ok(form)
}

fn access_logs(mut object: Object) -> Result<Form, ObjectError> {
    let mut form = Form::default();
    form.truth("Enabled", object.optional("Enabled")?);
    let disabled = object.aliased(&["DisableListenerLogs", "disable_listener_logs"])?;
    form.truth("DisableListenerLogs", disabled);
    form.text("Type", object.optional("Type")?);
    for (name, alias) in
        [("Path", "path"), ("JSONFormat", "json_format"), ("TextFormat", "text_format")]
    {
        let value = object.aliased(&[name, alias])?;
        form.text(name, value);
    }
    object.finish()?;
    Ok(form)
}

fn mesh_gateway(object: Option<Object>) -> Result<Json, ObjectError> {
    let mut form = Form::default();
    if let Some(mut object) = object {
        form.text("Mode", object.optional("Mode")?);
        object.finish()?;
    }
    Ok(Json::Object(form.0))
}

fn upstream(mut object: Object) -> Result<Json, ObjectError> {
    let mut form = Form::default();
    let kind: Option<String> = object.aliased(&["DestinationType", "destination_type"])?;
    form.0.insert("DestinationType".into(), kind.unwrap_or_default().into());
    for (name, alias) in [
        ("DestinationNamespace", "destination_namespace"),
        ("DestinationPartition", "destination_partition"),
        ("DestinationPeer", "destination_peer"),
    ] {
        let value = object.aliased(&[name, alias])?;
        form.text(name, value);
    }
    let name: Option<String> = object.aliased(&["DestinationName", "destination_name"])?;
    form.0.insert("DestinationName".into(), name.unwrap_or_default().into());
    form.0.insert("Datacenter".into(), object.field::<String>("Datacenter")?.into());
    let address = object.aliased(&["LocalBindAddress", "local_bind_address"])?;
    form.text("LocalBindAddress", address);
    let port = object.aliased(&["LocalBindPort", "local_bind_port"])?;
    form.number("LocalBindPort", port);
    for (name, alias) in [
        ("LocalBindSocketPath", "local_bind_socket_path"),
        ("LocalBindSocketMode", "local_bind_socket_mode"),
    ] {
        let value = object.aliased(&[name, alias])?;
        form.text(name, value);
    }
    form.free("Config", object.optional("Config")?);
    let gateway = object.aliased(&["MeshGateway", "mesh_gateway"])?;
    form.0.insert("MeshGateway".into(), mesh_gateway(gateway)?);
    object.finish()?;
    Ok(Json::Object(form.0))
}

fn expose(object: Option<Object>) -> Result<Json, ObjectError> {
    let mut form = Form::default();
    if let Some(mut object) = object {
        form.truth("Checks", object.optional("Checks")?);
        let paths = object.objects("Paths")?.unwrap_or_default();
        if !paths.is_empty() {
            let paths = paths.into_iter().map(exposed_path).collect::<Result<Vec<_>, _>>()?;
            form.0.insert("Paths".into(), paths.into());
        }
        object.finish()?;
    }
    Ok(Json::Object(form.0))
}

fn exposed_path(mut object: Object) -> Result<Json, ObjectError> {
    let mut form = Form::default();
    let listener = object.aliased(&["ListenerPort", "listener_port"])?;
    form.number("ListenerPort", listener);
    form.text("Path", object.optional("Path")?);
    let local = object.aliased(&["LocalPathPort", "local_path_port"])?;
    form.number("LocalPathPort", local);
    form.text("Protocol", object.optional("Protocol")?);
    form.truth("ParsedFromCheck", object.optional("ParsedFromCheck")?);
    object.finish()?;
    Ok(Json::Object(form.0))
}
