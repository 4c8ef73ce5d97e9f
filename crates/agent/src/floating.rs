//! The floating role of this agent: the [`role`] machine driven over the membership, with the
//! address, the neighbours, the commands and the health check that belong to it.
//!
//! One task owns the machine. It looks at the member table whenever a fact about a member or a
//! tag came by (not at the coalesced events, which are seconds late), carries out what the machine
//! says, and puts the role's tags back if somebody else replaced the tags meanwhile.

pub(crate) mod address;
mod commands;
pub(crate) mod health;
mod neighbours;
pub(crate) mod settings;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use role::{Fact, Input, Output, Reason, Record, RoleMachine};
use serf::{Member, MemberStatus, Tags};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::sleep;
use wire::NodeName;

use crate::log::{Level, Log};
use crate::node::NodeHandle;
use commands::Job;
pub use settings::FloatingSettings;
pub(crate) use settings::{HANDOVER, Timing};

/// Announcements of a newly taken address, and the pause between them: neighbours may miss one.
const ANNOUNCEMENTS: u32 = 3;
const ANNOUNCEMENT_PAUSE: Duration = Duration::from_millis(300);

/// Members asked for the state of things after a pause.
const REFRESH_MEMBERS: usize = 3;

/// Talks to the task of a role.
#[derive(Clone)]
pub(crate) struct FloatingRole {
    resign: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl FloatingRole {
    /// Hands the role over, if it is held here; returns when a successor was seen, or when there
    /// is nobody to wait for.
    pub(crate) async fn resign(&self) {
        let (done, wait) = oneshot::channel();
        if self.resign.send(done).is_ok() {
            // An error means that the task has ended, and with it the role.
            let _ = wait.await;
        }
    }
}

/// The tags of a member that takes part but has never been heard of: what the start announces, so
/// that a claim in a tags file or a snapshot of the last run is not believed.
pub(crate) fn initial_tags(settings: &FloatingSettings, tags: &mut Tags) {
    let eligible = settings.check.is_none();
    let record = Record { priority: settings.priority, eligible, claim: 0 };
    tags.insert(Record::tag(&settings.name), record.to_string());
    tags.insert(settings.tag.clone(), settings.standby.clone());
}

/// Starts the role. `changes` is notified of every fact about a member; `settled` completes when
/// the joins of the start are over.
pub(crate) fn start(
    settings: FloatingSettings,
    timing: Timing,
    node: NodeHandle,
    changes: Arc<Notify>,
    settled: impl Future<Output = ()> + Send + 'static,
    log: Log,
) -> FloatingRole {
    let (resign, resignations) = mpsc::unbounded_channel();
    let (jobs, queue) = mpsc::unbounded_channel();
    tokio::spawn(commands::run(queue, log.clone()));
    let (health, healthy) = watch::channel(Err("not checked yet".to_owned()));
    let has_check = settings.check.is_some();
    if let Some(check) = settings.check.clone() {
        tokio::spawn(check.run(health));
    }
    let machine = RoleMachine::new(settings.machine(&node, timing), !has_check, node.now());
    let driver = Driver { settings, node, log, machine, jobs, tags: None, waiting: Vec::new() };
    tokio::spawn(driver.run(changes, settled, healthy, resignations));
    FloatingRole { resign }
}

struct Driver {
    settings: FloatingSettings,
    node: NodeHandle,
    log: Log,
    machine: RoleMachine,
    jobs: mpsc::UnboundedSender<Job>,
    /// What the machine wants the own tags to say: record and visible value.
    tags: Option<(String, String)>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Driver {
    async fn run(
        mut self,
        changes: Arc<Notify>,
        settled: impl Future<Output = ()>,
        mut health: watch::Receiver<Result<(), String>>,
        mut resignations: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        self.remove_address("left behind by an earlier run");
        tokio::pin!(settled);
        let mut is_settled = false;
        let (refreshed, mut refreshes) = mpsc::unbounded_channel();
        let ended = self.node.clone();
        let ended = ended.ended();
        tokio::pin!(ended);
        self.carry_out(&refreshed).await;
        loop {
            let deadline = self.machine.next_timeout();
            let pause = deadline.map(|at| at.since(self.node.now()));
            tokio::select! {
                () = changes.notified() => self.look().await,
                () = sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {
                    self.machine.handle(self.node.now(), Input::Timeout);
                }
                () = &mut settled, if !is_settled => {
                    is_settled = true;
                    self.look().await;
                    self.machine.handle(self.node.now(), Input::Settled);
                }
                Ok(()) = health.changed() => self.take_health(&mut health),
                Some(()) = refreshes.recv() => {
                    self.look().await;
                    self.machine.handle(self.node.now(), Input::Refreshed);
                }
                Some(waiter) = resignations.recv() => {
                    self.waiting.push(waiter);
                    self.machine.handle(self.node.now(), Input::Resign);
                }
                _ = &mut ended => break,
            }
            self.carry_out(&refreshed).await;
        }
        if self.machine.is_holding() {
            self.remove_address("the agent ends");
        }
    }

    async fn look(&mut self) {
        let members = self.node.members().await;
        self.machine.handle(self.node.now(), Input::Members(&members));
        let own = members.iter().find(|member| member.name == *self.node.name());
        let Some((record, visible)) = &self.tags else { return };
        let intact = own.is_none_or(|own| {
            own.status != MemberStatus::Alive
                || (own.tags.get(&Record::tag(&self.settings.name)) == Some(record)
                    && own.tags.get(&self.settings.tag) == Some(visible))
        });
        if !intact {
            self.set_tags().await;
        }
    }

    fn take_health(&mut self, health: &mut watch::Receiver<Result<(), String>>) {
        let result = health.borrow_and_update().clone();
        let role = &self.settings.name;
        match &result {
            Ok(()) => self.log.line(
                Level::Info,
                "agent",
                format_args!("Health check of role '{role}' passes"),
            ),
            Err(why) => self.log.line(
                Level::Warn,
                "agent",
                format_args!("Health check of role '{role}' fails: {why}"),
            ),
        }
        self.machine.handle(self.node.now(), Input::Healthy(result.is_ok()));
    }

    async fn carry_out(&mut self, refreshed: &mpsc::UnboundedSender<()>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Announce { record, holding } => {
                    let FloatingSettings { name, standby, .. } = &self.settings;
                    let visible = if holding { name } else { standby };
                    self.tags = Some((record.to_string(), visible.clone()));
                    self.set_tags().await;
                }
                Output::Acquire => self.acquire(),
                Output::Release => self.release(),
                Output::Reannounce => self.announce_address(),
                Output::Refresh => self.refresh(refreshed.clone()),
                Output::Reach { nodes } => self.reach(nodes),
                Output::Resigned => {
                    for waiter in self.waiting.drain(..) {
                        // Nobody waits for a resignation that was given up.
                        let _ = waiter.send(());
                    }
                }
                Output::Fact(fact) => self.tell(&fact),
            }
        }
    }

