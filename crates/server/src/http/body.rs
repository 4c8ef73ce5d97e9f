//! The body of a request, as it comes and within its limit.

use api::Endpoint;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::reply::Reply;
use crate::limits::{BODY_BYTES, BODY_SILENCE, KV_LIMIT_PAGE, SNAPSHOT_BYTES, TXN_LIMIT_PAGE};

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

    /// All that is left.
    ///
    /// # Errors
    ///
    /// As [`Pieces::next`].
    pub(super) async fn whole(mut self) -> Result<Bytes, Reply> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

fn closing(status: u16, text: impl Into<String>) -> Reply {
    let mut reply = Reply::text(status, text);
    reply.close = true;
    reply
}
