//! Why a write was refused, in the texts that clients know (consul-http, "Catalog", "Sessions and
//! locks", "Transactions").

use serde::{Deserialize, Serialize};

use crate::name::{CheckId, NodeId, NodeName, ServiceId};

/// A refused write. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// A lock operation without a session.
    #[error("missing session")]
    MissingSession,
    /// A lock for a session that does not exist.
    #[error("invalid session \"{0}\"")]
    InvalidSession(Box<str>),
    /// A row on a node that does not exist.
    #[error("Missing node registration")]
    MissingNode,
    /// A check of a service that does not exist.
    #[error("Missing service registration")]
    MissingService,
    /// A session on a check that does not exist.
    #[error("Missing check '{0}' registration")]
    MissingCheck(CheckId),
    /// A session on a check that is critical.
    #[error("Check '{0}' is in critical state")]
    CriticalCheck(CheckId),
    /// A session on a check without a name.
    #[error("failed check lookup: index error: object is missing a value for this index")]
    BlankCheck,
    /// A check that has neither an ID nor a name.
    #[error(
        "failed inserting check on node \"{0}\": failed health check lookup: index error: object \
         is missing a value for this index"
    )]
    UnnamedCheck(NodeName),
    /// Another node, alive, has the name.
    #[error(
        "failed inserting node: Error while renaming Node ID: \"{id}\": Node name {name} is \
         reserved by node {owner} with name {owner_name} ({owner_address})"
    )]
    NameReserved {
        /// The ID that asked for the name.
        id: NodeId,
        /// The name that was asked for.
        name: NodeName,
        /// The ID of the node that has it.
        owner: NodeId,
        /// The name as its owner writes it.
        owner_name: NodeName,
        /// The owner's address.
        owner_address: Box<str>,
    },
    /// Metadata of a service outside its limits.
    #[error(
        "failed inserting service: Invalid Service Meta for node {node} and serviceID {service}: \
         {why}"
    )]
    ServiceMeta {
        /// The node of the service.
        node: NodeName,
        /// The service.
        service: ServiceId,
        /// Which pair is wrong and why.
        why: Box<str>,
    },
    /// A registration without a node.
    #[error("Must provide node")]
    NoNode,
    /// A registration of a node without an address.
    #[error("Must provide address if SkipNodeUpdate is not set")]
    NoAddress,
    /// An identity that is no UUID.
    #[error("Bad node ID: {0}")]
    NodeId(Box<str>),
    /// A service with an ID and no name.
    #[error("Must provide service name (Service.Service) when service ID is provided")]
    NoServiceName,
    /// A service at an unspecified address.
    #[error("Invalid service address")]
    ServiceAddress,
    /// A check of another node than the request's.
    #[error("Node '{other}' for check '{check}' doesn't match register request node '{node}'")]
    CheckNode {
        /// The node that the check names.
        other: NodeName,
        /// The check.
        check: CheckId,
        /// The node that the request names.
        node: NodeName,
    },
    /// A check of a service that is neither in the request nor on the node.
    #[error("Unknown service ID '{service}' for check ID '{check}'")]
    UnknownService {
        /// The service that the check names.
        service: ServiceId,
        /// The check.
        check: CheckId,
    },
    /// A state that is to take the place of this one cannot.
    #[error("failed to restore: {0}")]
    Restore(Box<str>),
    /// What an operation of a transaction asked for does not hold.
    #[error("{0}")]
    Txn(Box<str>),
}
