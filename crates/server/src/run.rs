//! `tribune agent`: from flags to a server that runs, and to its exit code.
//!
//! ```text
//! configuration -> definitions -> node ID -> log -> banner -> log's gate opens -> server -> wait
//!     `==> TEXT` on standard error, exit 1        |   `Error starting agent` in the log, exit 1
//! ```
//!
//! Specification "Consul agent", sections 1, 2, 7 and 8.

mod banner;
mod definitions;
mod join;
mod keyring;
mod last_seen;
mod log_file;
mod logging;
mod node_id;
mod options;
mod pid_file;
mod process;
mod reload;
mod watches;

use agent::log::Level;
use agent::output::Output;
use catalog::Uuid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use settings::{Disk, Failure, FlagSetting, Host, Settings};
use tokio::runtime::Builder;

use crate::http::check_tls_files;
use definitions::Definitions;
use logging::Logging;

/// Who relies on rules is told that there are none.
const NO_ACL: &str = "acl.enabled has no effect yet: everybody who reaches this agent may do \
                      everything";

/// Descriptors that an agent has, if it may: enough for 10,000 watchers, and few enough for scripts
/// that go through all of theirs.
const DESCRIPTORS: u64 = 65_536;

/// Everything that is known before anything is started.
struct Prepared {
    settings: Settings,
    definitions: Definitions,
    node_id: Uuid,
    logging: Logging,
}

/// Runs an agent until it is told to stop; the result is the exit code.
#[must_use]
pub fn run(flags: &[FlagSetting]) -> i32 {
    let output = Output::default();
    let code = match prepare(flags, &output) {
        Ok(prepared) => run_prepared(prepared, flags, &output),
        Err(failure) => {
            complain(&failure);
            1
        }
    };
    output.finish();
    code
}

/// Reads and checks the configuration, as `validate` does.
///
/// # Errors
///
/// What is wrong with it.
pub fn validate(flags: &[FlagSetting]) -> Result<Vec<String>, Failure> {
    read(flags).map(|(settings, _)| settings.warnings)
}

fn read(flags: &[FlagSetting]) -> Result<(Settings, Definitions), Failure> {
    let settings = settings::load(flags, &Disk, &this_machine())?;
    let definitions = Definitions::read(&settings)?;
    Ok((settings, definitions))
}

fn this_machine() -> Host {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    // A machine that does not tell has addresses that must be given.
    Host { name, interfaces: settings::interfaces().unwrap_or_default() }
}

fn prepare(flags: &[FlagSetting], output: &Output) -> Result<Prepared, Failure> {
    let (settings, definitions) = read(flags)?;
    settings.check_start()?;
    check_files(&settings)?;
    let node_id = node_id::node_id(&settings)?;
    let logging = Logging::open(&settings.log, output)?;
    Ok(Prepared { settings, definitions, node_id, logging })
}

/// Whether the certificates and keys can be had that the settings name.
fn check_files(settings: &Settings) -> Result<(), Failure> {
    let tls = &settings.tls;
    [&tls.internal_rpc, &tls.https, &tls.grpc].into_iter().try_for_each(|listener| {
        let failed = |why: crate::http::TlsError| Failure { message: why.to_string(), hint: None };
        check_tls_files(listener).map_err(failed)
    })
}

/// What is refused before the banner; what to do about it stands below.
fn complain(failure: &Failure) {
    eprintln!("==> {failure}");
    if let Some(hint) = &failure.hint {
        eprintln!("    {hint}");
    }
}

/// Lets the agent have more descriptors than shells give: each connection is one. It stays as it is
/// where that is not allowed.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Some(limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS)));
    if limit.current < wanted && limit.current.is_some() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: wanted, ..limit });
    }
}

fn run_prepared(prepared: Prepared, flags: &[FlagSetting], output: &Output) -> i32 {
    raise_descriptors();
    let Prepared { settings, definitions, node_id, logging: Logging { log, no_syslog } } = prepared;
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = gotext::errno_text(&error);
            complain(&Failure { message, hint: None });
            return 1;
        }
    };
    if !settings.log.json {
        let sealed = keyring::seals(&settings);
        output.plain(&banner::banner(&settings, &node_id.to_string(), sealed));
    }
    log.open_gate();
    for warning in settings.warnings.iter().chain(&no_syslog) {
        log.line(Level::Warn, "agent", warning);
    }
    if settings.acl.enabled {
        log.line(Level::Warn, "agent", NO_ACL);
    }
    let to_come = settings.keys_to_come();
    if !to_come.is_empty() {
        let text = "keys of the configuration have no effect yet";
        log.entry(Level::Warn, "agent", text, [("keys", to_come.join(", ").into())]);
    }
    let code = runtime.block_on(async {
        match process::start(settings, definitions, node_id, flags, &log).await {
            Ok(process) => process.run().await,
            Err(Failure { message, hint }) => {
                let fields = [("error", message.into())];
                log.entry(Level::Err, "agent", "Error starting agent", fields);
                if let Some(hint) = hint {
                    log.line(Level::Info, "agent", hint);
                }
                1
            }
        }
    });
    log.entry(Level::Info, "agent", "Exit code", [("code", i64::from(code).into())]);
    // What still looks something up does not hold the exit up.
    runtime.shutdown_background();
    code
}

#[cfg(test)]
mod tests;
