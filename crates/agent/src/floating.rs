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

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use role::{Fact, Input, Output, Reason, Record, Seat, Timing};
use serf::{Tags, Time};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use wire::NodeName;

use crate::log::{Level, Log};
use crate::node::NodeHandle;
use crate::platform;
use commands::Job;
pub use settings::FloatingSettings;

/// Announcements of a newly taken address, and the pause between them: neighbours may miss one.
const ANNOUNCEMENTS: u32 = 3;
const ANNOUNCEMENT_PAUSE: Duration = Duration::from_millis(300);

/// How long a member whose address cannot be managed leaves the role to others before it tries
/// again, and the longest time in which a holder notices that its address was taken away.
const ADDRESS_RETRY: Duration = Duration::from_secs(10);
const ADDRESS_LOOK: Duration = Duration::from_secs(5);

/// Talks to the task of a role.
#[derive(Clone)]
pub(crate) struct FloatingRole {
    resign: mpsc::UnboundedSender<oneshot::Sender<()>>,
    tags: watch::Receiver<Tags>,
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

    /// Puts the tags of the role among tags that somebody else has set: without them for a moment,
    /// the others would choose another holder.
    pub(crate) fn keep_tags(&self, tags: &mut Tags) {
        let own = self.tags.borrow();
        tags.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

/// The tags of a member that takes part but has never been heard of: what the start announces, so
/// that a claim in a tags file or a snapshot of the last run is not believed.
pub(crate) fn initial_tags(settings: &FloatingSettings, tags: &mut Tags) {
    let eligible = settings.check.is_none();
    let record = Record { priority: settings.priority, eligible, claim: 0 };
    settings.words().put(record, false, tags);
}

/// Starts the role. `changes` is notified of every fact about a member; `settled` completes when
/// the joins of the start are over. The task ends after the member, when the last command is over.
pub(crate) fn start(
    settings: FloatingSettings,
    timing: Timing,
    node: NodeHandle,
    changes: Arc<Notify>,
    settled: impl Future<Output = ()> + Send + 'static,
    log: Log,
) -> (FloatingRole, JoinHandle<()>) {
    let (resign, resignations) = mpsc::unbounded_channel();
    let (jobs, queue) = mpsc::unbounded_channel();
    let commands = commands::run(queue, log.clone());
    let (health, healthy) = watch::channel(Err("not checked yet".to_owned()));
    let has_check = settings.check.is_some();
    if let Some(check) = settings.check.clone() {
        tokio::spawn(check.run(health));
    }
    let machine = settings.machine(&node, timing);
    let seat = Seat::new(machine, settings.words(), !has_check, now());
    let (tags, own_tags) = watch::channel(Tags::new());
    let driver = Driver {
        settings,
        node,
        log,
        seat,
        jobs,
        tags,
        waiting: Vec::new(),
        check_passes: !has_check,
        barred: None,
        acquired: false,
        looked: now(),
    };
    let driver = driver.run(changes, settled, healthy, resignations);
    let task = tokio::spawn(async {
        tokio::join!(driver, commands);
    });
    (FloatingRole { resign, tags: own_tags }, task)
}

/// The role's time. It goes on while the machine is suspended, unlike the member's.
fn now() -> Time {
    Time::ZERO + platform::time_awake_or_not()
}

struct Driver {
    settings: FloatingSettings,
    node: NodeHandle,
    log: Log,
    seat: Seat,
    jobs: mpsc::UnboundedSender<Job>,
    /// What the machine wants the own tags to say: record and visible value.
    tags: watch::Sender<Tags>,
    waiting: Vec<oneshot::Sender<()>>,
    check_passes: bool,
    /// The address cannot be managed; to be tried again at this time.
    barred: Option<Time>,
    /// The role is held and acted upon: the address is here, the command was run.
    acquired: bool,
    /// When the address was last looked for.
    looked: Time,
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
            let deadline = self.seat.machine().next_timeout().into_iter().chain(self.barred).min();
            let pause = deadline.map(|at| at.since(now()));
            tokio::select! {
                () = changes.notified() => self.look().await,
                () = sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {
                    self.seat.handle(now(), Input::Timeout);
                    self.look_for_address();
                }
                () = &mut settled, if !is_settled => {
                    is_settled = true;
                    self.look().await;
                    self.seat.handle(now(), Input::Settled);
                }
                Ok(()) = health.changed() => self.take_health(&mut health),
                Some(()) = refreshes.recv() => {
                    self.look().await;
                    self.seat.handle(now(), Input::Refreshed);
                }
                Some(waiter) = resignations.recv() => {
                    self.waiting.push(waiter);
                    self.seat.handle(now(), Input::Resign);
                }
                _ = &mut ended => break,
            }
            self.carry_out(&refreshed).await;
        }
        self.release("the agent ends");
    }

