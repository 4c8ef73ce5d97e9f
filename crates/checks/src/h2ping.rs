//! A PING frame of HTTP/2, which every server has to answer.

use std::future::ready;
use std::pin::pin;

use h2::{Ping, Pong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::dial::{self, DialError};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::target::Tls;
use crate::tls::{self, TlsError};
use crate::transport::{self, TransportError};

#[derive(Debug, thiserror::Error)]
enum PingError {
    #[error("Failed to dial to {address}: {error}")]
    Dial {
        address: String,
        #[source]
        error: DialError,
    },
    #[error("Failed to dial to {address}: {error}")]
    Tls {
        address: String,
        #[source]
        error: TlsError,
    },
    #[error("HTTP2 ping failed: {0}")]
    Ping(#[from] TransportError),
}

/// One run of a check.
pub(crate) async fn check(
    address: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Outcome {
    match ping(address, tls, deadline, environment).await {
        Ok(()) => Outcome::passing("HTTP2 ping was successful"),
        Err(error) => Outcome::critical(error),
    }
}

async fn ping(
    address: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Result<(), PingError> {
    let stream = dial::tcp(address, deadline)
        .await
        .map_err(|error| PingError::Dial { address: address.to_owned(), error })?;
    let Some(tls) = tls else {
        return Ok(ping_over(stream, deadline).await?);
    };
    let host = tls::host_of(address);
    let stream = tls::connect(stream, host, tls, &[b"h2"], &environment.trust, deadline)
        .await
        .map_err(|error| PingError::Tls { address: address.to_owned(), error })?;
    Ok(ping_over(stream, deadline).await?)
}

async fn ping_over<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    deadline: Instant,
) -> Result<(), TransportError> {
    // The sender has to live: without one the connection says good-bye.
    let (_sender, mut connection) = transport::handshake(stream, deadline).await?;
    let mut pings = connection.ping_pong().expect("a new connection has its ping left");
    let mut connection = pin!(connection);
    let mut pong = pin!(timeout_at(deadline, pings.ping(Ping::opaque())));
    let ended = tokio::select! {
        biased;
        pong = &mut pong => return answered(pong),
        // Pings are not told that their connection is over.
        ended = &mut connection => ended,
    };
    tokio::select! {
        biased;
        // The answer may have been the last that came; it is there as long as the connection is.
        Ok(Ok(_)) = &mut pong => Ok(()),
        () = ready(()) => Err(ended.map_or_else(Into::into, |()| TransportError::Closed)),
    }
}

fn answered(pong: Result<Result<Pong, h2::Error>, Elapsed>) -> Result<(), TransportError> {
    pong.map_err(|_| TransportError::TimedOut)??;
    Ok(())
}

#[cfg(test)]
mod tests;
