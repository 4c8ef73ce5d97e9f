//! `tribune agent`: from flags to a server that runs, and to its exit code.

use std::path::Path;

use agent::log::{Level, Line, Log, Sink};
use catalog::Uuid;
use settings::{Definition, Disk, FlagSetting, Host, ListenAddress, LogLevel, Settings};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::identity::Identity;
use crate::options::{CheckOptions, Endpoint, HttpOptions, Options, TlsOptions};
use crate::{random, start::start};

/// Runs an agent until it is told to stop; the result is the exit code.
#[must_use]
pub fn run(flags: &[FlagSetting]) -> i32 {
    let settings = settings::load(flags, &Disk, &this_machine())
        .and_then(|settings| settings.check_start().map(|()| settings));
    let settings = match settings {
        Ok(settings) => settings,
        Err(failure) => {
            eprintln!("==> {failure}");
            if let Some(hint) = failure.hint {
                eprintln!("    {hint}");
            }
            return 1;
        }
    };
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(settings)),
        Err(error) => {
            eprintln!("==> {error}");
            1
        }
    }
}

fn this_machine() -> Host {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    // A machine that does not tell has addresses that must be given.
    Host { name, interfaces: settings::interfaces().unwrap_or_default() }
}

struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, line: &Line) {
        println!("{}", line.text);
    }
}

async fn serve(settings: Settings) -> i32 {
    let level = match settings.log.level() {
        Ok(level) => level,
        Err(failure) => {
            eprintln!("==> {failure}");
            return 1;
        }
    };
    let log = Log::new(of_log(level), Box::new(Stdout), None);
    println!("==> Starting Consul agent...");
    log.open_gate();
    let running = match options(&settings, log.clone()) {
        Ok(options) => start(options).await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    let running = match running {
        Ok(running) => running,
        Err(why) => {
            let text = format!("Error starting agent: error={}", gotext::quote(&why));
            log.line(Level::Err, "agent", text);
            return 1;
        }
    };
    log.line(Level::Info, "agent", "Consul agent running!");
    stopped().await;
    running.stop().await;
    log.line(Level::Info, "agent", "Exit code: code=1");
    1
}

async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn of_log(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Err,
    }
}

/// The node's ID: the configured one, the one of the last run, or a new one that is kept.
fn node_id(settings: &Settings) -> Result<Uuid, String> {
    if let Some(id) = &settings.node.id {
        return Uuid::parse(id).ok_or_else(|| format!("'{id}' is not a UUID"));
    }
    let Some(directory) = &settings.data_dir else { return Ok(random::uuid()) };
    let path = directory.join("node-id");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let id = Uuid::parse(text.trim());
        return id.ok_or_else(|| format!("{} holds no UUID", path.display()));
    }
    let id = random::uuid();
    save_id(&path, id).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(id)
}

fn save_id(path: &Path, id: Uuid) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(id.to_string().as_bytes())
}

fn options(settings: &Settings, log: Log) -> Result<Options, String> {
    let network = &settings.network;
    let ports = network.ports;
    let meta = settings.node.meta.iter();
    let identity = Identity {
        node: settings.node.name.as_str().into(),
        node_id: node_id(settings)?,
        datacenter: settings.datacenter.as_str().into(),
        advertise: network.advertise,
        advertise_wan: network.advertise_wan,
        server: (network.advertise, ports.server).into(),
        expect: settings.bootstrap_expect,
        meta: meta.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
    };
    let lan = ports.serf_lan.ok_or("the port of the LAN pool cannot be switched off")?;
    Ok(Options {
        identity,
        data_dir: settings.data_dir.clone(),
        durable: !settings.dev,
        lan: (network.serf_lan_bind, lan).into(),
        wan: ports.serf_wan.map(|port| (network.serf_wan_bind, port).into()),
        keyring: settings.gossip.encrypt.iter().map(|key| key.0.clone().into()).collect(),
        checks: checks(settings)?,
        http: http(settings),
        coordinates: !settings.cluster.disable_coordinates,
        session_ttl_min_ns: i64::try_from(settings.session_ttl_min.as_nanos()).unwrap_or(i64::MAX),
        log,
    })
}

fn checks(settings: &Settings) -> Result<CheckOptions, String> {
    let wrong = |definition: &Definition, why: String| format!("{}: {why}", definition.file);
    let services = settings.services.iter().map(|definition| {
        local::ServiceDefinition::from_file(definition.object.clone())
            .map_err(|why| wrong(definition, why.to_string()))
    });
    let checks = settings.check_definitions.iter().map(|definition| {
        local::CheckDefinition::from_file(definition.object.clone())
            .map_err(|why| wrong(definition, why.to_string()))
    });
    Ok(CheckOptions {
        update_interval: settings.checks.update_interval,
        output_max_bytes: settings.checks.output_max_size,
        discard_output: settings.checks.discard_output,
        scripts_of_files: settings.checks.enable_local_scripts,
        scripts_of_requests: settings.checks.enable_remote_scripts,
        services: services.collect::<Result<_, _>>()?,
        checks: checks.collect::<Result<_, _>>()?,
    })
}

fn http(settings: &Settings) -> HttpOptions {
    let endpoint = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => Endpoint::Tcp(*address),
        ListenAddress::Unix(path) => Endpoint::Unix(path.clone()),
    };
    let secure: Vec<_> = settings.network.https.iter().map(endpoint).collect();
    let tls = (!secure.is_empty()).then(|| TlsOptions {
        endpoints: secure,
        listener: settings.tls.https.clone(),
        handshake_time: settings.limits.https_handshake_timeout,
    });
    let usual = HttpOptions::default();
    let limits = settings.limits;
    let headers = settings.http.response_headers.iter();
    HttpOptions {
        endpoints: settings.network.http.iter().map(endpoint).collect(),
        tls,
        pretty: settings.dev,
        response_headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        block_endpoints: settings.http.block_endpoints.clone(),
        allow_write_from: settings.http.allow_write_http_from.clone(),
        unprintable: settings.http.disable_unprintable_char_filter,
        query_time: settings.default_query_time,
        query_time_max: settings.max_query_time,
        pages: settings.ui.enabled,
        cache: settings.given.bool("http_config.use_cache"),
        connections_per_client: limits
            .http_max_conns_per_client
            .map_or(usize::MAX, |most| most as usize),
        header_max_bytes: settings.http.max_header_bytes.unwrap_or(usual.header_max_bytes),
        kv_value_max_bytes: limits.kv_max_value_size,
        txn_max_bytes: limits.txn_max_req_len,
    }
}
