//! From options to a server that answers.

mod foreign_log;
mod socket;

pub use foreign_log::ForeignLog;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use agent::log::{Level, Log};
use agent::node::NodeHandle;
use agent::render::Renderer;
use agent::telemetry::Sinks;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serf::{Event, Profile};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ask::Ask;
use crate::dns::Dns;
use crate::events::{Events, UserEvent};
use crate::http::{Bodies, Listener, Manners, Places, Service, Site, Tls, TlsError, serve};
use crate::identity::Identity;
use crate::keeper::{self, Keeper};
use crate::options::{
    CheckOptions, DnsOptions, DnsRules, Endpoint, HttpOptions, Options, PoolOptions, SocketOptions,
    TlsOptions,
};
use crate::pools::{self, Pool};
use crate::sessions::SessionTimers;
use crate::shell::Shell;
use crate::store::Store;
use crate::telemetry::{Telemetry, TelemetryOptions, gauges};
use crate::{limits, position, random, reconcile};

/// The shortest time to live of a session, unless another one is given.
const SESSION_TTL_MIN_NS: i64 = 10_000_000_000;

/// The event that tells the pool of a new leader; its payload is the node.
const NEW_LEADER: &str = "consul:new-leader";

/// Requests to the process that wait for it; who asks then waits for a place.
const ASKS: usize = 16;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address for other servers is taken.
    #[error("Failed to start Consul server: Failed to start RPC layer: {0}")]
    Rpc(String),
    /// The log or the state in it.
    #[error("Failed to start Consul server: Failed to start Raft: {0}")]
    Log(#[from] raft::StartError),
    /// There is a log that this program cannot read.
    #[error("Failed to start Consul server: Failed to start Raft: {0}")]
    ForeignLog(#[from] ForeignLog),
    /// A pool.
    #[error("Failed to start Consul server: Failed to start {pool} Serf: {why}")]
    Pool {
        /// Which one.
        pool: &'static str,
        /// What its member said.
        why: String,
    },
    /// A definition of a file.
    #[error("Failed to register {what}: {why}{}", more(.why))]
    Definition {
        /// Which service or check.
        what: String,
        /// Why.
        why: local::Refused,
    },
    /// What the machine lost when it went down cannot be written again.
    #[error("Failed to restore services and checks: {0}")]
    Definitions(String),
    /// DNS.
    #[error("{0}")]
    Dns(String),
    /// A socket for HTTP.
    #[error("{0}")]
    Listen(String),
    /// TLS of HTTPS.
    #[error("{0}")]
    Tls(String),
    /// A directory cannot be made.
    #[error("{0}")]
    Directory(String),
}

impl StartError {
    /// What to do about it, where the text does not say so.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Rpc(_) | Self::Listen(_) | Self::Dns(_) | Self::Pool { .. } => Some(
                "where the address is another program's, or none of this machine's: 'bind_addr', \
                 'client_addr', 'addresses' and 'ports' say which ones are taken",
            ),
            Self::Log(error) if error.is_locked() => Some(
                "another process has this data directory: stop it, or give this agent another \
                 'data_dir'",
            ),
            _ => None,
        }
    }
}

/// What a text that clients know leaves open.
fn more(why: &local::Refused) -> &'static str {
    match why {
        local::Refused::OsService => {
            ": an 'os_service' check needs systemd, which does not run here"
        }
        _ => "",
    }
}

/// A server that runs.
pub struct Running {
    site: Arc<Site>,
    places: Places,
    tasks: Vec<JoinHandle<()>>,
    /// Held so that nobody else gets it: members are told that it is ours.
    _rpc: TcpSocket,
    tls: Option<Arc<Tls>>,
    /// Where DNS is served.
    pub dns_at: Vec<SocketAddr>,
    /// Where HTTP is served.
    pub http: Vec<SocketAddr>,
    /// Where HTTPS is served.
    pub https: Vec<SocketAddr>,
    /// The sockets in the file system among it.
    sockets: Vec<PathBuf>,
    /// What requests ask of the process; whoever holds this answers.
    pub asks: mpsc::Receiver<Ask>,
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

impl Running {
    /// Reads the certificates of HTTPS again, for the connections to come.
    ///
    /// # Errors
    ///
    /// [`StartError::Tls`]; then everything is as it was.
    pub fn reload_certificates(&self) -> Result<(), StartError> {
        Ok(self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())?)
    }

