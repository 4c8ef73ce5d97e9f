//! The line that a request leaves in the log.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use gotext::GoDuration;
use hyper::{Method, Uri};

use super::route::Peer;

/// A request that was answered. Nothing is made of it unless somebody reads the line.
pub(super) struct Finished<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Uri,
    pub(super) peer: Peer,
    pub(super) took: Duration,
}

impl Display for Finished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, peer, took } = self;
        write!(f, "Request finished: method={method} url={}", url.path())?;
        for (place, pair) in url.query().into_iter().flat_map(|query| query.split('&')).enumerate()
        {
            f.write_char(if place == 0 { '?' } else { '&' })?;
            // A token would be everybody's who reads the log.
            match pair.split_once('=') {
                Some((name, _)) if names_token(name) => write!(f, "{name}=<hidden>")?,
                _ => f.write_str(pair)?,
            }
        }
        match peer {
            Peer::Address(address) => write!(f, " from={address}")?,
            Peer::Local => f.write_str(" from=@")?,
        }
        let took = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        write!(f, " latency={}", GoDuration::from_nanoseconds(took))
    }
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
        let line = |url: &str| {
            let url: Uri = url.parse().unwrap();
            let peer = Peer::Address("127.0.0.1:4000".parse().unwrap());
            let took = Duration::from_micros(1500);
            Finished { method: &Method::GET, url: &url, peer, took }.to_string()
        };
        assert_eq!(
            line("/v1/catalog/services"),
            "Request finished: method=GET url=/v1/catalog/services from=127.0.0.1:4000 \
             latency=1.5ms"
        );
        let hidden = line("/v1/kv/a?raw&token=secret&dc=dc1&%74oken=secret");
        assert!(hidden.contains("url=/v1/kv/a?raw&token=<hidden>&dc=dc1&%74oken=<hidden> from"));
    }
}
