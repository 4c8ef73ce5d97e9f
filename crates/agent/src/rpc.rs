//! The RPC: what command lines and client libraries say to a running agent.
//!
//! One task per client. Frames are those of [`wire::rpc`]; the rules of a conversation are in
//! `connection`, what each command does in `commands`. Specification "Serf agent", section 13.

mod commands;
mod connection;
mod filter;
mod stats;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::limits;
use crate::log::Level;
use crate::node::NodeHandle;
use connection::Connection;

/// How long no client is accepted after the system could not accept one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Between signs of life to a client that is silent: one that has vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Serves clients until the member has ended, and then until what they are owed has been sent
/// (but not for long). With an empty `auth_key` no authentication is asked for.
pub async fn serve(listener: TcpListener, node: NodeHandle, auth_key: String) {
    let auth_key: Arc<str> = Arc::from(auth_key);
    let places = Arc::new(Semaphore::new(limits::RPC_CLIENTS));
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
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    node.metrics().count("agent.ipc.refused", 1);
                    if !std::mem::replace(&mut full, true) {
                        node.log().line(
                            Level::Warn,
                            "agent.ipc",
                            format_args!(
                                "Refusing client {peer}: {} are connected, which is the limit; \
                                 close some of them",
                                limits::RPC_CLIENTS
                            ),
                        );
                    }
                    continue;
                };
                full = false;
                node.metrics().count("agent.ipc.accept", 1);
                let log = node.log();
                log.line(Level::Info, "agent.ipc", format_args!("Accepted client: {peer}"));
                prepare(&stream);
                let connection = Connection::new(stream, peer, node.clone(), Arc::clone(&auth_key));
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

fn prepare(stream: &TcpStream) {
    // Both are improvements, not conditions.
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