    #[cfg(test)]
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The member of the datacenter's pool.
    #[must_use]
    pub fn lan(&self) -> NodeHandle {
        self.site.shell.lan.clone()
    }

    /// The member of the pool of all servers.
    #[must_use]
    pub fn wan(&self) -> Option<NodeHandle> {
        self.site.shell.wan.clone()
    }

    /// Replaces what files define.
    ///
    /// # Errors
    ///
    /// The first definition that could not be registered; the others were.
    pub async fn define(
        &self,
        services: Vec<local::ServiceDefinition>,
        checks: Vec<local::CheckDefinition>,
    ) -> Result<(), String> {
        let keeper = &self.site.shell.keeper;
        let refused = keeper
            .look(move |local, now| local.register_files(now, services, checks))
            .await
            .unwrap_or_default();
        refused
            .into_iter()
            .next()
            .map_or(Ok(()), |(what, why)| Err(StartError::Definition { what, why }.to_string()))
    }

    /// Takes other metadata of the node, and whether the output of checks is kept, into use.
    pub async fn reconfigure(&self, meta: Vec<(Box<str>, Box<str>)>, discard_output: bool) {
        let identity = &self.site.shell.identity;
        identity.meta.replace(meta);
        let node = reconcile::own_node(identity);
        let keeper = &self.site.shell.keeper;
        let configure = move |local: &mut local::Local, now| {
            let discard_check_output = discard_output;
            let config = local::Config { node, discard_check_output, ..local.config().clone() };
            local.configure(now, config);
        };
        // A keeper that has ended needs no settings.
        let _ = keeper.look(configure).await;
    }

    /// Keeps the metrics whose names begin with `allowed`, unless one of `blocked` is longer.
    pub fn filter_metrics(&self, allowed: Vec<String>, blocked: Vec<String>) {
        self.site.telemetry.metrics().set_filter(allowed, blocked);
    }

    /// Takes other rules of DNS into use, for the questions to come.
    ///
    /// # Errors
    ///
    /// What is wrong with them; then everything is as it was.
    pub fn reconfigure_dns(&self, rules: &DnsRules) -> Result<(), String> {
        self.site.shell.dns.reconfigure(rules)
    }

    /// From now on each address may have so many connections.
    pub fn limit_connections(&self, most: usize) {
        self.places.limit(most);
    }

    /// Leaves both pools, then serves on for a while: who has not heard of it yet still asks.
    ///
    /// # Errors
    ///
    /// What a pool's member said.
    pub async fn leave(&self, drain: Duration) -> Result<(), String> {
        let shell = &self.site.shell;
        shell.log.line(Level::Info, "agent.server", "server starting leave");
        shell.keeper.tell(local::Input::Leaving).await;
        if let Some(wan) = &shell.wan {
            wan.leave().await?;
        }
        shell.lan.leave().await?;
        let nanos = i64::try_from(drain.as_nanos()).unwrap_or(i64::MAX);
        let shown = gotext::GoDuration::from_nanoseconds(nanos).to_string();
        let fields = [("drain_time", shown.into())];
        shell.log.entry(Level::Info, "agent.server", "Waiting to drain RPC traffic", fields);
        tokio::time::sleep(drain).await;
        Ok(())
    }

