//! `serf agent -validate`: is the configuration right?

use crate::config::{self, Failure, FlagSetting, Layer, Settings};
use crate::log::Log;
use crate::output::Output;
use crate::syslog::Facility;

use super::files;

/// Settings that are accepted but do nothing, and what to do instead.
const WITHOUT_EFFECT: [(&str, &str); 3] = [
    ("enable_compression", "it has no effect, as in Serf; use the flag -disable-compression"),
    ("disable_coordinates", "it has no effect, as in Serf: coordinates are always kept"),
    ("msgpackusenewtimeformat", "it has no effect"),
];

/// Says what is wrong, or that nothing is; the exit code.
pub(super) fn run(output: &Output, flags: &[FlagSetting]) -> i32 {
    match check(output, flags) {
        Ok(()) => {
            output.message("The configuration is valid");
            0
        }
        Err(failure) => {
            super::show(output, &failure);
            1
        }
    }
}

fn check(output: &Output, flags: &[FlagSetting]) -> Result<(), Failure> {
    let reading = config::read(flags)?;
    for warning in &reading.warnings {
        output.message(warning);
    }
    let layer = reading.layer;
    for (name, why) in WITHOUT_EFFECT {
        if layer.is_set(name) {
            output.message(&format!("Warning: '{name}' is set: {why}"));
        }
    }
    config::log_level(&layer)?;
    if layer.bool("enable_syslog") {
        Facility::parse(layer.text_or_default("syslog_facility"))?;
    }
    check_addresses(&layer)?;
    let settings = Settings::check(&layer)?;
    let kept = files::load(&settings, &Log::silent())?;
    if let Some(key) = kept.keyring.iter().find(|key| ![16, 24, 32].contains(&key.len())) {
        let length = key.len();
        return Err(Failure::new(format!("Invalid encryption key: it has {length} bytes"))
            .hint("'encrypt_key' (-encrypt) is 16, 24 or 32 bytes in base64"));
    }
    let mut machine = settings.machine()?;
    if let Some(tags) = kept.tags {
        machine.tags = tags;
        Settings::check_machine(&machine)?;
    }
    Ok(())
}

/// Addresses that are only opened later: their form.
fn check_addresses(layer: &Layer) -> Result<(), Failure> {
    for name in ["rpc_addr", "statsd_addr", "statsite_addr"] {
        let text = layer.text_or_default(name);
        let form = gotext::split_host_port(text).and_then(|(_, port)| gotext::parse_port(port));
        if let Err(error) = form
            && !text.is_empty()
        {
            return Err(Failure::new(format!("Invalid {name}: {error}"))
                .hint(format!("'{name}' is '{text}'; write ADDRESS:PORT")));
        }
    }
    Ok(())
}
