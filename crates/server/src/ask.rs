//! What requests ask of the process itself.

use tokio::sync::oneshot;

/// Something that only the one who runs the server can do; `None` at the other end of an answer
/// means that it was not done because the process ends.
#[derive(Debug)]
pub enum Ask {
    /// Read the configuration again. The answer is why it was not taken.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Leave the pools, then end. The answer comes when it has left.
    Leave(oneshot::Sender<Result<(), String>>),
}
