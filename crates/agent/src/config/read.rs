//! From the command line, and the files it names, to one layer of settings.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gotext::GoDuration;
use serf::Tags;

use super::layer::Layer;
use super::options::{FlagSetting, Kind, OPTIONS, OptionRow};
use super::{Failure, file};
use crate::handlers::HandlerSpec;
use crate::platform;

/// A pause between joins, or a wait for a broadcast, below this is raised to it.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// What the sources say together.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The settings, the own name among them.
    pub layer: Layer,
    /// Lines for the operator that do not stop the start.
    pub warnings: Vec<String>,
}

/// Reads the flags and every file they name, and checks what can be checked without starting
/// anything. Files come first, in the order of their flags; the command line goes over them.
pub fn read(settings: &[FlagSetting]) -> Result<Reading, Failure> {
    let flags = read_flags(settings)?;
    let mut layer = Layer::default();
    for setting in settings {
        match setting.name.as_str() {
            "config-file" | "config-dir" => read_path(&setting.value, &mut layer)?,
            _ => {}
        }
    }
    layer.merge(flags);
    if layer.text("node_name").is_empty() {
        let name = platform::host_name().ok_or_else(|| {
            Failure::new("Error determining hostname: unknown")
                .hint("give the member a name with -node or the key 'node_name'")
        })?;
        layer.set_text(row("node_name"), name);
    }
    check_event_handlers(&layer)?;
    check_interfaces(&layer)?;
    let warnings = warnings_and_repairs(&mut layer);
    Ok(Reading { layer, warnings })
}

fn read_flags(settings: &[FlagSetting]) -> Result<Layer, Failure> {
    let mut layer = Layer::default();
    // Tags are looked at before durations, whatever their order on the command line.
    for setting in settings.iter().filter(|setting| setting.name == "tag") {
        let (key, value) =
            setting.value.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Failure::new(format!("Error: Invalid tag: '{}'", setting.value))
                    .hint("write tags as -tag KEY=VALUE")
            })?;
        layer.add_tags(row("tags"), Tags::from([(key.to_owned(), value.to_owned())]));
    }
    for setting in settings {
        let Some(row) = OPTIONS.iter().find(|row| row.flag == Some(setting.name.as_str())) else {
            return Err(Failure::new(format!("flag provided but not defined: -{}", setting.name)));
        };
        let invalid = |why: &dyn std::fmt::Display| {
            Failure::new(format!(
                "invalid value \"{}\" for -{}: {why}",
                setting.value, setting.name
            ))
        };
        match row.kind {
            Kind::Bool => {
                layer.set_bool(row, gotext::parse_bool(&setting.value).map_err(|e| invalid(&e))?)
            }
            Kind::Text => layer.set_text(row, setting.value.clone()),
            Kind::Int => {
                layer.set_int(row, gotext::parse_int(&setting.value).map_err(|e| invalid(&e))?)
            }
            Kind::Duration if setting.value.is_empty() => {}
            Kind::Duration => {
                let duration = GoDuration::parse(&setting.value).map_err(|error| {
                    Failure::new(format!("Error: {error}"))
                        .hint(format!("write -{} as a duration such as 30s", setting.name))
                })?;
                layer.set_duration(row, duration);
            }
            Kind::List => layer.append(row, vec![setting.value.clone()]),
            Kind::Tags => {}
        }
    }
    Ok(layer)
}

fn read_file(path: &Path) -> Result<Layer, Failure> {
    let shown = path.display().to_string();
    let text = fs::read(path).map_err(|error| cannot_read(&shown, "open", &error))?;
    file::decode(&text).map_err(|failure| Failure {
        message: format!("Error decoding '{shown}': {}", failure.message),
        ..failure
    })
}

/// A file, or the files of a directory; both flags take both.
pub(super) fn read_path(path: &str, layer: &mut Layer) -> Result<(), Failure> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, "open", &error))?;
    if !metadata.is_dir() {
        layer.merge(read_file(Path::new(path))?);
        return Ok(());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| cannot_read(path, "readdir", &error))? {
        let entry = entry.map_err(|error| cannot_read(path, "readdir", &error))?;
        let is_json = entry.file_name().as_encoded_bytes().ends_with(b".json");
        if is_json && !fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()) {
            files.push(entry.path());
        }
    }
    files.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    for file in files {
        layer.merge(read_file(&file)?);
    }
    Ok(())
}

fn cannot_read(path: &str, operation: &str, error: &std::io::Error) -> Failure {
    let why = gotext::path_error(operation, path, error);
    Failure::new(format!("Error reading '{path}': {why}"))
        .hint("-config-file and -config-dir name a file, or a directory of files ending in .json")
}

pub(super) fn check_event_handlers(layer: &Layer) -> Result<(), Failure> {
    for text in layer.list("event_handlers") {
        if let Err(error) = HandlerSpec::parse(text) {
            return Err(Failure::new(error.to_string()).hint(
                "write handlers as [FILTER=]SCRIPT; FILTER is a list, without spaces, of \
                 member-join, member-leave, member-failed, member-update, member-reap, \
                 user[:NAME], query[:NAME] or *; a script with '=' in it needs a filter",
            ));
        }
    }
    Ok(())
}

fn check_interfaces(layer: &Layer) -> Result<(), Failure> {
    let unknown = |name: &str, setting: &str| {
        Failure::new("Invalid network interface: route ip+net: no such network interface")
            .hint(format!("{setting} names '{name}', which this machine does not have"))
    };
    let name = layer.text("interface");
    if !name.is_empty() && !platform::interface_exists(name) {
        return Err(unknown(name, "'interface' (-iface)"));
    }
    let name = layer.text("mdns.interface");
    if name.is_empty() {
        return Ok(());
    }
    if layer.text("discover").is_empty() {
        return Err(Failure::new("Error: mDNS interface set without discovery")
            .hint("'mdns.interface' (-mdns-iface) needs 'discover' (-discover)"));
    }
    if !platform::interface_exists(name) {
        return Err(unknown(name, "'mdns.interface' (-mdns-iface)"));
    }
    if layer.bool("mdns.disable_ipv4") && layer.bool("mdns.disable_ipv6") {
        return Err(Failure::new("Error: mDNS is disabled for both IPv4 and IPv6")
            .hint("leave one of 'mdns.disable_ipv4' and 'mdns.disable_ipv6' off"));
    }
    Ok(())
}

fn warnings_and_repairs(layer: &mut Layer) -> Vec<String> {
    let mut warnings = Vec::new();
    if !layer.text("role").is_empty() {
        warnings.push("Deprecation warning: 'Role' has been replaced with 'Tags'".to_owned());
    }
    for (name, shown) in
        [("retry_interval", "RetryInterval"), ("broadcast_timeout", "BroadcastTimeout")]
    {
        if layer.duration(name).saturating_std() < SHORTEST_WAIT {
            warnings.push(format!("Warning: '{shown}' is too low. Setting to 1s"));
            let shortest = GoDuration::from_nanoseconds(SHORTEST_WAIT.as_nanos() as i64);
            layer.set_duration(row(name), shortest);
        }
    }
    if layer.bool("rejoin_after_leave") && layer.text("snapshot_path").is_empty() {
        warnings.push("Warning: 'RejoinAfterLeave' enabled without snapshot file".to_owned());
    }
    warnings
}

/// The row of a name that this module itself writes.
pub(super) fn row(name: &str) -> &'static OptionRow {
    OPTIONS.iter().find(|row| row.name() == name).expect("the name stands in the table")
}

#[cfg(test)]
mod tests;
