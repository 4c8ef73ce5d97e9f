//! `serf agent -validate`: is the configuration right?

use crate::config::{self, Failure, FlagSetting, Layer, Settings};
use crate::log::Log;
use crate::output::Output;
use crate::resolve;
use crate::syslog::Facility;

use super::{files, hint};

/// Settings that are accepted but do nothing, and what to do instead.
const WITHOUT_EFFECT: [(&str, &str); 3] = [
    ("enable_compression", "it has no effect, as in Serf; use the flag -disable-compression"),
    ("disable_coordinates", "it has no effect, as in Serf: coordinates are always kept"),
    ("msgpackusenewtimeformat", "it has no effect"),
];

/// Says all that is wrong, or that nothing is; the exit code.
pub(super) fn run(output: &Output, flags: &[FlagSetting]) -> i32 {
    let failures = check(output, flags);
    for failure in &failures {
        super::show(output, failure);
    }
    if failures.is_empty() {
        output.message("The configuration is valid");
    }
    i32::from(!failures.is_empty())
}

/// What would stop a start, or be ignored by it. Checks that do not need each other are all made;
/// those of files and of the member as a whole need settings that are right by themselves.
fn check(output: &Output, flags: &[FlagSetting]) -> Vec<Failure> {
    let reading = match config::read(flags) {
        Ok(reading) => reading,
        Err(failure) => return vec![failure],
    };
    for warning in &reading.warnings {
        output.message(warning);
    }
    let layer = reading.layer;
    for (name, why) in WITHOUT_EFFECT {
        if layer.is_set(name) {
            output.message(&format!("Warning: '{name}' is set: {why}"));
        }
    }
    let mut failures = Vec::new();
    failures.extend(config::log_level(&layer).err());
    if layer.bool("enable_syslog") {
        failures.extend(Facility::parse(layer.text_or_default("syslog_facility")).err());
    }
    check_addresses(&layer, &mut failures);
    match Settings::check(&layer) {
        Ok(settings) => {
            failures.extend(check_keys_and_tags(&settings).err());
            failures.extend(check_snapshot(&settings).err());
        }
        Err(failure) => failures.push(failure),
    }
    failures
}

fn check_keys_and_tags(settings: &Settings) -> Result<(), Failure> {
    let mut machine = settings.machine()?;
    let kept = files::load(settings, &Log::silent())?;
    settings.check_keyring(&kept.keyring)?;
    if let Some(key) = kept.keyring.iter().find(|key| ![16, 24, 32].contains(&key.len())) {
        let length = key.len();
        return Err(Failure::new(format!("Invalid encryption key: it has {length} bytes"))
            .hint("'encrypt_key' (-encrypt) is 16, 24 or 32 bytes in base64"));
    }
    if let Some(tags) = kept.tags {
        machine.tags = tags;
        Settings::check_machine(&machine)?;
    }
    Ok(())
}

/// The snapshot file is made at the start if it is not there; its directory is not.
fn check_snapshot(settings: &Settings) -> Result<(), Failure> {
    let Some(path) = &settings.snapshot_path else { return Ok(()) };
    let tried = match path.metadata() {
        Ok(file) if file.is_dir() => Err("is a directory".to_owned()),
        Ok(_) => std::fs::OpenOptions::new()
            .read(true)
            .append(true)
            .open(path)
            .map(drop)
            .map_err(|error| gotext::errno_text(&error)),
        Err(_) => match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) if !parent.is_dir() => Err("no such file or directory".to_owned()),
            _ => Ok(()),
        },
    };
    tried.map_err(|why| {
        let shown = path.display();
        let text = "Failed to setup snapshot: failed to open snapshot: open";
        hint::for_start(Failure::new(format!("{text} {shown}: {why}")), settings)
    })
}

/// Addresses that are only opened or dialled later: their form.
fn check_addresses(layer: &Layer, failures: &mut Vec<Failure>) {
    for name in ["rpc_addr", "statsd_addr", "statsite_addr"] {
        let text = layer.text_or_default(name);
        let form = gotext::split_host_port(text).and_then(|(_, port)| gotext::parse_port(port));
        if let Err(error) = form
            && !text.is_empty()
        {
            failures.push(
                Failure::new(format!("Invalid {name}: {error}"))
                    .hint(format!("'{name}' is '{text}'; write ADDRESS:PORT")),
            );
        }
    }
    for name in ["start_join", "retry_join"] {
        for address in layer.list(name) {
            if let Err(why) = resolve::check_form(address) {
                failures.push(Failure::new(format!("Invalid {name}: {why}")).hint(format!(
                    "'{name}' has '{address}'; write ADDRESS or ADDRESS:PORT, a name or an IP \
                     address, IPv6 in brackets"
                )));
            }
        }
    }
}
