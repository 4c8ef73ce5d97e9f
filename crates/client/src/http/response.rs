//! An answer of the HTTP API.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::HttpError;

/// Largest answer that is taken into memory. Streams, and snapshots, are read in pieces and have no
/// such bound.
pub const LARGEST_ANSWER: usize = 512 << 20;

/// Largest refusal that is shown.
const LARGEST_REFUSAL: usize = 1 << 20;

/// An answer whose body has not been read yet.
#[derive(Debug)]
pub struct Response {
    status: u16,
    index: Option<u64>,
    content_hash: Option<String>,
    warning: Option<String>,
    body: Incoming,
}

impl Response {
    pub(crate) fn new(answer: hyper::Response<Incoming>) -> Response {
        let index = answer.headers().get("x-consul-index");
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok());
        let content_hash = answer.headers().get("x-consul-contenthash");
        let content_hash = content_hash.and_then(|hash| Some(hash.to_str().ok()?.to_owned()));
        let warning = answer.headers().get("warning").and_then(|text| text.to_str().ok());
        let warning = warning.map(|text| warn_text(text).to_owned());
        let status = answer.status().as_u16();
        Response { status, index, content_hash, warning, body: answer.into_body() }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The index of what was read, for a read that waits for it to change.
    pub fn index(&self) -> Option<u64> {
        self.index
    }

    /// The hash of what was read, for a read of the agent's own that waits for another one.
    pub fn content_hash(&self) -> Option<&str> {
        self.content_hash.as_deref()
    }

    /// What is worth knowing about a request that was carried out (RFC 7234, `Warning`).
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// This answer if it is a success, else the refusal that it is.
    ///
    /// # Errors
    ///
    /// [`HttpError::Status`] for any status but 200.
    pub async fn success(self) -> Result<Response, HttpError> {
        if self.status == 200 {
            return Ok(self);
        }
        let code = self.status;
        let body = self.bytes(LARGEST_REFUSAL).await?;
        let body = String::from_utf8_lossy(&body).trim().to_owned();
        Err(HttpError::Status { code, body })
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// [`HttpError::TooLong`] for more than `limit` bytes, [`HttpError::Broken`] if the connection
    /// ends before the body does.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let expected = self.body.size_hint().lower();
        if expected > limit as u64 {
            return Err(HttpError::TooLong(limit));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            if bytes.len() + piece.len() > limit {
                return Err(HttpError::TooLong(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The next piece of the body, as it comes; nothing at its end.
    ///
    /// # Errors
    ///
    /// [`HttpError::Broken`] if the connection ends before the body does.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| HttpError::Broken(super::reason(&error)))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// The text of a warning, without its code and agent.
fn warn_text(warning: &str) -> &str {
    let text = warning.splitn(3, ' ').nth(2).unwrap_or(warning);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_shown_without_its_code() {
        assert_eq!(warn_text("299 - \"left out: 3 ACLPolicy\""), "left out: 3 ACLPolicy");
        assert_eq!(warn_text("odd"), "odd");
    }
}
