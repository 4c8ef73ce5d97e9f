//! The one table of every flag and every configuration key of `serf agent`.
//!
//! The row makes the command line's parser, help, completion and manual page, the file's decoder,
//! the suggestion for a mistyped key, and the remark about changed settings that a reload ignores.

/// How a value is written, on the command line and in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`; the flag may stand alone.
    Bool,
    /// Any text.
    Text,
    /// A decimal number; the flag follows Go's rules for numbers.
    Int,
    /// Text such as `1m30s`. The command line passes it on as it is, the agent checks it.
    Duration,
    /// A list of texts in a file, a flag that may be repeated.
    List,
    /// An object of texts in a file, a repeatable flag `KEY=VALUE`. The command line passes it on
    /// as it is, the agent checks it.
    Tags,
}

/// Who knows this option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every Serf agent that is still in use.
    Serf,
    /// Only Serf after 0.8.2.
    NewerSerf,
    /// Only this program.
    Tribune,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// The flag without its dash, if there is one.
    pub flag: Option<&'static str>,
    /// The key in a configuration file, if there is one; a dot leads into an object.
    pub key: Option<&'static str>,
    /// How it is written.
    pub kind: Kind,
    /// Placeholder of the flag's value in help texts; empty for booleans.
    pub value_name: &'static str,
    /// The value that holds without it, as help texts show it; empty: none.
    pub default: &'static str,
    /// Whether SIGHUP takes a changed value into use.
    pub reloadable: bool,
    /// Who knows it.
    pub origin: Origin,
    /// What it is for.
    pub help: &'static str,
}

const fn row(
    flag: Option<&'static str>,
    key: Option<&'static str>,
    kind: Kind,
    value_name: &'static str,
    default: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow {
        flag,
        key,
        kind,
        value_name,
        default,
        reloadable: false,
        origin: Origin::Serf,
        help,
    }
}

impl OptionRow {
    const fn reloadable(mut self) -> Self {
        self.reloadable = true;
        self
    }

    /// What the option is called in this program: its key, or its flag where it has none.
    pub fn name(&self) -> &'static str {
        self.key.or(self.flag).unwrap_or_default()
    }

    const fn from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Every option: those with a flag first, in the order of the specification.
