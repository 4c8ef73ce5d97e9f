//! An empty datagram.
//!
//! Only a refusal tells anything: most services do not answer to nothing, so silence passes when
//! the time is over. ("Consul agent", section 6: the original waits for ever instead, and its
//! check keeps the status that it began with.)

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::dial::{self, DialError};
use crate::outcome::Outcome;

#[derive(Debug, thiserror::Error)]
enum UdpError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{call} udp {local}->{remote}: {call}: {}", gotext::errno_text(error))]
    Socket {
        call: &'static str,
        local: SocketAddr,
        remote: SocketAddr,
        #[source]
        error: io::Error,
    },
}

/// One run of a check.
pub(crate) async fn check(address: &str, deadline: Instant) -> Outcome {
    match knock(address, deadline).await {
        Ok(()) => Outcome::passing(format!("UDP connect {address}: Success")),
        Err(error) => Outcome::critical(error),
    }
}

async fn knock(address: &str, deadline: Instant) -> Result<(), UdpError> {
    let socket = dial::udp(address, deadline).await?;
    socket.send(&[]).await.map_err(|error| failure("write", &socket, error))?;
    match timeout_at(deadline, socket.recv(&mut [0; 1])).await {
        Ok(Err(error)) => Err(failure("read", &socket, error)),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

fn failure(call: &'static str, socket: &UdpSocket, error: io::Error) -> UdpError {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    UdpError::Socket {
        call,
        local: socket.local_addr().unwrap_or(unknown),
        remote: socket.peer_addr().unwrap_or(unknown),
        error,
    }
}

#[cfg(test)]
mod tests;
