//! From options to a server that answers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use agent::log::{Level, Log};
use agent::node::NodeHandle;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serf::{Event, Profile};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::events::{Events, Services};
use crate::http::{Listener, Manners, Places, Site, serve};
use crate::identity::Identity;
use crate::keeper::{self, Keeper};
use crate::options::{CheckOptions, Endpoint, HttpOptions, Options};
use crate::pools::{self, Pool};
use crate::sessions::SessionTimers;
use crate::shell::Shell;
use crate::store::Store;
use crate::{limits, random, reconcile};

/// The shortest time to live of a session, unless another one is given.
const SESSION_TTL_MIN_NS: i64 = 10_000_000_000;

/// What stands before the name of a leader in its pool.
const NEW_LEADER: &str = "consul:new-leader:";

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log or the state in it.
    #[error("{0}")]
    Log(#[from] raft::StartError),
    /// A pool.
    #[error("Failed to start {pool} Serf: {why}")]
    Pool {
        /// Which one.
        pool: &'static str,
        /// What its member said.
        why: String,
    },
    /// A socket for HTTP.
    #[error("Failed to start HTTP server: {0}")]
    Listen(String),
    /// A setting that is wrong.
    #[error("{0}")]
    Setting(String),
    /// The server could not write about itself.
    #[error("Failed to register the server: {0}")]
    Register(String),
}

/// A server that runs.
pub struct Running {
    site: Arc<Site>,
    tasks: Vec<JoinHandle<()>>,
    /// Where HTTP is served.
    pub http: Vec<SocketAddr>,
}

impl Running {
    /// Ends it: nothing is served any more, and what was acknowledged is on disk.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        self.site.shell.lan.shutdown().await;
        if let Some(wan) = &self.site.shell.wan {
            wan.shutdown().await;
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
    let (listeners, http) = listen(&options.http).await?;
    let storage = match (&options.data_dir, options.durable) {
        (Some(directory), true) => raft::Storage::Disk(directory.join("raft")),
        _ => raft::Storage::Memory,
    };
    let store = Store::start(raft::Config {
        id: u128::from_be_bytes(*identity.node_id.as_bytes()),
        address: identity.server.to_string(),
        storage,
    })
    .await?;
    log.line(Level::Info, "agent.server", "cluster leadership acquired");
    let serf_dir = options.data_dir.as_ref().map(|directory| directory.join("serf"));
    if let Some(directory) = &serf_dir {
        std::fs::create_dir_all(directory)
            .map_err(|error| StartError::Setting(format!("{}: {error}", directory.display())))?;
    }
    let snapshot = |name| serf_dir.as_ref().map(|directory| directory.join(name));
    let wan_port = options.wan.map(|address| address.port());
    let lan = start_pool(
        Pool {
            name: identity.node.to_string(),
            profile: Profile::Lan,
            bind: options.lan,
            advertise: identity.advertise,
            tags: pools::tags(&identity, wan_port),
            snapshot: snapshot("local.snapshot"),
            keyring: options.keyring.clone(),
        },
        &log,
        "LAN",
    )?;
    let wan = match options.wan {
        None => None,
        Some(bind) => Some(start_pool(
            Pool {
                name: identity.wan_name(),
                profile: Profile::Wan,
                bind,
                advertise: identity.advertise_wan,
                tags: pools::tags(&identity, None),
                snapshot: snapshot("remote.snapshot"),
                keyring: options.keyring,
            },
            &log,
            "WAN",
        )?),
    };
    reconcile::own(&identity, &store).await.map_err(StartError::Register)?;
    let (keeper, keeping) =
        keep(&identity, options.checks, options.data_dir.as_deref(), &store, &log)?;
    let events = Events::default();
    let node = identity.node.clone();
    log.line(Level::Info, "agent.server", format_args!("New leader elected: payload={node}"));
    let payload = Some(node.as_bytes().to_vec().into());
    // Nobody else needs to know yet; the clock of events moves on as everybody expects.
    let _ = lan.user_event(format!("{NEW_LEADER}{node}"), payload, false).await;
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
        tokio::spawn(follow_events(lan.clone(), events.clone(), identity.clone(), keeper.clone())),
        keeping,
    ];
    let shell = Shell { identity, lan, wan, events, keeper, log, started };
    let manners = manners(&options.http);
    let site = Arc::new(Site { agent, store, timers, shell, manners, asked: Mutex::default() });
    let places = Places::new(options.http.connections_per_client);
    for listener in listeners {
        let head_max = options.http.header_max_bytes;
        tasks.push(tokio::spawn(serve(listener, site.clone(), places.clone(), head_max)));
    }
    Ok(Running { site, tasks, http })
}

fn start_pool(pool: Pool, log: &Log, name: &'static str) -> Result<NodeHandle, StartError> {
    pool.start(log, Box::new(|_| {})).map_err(|why| StartError::Pool { pool: name, why })
}

async fn listen(options: &HttpOptions) -> Result<(Vec<Listener>, Vec<SocketAddr>), StartError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for endpoint in &options.endpoints {
        match endpoint {
            Endpoint::Tcp(address) => {
                let failed = |error| StartError::Listen(gotext::listen_error(*address, &error));
                let tcp = TcpListener::bind(address).await.map_err(failed)?;
                addresses.extend(tcp.local_addr());
                listeners.push(Listener::Tcp(tcp));
            }
            Endpoint::Unix(path) => {
                // One that nobody listens at any more would be in the way.
                let _ = std::fs::remove_file(path);
                let failed = |error: std::io::Error| {
                    StartError::Listen(format!("listen unix {}: {error}", path.display()))
                };
                listeners.push(Listener::Unix(UnixListener::bind(path).map_err(failed)?));
            }
        }
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

/// The services of the agent, as they were a moment ago.
struct OwnServices(Vec<catalog::Service>);

impl Services for OwnServices {
    fn any(&self, meant: &mut dyn FnMut(&str, &[&str]) -> bool) -> bool {
        self.0.iter().any(|service| {
            let tags = service.tags.as_deref().unwrap_or_default();
            let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
            meant(service.id.as_str(), &tags)
        })
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
    let config = local::Config {
        check_update_interval: options.update_interval,
        check_output_max_bytes: options.output_max_bytes,
        discard_check_output: options.discard_output,
        scripts_of_files: options.scripts_of_files,
        scripts_of_requests: options.scripts_of_requests,
        ..local::Config::new(reconcile::own_node(identity))
    };
    let now = keeper::now();
    let random = SmallRng::from_seed(random::seed());
    let mut machine = local::Local::new(config, now, random);
    let refused = machine.register_files(now, options.services, options.checks);
    if let Some((name, why)) = refused.into_iter().next() {
        return Err(StartError::Setting(format!("Failed to register {name}: {why}")));
    }
    if let Some(directory) = data_dir {
        machine.load(now, keeper::saved(directory));
    }
    let environment = checks::Environment::default();
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
            let own = keeper
                .look(|local, _| local.services().map(|service| service.row().clone()).collect());
            let own = OwnServices(own.await.unwrap_or_default());
            events.take(name, payload, lamport_time.0, &identity.node, &own);
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
            let _ = store.write(&catalog::Command::Reap(before)).await;
        }
    }
}
