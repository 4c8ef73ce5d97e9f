//! The web health check of a floating role: eligible while the answer is a success.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::http::uri::{Scheme, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A page that must answer with a status from 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub(crate) uri: Uri,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// Failures in a row that count; one alone may be a moment's load.
    pub(crate) failures: u32,
}

impl Check {
    /// From the URL in the configuration; the error says what is wrong with it.
    pub(crate) fn new(
        url: &str,
        interval: Duration,
        timeout: Duration,
        failures: u32,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("'{url}' is no URL: {error}"))?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.host().is_none_or(str::is_empty) {
            return Err(format!("'{url}' must be of the form http://HOST[:PORT]/PATH"));
        }
        // The port is what is left of the authority, whatever it says.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default();
        let has_port = authority.rsplit_once(host).is_some_and(|(_, rest)| !rest.is_empty());
        if has_port && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(format!("'{url}' has a port that is no number from 1 to 65535"));
        }
        Ok(Check { uri, interval, timeout, failures })
    }

    /// Checks for ever and publishes what it finds; returns when nobody listens any more.
    pub(crate) async fn run(self, health: watch::Sender<Result<(), String>>) {
        let mut next = Instant::now();
        let mut failed = 0;
        while !health.is_closed() {
            let result = match timeout(self.timeout, self.once()).await {
                Ok(result) => result,
                Err(_) => Err(format!("no answer within {:?}", self.timeout)),
            };
            failed = if result.is_ok() { 0 } else { failed + 1 };
            health.send_if_modified(|last| {
                let is_believed = failed == 0 || failed >= self.failures || last.is_err();
                is_believed && std::mem::replace(last, result.clone()) != result
            });
            next += self.interval;
            next = next.max(Instant::now());
            sleep_until(next).await;
        }
    }

    async fn once(&self) -> Result<(), String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.uri.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(path)
            .header("host", authority)
            .header("connection", "close")
            .header("user-agent", "tribune")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        // The answer's body is of no interest, so the connection ends with the status. It may be
        // over before the answer is looked at.
        let drive = async {
            let _ = connection.await;
            pending::<Infallible>().await
        };
        let response = tokio::select! {
            response = sender.send_request(request) => response,
            never = drive => match never {},
        };
        let status = response.map_err(|error| error.to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
    }
}

#[cfg(test)]
mod tests;
