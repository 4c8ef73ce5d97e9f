//! A lock that a number of sessions may hold at once.

use std::collections::BTreeMap;

use client::http::{Http, HttpError, Index, Request};
use gotext::Json;
use gotext::object::{Object, ObjectError};
use tokio::time::{Instant, sleep};

use super::connection::is_true;
use super::lock::{LockError, RETRY, WAIT};
use super::lock_key::LockKey;

/// Marks the keys that serve as semaphores.
const MARKER: u64 = 0xe0f6_9a2b_aa41_4de0;

/// A lock that a number of sessions may hold at once. Each has a key of its own, so that the others
/// see that it lives; the holders stand in the one key that is theirs together.
pub(super) struct Semaphore {
    prefix: String,
    session: String,
    limit: u64,
    entered: bool,
}

/// Who may hold, and who does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holders {
    limit: u64,
    sessions: BTreeMap<String, bool>,
}

impl Holders {
    fn read(text: &[u8]) -> Result<Holders, ObjectError> {
        let mut fields = Object::parse(text)?;
        Ok(Holders { limit: fields.field("Limit")?, sessions: fields.field("Holders")? })
    }

    fn write(&self) -> String {
        let sessions =
            self.sessions.iter().map(|(id, held)| (id.clone(), Json::Bool(*held))).collect();
        Json::record([
            ("Limit", Json::Verbatim(self.limit.to_string().into())),
            ("Holders", Json::Object(sessions)),
        ])
        .compact()
    }

    /// Forgets those that do not live any more.
    fn retain_living(&mut self, keys: &[LockKey]) {
        self.sessions.retain(|id, _| keys.iter().any(|key| key.session == *id));
    }
}

/// What stands below the prefix.
struct View {
    keys: Vec<LockKey>,
    /// The key of the holders; a new one, which has no index, if there is none.
    shared: LockKey,
    holders: Holders,
    index: Index,
}

impl Semaphore {
    pub(super) fn new(prefix: &str, session: &str, limit: u64) -> Semaphore {
        let prefix = prefix.trim_end_matches('/').to_owned();
        Semaphore { prefix, session: session.to_owned(), limit, entered: false }
    }

    fn shared_key(&self) -> String {
        format!("{}/.lock", self.prefix)
    }

    fn own_key(&self) -> String {
        format!("{}/{}", self.prefix, self.session)
    }

    async fn view(
        &self,
        http: &Http,
        index: Option<Index>,
        mode: (&str, String),
    ) -> Result<View, LockError> {
        let failed = |error: HttpError| LockError::Call("failed to read prefix", error);
        let below = format!("{}/", self.prefix);
        let (keys, index) = LockKey::list(http, &below, index, mode).await.map_err(failed)?;
        let shared_key = self.shared_key();
        let found = keys.iter().find(|key| key.key == shared_key).cloned();
        let holders = match &found {
            None => Holders { limit: self.limit, sessions: BTreeMap::new() },
            Some(shared) if shared.flags != MARKER => return Err(LockError::Conflict("semaphore")),
            Some(shared) => {
                Holders::read(&shared.value).map_err(|error| failed(HttpError::from(error)))?
            }
        };
        let shared = found.unwrap_or_else(|| LockKey { key: shared_key, ..LockKey::default() });
        Ok(View { keys, shared, holders, index })
    }

    async fn view_now(&self, http: &Http, wait: std::time::Duration) -> Result<View, LockError> {
        self.view(http, None, ("wait", format!("{}ms", wait.as_millis()))).await
    }

    /// Writes the holders unless somebody was faster; returns whether they are written.
    async fn write(&self, http: &Http, view: &View) -> Result<bool, LockError> {
        let request = Request::put(format!("/v1/kv/{}", view.shared.key))
            .with("cas", view.shared.modify_index.to_string())
            .with("flags", MARKER.to_string())
            .body(view.holders.write());
        let written = http.read(request).await;
        let written = written.map_err(|error| LockError::Call("failed to update lock", error))?;
        Ok(is_true(&written))
    }

