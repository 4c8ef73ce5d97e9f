//! Why a call of the HTTP API failed.

/// Why a call failed. The texts are those of Consul's own client, which scripts match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address has a scheme other than `http`, `https` and `unix`.
    #[error("Unknown protocol scheme: {0}")]
    Scheme(String),
    /// Only one half of the client's identity is given.
    #[error("both client cert and client key must be provided")]
    HalfIdentity,
    /// The client's certificate or key cannot be used.
    #[error("{0}")]
    Identity(String),
    /// The file of authorities cannot be used.
    #[error("Error loading CA File: {0}")]
    CaFile(String),
    /// The folder of authorities cannot be used.
    #[error("Error loading CA Path: {0}")]
    CaPath(String),
    /// The file with the token cannot be read.
    #[error("Error loading token file: {0}")]
    TokenFile(String),
    /// A library has refused the settings of TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// No answer came.
    #[error("{operation} {url}: {reason}")]
    Exchange {
        /// The method as Go shows it, such as `Get`.
        operation: String,
        /// The whole URL in quotes.
        url: String,
        /// What happened, in Go's words.
        reason: String,
    },
    /// The agent has refused.
    #[error("Unexpected response code: {code} ({body})")]
    Status {
        /// The status code.
        code: u16,
        /// The agent's words.
        body: String,
    },
    /// The answer broke off; the text says why.
    #[error("{0}")]
    Broken(String),
    /// The answer is not of the expected form; the text says why.
    #[error("{0}")]
    Answer(String),
    /// The answer is longer than what is taken.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl From<gotext::object::ObjectError> for HttpError {
    fn from(error: gotext::object::ObjectError) -> Self {
        HttpError::Answer(error.to_string())
    }
}

impl From<gotext::decode::DecodeError> for HttpError {
    fn from(error: gotext::decode::DecodeError) -> Self {
        HttpError::Answer(error.to_string())
    }
}
