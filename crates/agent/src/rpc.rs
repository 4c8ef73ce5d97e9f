//! The RPC: what command lines and client libraries say to a running agent.
//!
//! One task per client. Frames are those of [`wire::rpc`]; the rules of a conversation are in
//! `connection`, what each command does in `commands`. Specification "Serf agent", section 13.

mod commands;
mod connection;
mod filter;
mod stats;
mod subscription;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::limits;
use crate::log::Level;
use crate::node::NodeHandle;
use connection::Connection;

/// How long no client is accepted after the system could not accept one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long a client may take for its handshake, and its authentication where that is asked for,
/// while others wait for its place. Libraries send both at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a new client waits for those that give way to it; they only close.
const MAKE_ROOM: Duration = Duration::from_millis(100);

/// Between signs of life to a client that is silent: one that has vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Serves clients until the member has ended, and then until what they are owed has been sent
/// (but not for long). With an empty `auth_key` no authentication is asked for.
pub async fn serve(listener: TcpListener, node: NodeHandle, auth_key: String) {
    let places = Places::new(limits::RPC_CLIENTS, PATIENCE);
    serve_in(places, listener, node, auth_key).await;
}

async fn serve_in(places: Places, listener: TcpListener, node: NodeHandle, auth_key: String) {
    let auth_key: Arc<str> = Arc::from(auth_key);
    let mut clients = JoinSet::new();
    let mut failing = false;
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = node.ended() => break,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                // Beyond the bound a client is not served at all: it sees its connection close.
                let Some(place) = places.take().await else {
                    refuse(&node, peer, std::mem::replace(&mut full, true));
                    continue;
                };
                full = false;
                node.metrics().count("agent.ipc.accept", 1);
                let log = node.log();
                log.line(Level::Info, "agent.ipc", format_args!("Accepted client: {peer}"));
                prepare(&stream);
                let crowd = places.crowd.clone();
                let connection =
                    Connection::new(stream, peer, node.clone(), Arc::clone(&auth_key), crowd);
                clients.spawn(async move {
                    connection.run().await;
                    drop(place);
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let why = gotext::errno_text(&error);
                    node.log().line(
                        Level::Err,
                        "agent.ipc",
                        format_args!("Failed to accept client: {why}"),
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let flushed = async { while clients.join_next().await.is_some() {} };
    // Who has not read by now is cut off.
    let _ = tokio::time::timeout(limits::RPC_FLUSH, flushed).await;
}

/// The places of all clients.
struct Places {
    free: Arc<Semaphore>,
    crowd: Crowd,
}

/// What a client hears of others that wait for its place.
#[derive(Clone)]
struct Crowd {
    waits: Arc<Notify>,
    /// How long a client may keep its place from them before it may give commands.
    patience: Duration,
}

impl Places {
    fn new(count: usize, patience: Duration) -> Self {
        let crowd = Crowd { waits: Arc::new(Notify::new()), patience };
        Places { free: Arc::new(Semaphore::new(count)), crowd }
    }

    /// A place for one more client; if there is none, one that others leave at once.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        self.crowd.waits.notify_waiters();
        let place = Arc::clone(&self.free).acquire_owned();
        tokio::time::timeout(MAKE_ROOM, place).await.ok()?.ok()
    }
}

/// Counts a client for whom there is no place: it sees its connection close. Logged once until
/// there is one again.
fn refuse(node: &NodeHandle, peer: SocketAddr, was_full: bool) {
    node.metrics().count("agent.ipc.refused", 1);
    if !was_full {
        node.log().line(
            Level::Warn,
            "agent.ipc",
            format_args!(
                "Refusing client {peer}: {} are connected, which is the limit; close some of them",
                limits::RPC_CLIENTS
            ),
        );
    }
}

fn prepare(stream: &TcpStream) {
    // Both are improvements, not conditions.
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