    /// Waits until we are one of the holders; returns whether we are, before the deadline.
    pub(super) async fn acquire(
        &mut self,
        http: &Http,
        deadline: Option<Instant>,
    ) -> Result<bool, LockError> {
        self.enter(http).await?;
        let mut index = None;
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if index.is_some() && left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            let wait = left.map_or(WAIT, |left| left.min(WAIT));
            let mode = ("wait", format!("{}ms", wait.as_millis()));
            let mut view = self.view(http, index, mode).await?;
            if view.holders.limit != self.limit {
                let (found, wanted) = (view.holders.limit, self.limit);
                return Err(LockError::Limit { found, wanted });
            }
            view.holders.retain_living(&view.keys);
            if view.holders.sessions.len() as u64 >= self.limit {
                index = Some(view.index);
                continue;
            }
            view.holders.sessions.insert(self.session.clone(), true);
            if self.write(http, &view).await? {
                return Ok(true);
            }
            index = None;
        }
    }

    /// Makes the key that shows the others that we live.
    async fn enter(&mut self, http: &Http) -> Result<(), LockError> {
        let request = Request::put(format!("/v1/kv/{}", self.own_key()))
            .with("acquire", self.session.as_str())
            .with("flags", MARKER.to_string());
        let made = http.read(request).await;
        let made =
            made.map_err(|error| LockError::Call("failed to make contender entry", error))?;
        if !is_true(&made) {
            return Err(LockError::Conflict("semaphore"));
        }
        self.entered = true;
        Ok(())
    }

    /// Takes our own key away, if there is one. If that fails its session takes it along.
    pub(super) async fn withdraw(&mut self, http: &Http) {
        if self.entered {
            let _ = http.read(Request::delete(format!("/v1/kv/{}", self.own_key()))).await;
        }
    }

    /// Returns when we are no holder any more, or nobody says so after some attempts.
    pub(super) async fn lost(&self, http: &Http, retries: u32) {
        let mut index = None;
        let mut left = retries;
        loop {
            match self.view(http, index, ("consistent", String::new())).await {
                Ok(mut view) => {
                    view.holders.retain_living(&view.keys);
                    if !view.holders.sessions.contains_key(&self.session) {
                        return;
                    }
                    (index, left) = (Some(view.index), retries);
                }
                Err(LockError::Call(..)) if left > 0 => {
                    left -= 1;
                    sleep(RETRY).await;
                }
                Err(_) => return,
            }
        }
    }

    /// Is no holder any more.
    pub(super) async fn release(&self, http: &Http) -> Result<(), LockError> {
        loop {
            let mut view = self.view_now(http, WAIT).await?;
            let held = view.holders.sessions.remove(&self.session).is_some();
            // Whoever changes the holders while we do has made a change: somebody gets on.
            if !held || self.write(http, &view).await? {
                break;
            }
        }
        let request = Request::delete(format!("/v1/kv/{}", self.own_key()));
        let deleted = http.read(request).await;
        deleted.map_err(|error| LockError::Call("failed to release contender entry", error))?;
        Ok(())
    }

    /// Takes the key of the holders away unless there are some; returns whether it is gone.
    pub(super) async fn clean_up(&self, http: &Http) -> Result<bool, LockError> {
        let mut view = self.view_now(http, WAIT).await?;
        if view.shared.modify_index == 0 {
            return Ok(true);
        }
        view.holders.retain_living(&view.keys);
        if !view.holders.sessions.is_empty() {
            return Ok(false);
        }
        let deleted = view.shared.delete(http).await;
        deleted.map_err(|error| LockError::Call("failed to remove semaphore", error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn holders_are_written_as_others_read_them() {
        let text = r#"{"Limit":2,"Holders":{"a":true,"b":true}}"#;
        let mut holders = Holders::read(text.as_bytes()).unwrap();
        assert_eq!(holders.write(), text);
        let key = |session: &str| LockKey { session: session.to_owned(), ..LockKey::default() };
        holders.retain_living(&[key(""), key("b"), key("c")]);
        assert_eq!(holders.write(), r#"{"Limit":2,"Holders":{"b":true}}"#);
    }
}