    async fn set_tags(&self) {
        let Some((record, visible)) = self.tags.clone() else { return };
        let tags = Tags::from([
            (Record::tag(&self.settings.name), record),
            (self.settings.tag.clone(), visible),
        ]);
        let (node, log) = (self.node.clone(), self.log.clone());
        // The announcement is under way at once; only its last transmission would be waited for.
        tokio::spawn(async move {
            if let Err(why) = node.edit_tags(Vec::new(), tags).await {
                log.line(Level::Warn, "agent", format_args!("Tags of the role: {why}"));
            }
        });
    }

    fn acquire(&self) {
        if let Some((address, interface)) = &self.settings.address {
            if let Err(error) = address.add(interface) {
                self.log.line(
                    Level::Err,
                    "agent",
                    format_args!("Cannot add {address} to '{interface}': {error}"),
                );
            }
            let (ip, interface, log) = (address.ip, interface.clone(), self.log.clone());
            tokio::spawn(async move {
                for round in 0..ANNOUNCEMENTS {
                    sleep(ANNOUNCEMENT_PAUSE * round.min(1)).await;
                    announce(ip, &interface, &log);
                }
            });
        }
        self.command(self.settings.on_acquire.as_ref(), "acquire");
    }

    fn release(&self) {
        self.remove_address("released");
        self.command(self.settings.on_release.as_ref(), "release");
    }

