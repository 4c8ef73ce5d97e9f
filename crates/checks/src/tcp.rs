//! A connection, which is closed again at once.

use tokio::time::Instant;

use crate::dial::{self, DialError};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::target::Tls;
use crate::tls::{self, TlsError};

#[derive(Debug, thiserror::Error)]
enum TcpError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// One run of a check.
pub(crate) async fn check(
    address: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Outcome {
    match connect(address, tls, deadline, environment).await {
        Err(error) => Outcome::critical(error),
        Ok(()) if tls.is_some() => Outcome::passing(format!("TCP+TLS connect {address}: Success")),
        Ok(()) => Outcome::passing(format!("TCP connect {address}: Success")),
    }
}

async fn connect(
    address: &str,
    tls: Option<&Tls>,
    deadline: Instant,
    environment: &Environment,
) -> Result<(), TcpError> {
    let stream = dial::tcp(address, deadline).await?;
    if let Some(tls) = tls {
        let host = tls::host_of(address);
        tls::connect(stream, host, tls, &[], &environment.trust, deadline).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
