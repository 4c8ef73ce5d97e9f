//! The line that a request leaves in the log.

use std::time::Duration;

use agent::log::{Level, Log, Value};
use gotext::GoDuration;
use hyper::Method;

use super::route::Peer;

/// A request that was answered.
pub(super) struct Finished<'a> {
    pub(super) method: &'a Method,
    /// Its path and query.
    pub(super) url: &'a str,
    pub(super) peer: Peer,
    pub(super) took: Duration,
    /// What was wrong with it, or went wrong.
    pub(super) error: Option<&'a str>,
}

impl Finished<'_> {
    /// Logs it, an error in a line of its own before. Nothing is made of it unless somebody reads
    /// the line.
    pub(super) fn log(&self, log: &Log) {
        if let Some(error) = self.error {
            let fields = self.fields("error", error.trim_end().to_owned());
            log.entry(Level::Err, "agent.http", "Request error", fields);
        }
        if log.is_wanted(Level::Debug) {
            let took = i64::try_from(self.took.as_nanos()).unwrap_or(i64::MAX);
            let fields = self.fields("latency", GoDuration::from_nanoseconds(took).to_string());
            log.entry(Level::Debug, "agent.http", "Request finished", fields);
        }
    }

    fn fields(&self, name: &'static str, value: String) -> [(&'static str, Value); 4] {
        let from = match self.peer {
            Peer::Address(address) => address.to_string(),
            Peer::Local => "@".to_owned(),
        };
        [
            ("method", self.method.as_str().into()),
            ("url", shown(self.url).into()),
            ("from", from.into()),
            (name, value.into()),
        ]
    }
}

/// A URL without its token: that would be everybody's who reads the log.
fn shown(url: &str) -> String {
    let (path, query) =
        url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut shown = path.to_owned();
    for (place, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if place == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if names_token(name) => {
                shown.push_str(name);
                shown.push_str("=<hidden>");
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

/// Whether a parameter is `token`, however it is written.
fn names_token(name: &str) -> bool {
    api::percent_decode(name).is_some_and(|name| name == b"token")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_shows_everything_but_tokens() {
        let url = "/v1/kv/a?raw&token=secret&dc=dc1&%74oken=secret";
        let peer = Peer::Address("127.0.0.1:4000".parse().unwrap());
        let took = Duration::from_micros(1500);
        let finished = Finished { method: &Method::GET, url, peer, took, error: None };
        assert_eq!(
            finished.fields("latency", "1.5ms".to_owned()),
            [
                ("method", "GET".into()),
                ("url", "/v1/kv/a?raw&token=<hidden>&dc=dc1&%74oken=<hidden>".into()),
                ("from", "127.0.0.1:4000".into()),
                ("latency", "1.5ms".into()),
            ]
        );
        assert_eq!(shown("/v1/catalog/services"), "/v1/catalog/services");
    }
}
