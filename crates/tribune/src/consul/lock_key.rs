//! The keys that locks are made of.

use std::time::Duration;

use client::http::{Http, HttpError, Index, Request};
use gotext::object::{Base64, Object};

use super::connection::{is_true, objects_of};

/// What a lock wants to know of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LockKey {
    /// Where it is.
    pub(super) key: String,
    /// What it serves for.
    pub(super) flags: u64,
    /// Who holds it, if anybody.
    pub(super) session: String,
    /// Its value.
    pub(super) value: Vec<u8>,
    /// When it was changed.
    pub(super) modify_index: u64,
}

impl LockKey {
    fn of(mut fields: Object) -> Result<LockKey, HttpError> {
        Ok(LockKey {
            key: fields.field("Key")?,
            flags: fields.field("Flags")?,
            session: fields.field("Session")?,
            value: fields.field::<Base64>("Value")?.0,
            modify_index: fields.field("ModifyIndex")?,
        })
    }

    async fn ask(
        http: &Http,
        request: Request,
        index: Option<Index>,
    ) -> Result<(Vec<LockKey>, Index), HttpError> {
        let request = match index.filter(|index| *index > 0) {
            Some(index) => request.with("index", index.to_string()),
            None => request,
        };
        let (body, index) = http.look_up(request).await?;
        // Without one nothing could be waited for, only asked again and again.
        let index = index
            .ok_or_else(|| HttpError::Answer("the answer has no X-Consul-Index".to_owned()))?;
        let Some(body) = body else { return Ok((Vec::new(), index)) };
        let keys: Result<_, _> = objects_of(&body)?.into_iter().map(LockKey::of).collect();
        Ok((keys?, index))
    }

    /// Reads a key; with an index not before it is past it, or some time has gone by.
    pub(super) async fn read(
        http: &Http,
        key: &str,
        index: Option<Index>,
        wait: Duration,
    ) -> Result<(Option<LockKey>, Index), HttpError> {
        let request =
            Request::get(format!("/v1/kv/{key}")).with("wait", format!("{}ms", wait.as_millis()));
        let (keys, index) = Self::ask(http, request, index).await?;
        Ok((keys.into_iter().next(), index))
    }

    /// As [`LockKey::read`], from a leader that has made sure that it is one.
    pub(super) async fn read_consistently(
        http: &Http,
        key: &str,
        index: Option<Index>,
    ) -> Result<(Option<LockKey>, Index), HttpError> {
        let request = Request::get(format!("/v1/kv/{key}")).with("consistent", "");
        let (keys, index) = Self::ask(http, request, index).await?;
        Ok((keys.into_iter().next(), index))
    }

    /// Reads all keys below a prefix.
    pub(super) async fn list(
        http: &Http,
        prefix: &str,
        index: Option<Index>,
        mode: (&str, String),
    ) -> Result<(Vec<LockKey>, Index), HttpError> {
        let request =
            Request::get(format!("/v1/kv/{prefix}")).with("recurse", "").with(mode.0, mode.1);
        Self::ask(http, request, index).await
    }

    /// Takes it away unless it was changed; returns whether it is gone.
    pub(super) async fn delete(&self, http: &Http) -> Result<bool, HttpError> {
        let request = Request::delete(format!("/v1/kv/{}", self.key))
            .with("cas", self.modify_index.to_string());
        Ok(is_true(&http.read(request).await?))
    }
}