    /// Ends it: nothing is served any more, and what was acknowledged is on disk.
    pub async fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.site.shell.dns.hang_up();
        self.site.shell.lan.shutdown().await;
        if let Some(wan) = &self.site.shell.wan {
            wan.shutdown().await;
        }
        for path in &self.sockets {
            // Somebody may have removed it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Starts a server. The tasks run on the current runtime.
///
/// # Errors
///
/// See [`StartError`].
pub async fn start(options: Options) -> Result<Running, StartError> {
    let started = SystemTime::now();
    let log = options.log;
    let identity = options.identity;
    let rpc = reserve(options.rpc)?;
    let TelemetryOptions { naming, sinks } = options.telemetry;
    let telemetry = Arc::new(Telemetry::new(naming, &identity.node));
    let data_dir = options.data_dir.as_deref();
    let store = open_store(&identity, data_dir, options.durable, &telemetry).await?;
    tokio::spawn(tell_end(store.ended(), log.clone()));
    telemetry.leads();
    log.line(Level::Info, "agent.server", "cluster leadership acquired");
    let (lan, wan) = start_pools(&identity, options.lan, options.wan, data_dir, &telemetry, &log)?;
    reconcile::own(&identity, &store, &log).await;
    let (keeper, keeping) = keep(&identity, options.checks, data_dir, &store, &log)?;
    let (dns, dns_at, answering) = serve_dns(&options.dns, &store, &telemetry, &log)?;
    let sockets = &options.http.sockets;
    let (plain, http) = listen(&options.http.endpoints, sockets, "http", &log).await?;
    let (secure, https, tls) = match options.http.tls.clone() {
        None => (Vec::new(), Vec::new(), None),
        Some(TlsOptions { listener, .. }) if !listener.has_certificate() => {
            let text = "HTTPS is not served: it needs tls.https.cert_file and tls.https.key_file";
            log.line(Level::Warn, "agent", text);
            (Vec::new(), Vec::new(), None)
        }
        Some(TlsOptions { endpoints, listener, handshake_time }) => {
            let tls = Arc::new(Tls::new(listener, handshake_time)?);
            let (listeners, addresses) = listen(&endpoints, sockets, "https", &log).await?;
            (listeners, addresses, Some(tls))
        }
    };
    let events = Events::default();
    let node = identity.node.clone();
    let payload = [("payload", (&*node).into())];
    log.entry(Level::Info, "agent.server", "New leader elected", payload);
    let payload = Some(node.as_bytes().to_vec().into());
    // Nobody else needs to know yet; the clock of events moves on as everybody expects.
    let _ = lan.user_event(NEW_LEADER.to_owned(), payload, false).await;
    let timers = SessionTimers::default();
    let agent = api::Agent {
        datacenter: identity.datacenter.clone(),
        node: identity.node.clone(),
        kv_value_max_bytes: options.http.kv_value_max_bytes,
        txn_max_bytes: options.http.txn_max_bytes,
        session_ttl_min_ns: match options.session_ttl_min_ns {
            0 => SESSION_TTL_MIN_NS,
            given => given,
        },
        coordinates: options.coordinates,
    };
    let mut tasks = vec![
        tokio::spawn(timers.clone().run(store.clone())),
        tokio::spawn(reap(store.clone())),
        tokio::spawn(reconcile::run(identity.clone(), lan.clone(), store.clone(), log.clone())),
        tokio::spawn(follow_events(lan.clone(), events.clone(), identity.clone(), keeper.clone())),
        keeping,
    ];
    tasks.extend(answering);
    if options.coordinates {
        let (lan, identity) = (lan.clone(), identity.clone());
        tasks.push(tokio::spawn(position::run(lan, identity, store.clone(), log.clone())));
    }
    let (ask, asks) = mpsc::channel(ASKS);
    let shell = Shell {
        identity,
        lan,
        wan,
        events,
        keeper,
        dns,
        log: log.clone(),
        started,
        asks: ask,
        scratch: data_dir.map_or_else(std::env::temp_dir, Path::to_owned),
        configuration: options.configuration,
    };
    let manners = manners(&options.http);
    let (asked, bodies) = (Mutex::default(), Bodies::default());
    let site = Arc::new(Site { agent, store, timers, shell, manners, asked, telemetry, bodies });
    if sinks.any() {
        tasks.push(tokio::spawn(send_metrics(site.clone(), log, sinks)));
    }
    let places = Places::new(options.http.connections_per_client);
    let head_max = options.http.header_max_bytes;
    let plain = plain.into_iter().map(|listener| (listener, None));
    let secure = secure.into_iter().map(|listener| (listener, tls.clone()));
    for (listener, tls) in plain.chain(secure) {
        let service = Service { site: site.clone(), places: places.clone(), head_max, tls };
        tasks.push(tokio::spawn(serve(listener, service)));
    }
    let secure = options.http.tls.iter().flat_map(|tls| &tls.endpoints);
    let endpoints = options.http.endpoints.iter().chain(secure);
    let sockets = endpoints.filter_map(|endpoint| match endpoint {
        Endpoint::Unix(path) => Some(path.clone()),
        Endpoint::Tcp(_) => None,
    });
    let sockets = sockets.collect();
    Ok(Running { site, places, dns_at, tasks, _rpc: rpc, tls, http, https, sockets, asks })
}

fn send_metrics(site: Arc<Site>, log: Log, sinks: Sinks) -> impl Future<Output = ()> {
    let metrics = site.telemetry.metrics().clone();
    agent::telemetry::run(metrics, log, sinks, move || gauges(&site))
}

/// Takes the address for other servers, without listening: who connects is refused.
fn reserve(address: SocketAddr) -> Result<TcpSocket, StartError> {
    let failed = |error: io::Error| StartError::Rpc(gotext::listen_error(address, &error));
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    Ok(socket)
}

/// Opens the log and what it makes of the catalogue.
async fn open_store(
    identity: &Identity,
    data_dir: Option<&Path>,
    durable: bool,
    telemetry: &Arc<Telemetry>,
) -> Result<Store, StartError> {
    let storage = match data_dir {
        Some(directory) if durable => {
            let directory = directory.join("raft");
            foreign_log::refuse(&directory)?;
            // There are all values in it, and tokens.
            make_directory(&directory, 0o700)?;
            raft::Storage::Disk(directory)
        }
        _ => raft::Storage::Memory,
    };
    let config = raft::Config {
        id: u128::from_be_bytes(*identity.node_id.as_bytes()),
        address: identity.server.to_string(),
        storage,
    };
    Ok(Store::start(config, telemetry.clone()).await?)
}

/// Says that nothing is written any more.
async fn tell_end(ended: impl Future<Output = String>, log: Log) {
    let fields = [("error", ended.await.into())];
    let text = "the log has stopped: nothing is written until this agent is started again, reads \
                go on";
    log.entry(Level::Err, "agent.server.raft", text, fields);
}

fn make_directory(path: &Path, mode: u32) -> Result<(), StartError> {
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| {
        StartError::Directory(gotext::path_error("mkdir", &path.to_string_lossy(), &error))
    })
}

fn start_pools(
    identity: &Identity,
    lan: PoolOptions,
    wan: Option<PoolOptions>,
    data_dir: Option<&Path>,
    telemetry: &Telemetry,
    log: &Log,
) -> Result<(NodeHandle, Option<NodeHandle>), StartError> {
    let directory = data_dir.map(|directory| directory.join("serf"));
    if let Some(directory) = &directory {
        make_directory(directory, 0o755)?;
    }
    let snapshot = |name| directory.as_ref().map(|directory| directory.join(name));
    let wan_port = wan.as_ref().map(|options| options.bind.port());
    let lan = Pool {
        name: identity.node.to_string(),
        profile: Profile::Lan,
        options: lan,
        advertise: identity.advertise,
        tags: pools::tags(identity, wan_port),
        snapshot: snapshot("local.snapshot"),
        metrics: telemetry.of_pool("lan"),
    };
    let lan = start_pool(lan, log, ("LAN", "lan"))?;
    let Some(options) = wan else { return Ok((lan, None)) };
    let wan = Pool {
        name: identity.wan_name(),
        profile: Profile::Wan,
        options,
        advertise: identity.advertise_wan,
        tags: pools::tags(identity, None),
        snapshot: snapshot("remote.snapshot"),
        metrics: telemetry.of_pool("wan"),
    };
    Ok((lan, Some(start_pool(wan, log, ("WAN", "wan"))?)))
}

fn start_pool(
    pool: Pool,
    log: &Log,
    (shown, name): (&'static str, &'static str),
) -> Result<NodeHandle, StartError> {
    let log = log.of_pool(name);
    let own = pool.name.as_str().into();
    let mut renderer = Renderer::new(own, true, log.clone(), pool.metrics.clone());
    let facts = Box::new(move |fact: &serf::Fact| renderer.take(fact));
    pool.start(&log, facts).map_err(|why| StartError::Pool { pool: shown, why })
}

type Answering = (Arc<Dns>, Vec<SocketAddr>, Vec<JoinHandle<()>>);

fn serve_dns(
    options: &DnsOptions,
    store: &Store,
    telemetry: &Arc<Telemetry>,
    log: &Log,
) -> Result<Answering, StartError> {
    let dns = Dns::new(&options.rules, store.clone(), telemetry.clone(), log.clone());
    let dns = Arc::new(dns.map_err(StartError::Dns)?);
    let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
    for endpoint in &options.endpoints {
        let (address, serving) = dns.listen(*endpoint).map_err(StartError::Dns)?;
        for network in ["tcp", "udp"] {
            let fields = [("address", address.to_string().into()), ("network", network.into())];
            log.entry(Level::Info, "agent", "Started DNS server", fields);
        }
        addresses.push(address);
        tasks.extend(serving);
    }
    Ok((dns, addresses, tasks))
}

async fn listen(
    endpoints: &[Endpoint],
    sockets: &SocketOptions,
    protocol: &'static str,
    log: &Log,
) -> Result<(Vec<Listener>, Vec<SocketAddr>), StartError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for endpoint in endpoints {
        let (address, network) = match endpoint {
            Endpoint::Tcp(address) => {
                let failed = |error| StartError::Listen(gotext::listen_error(*address, &error));
                let tcp = TcpListener::bind(address).await.map_err(failed)?;
                addresses.extend(tcp.local_addr());
                listeners.push(Listener::Tcp(tcp));
                (address.to_string(), "tcp")
            }
            Endpoint::Unix(path) => {
                let unix = socket::bind(path, sockets).map_err(StartError::Listen)?;
                listeners.push(Listener::Unix(unix));
                (path.display().to_string(), "unix")
            }
        };
        let fields = [
            ("address", address.into()),
            ("network", network.into()),
            ("protocol", protocol.into()),
        ];
        log.entry(Level::Info, "agent", "Starting server", fields);
    }
    Ok((listeners, addresses))
}

