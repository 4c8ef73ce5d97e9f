//! Why a write was refused, in the texts that clients know (consul-http, "Catalog", "Sessions and
//! locks", "Transactions").

use serde::{Deserialize, Serialize};

use crate::name::{CheckId, NodeId, NodeName, ServiceId, Uuid};

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
    /// A change of a prepared query that is not there.
    #[error("Cannot modify non-existent prepared query: '{0}'")]
    MissingQuery(Uuid),
    /// A prepared query with the name of another.
    #[error("name '{0}' aliases an existing query name")]
    QueryName(Box<str>),
    /// A prepared query with another's ID as its name.
    #[error("name '{0}' aliases an existing query ID")]
    QueryNameIsId(Box<str>),
    /// A second template for every name.
    #[error("a query template with an empty name already exists")]
    EmptyTemplateName,
    /// A template that cannot be read.
    #[error("failed compiling template: {0}")]
    Template(Box<str>),
    /// A template that is asked for by its ID.
    #[error("prepared query templates can only be resolved up by name, not by ID")]
    TemplateById,
    /// A template without a value for a name.
    #[error("{0}")]
    Query(Box<str>),
}
