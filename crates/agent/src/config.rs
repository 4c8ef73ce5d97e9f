//! What the agent is told: flags, files, and the settings that come out of them.
//!
//! ```text
//! flags, files -> read -> Layer -> Settings::check -> Settings -> the start
//! ```
//!
//! Rules and texts: specification "Serf agent", section 4.

mod address;
mod file;
mod layer;
mod options;
mod read;
mod settings;
mod simulated;

pub use file::decode as decode_text;
pub use layer::Layer;
pub use options::{FlagSetting, Kind, OPTIONS, OptionRow, Origin};
pub use read::{Reading, read};
pub use settings::{MdnsSettings, Settings, log_level};
pub use simulated::{Simulated, simulated};

pub(crate) use address::{is_public, shown};

/// Why the agent cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The text that operators of the real agent know.
    pub message: String,
    /// Which setting, which value, what to do; on a line of its own behind the message.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), hint: None }
    }

    /// Adds what the operator can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