    fn announce_address(&self) {
        if let Some((address, interface)) = &self.settings.address {
            announce(address.ip, interface, &self.log);
        }
    }

    fn remove_address(&self, why: &str) {
        let Some((address, interface)) = &self.settings.address else { return };
        match address.remove(interface) {
            Ok(true) => self.log.line(
                Level::Info,
                "agent",
                format_args!("Removed {address} from '{interface}': {why}"),
            ),
            Ok(false) => {}
            Err(error) => self.log.line(
                Level::Err,
                "agent",
                format_args!("Cannot remove {address} from '{interface}': {error}"),
            ),
        }
    }

    fn command(&self, command: Option<&String>, event: &'static str) {
        let Some(command) = command else { return };
        let address = self.settings.address.as_ref();
        let job = Job {
            command: command.clone(),
            role: self.settings.name.clone(),
            node: self.node.name().to_string(),
            event,
            address: address.map(|(address, _)| address.ip.to_string()).unwrap_or_default(),
        };
        // The queue lives as long as this task.
        let _ = self.jobs.send(job);
    }

    /// Exchanges states with a few members that are up, so that newer claims are seen now.
    fn refresh(&self, refreshed: mpsc::UnboundedSender<()>) {
        let node = self.node.clone();
        tokio::spawn(async move {
            let mut others = node.members().await;
            others.retain(|member| {
                member.status == MemberStatus::Alive && member.name != *node.name()
            });
            others.truncate(REFRESH_MEMBERS);
            node.exchange(others.iter().filter_map(contact).collect()).await;
            // The task has ended if nobody listens.
            let _ = refreshed.send(());
        });
    }

    fn reach(&self, nodes: Vec<NodeName>) {
        let node = self.node.clone();
        tokio::spawn(async move {
            let mut others = node.members().await;
            others.retain(|member| nodes.contains(&member.name));
            node.exchange(others.iter().filter_map(contact).collect()).await;
        });
    }

    fn tell(&self, fact: &Fact) {
        let role = &self.settings.name;
        let text = match fact {
            Fact::Claimed { claim } => format!("Claiming role '{role}' (claim {claim})"),
            Fact::Acquired { claim } => match &self.settings.address {
                Some((address, interface)) => {
                    format!("Acquired role '{role}' (claim {claim}), {address} is on '{interface}'")
                }
                None => format!("Acquired role '{role}' (claim {claim})"),
            },
            Fact::Released { reason } => {
                let why = match reason {
                    Reason::NewerClaim(node) => format!("{node} has a newer claim"),
                    Reason::Unhealthy => "the health check fails".to_owned(),
                    Reason::NoQuorum => "less than a majority can be seen".to_owned(),
                    Reason::Resigned => "the agent leaves".to_owned(),
                };
                format!("Released role '{role}': {why}")
            }
            Fact::Paused { length } => format!(
                "Was not run for {:.1} s while holding role '{role}': asking before going on",
                length.as_secs_f64()
            ),
            Fact::HolderSeen { node, claim } => {
                format!("Role '{role}' is held by {node} (claim {claim})")
            }
            Fact::HolderLost { node } => format!("Role '{role}' has lost its holder {node}"),
        };
        let level = match fact {
            Fact::Paused { .. } => Level::Warn,
            _ => Level::Info,
        };
        self.log.line(level, "agent", text);
    }
}

fn announce(ip: IpAddr, interface: &str, log: &Log) {
    if let Err(error) = neighbours::announce(ip, interface) {
        log.line(
            Level::Err,
            "agent",
            format_args!("Cannot announce {ip} on '{interface}': {error}"),
        );
    }
}

fn contact(member: &Member) -> Option<SocketAddr> {
    Some(SocketAddr::new(member.address.to_ip()?, member.port))
}
