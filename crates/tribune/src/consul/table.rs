//! The table of Consul's commands.

use super::{
    agent, catalog, event, explain, force_leave, info, inspect, join, keygen, kv, leave, lock,
    maint, members, monitor, raft, reload, rtt, services, snapshot, validate, version, watch,
};
use crate::command::{Action, Command};
use crate::flags::{Flag, Kind};

/// Where the agent is and who asks: every command that talks to one has these.
const CLIENT: [Flag; 8] = [
    Flag::new("ca-file", Kind::Text, "value", "", "File with the authorities to trust.")
        .env("CONSUL_CACERT"),
    Flag::new("ca-path", Kind::Text, "value", "", "Folder of files with authorities to trust.")
        .env("CONSUL_CAPATH"),
    Flag::new("client-cert", Kind::Text, "value", "", "File with a certificate to show.")
        .env("CONSUL_CLIENT_CERT"),
    Flag::new("client-key", Kind::Text, "value", "", "File with the key of that certificate.")
        .env("CONSUL_CLIENT_KEY"),
    Flag::new(
        "http-addr",
        Kind::Text,
        "address",
        "",
        "Where the agent serves its API: host:port, or https:// or unix:// before it.",
    )
    .env("CONSUL_HTTP_ADDR"),
    Flag::new("tls-server-name", Kind::Text, "value", "", "Name that its certificate must have.")
        .env("CONSUL_TLS_SERVER_NAME"),
    Flag::new("token", Kind::Text, "value", "", "Token to show to the agent.")
        .env("CONSUL_HTTP_TOKEN"),
    Flag::new("token-file", Kind::Text, "value", "", "File with the token; wins over -token.")
        .env("CONSUL_HTTP_TOKEN_FILE"),
];

/// Which servers answer.
const SERVER: [Flag; 2] = [
    Flag::new("datacenter", Kind::Text, "value", "", "Datacenter to ask; else the agent's own."),
    Flag::new("stale", Kind::Bool, "", "false", "Let any server answer, not only the leader."),
];

const NAMESPACE: Flag =
    Flag::new("namespace", Kind::Text, "default", "", "Namespace; agents know only one.")
        .env("CONSUL_NAMESPACE");

const PARTITION: Flag =
    Flag::new("partition", Kind::Text, "default", "", "Partition; agents know only one.")
        .env("CONSUL_PARTITION");

const WAN: Flag =
    Flag::new("wan", Kind::Bool, "", "false", "Among the servers of all datacenters.");

const FORMAT: Flag = Flag::new("format", Kind::Text, "string", "pretty", "Form of the output.")
    .choices(&["pretty", "json"]);

const NODE_META: Flag = Flag::new(
    "node-meta",
    Kind::Pairs,
    "key=value",
    "",
    "Only nodes with such metadata; may be repeated, all must match.",
);

const SHELL: Flag = Flag::new(
    "shell",
    Kind::Bool,
    "",
    "true",
    "Run the command by a shell; -shell=false: as it is.",
);

/// A command's own flags and those of every client.
fn client(own: &[Flag]) -> Vec<Flag> {
    own.iter().copied().chain(CLIENT).collect()
}

/// As [`client()`], and which servers answer.
fn server(own: &[Flag]) -> Vec<Flag> {
    own.iter().copied().chain(CLIENT).chain(SERVER).collect()
}

/// The flags that many commands have in common, for the manual page.
pub(crate) fn common_flags() -> Vec<Flag> {
    CLIENT.into_iter().chain(SERVER).collect()
}

const fn group(name: &'static str, synopsis: &'static str, description: &'static str) -> Command {
    Command {
        name,
        synopsis,
        operands: "SUBCOMMAND [options] [arguments]",
        description,
        flags: Vec::new,
        prefix: "",
        action: Action::Group,
    }
}

const fn text(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Text, value, "", help)
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Bool, "", "false", help)
}

