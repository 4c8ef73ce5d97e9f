//! The manual page in troff, made from the table of commands and the agent's table of options.

use agent::config::OPTIONS;

use crate::command::{COMMANDS, Command};
use crate::consul;
use crate::flags::Flag;
use crate::tribune::OWN_COMMANDS;

/// The page.
pub(crate) fn page() -> String {
    let mut page = String::new();
    let version = env!("CARGO_PKG_VERSION");
    page.push_str(&format!(".TH SERF 1 \"\" \"Tribune {version}\" \"User Commands\"\n"));
    page.push_str(
        ".SH NAME\nserf, consul, tribune \\- membership and service discovery for a cluster\n\
         .SH SYNOPSIS\n.B serf\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.br\n\
         .B tribune serf\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.br\n\
         .B consul\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n\
         .SH DESCRIPTION\nMembers of a cluster run an agent each. Agents find out by gossip who \
         is alive, and spread user events and queries. All other commands talk to an agent over \
         its RPC.\n.PP\n\
         Options may be written with one dash or two, and their values behind a space or an \
         equals sign; booleans take a value only behind an equals sign. Options end at the \
         first other argument or at \\-\\-. Errors of commands go to standard output.\n\
         .SH COMMANDS\n",
    );
    for command in COMMANDS.iter().chain(OWN_COMMANDS) {
        describe(&mut page, command, &(command.flags)());
    }
    page.push_str(
        ".SH COMMANDS OF CONSUL\nUnder the name \\fBconsul\\fR, and of \\fBtribune\\fR itself. They \
         talk to an agent over its HTTP API; their errors go to standard error.\n.PP\nCommands \
         that talk to an agent also have these options, those about servers only where servers \
         are asked:\n",
    );
    let common = consul::common_flags();
    for flag in &common {
        describe_flag(&mut page, flag);
    }
    for command in consul::COMMANDS {
        let mut flags = (command.flags)();
        flags.retain(|flag| common.iter().all(|other| other.name != flag.name));
        describe(&mut page, command, &flags);
    }
    page.push_str(
        ".SH CONFIGURATION\nThe keys of the JSON files that the agent's \\-config\\-file and \
         \\-config\\-dir name. Keys marked with * are taken into use on SIGHUP.\n",
    );
    for option in OPTIONS {
        let Some(key) = option.key else { continue };
        let mark = if option.reloadable { " *" } else { "" };
        page.push_str(&format!(".TP\n.B {}{mark}\n{}", escaped(key), escaped(option.help)));
        if !option.default.is_empty() {
            page.push_str(&format!(" Default: {}.", escaped(option.default)));
        }
        page.push('\n');
    }
    page.push_str(
        ".SH ENVIRONMENT\n.TP\n.B SERF_RPC_ADDR\nWhere commands find the agent, unless \
         \\-rpc\\-addr is given.\n.TP\n.B SERF_RPC_AUTH\nToken that commands show to the agent, \
         unless \\-rpc\\-auth is given.\n\
         .SH EXIT STATUS\n0 on success or if help was asked for, 1 on any error, 127 if there \
         is no such command. An agent exits with 0 after a graceful leave and with 1 otherwise.",
    );
    page
}

fn describe(page: &mut String, command: &Command, flags: &[Flag]) {
    page.push_str(&format!(".SS {}\n", escaped(command.name)));
    let usage = command.usage();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    page.push_str(&format!(".B {}\n.PP\n{}.\n", escaped(usage), escaped(command.synopsis)));
    for paragraph in command.description.split("\n\n").filter(|text| !text.is_empty()) {
        page.push_str(&format!("{}\n.PP\n", escaped(paragraph)));
    }
    for flag in flags {
        describe_flag(page, flag);
    }
}

fn describe_flag(page: &mut String, flag: &Flag) {
    let (usage, explanation) = (escaped(&flag.usage()), escaped(&flag.explanation()));
    page.push_str(&format!(".TP\n.B {usage}\n{explanation}\n"));
}

/// Text in which nothing means anything to troff.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\n', " ");
    match text.chars().next() {
        Some('.' | '\'') => format!("\\&{text}"),
        _ => text,
    }
}
