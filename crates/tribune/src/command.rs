//! The table of commands: the one place that says what can be typed.
//!
//! Parser, help texts, completions and the manual page are all made from it.

use std::ffi::OsString;

use crate::commands;
use crate::consul::Failure;
use crate::flags::{Flag, FlagError, Kind, Parsed, parse};
use crate::output::{complain, say};

/// One command.
pub(crate) struct Command {
    /// What is typed.
    pub name: &'static str,
    /// One line for the list of commands.
    pub synopsis: &'static str,
    /// What may stand behind the flags, for the usage line.
    pub operands: &'static str,
    /// What it does; empty paragraphs separate. Without it the command has no help, as `version`.
    pub description: &'static str,
    /// Its flags.
    pub flags: fn() -> Vec<Flag>,
    /// Put before what goes to standard output.
    pub prefix: &'static str,
    /// How it is run.
    pub action: Action,
}

/// How a command is run; the result is the exit code.
pub(crate) enum Action {
    /// With its arguments parsed.
    Parsed(fn(&Command, &Parsed) -> i32),
    /// It looks at no arguments.
    Plain(fn() -> i32),
    /// As Consul's commands are: what goes wrong goes to standard error.
    Consul(fn(&Command, &Parsed) -> Result<(), Failure>),
    /// It has sub-commands and does nothing itself.
    Group,
}

const RPC_ADDRESS: Flag = Flag::new(
    "rpc-addr",
    Kind::Text,
    "ADDR:PORT",
    "127.0.0.1:7373",
    "Where the agent serves its clients.",
)
.env("SERF_RPC_ADDR");

const RPC_AUTH: Flag =
    Flag::new("rpc-auth", Kind::Text, "TOKEN", "", "Token to show to the agent.")
        .env("SERF_RPC_AUTH");

const FORMAT: Flag = Flag::new("format", Kind::Text, "FORMAT", "text", "Output as text or json.")
    .choices(&["text", "json"]);

/// A command's own flags, and those of every client command.
fn with_rpc(own: &[Flag]) -> Vec<Flag> {
    own.iter().copied().chain([RPC_ADDRESS, RPC_AUTH]).collect()
}

