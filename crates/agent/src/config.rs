//! What the agent is told: flags, files, and the settings that come out of them.

mod options;

pub use options::{FlagSetting, Kind, OPTIONS, OptionRow, Origin};
