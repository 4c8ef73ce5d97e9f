//! Why a call failed.

use wire::DecodeError;
use wire::rpc::KeyReport;

/// Why a call failed. The texts are those of Serf's own client, which scripts match.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection; the text says why, as Go words it.
    #[error("{0}")]
    Dial(String),
    /// The agent has closed the connection.
    #[error("client closed")]
    Closed,
    /// The agent has refused; its own words.
    #[error("{0}")]
    Agent(String),
    /// The agent does not know the command, and has closed the connection.
    #[error("Unsupported command")]
    Unsupported,
    /// A command about keys did not succeed everywhere.
    #[error("{reason}")]
    Keys {
        /// The agent's words.
        reason: String,
        /// What the members had to say.
        report: Box<KeyReport>,
    },
    /// The agent sent something that is not of this protocol.
    #[error("the agent's answer is not understood: {0}")]
    Protocol(#[from] DecodeError),
    /// The agent sent an answer to a request that was not made.
    #[error("the agent answered request {0}, which was not made")]
    UnexpectedAnswer(u64),
    /// The agent sends records without end while a call waits.
    #[error("the agent sent more than {0} records before its answer")]
    TooManyRecords(usize),
}