/// Every command, in the order of the list that help shows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "agent",
        synopsis: "Run an agent: a server of a datacenter",
        operands: "",
        description: "Runs a server in the foreground until it is stopped. SIGHUP reads the \
                      configuration again.\n\n\
                      Most flags have a key in the JSON and HCL files that -config-file and \
                      -config-dir name; flags win over files.",
        flags: agent::flags,
        prefix: "",
        action: Action::Consul(agent::run),
    },
    group("catalog", "Look at the catalogue", "Shows what the servers know of nodes and services."),
    Command {
        name: "catalog datacenters",
        synopsis: "List the datacenters",
        operands: "",
        description: "Lists the datacenters, the nearest first.",
        flags: || server(&[]),
        prefix: "",
        action: Action::Consul(catalog::datacenters),
    },
    Command {
        name: "catalog nodes",
        synopsis: "List the nodes",
        operands: "",
        description: "Lists the nodes, or those that have a service or some metadata.",
        flags: || {
            server(&[
                switch("detailed", "Show the whole identity, all addresses and the metadata."),
                text("filter", "string", "Only nodes for which this expression holds."),
                text(
                    "near",
                    "string",
                    "Sort by round trip time from this node; _agent: from the agent.",
                ),
                NODE_META,
                PARTITION,
                text("service", "id or name", "Only nodes that have this service."),
            ])
        },
        prefix: "",
        action: Action::Consul(catalog::nodes),
    },
    Command {
        name: "catalog services",
        synopsis: "List the services",
        operands: "",
        description: "Lists the names of services, of all nodes or of one.",
        flags: || {
            server(&[
                NAMESPACE,
                NODE_META,
                text("node", "id or name", "Only services of this node."),
                PARTITION,
                switch("tags", "Show the tags too."),
            ])
        },
        prefix: "",
        action: Action::Consul(catalog::services),
    },
    Command {
        name: "event",
        synopsis: "Send a user event",
        operands: "[PAYLOAD]",
        description: "Sends a user event to all agents of a datacenter, which pass it on to their watches. The patterns say which nodes take notice of it.",
        flags: || {
            client(&[
                text("name", "string", "Name of the event; needed."),
                text("node", "string", "Pattern for names of nodes."),
                text("service", "string", "Pattern for names of services."),
                text("tag", "string", "Pattern for tags of services; with -service only."),
            ])
        },
        prefix: "",
        action: Action::Consul(event::run),
    },
    group(
        "explain",
        "Explain an answer of DNS",
        "Shows step by step how an answer of DNS comes about: what was read, what was left out, and why. Consul has no such command.",
    ),
    Command {
        name: "explain dns",
        synopsis: "Explain the answer to a question",
        operands: "NAME",
        description: "Explains the answer to a question that comes over UDP, or over TCP. Nothing else is asked than this agent, which asks recursors as it would for the answer.",
        flags: || {
            client(&[
                text(
                    "edns",
                    "BYTES",
                    "Room that who asks announces; without it, there is no EDNS.",
                ),
                switch("tcp", "As over TCP."),
                Flag::new("type", Kind::Text, "TYPE", "A", "Type of the records."),
            ])
        },
        prefix: "",
        action: Action::Consul(explain::dns),
    },
    Command {
        name: "explain service",
        synopsis: "Explain which instances of a service are given",
        operands: "NAME",
        description: "Explains which instances of a service the SRV answer over TCP has, and why the others are not in it. A tag may stand before the name, with a dot. If there is no such service, a prepared query of that name is meant.",
        flags: || client(&[]),
        prefix: "",
        action: Action::Consul(explain::service),
    },
    Command {
        name: "force-leave",
        synopsis: "Declare a failed member to have left",
        operands: "NAME",
        description: "Turns a failed member into one that has left, so that nobody tries to reach it any more. A member that is in fact alive comes back at once.",
        flags: || client(&[PARTITION, switch("prune", "Erase the member altogether."), WAN]),
        prefix: "",
        action: Action::Consul(force_leave::run),
    },
    Command {
        name: "info",
        synopsis: "Show what an agent knows about itself",
        operands: "",
        description: "Shows the counters and states of the agent in sections.",
        flags: || client(&[]),
        prefix: "",
        action: Action::Consul(info::run),
    },
    Command {
        name: "join",
        synopsis: "Make an agent join a cluster",
        operands: "ADDRESS...",
        description: "Makes the agent contact members of a cluster. It succeeds if at least one of them answers.",
        flags: || client(&[PARTITION, WAN]),
        prefix: "",
        action: Action::Consul(join::run),
    },
    Command {
        name: "keygen",
        synopsis: "Make a new encryption key",
        operands: "",
        description: "Prints 32 bytes from the system's generator in base64, to be used with agent -encrypt.",
        flags: Vec::new,
        prefix: "",
        action: Action::Consul(keygen::run),
    },
    group(
        "kv",
        "Read and write keys",
        "Reads and writes the keys and values that the servers keep.",
    ),
    Command {
        name: "kv delete",
        synopsis: "Delete a key or all below a prefix",
        operands: "KEY_OR_PREFIX",
        description: "Deletes a key, or with -recurse all keys that begin with a prefix. A key that is not there is no mistake.",
        flags: || {
            server(&[
                switch("cas", "Delete only if the key still has the index of -modify-index."),
                Flag::new(
                    "modify-index",
                    Kind::Unsigned,
                    "uint",
                    "0",
                    "Index of the key as it was read.",
                ),
                NAMESPACE,
                PARTITION,
                switch("recurse", "Delete all keys that begin so."),
            ])
        },
        prefix: "",
        action: Action::Consul(kv::delete),
    },
    Command {
        name: "kv export",
        synopsis: "Write keys as JSON",
        operands: "[PREFIX]",
        description: "Writes all keys that begin with a prefix as JSON, which kv import reads.",
        flags: || server(&[NAMESPACE, PARTITION]),
        prefix: "",
        action: Action::Consul(kv::export),
    },
    Command {
        name: "kv get",
        synopsis: "Show a value, or many",
        operands: "[KEY_OR_PREFIX]",
        description: "Shows the value of a key. With -recurse it shows all keys that begin with a prefix and their values, with -keys only the keys.",
        flags: || {
            server(&[
                switch("base64", "Show values in base64."),
                switch("detailed", "Show everything about the keys."),
                switch("keys", "Show keys only, up to the separator."),
                NAMESPACE,
                PARTITION,
                switch("recurse", "Show all keys that begin so."),
                Flag::new(
                    "separator",
                    Kind::Text,
                    "string",
                    "/",
                    "Where -keys cuts keys behind the prefix; empty: nowhere.",
                ),
            ])
        },
        prefix: "",
        action: Action::Consul(kv::get),
    },
    Command {
        name: "kv import",
        synopsis: "Write keys from JSON",
        operands: "DATA",
        description: "Writes the keys of a list as kv export makes it: DATA, the file of @FILE, or standard input for -.",
        flags: || {
            server(&[NAMESPACE, PARTITION, text("prefix", "string", "Write them below this key.")])
        },
        prefix: "",
        action: Action::Consul(kv::import),
    },
    Command {
        name: "kv put",
        synopsis: "Write a value",
        operands: "KEY [DATA]",
        description: "Writes the value of a key: DATA, the contents of the file of @FILE, standard input for -, or nothing.",
        flags: || {
            server(&[
                switch(
                    "acquire",
                    "Take the lock of the key for -session; it is made if it is not there.",
                ),
                switch("base64", "DATA is in base64."),
                switch("cas", "Write only if the key still has the index of -modify-index."),
                Flag::new("flags", Kind::Unsigned, "uint", "0", "Number kept with the value."),
                Flag::new(
                    "modify-index",
                    Kind::Unsigned,
                    "uint",
                    "0",
                    "Index of the key as it was read; 0: it must not be there.",
                ),
                NAMESPACE,
                PARTITION,
                switch("release", "Give the lock of the key back."),
                text("session", "string", "Session that locks."),
            ])
        },
        prefix: "",
        action: Action::Consul(kv::put),
    },
    Command {
        name: "leave",
        synopsis: "Make an agent leave its cluster and stop",
        operands: "",
        description: "Makes the agent tell the others that it leaves, and then shut down.",
        flags: || client(&[]),
        prefix: "",
        action: Action::Consul(leave::run),
    },
    Command {
        name: "lock",
        synopsis: "Run a command while a lock is held",
        operands: "PREFIX COMMAND...",
        description: "Waits for a lock and runs a command as long as it is held; if it is lost, the command is ended. With -n a number of them may run at once. The keys below the prefix belong to the lock. The command finds CONSUL_LOCK_HELD in its environment.\n\nThe exit code is 0 even if the command fails, unless -child-exit-code is given.",
        flags: || {
            server(&[
                switch("child-exit-code", "Exit with 2 if the command fails."),
                Flag::new(
                    "monitor-retry",
                    Kind::Int,
                    "int",
                    "3",
                    "How often to ask again, a second apart, before a lock counts as lost.",
                ),
                Flag::new("n", Kind::Int, "int", "1", "How many may hold it at once."),
                text("name", "string", "Name of the session."),
                switch("pass-stdin", "Let the command read standard input."),
                SHELL,
                Flag::new(
                    "timeout",
                    Kind::Duration,
                    "duration",
                    "0s",
                    "How long to wait for the lock; 0s: for ever.",
                ),
                Flag::new("try", Kind::Duration, "duration", "0s", "Older name of -timeout."),
                switch("verbose", "Tell what happens."),
            ])
        },
        prefix: "",
        action: Action::Consul(lock::run),
    },
    Command {
        name: "maint",
        synopsis: "Keep a node or service out of answers",
        operands: "",
        description: "Puts a node or one of its services in maintenance: it is in no DNS answer and counts as critical. Without -enable and -disable it lists what is in maintenance.",
        flags: || {
            client(&[
                switch("disable", "End maintenance."),
                switch("enable", "Begin maintenance."),
                text("reason", "string", "Why; shown to others."),
                text(
                    "service",
                    "string",
                    "Identity of a service of the agent; else the whole node.",
                ),
            ])
        },
        prefix: "",
        action: Action::Consul(maint::run),
    },
    Command {
        name: "members",
        synopsis: "List the members of a cluster",
        operands: "",
        description: "Lists the members that the agent knows, those that left or failed included. The exit code is 2 if there are none.",
        flags: || {
            client(&[
                switch("detailed", "Show all tags."),
                text("filter", "string", "Only members for which this expression holds."),
                PARTITION,
                Flag::new("segment", Kind::Text, "string", "_all", "Only members of this segment."),
                Flag::new("status", Kind::Text, "string", ".*", "Pattern for the status."),
                WAN,
            ])
        },
        prefix: "",
        action: Action::Consul(members::run),
    },
    Command {
        name: "monitor",
        synopsis: "Follow the log of an agent",
        operands: "",
        description: "Shows the log lines of the agent as they come, until it is interrupted.",
        flags: || {
            client(&[
                switch("log-json", "Show them as JSON."),
                Flag::new("log-level", Kind::Text, "string", "INFO", "Least level shown."),
            ])
        },
        prefix: "",
        action: Action::Consul(monitor::run),
    },
    group("operator", "Look after the servers", "Shows what operators of servers want to know."),
    group(
        "operator raft",
        "Look after the replicated log",
        "Shows the servers that keep the replicated log.",
    ),
    Command {
        name: "operator raft list-peers",
        synopsis: "List the servers",
        operands: "",
        description: "Lists the servers that keep the replicated log, and who leads them.",
        flags: || server(&[]),
        prefix: "",
        action: Action::Consul(raft::list_peers),
    },
    Command {
        name: "reload",
        synopsis: "Make an agent read its configuration again",
        operands: "",
        description: "Makes the agent read its configuration again. Mistakes in it are told by the agent.",
        flags: || client(&[]),
        prefix: "",
        action: Action::Consul(reload::run),
    },
    Command {
        name: "rtt",
        synopsis: "Estimate the round trip time between two nodes",
        operands: "NODE [NODE]",
        description: "Estimates the round trip time between two nodes, or between one and the agent, from their network coordinates. Nothing is measured. With -wan nodes are servers with their datacenter behind a dot.",
        flags: || client(&[WAN]),
        prefix: "",
        action: Action::Consul(rtt::run),
    },
    group("services", "Register services", "Registers services with an agent and takes them away."),
    Command {
        name: "services deregister",
        synopsis: "Take services away",
        operands: "[FILE...]",
        description: "Takes the service of -id away, or those that the files define.",
        flags: || server(&[text("id", "string", "Identity of the service."), NAMESPACE, PARTITION]),
        prefix: "",
        action: Action::Consul(services::deregister),
    },
    Command {
        name: "services register",
        synopsis: "Register services",
        operands: "[FILE...]",
        description: "Registers the service that the flags describe, or those that the files define.",
        flags: || {
            server(&[
                text("address", "string", "Address of the service; else that of the agent."),
                text("id", "string", "Identity; else the name."),
                text("kind", "string", "Kind, if it is no ordinary service."),
                Flag::new("meta", Kind::Pairs, "value", "", "Metadata KEY=VALUE; may be repeated."),
                text("name", "string", "Name of the service."),
                NAMESPACE,
                PARTITION,
                Flag::new("port", Kind::Int, "int", "0", "Port of the service."),
                text("socket", "string", "Path of its socket."),
                Flag::new("tag", Kind::List, "value", "", "Tag; may be repeated."),
                Flag::new(
                    "tagged-address",
                    Kind::Pairs,
                    "value",
                    "",
                    "Further address KIND=HOST:PORT; may be repeated.",
                ),
            ])
        },
        prefix: "",
        action: Action::Consul(services::register),
    },
    group(
        "snapshot",
        "Save and restore the state of the servers",
        "Saves the state of the servers in a file, restores it and looks into it.",
    ),
    Command {
        name: "snapshot inspect",
        synopsis: "Look into a snapshot",
        operands: "FILE",
        description: "Shows what a snapshot is of and how much room everything takes in it.",
        flags: || {
            vec![
                FORMAT,
                Flag::new(
                    "kvdepth",
                    Kind::Int,
                    "int",
                    "2",
                    "How many parts of keys are told apart by -kvdetails.",
                ),
                switch("kvdetails", "Show keys too."),
                text("kvfilter", "string", "Beginning of the keys that -kvdetails shows."),
            ]
        },
        prefix: "",
        action: Action::Consul(inspect::run),
    },
    Command {
        name: "snapshot restore",
        synopsis: "Restore a snapshot",
        operands: "FILE",
        description: "Replaces the state of the servers by that of a snapshot. What was written since is lost.",
        flags: || server(&[]),
        prefix: "",
        action: Action::Consul(snapshot::restore),
    },
    Command {
        name: "snapshot save",
        synopsis: "Save a snapshot",
        operands: "FILE",
        description: "Saves the state of the servers in a file and checks it. The file holds keys and tokens: keep it safe.",
        flags: || {
            server(&[text(
                "append-filename",
                "value",
                "What to put in the name of the file: version, dc, node and status, with commas between.",
            )])
        },
        prefix: "",
        action: Action::Consul(snapshot::save),
    },
    Command {
        name: "validate",
        synopsis: "Check files of configuration",
        operands: "FILE_OR_FOLDER...",
        description: "Checks files of configuration as an agent would when it starts, as far as \
                      that can be told without starting one.",
        flags: || {
            vec![
                text(
                    "config-format",
                    "string",
                    "Format of the files, if their names do not say it.",
                )
                .choices(&["hcl", "json"]),
                switch("quiet", "Say nothing if all is well."),
            ]
        },
        prefix: "",
        action: Action::Consul(validate::run),
    },
    Command {
        name: "version",
        synopsis: "Show the version",
        operands: "",
        description: "Shows the version of Consul whose behaviour this program has, and its own.",
        flags: || vec![FORMAT],
        prefix: "",
        action: Action::Consul(version::run),
    },
    Command {
        name: "watch",
        synopsis: "Watch for changes",
        operands: "[COMMAND...]",
        description: "Shows something once as JSON; with a command, runs it now and after every change, with the JSON on its standard input and CONSUL_INDEX in its environment. A command that fails ends the watch.\n\nWhat is watched is said by -type: key (with -key), keyprefix (-prefix), services, nodes, service (-service), checks (all, or of -service or -state) or event (all, or of -name).",
        flags: || {
            server(&[
                text("filter", "string", "Only what this expression holds for."),
                text("key", "string", "Key to watch."),
                text("name", "string", "Name of the events."),
                text("passingonly", "[true|false]", "Only instances whose checks pass."),
                text("prefix", "string", "Beginning of the keys."),
                text("service", "string", "Name of the service."),
                SHELL,
                text("state", "string", "State of the checks."),
                Flag::new("tag", Kind::List, "value", "", "Tag of the instances; may be repeated."),
                text("type", "string", "What is watched; needed.").choices(&[
                    "key",
                    "keyprefix",
                    "services",
                    "nodes",
                    "service",
                    "checks",
                    "event",
                ]),
            ])
        },
        prefix: "",
        action: Action::Consul(watch::run),
    },
];
