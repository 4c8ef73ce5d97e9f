//! The session that holds a lock.

use std::time::Duration;

use client::http::{Http, HttpError, Request};
use gotext::Json;
use gotext::object::Object;
use tokio::time::{Instant, sleep};

use super::{LockError, RETRY};

/// How long a session lives without a word from us.
const TTL: Duration = Duration::from_secs(15);

/// A session of our own.
pub(super) struct Session {
    id: String,
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
        Ok(Session { id })
    }

    /// Its identity.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Keeps it alive; returns when it is lost.
    pub(super) async fn keep(&self, http: &Http) {
        let mut alive = Instant::now();
        let mut wait = TTL / 2;
        loop {
            sleep(wait).await;
            let asked = Instant::now();
            let request = Request::put(format!("/v1/session/renew/{}", self.id));
            match http.look_up(request).await {
                Ok((Some(_), _)) => (alive, wait) = (asked, TTL / 2),
                Ok((None, _)) => return,
                Err(_) if alive.elapsed() > TTL => return,
                Err(_) => wait = RETRY,
            }
        }
    }

    /// Ends it. If that fails it ends by itself.
    pub(super) async fn destroy(self, http: &Http) {
        let request = Request::put(format!("/v1/session/destroy/{}", self.id));
        let _ = http.read(request).await;
    }
}
