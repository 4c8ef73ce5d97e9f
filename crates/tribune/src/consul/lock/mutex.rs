//! A lock that one holds.

use client::http::{Http, HttpError, Request};
use tokio::time::{Instant, sleep};

use super::super::connection::is_true;
use super::super::lock_key::LockKey;
use super::{LOCK_DELAY, LockError, RETRY, WAIT};

/// Marks the keys that serve as locks.
const MARKER: u64 = 0x2ddc_cbc0_58a5_0c18;

/// A lock that one holds: the session that has the key.
pub(super) struct Mutex {
    key: String,
    session: String,
}

impl Mutex {
    pub(super) fn new(prefix: &str, session: &str) -> Mutex {
        let prefix = prefix.trim_end_matches('/');
        Mutex { key: format!("{prefix}/.lock"), session: session.to_owned() }
    }

    fn conflict(found: Option<&LockKey>) -> Result<(), LockError> {
        match found {
            Some(key) if key.flags != MARKER => Err(LockError::Conflict("lock")),
            _ => Ok(()),
        }
    }

    /// Waits until it is ours; returns whether it is, before the deadline.
    pub(super) async fn acquire(
        &mut self,
        http: &Http,
        deadline: Option<Instant>,
    ) -> Result<bool, LockError> {
        let failed = |error: HttpError| LockError::Call("failed to read lock", error);
        let mut index = None;
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if index.is_some() && left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            let wait = left.map_or(WAIT, |left| left.min(WAIT));
            let (found, now) = LockKey::read(http, &self.key, index, wait).await.map_err(failed)?;
            Self::conflict(found.as_ref())?;
            if let Some(found) = found {
                if found.session == self.session {
                    return Ok(true);
                }
                if !found.session.is_empty() {
                    index = Some(now);
                    continue;
                }
            }
            if self.take(http).await? {
                return Ok(true);
            }
            // Somebody was faster, or the last holder was lost and the key is held back.
            let (found, now) = LockKey::read(http, &self.key, None, wait).await.map_err(failed)?;
            index = Some(now);
            if found.is_none_or(|key| key.session.is_empty()) {
                let delay = left.map_or(LOCK_DELAY, |left| left.min(LOCK_DELAY));
                sleep(delay).await;
                if deadline.is_some_and(|at| at <= Instant::now()) {
                    return Ok(false);
                }
                index = None;
            }
        }
    }

    async fn take(&self, http: &Http) -> Result<bool, LockError> {
        let request = Request::put(format!("/v1/kv/{}", self.key))
            .with("acquire", self.session.as_str())
            .with("flags", MARKER.to_string());
        let answer = http.read(request).await;
        answer
            .map(|answer| is_true(&answer))
            .map_err(|error| LockError::Call("failed to acquire lock", error))
    }

    /// Returns when it is not ours any more, or nobody says so after some attempts.
    pub(super) async fn lost(&self, http: &Http, retries: u32) {
        let mut index = None;
        let mut left = retries;
        loop {
            match LockKey::read_consistently(http, &self.key, index).await {
                Ok((Some(key), now)) if key.session == self.session => {
                    (index, left) = (Some(now), retries);
                }
                Ok(_) => return,
                Err(_) if left == 0 => return,
                Err(_) => {
                    left -= 1;
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Gives it back. It is no mistake if it was lost.
    pub(super) async fn release(&self, http: &Http) -> Result<(), LockError> {
        let request = Request::put(format!("/v1/kv/{}", self.key))
            .with("release", self.session.as_str())
            .with("flags", MARKER.to_string());
        let released = http.read(request).await;
        released.map_err(|error| LockError::Call("failed to release lock", error))?;
        Ok(())
    }

    /// Takes the key away unless somebody holds it; returns whether it is gone.
    pub(super) async fn clean_up(&self, http: &Http) -> Result<bool, LockError> {
        let read = LockKey::read(http, &self.key, None, WAIT).await;
        let (found, _) = read.map_err(|error| LockError::Call("failed to read lock", error))?;
        Self::conflict(found.as_ref())?;
        let Some(found) = found else { return Ok(true) };
        if !found.session.is_empty() {
            return Ok(false);
        }
        found.delete(http).await.map_err(|error| LockError::Call("failed to remove lock", error))
    }
}
