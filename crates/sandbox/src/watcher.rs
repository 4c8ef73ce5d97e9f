//! What the cluster says of itself, asked over RPC from a thread of its own: a node that is frozen
//! answers nothing, and the screen must not wait for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use client::Client;

/// How often a node is asked.
const INTERVAL: Duration = Duration::from_millis(100);

/// One node's view of all.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// When it was taken.
    pub(crate) at: Instant,
    /// Node that was asked.
    pub(crate) observer: usize,
    /// Name → status and tag `role`.
    pub(crate) members: BTreeMap<String, Row>,
}

/// One member in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) status: String,
    pub(crate) role: String,
}

impl View {
    /// The members that are alive and say that they are primary.
    pub(crate) fn primaries(&self) -> Vec<&str> {
        self.members
            .iter()
            .filter(|(_, row)| row.status == "alive" && row.role == "primary")
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Asks one node for as long as the receiver lives; ends when the node does not answer any more.
pub(crate) fn watch(observer: usize, rpc: SocketAddr, views: &Sender<View>) {
    let views = views.clone();
    thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut client = loop {
            match Client::connect(&rpc.to_string(), "") {
                Ok(client) => break client,
                Err(_) if Instant::now() < deadline => thread::sleep(INTERVAL),
                Err(_) => return,
            }
        };
        while let Ok(members) = client.members() {
            let rows = members.into_iter().map(|member| {
                let role = member.tags.get("role").cloned().unwrap_or_default();
                (member.name, Row { status: member.status.into_owned(), role })
            });
            let view = View { at: Instant::now(), observer, members: rows.collect() };
            if views.send(view).is_err() {
                return;
            }
            thread::sleep(INTERVAL);
        }
    });
}

/// The channel of all views.
pub(crate) fn views() -> (Sender<View>, Receiver<View>) {
    channel()
}
