//! The node processes: how they are started, hurt and healed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCONT, SIGINT, SIGKILL, SIGSTOP};

use crate::layout::{Layout, LayoutError, NODES};
use crate::page::HOLDER_FILE;

/// How long nodes get to leave at the end before they are killed.
const LEAVE_LIMIT: Duration = Duration::from_secs(12);

/// What was done to a node last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    Paused,
    Ended,
}

/// One node process.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) condition: Condition,
    process: Child,
}

/// All node processes and the folder that they share.
pub(crate) struct Cluster {
    pub(crate) layout: Layout,
    pub(crate) nodes: Vec<Node>,
    pub(crate) folder: PathBuf,
    program: PathBuf,
    quorum: String,
}

impl Cluster {
    /// No nodes yet. `program` is started with `cluster-node` for each.
    pub(crate) fn new(layout: Layout, program: PathBuf, quorum: String) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("tribune-cluster-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            let folder = folder.display();
            format!("Cannot make the folder {folder}: {error}. Set TMPDIR to one that can be used")
        })?;
        Ok(Cluster { layout, nodes: Vec::new(), folder, program, quorum })
    }

    /// Starts one more node, joined to those before it.
    pub(crate) fn add(&mut self) -> Result<usize, String> {
        let index = self.nodes.len();
        if index == NODES {
            return Err(format!("a cluster has at most {NODES} nodes"));
        }
        self.layout.check(index).map_err(|error: LayoutError| error.to_string())?;
        let process = self.start(index).map_err(|error| error.to_string())?;
        let name = format!("node{index}");
        self.nodes.push(Node { name, condition: Condition::Running, process });
        Ok(index)
    }

    fn start(&self, index: usize) -> io::Result<Child> {
        let name = format!("node{index}");
        let config = self.folder.join(format!("{name}.json"));
        fs::write(&config, self.config(index, &name).to_string())?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{name}.log")))?;
        let page = self.layout.page(index).to_string();
        // The child's standard input is a pipe that closes when this process ends, however it
        // ends; the child ends with it.
        Command::new(&self.program)
            .arg("cluster-node")
            .args([name.as_str(), page.as_str()])
            .arg(&self.folder)
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    fn config(&self, index: usize, name: &str) -> serde_json::Value {
        let others = (0..self.nodes.len().max(index)).filter(|other| *other != index);
        let joins: Vec<String> =
            others.map(|other| self.layout.gossip(other).to_string()).collect();
        let holder = self.folder.join(HOLDER_FILE);
        let holder = holder.display();
        serde_json::json!({
            "node_name": name,
            "bind": self.layout.gossip(index).to_string(),
            "rpc_addr": self.layout.rpc(index).to_string(),
            "retry_join": joins,
            "retry_interval": "1s",
            "leave_on_terminate": true,
            "snapshot_path": self.folder.join(format!("{name}.snapshot")),
            "rejoin_after_leave": true,
            "floating_role": {
                "name": "primary",
                "quorum": self.quorum,
                "check": format!("http://{}/", self.layout.page(index)),
                "on_acquire":
                    format!("echo {name} >'{holder}.{name}' && mv '{holder}.{name}' '{holder}'"),
            },
        })
    }

    /// Kills a node outright.
    pub(crate) fn kill(&mut self, index: usize) -> Result<(), String> {
        self.signal(index, SIGKILL)?;
        // A frozen process dies of SIGKILL too.
        let _ = self.nodes[index].process.wait();
        self.nodes[index].condition = Condition::Ended;
        Ok(())
    }

    /// Lets a node hand over and leave.
    pub(crate) fn stop(&mut self, index: usize) -> Result<(), String> {
        self.refuse_if_paused(index)?;
        self.signal(index, SIGINT)?;
        self.nodes[index].condition = Condition::Ended;
        Ok(())
    }

    /// Freezes a node.
    pub(crate) fn pause(&mut self, index: usize) -> Result<(), String> {
        self.refuse_if_paused(index)?;
        self.signal(index, SIGSTOP)?;
        self.nodes[index].condition = Condition::Paused;
        Ok(())
    }

    /// Lets the frozen go on and starts the ended again; the names of those healed.
    pub(crate) fn heal(&mut self) -> Result<Vec<usize>, String> {
        let mut healed = Vec::new();
        for index in 0..self.nodes.len() {
            match self.nodes[index].condition {
                Condition::Running => continue,
                Condition::Paused => self.signal(index, SIGCONT)?,
                Condition::Ended => {
                    self.reap(index);
                    self.layout.check(index).map_err(|error| error.to_string())?;
                    self.nodes[index].process =
                        self.start(index).map_err(|error| error.to_string())?;
                }
            }
            self.nodes[index].condition = Condition::Running;
            healed.push(index);
        }
        Ok(healed)
    }

    /// The nodes that have ended by themselves since the last call.
    pub(crate) fn deaths(&mut self) -> Vec<(usize, String)> {
        let mut deaths = Vec::new();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if let Ok(Some(status)) = node.process.try_wait()
                && node.condition != Condition::Ended
            {
                node.condition = Condition::Ended;
                deaths.push((index, status.to_string()));
            }
        }
        deaths
    }

    /// The last lines of a node's log.
    pub(crate) fn last_words(&self, index: usize) -> String {
        let name = &self.nodes[index].name;
        let log = fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn reap(&mut self, index: usize) {
        let deadline = Instant::now() + LEAVE_LIMIT;
        while Instant::now() < deadline {
            if !matches!(self.nodes[index].process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.nodes[index].process.kill();
        let _ = self.nodes[index].process.wait();
    }

    fn refuse_if_paused(&self, index: usize) -> Result<(), String> {
        match self.nodes.get(index) {
            Some(node) if node.condition == Condition::Paused => {
                Err(format!("{} is paused: heal it first, or kill it", node.name))
            }
            _ => Ok(()),
        }
    }

    fn signal(&self, index: usize, signal: i32) -> Result<(), String> {
        let node = self.nodes.get(index).ok_or_else(|| format!("there is no node {index}"))?;
        if node.condition == Condition::Ended {
            return Err(format!("{} is not running", node.name));
        }
        // The shell's own: a small machine has no program of that name.
        let kill = format!("kill -{signal} {}", node.process.id());
        let status = Command::new("/bin/sh")
            .args(["-c", &kill])
            .status()
            .map_err(|error| format!("/bin/sh: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{} could not be signalled", node.name)) }
    }
}

impl Drop for Cluster {
    /// Ends everything that was started: killed, not asked, since nobody is left to be told.
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.process.kill();
            let _ = node.process.wait();
        }
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("{} could not be removed: {error}", folder.display());
    }
}