    async fn look(&mut self) {
        let members = self.node.members().await;
        if self.seat.look(now(), &members) {
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
        self.check_passes = result.is_ok();
        self.judge();
    }

    /// Whether this member is fit for the role.
    fn judge(&mut self) {
        let fit = self.check_passes && self.barred.is_none();
        self.seat.handle(now(), Input::Healthy(fit));
    }

    /// A member that cannot manage the address leaves the role to others for a while.
    fn bar(&mut self, what: &str, error: &std::io::Error) {
        let Some((address, interface)) = &self.settings.address else { return };
        let cure = match error.kind() {
            ErrorKind::PermissionDenied => "; the agent needs CAP_NET_ADMIN",
            ErrorKind::NotFound => "; 'floating_role.interface' must be one of this machine's",
            _ => "",
        };
        self.log.line(
            Level::Err,
            "agent",
            format_args!(
                "Cannot {what} '{interface}': {error}{cure}. Not fit for role '{}' without \
                 {address}, next try in {} s",
                self.settings.name,
                ADDRESS_RETRY.as_secs()
            ),
        );
        self.barred = Some(now() + ADDRESS_RETRY);
        self.judge();
    }

    /// Tries again after the address could not be managed; puts it back if somebody else took it
    /// away, as the system does with an IPv6 address when its link goes down.
    fn look_for_address(&mut self) {
        let now = now();
        if self.barred.is_some_and(|until| until <= now) {
            self.barred = None;
            self.judge();
        }
        let Some((address, interface)) = &self.settings.address else { return };
        if !self.acquired || now.since(self.looked) < ADDRESS_LOOK {
            return;
        }
        self.looked = now;
        if address.is_missing(interface) {
            self.log.line(
                Level::Warn,
                "agent",
                format_args!("{address} is gone from '{interface}': adding it again"),
            );
            self.take_address();
        }
    }

    async fn carry_out(&mut self, refreshed: &mpsc::UnboundedSender<()>) {
        while let Some(output) = self.seat.poll_output() {
            match output {
                Output::Announce { .. } => {
                    self.tags.send_replace(self.seat.tags().unwrap_or_default());
                    self.set_tags().await;
                }
                Output::Acquire => self.acquire(),
                Output::Release => self.release("released"),
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
        let tags = self.tags.borrow().clone();
        let (node, log) = (self.node.clone(), self.log.clone());
        // The announcement is under way at once; only its last transmission would be waited for.
        tokio::spawn(async move {
            if let Err(why) = node.edit_tags(Vec::new(), tags).await {
                log.line(Level::Warn, "agent", format_args!("Tags of the role: {why}"));
            }
        });
    }

    fn acquire(&mut self) {
        self.acquired = self.take_address();
        if self.acquired {
            self.command(self.settings.on_acquire.as_ref(), "acquire");
        }
    }

    /// Puts the address on its interface and tells the neighbours. False if that cannot be done.
    fn take_address(&mut self) -> bool {
        if let Some((address, interface)) = &self.settings.address {
            self.looked = now();
            if let Err(error) = address.add(interface) {
                self.bar(&format!("add {address} to"), &error);
                return false;
            }
            let (ip, interface, log) = (address.ip, interface.clone(), self.log.clone());
            tokio::spawn(async move {
                for round in 0..ANNOUNCEMENTS {
                    sleep(ANNOUNCEMENT_PAUSE * round.min(1)).await;
                    announce(ip, &interface, &log);
                }
            });
        }
        true
    }

    fn release(&mut self, why: &str) {
        if std::mem::take(&mut self.acquired) {
            self.remove_address(why);
            self.command(self.settings.on_release.as_ref(), "release");
        }
    }

    fn announce_address(&self) {
        if let Some((address, interface)) = &self.settings.address {
            announce(address.ip, interface, &self.log);
        }
    }

    fn remove_address(&mut self, why: &str) {
        let Some((address, interface)) = &self.settings.address else { return };
        match address.remove(interface) {
            Ok(true) => self.log.line(
                Level::Info,
                "agent",
                format_args!("Removed {address} from '{interface}': {why}"),
            ),
            Ok(false) => {}
            Err(error) => self.bar(&format!("remove {address} from"), &error),
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
            let others = Seat::to_refresh(node.name(), &node.members().await);
            node.exchange(others).await;
            // The task has ended if nobody listens.
            let _ = refreshed.send(());
        });
    }

    fn reach(&self, nodes: Vec<NodeName>) {
        let node = self.node.clone();
        tokio::spawn(async move {
            let others = Seat::to_reach(&nodes, &node.members().await);
            node.exchange(others).await;
        });
    }

    fn tell(&self, fact: &Fact) {
        let role = &self.settings.name;
        let text = match fact {
            Fact::Claimed { claim } => format!("Claiming role '{role}' (claim {claim})"),
            // Said already why not.
            Fact::Acquired { .. } if !self.acquired => return,
            Fact::Acquired { claim } => match &self.settings.address {
                Some((address, interface)) => {
                    format!("Acquired role '{role}' (claim {claim}), {address} is on '{interface}'")
                }
                None => format!("Acquired role '{role}' (claim {claim})"),
            },
            Fact::Released { reason } => {
                let why = match reason {
                    Reason::NewerClaim(node) => format!("{node} has a newer claim"),
                    Reason::Unhealthy if self.barred.is_some() => {
                        "the address cannot be managed".to_owned()
                    }
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
