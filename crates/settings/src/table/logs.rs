//! What the agent tells about itself.

use super::{Row, key};
use crate::schema::Kind;

pub(super) const ROWS: &[Row] = &[
    key("log_level", Kind::Text, "Least level of lines: TRACE, DEBUG, INFO, WARN, ERR or ERROR.")
        .flag("log-level", "LEVEL")
        .is("INFO")
        .dev("DEBUG")
        .reloadable(),
    key("log_json", Kind::Bool, "Write lines as JSON.").flag("log-json", "").is("false"),
    key("log_file", Kind::Text, "File that the log is written to as well.")
        .flag("log-file", "PATH"),
    key("log_rotate_bytes", Kind::Int, "Size from which a new file is begun; 0: any size.")
        .flag("log-rotate-bytes", "BYTES")
        .is("0"),
    key("log_rotate_duration", Kind::Duration, "Age from which a new file is begun.")
        .flag("log-rotate-duration", "DURATION")
        .is("24h"),
    key("log_rotate_max_files", Kind::Int, "Old files that are kept: 0 all, -1 none.")
        .flag("log-rotate-max-files", "N")
        .is("0"),
    key("enable_syslog", Kind::Bool, "Send the log to syslog too.").flag("syslog", "").is("false"),
    key("syslog_facility", Kind::Text, "Facility under which syslog files it.").is("LOCAL0"),
];

pub(super) const TELEMETRY: &[Row] = &[
    key("telemetry.metrics_prefix", Kind::Text, "What names of metrics begin with.").is("consul"),
    key("telemetry.disable_hostname", Kind::Bool, "Leave the host's name out of gauges.")
        .is("false"),
    key("telemetry.prometheus_retention_time", Kind::Duration, "Serve Prometheus; 0: do not.")
        .is("0s"),
    key("telemetry.prefix_filter", Kind::List, "Prefixes to keep (`+x`) or to drop (`-x`).")
        .reloadable(),
    key("telemetry.filter_default", Kind::Bool, "Keep what no filter names.").is("true"),
    key("telemetry.statsd_address", Kind::Text, "Statsd server that is sent metrics over UDP."),
    key("telemetry.statsite_address", Kind::Text, "Statsite server that is sent metrics over TCP."),
    key("telemetry.dogstatsd_addr", Kind::Text, "DogStatsD server.").kept(),
    key("telemetry.dogstatsd_tags", Kind::List, "Tags of all metrics for DogStatsD.").kept(),
    key("telemetry.retry_failed_connection", Kind::Bool, "Start although a server is away.")
        .is("true")
        .kept(),
    key("telemetry.enable_host_metrics", Kind::Bool, "Count the host's processors and disks.")
        .is("false")
        .kept(),
    key("telemetry.disable_per_tenancy_usage_metrics", Kind::Bool, "Count objects only in all.")
        .without(),
    key("telemetry.circonus_api_token", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_api_app", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_api_url", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_submission_interval", Kind::Text, "Circonus is not supported.")
        .without(),
    key("telemetry.circonus_submission_url", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_check_id", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_check_force_metric_activation", Kind::Text, "Not supported.").without(),
    key("telemetry.circonus_check_instance_id", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_check_search_tag", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_check_display_name", Kind::Text, "Circonus is not supported.")
        .without(),
    key("telemetry.circonus_check_tags", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_broker_id", Kind::Text, "Circonus is not supported.").without(),
    key("telemetry.circonus_broker_select_tag", Kind::Text, "Circonus is not supported.").without(),
];
