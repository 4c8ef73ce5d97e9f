//! What the agent is, and where its configuration comes from.

use super::{Row, flag, key};
use crate::schema::Kind;

pub(super) const COMMAND_LINE: &[Row] = &[
    flag(
        "config-file",
        "PATH",
        Kind::List,
        "File to read, in JSON or HCL by its extension; may be repeated, later ones win.",
    ),
    flag(
        "config-dir",
        "PATH",
        Kind::List,
        "Directory whose files ending in .json or .hcl are read in the order of their names; may \
         be repeated.",
    ),
    flag(
        "config-format",
        "FORMAT",
        Kind::Text,
        "Format of all files, whatever their extension: json or hcl.",
    ),
    flag(
        "hcl",
        "FRAGMENT",
        Kind::List,
        "Configuration in HCL that goes over everything else; may be repeated.",
    ),
    flag(
        "dev",
        "",
        Kind::Bool,
        "Run a single server in memory, to develop with; nothing outlives it.",
    ),
];

const TEXTS: Kind = Kind::Map(&Kind::Text);

pub(super) const ROWS: &[Row] = &[
    key("node_name", Kind::Text, "Name of this node; it must be unique in the datacenter.")
        .flag("node", "NAME")
        .described("host name"),
    key("node_id", Kind::Text, "Identity of this node, a UUID.")
        .flag("node-id", "UUID")
        .described("kept in the data directory, else random"),
    key("node_meta", TEXTS, "Metadata of this node, at most 64 pairs.")
        .flag("node-meta", "KEY:VALUE")
        .reloadable(),
    key("disable_host_node_id", Kind::Bool, "Draw the node's identity instead of deriving it.")
        .flag("disable-host-node-id", "")
        .is("true"),
    key("datacenter", Kind::Text, "Datacenter of the agent; taken in small letters.")
        .flag("datacenter", "NAME")
        .is("dc1"),
    key("primary_datacenter", Kind::Text, "Datacenter that has the say over access control.")
        .described("own datacenter")
        .kept(),
    key("data_dir", Kind::Text, "Directory for all that is to outlive the process.")
        .flag("data-dir", "PATH"),
    key("server", Kind::Bool, "Take part in the consensus, and keep the state.")
        .flag("server", "")
        .is("false")
        .dev("true"),
    key("bootstrap", Kind::Bool, "Become leader alone; for the only server.")
        .flag("bootstrap", "")
        .is("false"),
    key("bootstrap_expect", Kind::Int, "Number of servers to wait for before the first election.")
        .flag("bootstrap-expect", "N")
        .is("0"),
    key("pid_file", Kind::Text, "File that holds the number of the process.")
        .flag("pid-file", "PATH"),
    key("version", Kind::Text, "Accepted and without effect: the version is this program's.")
        .without(),
    key("auto_reload_config", Kind::Bool, "Reload when a file of the configuration changes.")
        .flag("auto-reload-config", "")
        .is("false")
        .kept(),
    key("enable_debug", Kind::Bool, "Serve the endpoints for profiling to everybody.")
        .is("false")
        .dev("true")
        .reloadable()
        .kept(),
    key("experiments", Kind::List, "Names of features that are on trial.").without(),
    key("disable_update_check", Kind::Bool, "Tribune never asks anybody for updates.")
        .is("false")
        .without(),
    key("disable_anonymous_signature", Kind::Bool, "Tribune never reports its use to anybody.")
        .is("false")
        .dev("true")
        .without(),
    key("disable_remote_exec", Kind::Bool, "Do not run commands for others.").is("true").kept(),
    key("default_query_time", Kind::Duration, "How long a blocking query without `wait` blocks.")
        .flag("default-query-time", "DURATION")
        .is("300s"),
    key("max_query_time", Kind::Duration, "Longest `wait` of a blocking query.")
        .flag("max-query-time", "DURATION")
        .is("600s"),
    key(
        "discovery_max_stale",
        Kind::Duration,
        "How old an answer of discovery may be that a follower gives by itself; 0 asks the leader.",
    )
    .is("0s")
    .kept(),
    key("session_ttl_min", Kind::Duration, "Shortest TTL of a session; 0 means 10s.").is("0s"),
];
