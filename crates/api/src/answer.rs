//! What a handler says, whatever carries it.

use bytes::Bytes;
use catalog::{ModifyIndex, Watch};

/// What an answer consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// Compact JSON.
    Json(Bytes),
    /// Plain text, without a newline at the end.
    Text(String),
    /// Bytes as they are, of a type.
    Bytes(&'static str, Bytes),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, as HTTP has it.
    pub status: u16,
    /// What it says.
    pub body: Body,
    /// The index of the answer, for reads that can be waited on.
    pub index: ModifyIndex,
    /// What the answer was made of: if none of it is touched, the answer stays the same.
    pub watches: Vec<Watch>,
    /// Whether the headers of a read come with it.
    pub meta: bool,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// An answer of 200.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self {
            status: 200,
            body,
            index: ModifyIndex::ZERO,
            watches: Vec::new(),
            meta: true,
            headers: Vec::new(),
        }
    }

    /// The index and the rows that the answer was made of.
    #[must_use]
    pub fn at(mut self, index: ModifyIndex, watches: impl IntoIterator<Item = Watch>) -> Self {
        self.index = index;
        self.watches.extend(watches);
        self
    }

    /// Another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// `true` or `false`.
    #[must_use]
    pub fn truth(value: bool) -> Self {
        Self::new(Body::Json(Bytes::from_static(if value { b"true" } else { b"false" })))
    }
}

/// Why a request is refused. The text is what the client reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The status, as HTTP has it.
    pub status: u16,
    /// What was wrong.
    pub text: String,
}

impl Failure {
    /// A failure.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// The request is wrong.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(400, text)
    }

    /// What was asked for cannot be done.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(500, text)
    }
}
