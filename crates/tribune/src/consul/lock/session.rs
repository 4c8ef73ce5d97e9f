//! The session that holds a lock.

use std::time::Duration;

use client::http::{Http, HttpError, Request};
use gotext::Json;
use gotext::object::Object;
use tokio::time::{Instant, sleep, timeout_at};

use super::{LockError, RETRY};

/// How long a session lives without a word from us.
const TTL: Duration = Duration::from_secs(15);

/// A session of our own.
pub(super) struct Session {
    id: String,
    ttl: Duration,
}

impl Session {
    /// Makes a session of this name.
    pub(super) async fn create(http: &Http, name: &str) -> Result<Session, LockError> {
        let ttl = format!("{}s", TTL.as_secs());
        let body = Json::record([("Name", Json::text(name)), ("TTL", Json::text(ttl))]);
        let create = async || -> Result<String, HttpError> {
            let request = Request::put("/v1/session/create").body(body.compact());
            Ok(Object::parse(&http.read(request).await?)?.field("ID")?)
        };
        let id =
            create().await.map_err(|error| LockError::Call("failed to create session", error))?;
        Ok(Session { id, ttl: TTL })
    }

    /// Its identity.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Keeps it alive; returns when it is lost.
    pub(super) async fn keep(&self, http: &Http) {
        let mut alive = Instant::now();
        let mut wait = self.ttl / 2;
        loop {
            sleep(wait).await;
            let asked = Instant::now();
            let request = Request::put(format!("/v1/session/renew/{}", self.id));
            // The server may take it for dead, even if the agent does not answer at all.
            match timeout_at(alive + self.ttl, http.look_up(request)).await {
                Ok(Ok((Some(_), _))) => (alive, wait) = (asked, self.ttl / 2),
                Ok(Ok((None, _))) | Err(_) => return,
                Ok(Err(_)) => wait = RETRY,
            }
        }
    }

    /// Ends it. If that fails it ends by itself.
    pub(super) async fn destroy(self, http: &Http) {
        let request = Request::put(format!("/v1/session/destroy/{}", self.id));
        let _ = http.read(request).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use client::http::Settings;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_session_is_lost_when_the_agent_is_silent() {
        // The system takes connections; nobody answers on them.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let http = Http::new(&Settings { address, ..Settings::default() }).unwrap();
        let session = Session { id: "s".to_owned(), ttl: Duration::from_millis(200) };
        Builder::new_current_thread().enable_all().build().unwrap().block_on(session.keep(&http));
    }
}
