//! `consul validate`.

use local::{CheckDefinition, ServiceDefinition};
use settings::{Disk, FlagSetting, Host, Settings};

use super::Failure;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let paths = parsed.words();
    if paths.is_empty() {
        return Err(Failure::said("Must specify at least one config file or directory"));
    }
    let flag = |name: &str, value: String| FlagSetting { name: name.to_owned(), value };
    let mut flags: Vec<_> = paths.into_iter().map(|path| flag("config-file", path)).collect();
    if let Some(format) = parsed.given("config-format") {
        if !matches!(format, "" | "hcl" | "json") {
            // The quote that is missing is missing there too.
            return Err(Failure::said("-config-format must be either 'hcl' or 'json"));
        }
        flags.push(flag("config-format", format.to_owned()));
    }
    // A machine that does not tell its addresses has some that must be given.
    let interfaces = settings::interfaces().unwrap_or_default();
    let host = Host { name: host_name(), interfaces };
    match settings::load(&flags, &Disk, &host) {
        Ok(settings) => {
            definitions(&settings).map_err(|why| Failure::of("Config validation failed", why))?;
            for warning in settings.warnings {
                complain(warning);
            }
            if !parsed.on("quiet") {
                say("Configuration is valid!");
            }
            Ok(())
        }
        Err(failure) => {
            let hint = failure.hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
            Err(Failure::Said(format!("Config validation failed: {}{hint}", failure.message)))
        }
    }
}

/// Whether the services and checks of files make sense; the first reason why not.
fn definitions(settings: &Settings) -> Result<(), String> {
    let services = settings.services.iter();
    let services: Vec<_> = services
        .map(|service| ServiceDefinition::from_file(service.object.clone()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let complaints: Vec<_> = services.iter().flat_map(ServiceDefinition::complaints).collect();
    if !complaints.is_empty() {
        return Err(gotext::multi_error(&complaints));
    }
    for service in &services {
        service.validate()?;
    }
    for check in &settings.check_definitions {
        let check = CheckDefinition::from_file(check.object.clone());
        let check = check.map_err(|error| error.to_string())?;
        let name = gotext::quote(&check.name);
        check.validate().map_err(|why| format!("check {name}: {why}"))?;
    }
    Ok(())
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