fn manners(options: &HttpOptions) -> Manners {
    Manners {
        pretty: options.pretty,
        response_headers: options.response_headers.clone(),
        blocked: options.block_endpoints.clone(),
        writers: options.allow_write_from.clone(),
        unprintable: options.unprintable,
        wait: options.query_time,
        wait_max: options.query_time_max,
        pages: options.pages,
        cache: options.cache,
    }
}

/// Starts the task that keeps the agent's own services and checks.
fn keep(
    identity: &Identity,
    options: CheckOptions,
    data_dir: Option<&Path>,
    store: &Store,
    log: &Log,
) -> Result<(Keeper, JoinHandle<()>), StartError> {
    let environment = checks::Environment::default();
    let config = local::Config {
        os_services: environment.knows_services(),
        check_update_interval: options.update_interval,
        check_output_max_bytes: options.output_max_bytes,
        discard_check_output: options.discard_output,
        scripts_of_files: options.scripts_of_files,
        scripts_of_requests: options.scripts_of_requests,
        sidecar_ports: options.sidecar_ports.map(|(first, last)| first..=last),
        ..local::Config::new(reconcile::own_node(identity))
    };
    let now = keeper::now();
    let random = SmallRng::from_seed(random::seed());
    let known = reconcile::known_node(identity, store);
    let mut machine =
        local::Local::new(local::Config { node: known, ..config.clone() }, now, random);
    // If the node is another than the catalogue knows, it is the first to be written.
    machine.configure(now, config);
    let refused = machine.register_files(now, options.services, options.checks);
    if let Some((what, why)) = refused.into_iter().next() {
        return Err(StartError::Definition { what, why });
    }
    if let Some(directory) = data_dir {
        keeper::recover(directory).map_err(|error| StartError::Definitions(error.to_string()))?;
        machine.load(now, keeper::saved(directory));
    }
    let directory = data_dir.map(Path::to_owned);
    Ok(Keeper::start(store.clone(), directory, environment, machine, log.clone()))
}