pub const OPTIONS: &[OptionRow] = &[
    row(
        Some("node"),
        Some("node_name"),
        Kind::Text,
        "NAME",
        "host name",
        "Name of this member; it must be unique in the cluster.",
    ),
    row(
        Some("bind"),
        Some("bind"),
        Kind::Text,
        "ADDR[:PORT]",
        "0.0.0.0:7946",
        "Address and port for gossip, over UDP and TCP alike.",
    ),
    row(
        Some("iface"),
        Some("interface"),
        Kind::Text,
        "NAME",
        "",
        "Network interface whose address is bound; mDNS uses it too.",
    ),
    row(
        Some("advertise"),
        Some("advertise"),
        Kind::Text,
        "ADDR[:PORT]",
        "bind address",
        "Address that other members are told; without a port it is 7946.",
    ),
    row(
        Some("config-file"),
        None,
        Kind::List,
        "PATH",
        "",
        "JSON file to read; may be repeated, later ones win.",
    ),
    row(
        Some("config-dir"),
        None,
        Kind::List,
        "PATH",
        "",
        "Directory whose files ending in .json are read in the order of their names; may be \
         repeated.",
    ),
    row(
        Some("discover"),
        Some("discover"),
        Kind::Text,
        "CLUSTER",
        "",
        "Find and join members of this cluster name on the local network, by mDNS.",
    ),
    row(
        Some("encrypt"),
        Some("encrypt_key"),
        Kind::Text,
        "KEY",
        "",
        "Key of 16, 24 or 32 bytes in base64 that seals all gossip; see the command keygen.",
    ),
    row(
        Some("keyring-file"),
        Some("keyring_file"),
        Kind::Text,
        "PATH",
        "",
        "File that holds the keys; it must exist, and key changes are stored in it.",
    ),
    row(
        Some("event-handler"),
        Some("event_handlers"),
        Kind::List,
        "[FILTER=]SCRIPT",
        "",
        "Script to run for events that match the filter; may be repeated.",
    )
    .reloadable(),
    row(
        Some("join"),
        Some("start_join"),
        Kind::List,
        "ADDR",
        "",
        "Member to join at start, which fails if none answers; may be repeated.",
    ),
    row(
        Some("replay"),
        Some("replay_on_join"),
        Kind::Bool,
        "",
        "false",
        "Also deliver the user events that the cluster remembers from before the join.",
    ),
    row(
        Some("log-level"),
        Some("log_level"),
        Kind::Text,
        "LEVEL",
        "INFO",
        "Least level of the lines shown: TRACE, DEBUG, INFO, WARN or ERR.",
    )
    .reloadable(),
    row(
        Some("profile"),
        Some("profile"),
        Kind::Text,
        "NAME",
        "lan",
        "Timing for the kind of network: lan, wan or local.",
    ),
    row(
        Some("protocol"),
        Some("protocol"),
        Kind::Int,
        "N",
        "5",
        "Serf protocol version to speak, from 2 to 5.",
    ),
    row(
        Some("rpc-addr"),
        Some("rpc_addr"),
        Kind::Text,
        "ADDR:PORT",
        "127.0.0.1:7373",
        "Address on which commands and clients are served.",
    ),
    row(
        Some("snapshot"),
        Some("snapshot_path"),
        Kind::Text,
        "PATH",
        "",
        "File that remembers members and clocks, to rejoin after a restart.",
    ),
    row(
        Some("rejoin"),
        Some("rejoin_after_leave"),
        Kind::Bool,
        "",
        "false",
        "Rejoin from the snapshot even if this member had left.",
    ),
    row(
        Some("tag"),
        Some("tags"),
        Kind::Tags,
        "KEY=VALUE",
        "",
        "Tag of this member; may be repeated.",
    )
    .reloadable(),
    row(
        Some("role"),
        Some("role"),
        Kind::Text,
        "ROLE",
        "",
        "Deprecated; the same as the tag \"role\".",
    )
    .reloadable(),
    row(
        Some("tags-file"),
        Some("tags_file"),
        Kind::Text,
        "PATH",
        "",
        "File that keeps the tags set at run time.",
    ),
    row(
        Some("syslog"),
        Some("enable_syslog"),
        Kind::Bool,
        "",
        "false",
        "Send the log to syslog too.",
    ),
    row(
        Some("retry-join"),
        Some("retry_join"),
        Kind::List,
        "ADDR",
        "",
        "Member to join in the background, again and again until one answers; may be repeated.",
    ),
    row(
        Some("retry-interval"),
        Some("retry_interval"),
        Kind::Duration,
        "DURATION",
        "30s",
        "Pause between the attempts of -retry-join, at least 1s.",
    ),
    row(
        Some("retry-max"),
        Some("retry_max_attempts"),
        Kind::Int,
        "N",
        "0",
        "Give up and exit after the first attempt and this many more; 0 never gives up.",
    ),
    row(
        Some("broadcast-timeout"),
        Some("broadcast_timeout"),
        Kind::Duration,
        "DURATION",
        "5s",
        "Longest wait for a broadcast to get through, at least 1s.",
    ),
    row(
        Some("disable-compression"),
        None,
        Kind::Bool,
        "",
        "false",
        "Send gossip uncompressed; compressed messages are understood all the same.",
    ),
    row(
        Some("mdns-iface"),
        Some("mdns.interface"),
        Kind::Text,
        "NAME",
        "",
        "Network interface for mDNS alone; needs -discover.",
    )
    .from(Origin::NewerSerf),
    row(
        Some("mdns-disable-ipv4"),
        Some("mdns.disable_ipv4"),
        Kind::Bool,
        "",
        "false",
        "Do not use mDNS over IPv4.",
    )
    .from(Origin::NewerSerf),
    row(
        Some("mdns-disable-ipv6"),
        Some("mdns.disable_ipv6"),
        Kind::Bool,
        "",
        "false",
        "Do not use mDNS over IPv6.",
    )
    .from(Origin::NewerSerf),
    row(
        None,
        Some("rpc_auth"),
        Kind::Text,
        "TOKEN",
        "",
        "Token that RPC clients must show before anything else.",
    ),
    row(
        None,
        Some("syslog_facility"),
        Kind::Text,
        "NAME",
        "LOCAL0",
        "Facility under which syslog files the log.",
    ),
    row(
        None,
        Some("enable_compression"),
        Kind::Bool,
        "",
        "true",
        "Accepted but without effect, as in Serf; use the flag -disable-compression.",
    ),
    row(
        None,
        Some("leave_on_terminate"),
        Kind::Bool,
        "",
        "false",
        "Leave the cluster gracefully on SIGTERM.",
    )
    .reloadable(),
    row(
        None,
        Some("skip_leave_on_interrupt"),
        Kind::Bool,
        "",
        "false",
        "Do not leave the cluster on SIGINT.",
    )
    .reloadable(),
    row(
        None,
        Some("reconnect_interval"),
        Kind::Duration,
        "DURATION",
        "30s",
        "Pause between attempts to reach a failed member again.",
    ),
    row(
        None,
        Some("reconnect_timeout"),
        Kind::Duration,
        "DURATION",
        "24h",
        "After this a failed member is forgotten.",
    ),
    row(
        None,
        Some("tombstone_timeout"),
        Kind::Duration,
        "DURATION",
        "24h",
        "After this a member that has left is forgotten.",
    ),
    row(
        None,
        Some("disable_name_resolution"),
        Kind::Bool,
        "",
        "false",
        "Do not put a conflict over a member's name to the vote.",
    ),
    row(
        None,
        Some("disable_coordinates"),
        Kind::Bool,
        "",
        "false",
        "Accepted but without effect, as in Serf: network coordinates are always kept.",
    ),
    row(
        None,
        Some("query_response_size_limit"),
        Kind::Int,
        "BYTES",
        "1024",
        "Largest encoded answer to a query.",
    ),
    row(None, Some("query_size_limit"), Kind::Int, "BYTES", "1024", "Largest encoded query."),
    row(
        None,
        Some("user_event_size_limit"),
        Kind::Int,
        "BYTES",
        "512",
        "Largest user event, at most 9216.",
    ),
    row(
        None,
        Some("statsite_addr"),
        Kind::Text,
        "ADDR:PORT",
        "",
        "Statsite server that is sent metrics over TCP.",
    ),
    row(
        None,
        Some("statsd_addr"),
        Kind::Text,
        "ADDR:PORT",
        "",
        "Statsd server that is sent metrics over UDP.",
    ),
    row(
        None,
        Some("validate_node_names"),
        Kind::Bool,
        "",
        "false",
        "Refuse member names with other characters than letters, digits, '-' and '.', or of \
         more than 128 bytes.",
    )
    .from(Origin::NewerSerf),
    row(
        None,
        Some("msgpackusenewtimeformat"),
        Kind::Bool,
        "",
        "false",
        "Accepted for the sake of newer Serf's files; it has no effect.",
    )
    .from(Origin::NewerSerf),
    row(
        None,
        Some("label"),
        Kind::Text,
        "TEXT",
        "",
        "Label of the gossip pool, at most 255 bytes; members with another label are not heard.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("encrypt_verify_incoming"),
        Kind::Bool,
        "",
        "true",
        "With a key: drop gossip that is not sealed. False lets encryption be turned on member \
         by member.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("encrypt_verify_outgoing"),
        Kind::Bool,
        "",
        "true",
        "With a key: seal what is sent. False lets encryption be turned on member by member.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("dead_node_reclaim_time"),
        Kind::Duration,
        "DURATION",
        "0s",
        "After this a failed member's name may come back from another address; 0 never.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("disable_eager_gossip"),
        Kind::Bool,
        "",
        "false",
        "Do not send what was newly learned at once, but at the next gossip tick, as Serf does.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("disable_settle_exchange"),
        Kind::Bool,
        "",
        "false",
        "Do not exchange states once more shortly after joining.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.name"),
        Kind::Text,
        "NAME",
        "",
        "Take part in a floating role of this name; all participants use the same.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.tag"),
        Kind::Text,
        "TAG",
        "role",
        "Tag that shows the role: its name at the holder, the word for standby elsewhere.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.standby"),
        Kind::Text,
        "WORD",
        "standby",
        "Value of the tag at all members that do not hold the role.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.priority"),
        Kind::Int,
        "N",
        "0",
        "Higher is preferred when a new holder is chosen.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.address"),
        Kind::Text,
        "ADDR/PREFIX",
        "",
        "Address that goes with the role; needs floating_role.interface.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.interface"),
        Kind::Text,
        "NAME",
        "",
        "Interface that the address of the role is put on.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.on_acquire"),
        Kind::Text,
        "COMMAND",
        "",
        "Run when the role is acquired.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.on_release"),
        Kind::Text,
        "COMMAND",
        "",
        "Run when the role is released.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.check"),
        Kind::Text,
        "URL",
        "",
        "Must answer with a status from 200 to 299 for this member to be eligible.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.check_interval"),
        Kind::Duration,
        "DURATION",
        "1s",
        "Between two checks.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.check_timeout"),
        Kind::Duration,
        "DURATION",
        "500ms",
        "Longest wait for the answer to a check.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.check_failures"),
        Kind::Int,
        "N",
        "3",
        "Failures in a row that make a member that was healthy ineligible.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.quorum"),
        Kind::Text,
        "RULE",
        "none",
        "none: the survivors always serve; majority: only with more than half of the participants.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.preempt"),
        Kind::Bool,
        "",
        "false",
        "Take the role from a live holder of lower priority.",
    )
    .from(Origin::Tribune),
    row(
        None,
        Some("floating_role.lock"),
        Kind::Text,
        "KEY",
        "",
        "Reserved: the role under a lock of servers with a key-value store, which are yet to come.",
    )
    .from(Origin::Tribune),
];

/// One flag of the command line, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagSetting {
    /// The flag without its dashes; one of [`OPTIONS`].
    pub name: String,
    /// Its value; `true` or `false` for booleans.
    pub value: String,
}
