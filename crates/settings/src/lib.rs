//! The configuration of the Consul agent: what the command line and files say, checked against one
//! table, as typed settings.
//!
//! ```text
//!   SECTIONS, schema: names, types, defaults, flags
//!                       |
//! files -> HCL, JSON -> decode -> Layer -+
//! fragments of -hcl --> decode -> Layer -+-> merged -> build -> check -> Settings -> the start
//! flags ------------------------> Layer -+              ^
//!                             interfaces -> templates --+
//! ```
//!
//! One row of the table makes the reader of files, the check for unknown keys and the suggestion
//! beside it, the flag, the default, what `-dev` changes, what a reload takes into use, and the
//! line of the reference page (`docs/consul-configuration.md`). Complaints are the texts that
//! operators of the real agent know, with a hint on a line of its own where there is more to say.
//!
//! The crate opens no sockets and starts nothing; it reads files through [`Files`] alone, of which
//! [`Disk`] is the real one, and knows of the machine what [`Host`] says, for which [`interfaces`]
//! asks the system. Services, checks and
//! watches are handed on as objects whose names and types were checked; what they mean is for the
//! agent's local state.
//!
//! ```
//! use settings::{Content, FlagSetting, Host};
//!
//! struct OneFile;
//! impl settings::Files for OneFile {
//!     fn open(&self, _: &str) -> std::io::Result<Content> {
//!         Ok(Content::File(b"data_dir = \"/tmp/t\" server = true bootstrap_expect = 1".to_vec()))
//!     }
//!     fn is_directory(&self, _: &str) -> Option<bool> {
//!         None
//!     }
//! }
//!
//! let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
//! let flags = [flag("config-file", "a.hcl"), flag("bind", "127.0.0.1"), flag("http-port", "80")];
//! let host = Host { name: "host".into(), interfaces: Vec::new() };
//! let settings = settings::load(&flags, &OneFile, &host)?;
//! settings.check_start()?;
//! assert!(settings.server && settings.bootstrap);
//! assert_eq!(settings.network.http[0].to_string(), "127.0.0.1:80");
//! # Ok::<(), settings::Failure>(())
//! ```

mod build;
mod check;
mod decode;
mod disk;
mod dns;
mod flags;
mod interface;
mod layer;
mod machine;
mod nearest;
mod network;
mod recursor;
mod reference;
mod schema;
mod secret;
mod settings;
mod sources;
mod start;
mod table;
mod template;
mod tls;

pub use crate::settings::{
    AclSettings, CheckSettings, ClusterSettings, GossipKey, GossipSettings, GossipTiming,
    HttpSettings, LimitSettings, LogLevel, LogSettings, NodeSettings, PerformanceSettings,
    Settings, TelemetrySettings, UiSettings, UnixSocketSettings,
};
pub use decode::Format;
pub use disk::Disk;
pub use dns::{DnsSettings, RecursorStrategy};
pub use flags::{AgentFlag, FlagKind, flags};
pub use interface::Interface;
pub use layer::{Definition, Layer};
pub use machine::interfaces;
pub use network::{ListenAddress, Network, Ports};
pub use recursor::Recursor;
pub use reference::page as reference_page;
pub use schema::{CHECK, Field, Kind, SERVICE};
pub use secret::Secret;
pub use sources::{Content, Files, FlagSetting};
pub use table::{Effect, Flag, Initial, Row, SECTIONS, Section, row_of_flag, rows};
pub use template::{TemplateError, expand};
pub use tls::{TlsListener, TlsSettings, TlsVersion};

/// Why the agent cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The text that operators of the real agent know.
    pub message: String,
    /// What was probably meant, or what to do; for lines of its own behind the message.
    pub hint: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What is to be known of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Every address of every interface.
    pub interfaces: Vec<Interface>,
}

/// Reads the flags and every file they name, and gives them their meaning. What `validate` says is
/// the outcome of this; a start has more conditions: [`Settings::check_start`].
///
/// # Errors
///
/// The first source that cannot be read, all values that are wrong, or the first thing that cannot
/// be.
pub fn load(flags: &[FlagSetting], files: &dyn Files, host: &Host) -> Result<Settings, Failure> {
    let reading = sources::read(flags, files)?;
    let mut settings = build::build(reading, host)?;
    check::check(&mut settings, files)?;
    Ok(settings)
}

/// Services that files define, and lines for the operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// The services, in the order of the files.
    pub definitions: Vec<Definition>,
    /// What is worth a word although it is no mistake.
    pub warnings: Vec<String>,
}

/// Reads the services of files and directories, whatever else stands in them.
///
/// # Errors
///
/// The first file that cannot be read, or all values that are wrong in one.
pub fn read_services(paths: &[String], files: &dyn Files) -> Result<Services, Failure> {
    let flag = |path: &String| FlagSetting { name: "config-file".to_owned(), value: path.clone() };
    let flags: Vec<_> = paths.iter().map(flag).collect();
    let reading = sources::read(&flags, files)?;
    Ok(Services { definitions: reading.layer.services, warnings: reading.warnings })
}