/// Every command, in the order of the list that help shows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "agent",
        synopsis: "Run an agent: one member of a cluster",
        operands: "",
        description: "Runs an agent in the foreground until it is told to leave or is stopped. \
                      SIGINT leaves the cluster gracefully, SIGTERM does not unless configured, \
                      SIGHUP reads the configuration again.\n\n\
                      Most flags have a key in the JSON files that -config-file and -config-dir \
                      name; flags win over files.",
        flags: commands::agent::flags,
        prefix: "==> ",
        action: Action::Parsed(commands::agent::run),
    },
    Command {
        name: "event",
        synopsis: "Send a user event to all members",
        operands: "NAME [PAYLOAD]",
        description: "Sends a user event through the cluster. It reaches the members on a best \
                      effort basis and in no order; members that are down miss it.",
        flags: || {
            with_rpc(&[Flag::new(
                "coalesce",
                Kind::Bool,
                "",
                "true",
                "Whether members may drop all but the latest of several events of this name \
                 that arrive within a short time.",
            )])
        },
        prefix: "",
        action: Action::Parsed(commands::event::run),
    },
    Command {
        name: "force-leave",
        synopsis: "Declare a failed member to have left",
        operands: "NAME",
        description: "Turns a failed member into one that has left, so that nobody tries to \
                      reach it any more. A member that is in fact alive comes back at once.",
        flags: || {
            with_rpc(&[Flag::new("prune", Kind::Bool, "", "false", "Erase the member altogether.")])
        },
        prefix: "",
        action: Action::Parsed(commands::force_leave::run),
    },
    Command {
        name: "info",
        synopsis: "Show what an agent knows about itself",
        operands: "",
        description: "Shows the agent's counters, clocks, queues, event handlers and tags.",
        flags: || with_rpc(&[FORMAT]),
        prefix: "",
        action: Action::Parsed(commands::info::run),
    },
    Command {
        name: "join",
        synopsis: "Make an agent join a cluster",
        operands: "ADDRESS...",
        description: "Makes the agent contact members of a cluster by address: HOST, HOST:PORT \
                      or NAME/HOST:PORT. It succeeds if at least one of them answers.",
        flags: || {
            with_rpc(&[Flag::new(
                "replay",
                Kind::Bool,
                "",
                "false",
                "Also deliver the user events that the cluster remembers from before.",
            )])
        },
        prefix: "",
        action: Action::Parsed(commands::join::run),
    },
    Command {
        name: "keygen",
        synopsis: "Make a new encryption key",
        operands: "",
        description: "Prints 32 bytes from the system's generator in base64, to be used with \
                      agent -encrypt, in a keyring file, or with keys -install.",
        flags: Vec::new,
        prefix: "",
        action: Action::Plain(commands::keygen::run),
    },
    Command {
        name: "keys",
        synopsis: "Show and change the encryption keys of all members",
        operands: "",
        description: "Every member has a ring of keys. Any of them opens a message, the primary \
                      one seals. To change keys without losing messages: -install the new key, \
                      -use it, -remove the old one. It fails unless every member agrees.",
        flags: || {
            with_rpc(&[
                Flag::new("install", Kind::Text, "KEY", "", "Add a key to all rings."),
                Flag::new("use", Kind::Text, "KEY", "", "Make a key of the rings the primary one."),
                Flag::new(
                    "remove",
                    Kind::Text,
                    "KEY",
                    "",
                    "Take a key out of all rings; the primary one is refused.",
                ),
                Flag::new(
                    "list",
                    Kind::Bool,
                    "",
                    "false",
                    "List the keys and how many members have each.",
                ),
            ])
        },
        prefix: "",
        action: Action::Parsed(commands::keys::run),
    },
    Command {
        name: "leave",
        synopsis: "Make an agent leave its cluster and stop",
        operands: "",
        description: "Makes the agent tell the others that it leaves, and then shut down. \
                      Returns when it has left.",
        flags: || with_rpc(&[]),
        prefix: "",
        action: Action::Parsed(commands::leave::run),
    },
    Command {
        name: "members",
        synopsis: "List the members of the cluster",
        operands: "",
        description: "Lists the members that the agent knows, those that left or failed \
                      included. Patterns are regular expressions for the whole value; in one \
                      with alternatives put them in parentheses.",
        flags: || {
            with_rpc(&[
                Flag::new("detailed", Kind::Bool, "", "false", "Show protocol versions too."),
                Flag::new(
                    "evidence",
                    Kind::Bool,
                    "",
                    "false",
                    "Show who accused whom of having failed (Tribune agents only).",
                ),
                FORMAT,
                Flag::new("name", Kind::Text, "PATTERN", "", "Only members of such a name."),
                Flag::new("role", Kind::Text, "PATTERN", "", "Deprecated; use -tag role=PATTERN."),
                Flag::new("status", Kind::Text, "PATTERN", "", "Only members of such a status.")
                    .choices(&["alive", "leaving", "left", "failed"]),
                Flag::new(
                    "tag",
                    Kind::List,
                    "KEY=PATTERN",
                    "",
                    "Only members with such a tag; may be repeated, all must match.",
                ),
            ])
        },
        prefix: "",
        action: Action::Parsed(commands::members::run),
    },
    Command {
        name: "monitor",
        synopsis: "Follow an agent's log and events",
        operands: "",
        description: "Shows the log lines that the agent remembers, then new ones and events as \
                      they come, until it is interrupted.",
        flags: || {
            with_rpc(&[Flag::new("log-level", Kind::Text, "LEVEL", "INFO", "Least level shown.")
                .choices(&["trace", "debug", "info", "warn", "err"])])
        },
        prefix: "",
        action: Action::Parsed(commands::monitor::run),
    },
    Command {
        name: "query",
        synopsis: "Send a query and show the answers",
        operands: "NAME [PAYLOAD]",
        description: "Sends a query to all members, or to those that the filters let pass, and \
                      shows acknowledgements and answers until its time is up.",
        flags: || {
            with_rpc(&[
                FORMAT,
                Flag::new("node", Kind::List, "NAME", "", "Ask only this member; may be repeated."),
                Flag::new(
                    "tag",
                    Kind::List,
                    "KEY=PATTERN",
                    "",
                    "Ask only members with such a tag; may be repeated, all must match. The \
                     pattern may match any part of the value.",
                ),
                Flag::new(
                    "timeout",
                    Kind::Duration,
                    "DURATION",
                    "0s",
                    "How long to wait for answers; 0s leaves it to the agent.",
                ),
                Flag::new("no-ack", Kind::Bool, "", "false", "Ask for no acknowledgements."),
                Flag::new(
                    "relay-factor",
                    Kind::Int,
                    "N",
                    "0",
                    "Send answers through this many further members too.",
                ),
            ])
        },
        prefix: "",
        action: Action::Parsed(commands::query::run),
    },
    Command {
        name: "reachability",
        synopsis: "Test whether all live members can be reached",
        operands: "",
        description: "Asks all members for an acknowledgement and compares who answers with who \
                      is thought to be alive.",
        flags: || with_rpc(&[Flag::new("verbose", Kind::Bool, "", "false", "Show every answer.")]),
        prefix: "",
        action: Action::Parsed(commands::reachability::run),
    },
    Command {
        name: "rtt",
        synopsis: "Estimate the round trip time between two members",
        operands: "NAME [NAME]",
        description: "Estimates the round trip time between two members, or between one and the \
                      agent, from their network coordinates. Nothing is measured.",
        flags: || with_rpc(&[]),
        prefix: "",
        action: Action::Parsed(commands::rtt::run),
    },
    Command {
        name: "tags",
        synopsis: "Change the tags of an agent",
        operands: "",
        description: "Changes the agent's tags and tells all members. A key that is set and \
                      deleted at once is set.",
        flags: || {
            with_rpc(&[
                Flag::new("set", Kind::List, "KEY=VALUE", "", "Set a tag; may be repeated."),
                Flag::new("delete", Kind::List, "KEY", "", "Delete a tag; may be repeated."),
            ])
        },
        prefix: "",
        action: Action::Parsed(commands::tags::run),
    },
    Command {
        name: "version",
        synopsis: "Show the version",
        operands: "",
        description: "",
        flags: Vec::new,
        prefix: "",
        action: Action::Plain(commands::version::run),
    },
    Command {
        name: "why",
        synopsis: "Show why a member is thought to have failed",
        operands: "NAME",
        description: "Shows who accused the member, who confirmed it, with what health score, \
                      when it was declared to have failed and when it refuted that. Only \
                      Tribune agents keep such evidence.",
        flags: || with_rpc(&[]),
        prefix: "",
        action: Action::Parsed(commands::why::run),
    },
];

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// Runs it; the result is the exit code.
    pub(crate) fn run(&self, arguments: &[OsString]) -> i32 {
        let action = match self.action {
            Action::Plain(action) => return action(),
            Action::Consul(action) => return self.run_as_consul(action, arguments),
            Action::Group => {
                complain(self.help());
                return 1;
            }
            Action::Parsed(action) => action,
        };
        match parse((self.flags)(), arguments) {
            Ok(parsed) => action(self, &parsed),
            Err(error) => {
                if let FlagError::Message(message) = error {
                    complain(message);
                }
                say(format!("{}{}", self.prefix, self.help()));
                1
            }
        }
    }

    fn run_as_consul(
        &self,
        action: fn(&Command, &Parsed) -> Result<(), Failure>,
        arguments: &[OsString],
    ) -> i32 {
        let outcome = match parse((self.flags)(), arguments) {
            Ok(parsed) => action(self, &parsed),
            Err(FlagError::HelpWanted) => Err(Failure::Said(self.help())),
            Err(FlagError::Message(message)) => {
                Err(Failure::Said(format!("{message}\n{}", self.help())))
            }
        };
        match outcome {
            Ok(()) => return 0,
            Err(Failure::Said(message)) => complain(message),
            Err(Failure::Misused(message)) => complain(format!("{message}\n\n{}", self.help())),
            Err(Failure::Silent(code)) => return code,
        }
        1
    }

    /// A mistake in the arguments: says what, then shows the help.
    pub(crate) fn misused(&self, message: &str) -> i32 {
        say(message);
        say("");
        say(self.help());
        1
    }
}
