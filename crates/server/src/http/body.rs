//! The body of a request, as it comes and within its limit; and the bodies of all requests, which
//! share another one.

use std::sync::Arc;

use api::Endpoint;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::reply::Reply;
use crate::limits::{
    BODIES_BYTES, BODIES_WAIT, BODY_BYTES, BODY_SILENCE, BODY_TIME, KV_LIMIT_PAGE,
    SHORT_BODY_BYTES, SNAPSHOT_BYTES, TXN_LIMIT_PAGE,
};

/// What room is given out in, in bytes.
const UNIT: usize = 1 << 10;

/// The room for all bodies that are longer than a short one. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES / UNIT)))
    }
}

/// A body, and the room that it takes as long as this is here.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// What is left of a body.
pub(crate) struct Pieces {
    body: Incoming,
    taken: usize,
    limit: usize,
    page: &'static str,
}

impl Pieces {
    /// The body for an endpoint.
    ///
    /// # Errors
    ///
    /// The answer to one that says that it is too long.
    pub(super) fn new(
        endpoint: &Endpoint,
        agent: &api::Agent,
        body: Incoming,
    ) -> Result<Self, Box<Reply>> {
        let (limit, page) = match endpoint.path {
            "/v1/kv/" => (agent.kv_value_max_bytes, KV_LIMIT_PAGE),
            "/v1/txn" => (agent.txn_max_bytes.max(agent.kv_value_max_bytes), TXN_LIMIT_PAGE),
            "/v1/snapshot" => (SNAPSHOT_BYTES, ""),
            _ => (BODY_BYTES, ""),
        };
        let size = body.size_hint().exact();
        let pieces = Self { body, taken: 0, limit, page };
        match size {
            Some(size) if size > limit as u64 => Err(pieces.too_large(size).into()),
            _ => Ok(pieces),
        }
    }

    fn too_large(&self, size: u64) -> Reply {
        let (limit, page) = (self.limit, self.page);
        let see = if page.is_empty() { String::new() } else { format!(" See {page}.") };
        closing(413, format!("Request body({size} bytes) too large, max size: {limit} bytes.{see}"))
    }

    /// The next piece; nothing at the end. What is longer than the limit is not read.
    ///
    /// # Errors
    ///
    /// The answer to who sends too much, nothing for too long, or something else than a body.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Reply> {
        loop {
            let frame = timeout(BODY_SILENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| closing(408, "408 Request Timeout"))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| closing(500, "invalid byte in chunk length"))?;
            let Ok(data) = frame.into_data() else { continue };
            self.taken += data.len();
            if self.taken > self.limit {
                return Err(self.too_large(self.taken as u64));
            }
            return Ok(Some(data));
        }
    }

    /// All that is left. A long body takes room from `bodies` as it comes: who only says that it
    /// will be long takes none from others.
    ///
    /// # Errors
    ///
    /// As [`Pieces::next`], and the answer to who finds no room or takes too long.
    pub(super) async fn whole(mut self, bodies: &Bodies) -> Result<Whole, Reply> {
        let until = Instant::now() + BODY_TIME;
        let mut bytes = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        loop {
            let piece = tokio::select! {
                piece = self.next() => piece?,
                () = sleep_until(until) => return Err(closing(408, "408 Request Timeout")),
            };
            let Some(piece) = piece else { break };
            let wanted =
                (bytes.len() + piece.len()).saturating_sub(SHORT_BODY_BYTES).div_ceil(UNIT);
            let missing = wanted - room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if missing > 0 {
                let more = bodies.take(missing).await?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Whole { bytes: bytes.freeze(), _room: room })
    }
}

impl Bodies {
    /// So many units, as soon as others have given them back.
    async fn take(&self, units: usize) -> Result<OwnedSemaphorePermit, Reply> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let taken = timeout(BODIES_WAIT, self.0.clone().acquire_many_owned(units)).await;
        taken.ok().and_then(Result::ok).ok_or_else(|| {
            let (most, wait) = (BODIES_BYTES >> 20, BODIES_WAIT.as_secs());
            let text = format!(
                "The bodies of other requests have taken all {most} MiB of memory for bodies, and \
                 still had after {wait} seconds; try again"
            );
            closing(503, text)
        })
    }
}

fn closing(status: u16, text: impl Into<String>) -> Reply {
    let mut reply = Reply::text(status, text);
    reply.close = true;
    reply
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_is_told_so_and_finds_it_when_others_are_done() {
        let bodies = Bodies::default();
        let all = bodies.take(BODIES_BYTES / UNIT).await.ok();
        let refused = bodies.take(1).await.err().unwrap();
        assert!(refused.status == 503 && refused.close);
        assert!(all.is_some());
        drop(all);
        assert!(bodies.take(1).await.is_ok());
    }
}