async fn follow_events(lan: NodeHandle, events: Events, identity: Identity, keeper: Keeper) {
    let mut incoming = lan.subscribe_events("agent".to_owned());
    while let Some(event) = incoming.recv().await {
        if let Event::Member { .. } = &*event {
            let members = lan.members().await.len();
            keeper.tell(local::Input::Members(members)).await;
        }
        if let Event::User { lamport_time, name, payload, .. } = &*event {
            let payload = payload.as_deref().unwrap_or_default();
            let Some(event) = UserEvent::decode(name, payload, lamport_time.0) else { continue };
            let node = identity.node.clone();
            let concerned = keeper.look(move |local, _| {
                let services = local.services().map(|service| service.row());
                event.concerns(&node, services).then_some(event)
            });
            if let Some(event) = concerned.await.flatten() {
                events.take(event);
            }
        }
    }
}

/// Forgets what was deleted long ago.
async fn reap(store: Store) {
    loop {
        tokio::time::sleep(limits::REAP_EVERY).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let before = now.saturating_sub(limits::TOMBSTONE_AGE);
        let before = u64::try_from(Duration::as_millis(&before)).unwrap_or(u64::MAX);
        let before = catalog::Time(before);
        if store.catalogue().read().kv_reapable(before) {
            // Nothing is lost if it is not done now.
            let _ = store.write(catalog::Command::Reap(before)).await;
        }
    }
}
