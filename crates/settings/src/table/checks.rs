//! Services, checks and watches of files, and what holds for all of them.

use super::{Row, key};
use crate::schema::{CHECK, Kind, SERVICE};

pub(super) const ROWS: &[Row] = &[
    key("service", Kind::Record(&SERVICE), "A service of this node.").reloadable(),
    key("services", Kind::Records(&SERVICE), "Services of this node.").reloadable(),
    key("check", Kind::Record(&CHECK), "A check of this node or of one of its services.")
        .reloadable(),
    key("checks", Kind::Records(&CHECK), "Checks of this node or of its services.").reloadable(),
    key("watches", Kind::Objects, "What to watch for, and what to run then.").reloadable(),
    key(
        "enable_script_checks",
        Kind::Bool,
        "Run checks that are scripts, those registered over HTTP too.",
    )
    .flag("enable-script-checks", "")
    .is("false"),
    key("enable_local_script_checks", Kind::Bool, "Run checks of files that are scripts.")
        .flag("enable-local-script-checks", "")
        .described("enable_script_checks"),
    key("enable_agent_tls_for_checks", Kind::Bool, "Use the agent's certificate in checks.")
        .is("false")
        .kept(),
    key(
        "check_update_interval",
        Kind::Duration,
        "How long a change of nothing but a check's output may wait.",
    )
    .is("5m"),
    key("check_output_max_size", Kind::Int, "Most bytes that are kept of a check's output.")
        .flag("check_output_max_size", "BYTES")
        .is("4096"),
    key("discard_check_output", Kind::Bool, "Keep nothing of the output of checks.")
        .is("false")
        .reloadable(),
    key("enable_central_service_config", Kind::Bool, "Merge configuration entries into services.")
        .is("true")
        .kept(),
];
