//! Why a definition or a request was refused, in the words that clients know.

use catalog::{CheckId, ServiceId};
use gotext::object::ObjectError;
use gotext::quote;

use crate::check_definition::CheckError;

/// A request that was refused; nothing of it was done. The text is the body of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The body does not fill the record.
    #[error("Request decode failed: {0}")]
    Decode(#[from] ObjectError),
    /// A service without a name.
    #[error("Missing service name")]
    ServiceName,
    /// A service of a configuration file without a name.
    #[error("Service name missing")]
    FileServiceName,
    /// A check of a configuration file with neither an ID nor a name.
    #[error("CheckID missing")]
    FileCheckId,
    /// A check of a configuration file, with what it says but for its token.
    #[error("{why} {definition}")]
    FileCheck {
        /// Why.
        why: Box<Refused>,
        /// What stands in the file, as Go's program prints it.
        definition: String,
    },
    /// A check of its own without a name.
    #[error("Missing check name")]
    CheckName,
    /// A service at an unspecified address.
    #[error("Invalid service address")]
    Address,
    /// Weights that DNS cannot use.
    #[error("Invalid Weights: {0}")]
    Weights(&'static str),
    /// Metadata outside its limits.
    #[error("Invalid Service Meta: {0}")]
    Meta(String),
    /// A proxy, gateway or sidecar that cannot be one; a list of reasons.
    #[error("Validation failed: {0}")]
    Structure(String),
    /// The same of a sidecar, once it has what it takes from its service.
    #[error("Failed Validation: {0}")]
    Sidecar(String),
    /// A check that cannot be run.
    #[error("Invalid check: {0}")]
    Check(CheckError),
    /// The same of a sidecar.
    #[error("Invalid check in sidecar_service: {0}")]
    SidecarCheck(CheckError),
    /// A check of its own with a status that is none.
    #[error("Bad check status")]
    CheckStatus,
    /// A check in a service with a status that is none.
    #[error("Status for checks must 'passing', 'warning', 'critical'")]
    ServiceCheckStatus,
    /// An update with a status that is none.
    #[error("Invalid check status: '{0}'")]
    UpdateStatus(String),
    /// A check of a service that does not exist.
    #[error("ServiceID {} does not exist", quote(.0.as_str()))]
    NoSuchService(ServiceId),
    /// A service that does not exist.
    #[error(
        "Unknown service ID {}. Ensure that the service ID is passed, not the service name.",
        quote(.0.as_str())
    )]
    UnknownService(ServiceId),
    /// A check that does not exist.
    #[error(
        "Unknown check ID {}. Ensure that the check ID is passed, not the check name.",
        quote(.0.as_str())
    )]
    UnknownCheck(CheckId),
    /// An update of a check that finds out by itself.
    #[error("CheckID {} does not have associated TTL", quote(.0.as_str()))]
    NoTtl(CheckId),
    /// An address for a family that it is not of.
    #[error("Service tagged address {} must be a valid {family} address", quote(.tag))]
    TaggedAddress {
        /// The purpose, which names the family.
        tag: String,
        /// `ipv4` or `ipv6`.
        family: &'static str,
    },
    /// Scripts may come from nobody.
    #[error(
        "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true"
    )]
    Scripts,
    /// Scripts may come from files, but not by request.
    #[error(
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    )]
    RemoteScripts,
    /// A check of the operating system's services where those cannot be asked.
    #[error("not implemented")]
    OsService,
    /// A service with more checks than one can have; how many.
    #[error(
        "Invalid checks: {0} are given, a service can have {most}; register it in parts",
        most = crate::services::SERVICE_CHECKS
    )]
    TooManyChecks(usize),
    /// A sidecar without a port, and no port may be chosen for it.
    #[error("no port provided for sidecar_service and auto-assignment disabled in config")]
    SidecarPortsOff,
    /// A sidecar without a port, and none is left.
    #[error(
        "no port provided for sidecar_service and none left in the configured range [{0}, {1}]"
    )]
    SidecarPortsTaken(u16, u16),
}

impl Refused {
    /// The status of the HTTP answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::FileCheck { why, .. } => why.status(),
            Self::NoSuchService(_) | Self::UnknownService(_) | Self::UnknownCheck(_) => 404,
            Self::NoTtl(_)
            | Self::TaggedAddress { .. }
            | Self::Scripts
            | Self::RemoteScripts
            | Self::OsService
            | Self::SidecarPortsOff
            | Self::SidecarPortsTaken(..) => 500,
            _ => 400,
        }
    }
}
