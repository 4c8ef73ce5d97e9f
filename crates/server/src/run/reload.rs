//! Reading the configuration again while the server runs.
//!
//! What is wrong is found before anything changes; if the definitions of files cannot be registered
//! nevertheless, those of before are put back. Certificates are what their files hold then.

use agent::log::{Level, Value};

use super::definitions::Definitions;
use super::process::Process;
use super::{check_files, logging, options, read, watches};

/// Takes the configuration into use as far as that is possible without a restart.
pub(super) async fn reload(process: &mut Process) -> Result<(), String> {
    let (settings, definitions) = read(&process.flags).map_err(|failure| failure.message)?;
    let ignored = process.settings.check_reload(&settings).map_err(|failure| failure.message)?;
    let level = settings.log.level().map_err(|failure| failure.message)?;
    check_files(&settings).map_err(|failure| failure.message)?;
    let watched = watches::read(&settings, &process.settings, &process.log);
    let watched = watched.map_err(|failure| failure.message)?;
    process.running.reload_certificates().map_err(|error| error.to_string())?;
    let Definitions { services, checks } = definitions.clone();
    if let Err(why) = process.running.define(services, checks).await {
        let Definitions { services, checks } = process.definitions.clone();
        // They could be registered before.
        let _ = process.running.define(services, checks).await;
        return Err(why);
    }
    process.definitions = definitions;
    process.watches.replace(watched, &process.log);
    let is_new = |warning: &&String| !process.settings.warnings.contains(warning);
    for warning in settings.warnings.iter().filter(is_new) {
        process.log.line(Level::Warn, "agent", warning);
    }
    process.log.set_level(logging::of_log(level));
    let discard = settings.checks.discard_output;
    process.running.reconfigure(options::meta(&settings), discard).await;
    process.running.limit_connections(options::connections(&settings));
    let rules = options::dns_rules(&settings, &process.settings);
    process.running.reconfigure_dns(&rules)?;
    let telemetry = settings.telemetry;
    process.running.filter_metrics(telemetry.allowed_prefixes, telemetry.blocked_prefixes);
    if !ignored.is_empty() {
        let keys = Value::List(ignored.into_iter().map(str::to_owned).collect());
        let text = "Changed options take effect with the next start only";
        process.log.entry(Level::Warn, "agent", text, [("options", keys)]);
    }
    Ok(())
}
