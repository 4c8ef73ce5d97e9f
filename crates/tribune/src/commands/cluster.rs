//! `tribune cluster`: a cluster on loopback addresses to play with, and the node process it is
//! made of.

use std::ffi::OsString;
use std::path::PathBuf;

use agent::FlagSetting;
use sandbox::{Layout, Options};

use super::{FAILURE, fail};
use crate::command::{Action, Command};
use crate::flags::{Flag, Kind, Parsed};
use crate::output::complain;

/// The command, which only `tribune` has.
pub(crate) const CLUSTER: Command = Command {
    name: "cluster",
    synopsis: "Run a cluster on this machine to play with",
    operands: "[NODES]",
    description: "Starts agents on loopback addresses, each with a small web page; the role \
                  primary, and an address whose page is the primary's, float among them. Shows \
                  who is what, and what happened when nodes were killed, stopped, paused or \
                  healed: from the keyboard, or by -script. Nothing is left behind at the end.\n\n\
                  Without -script and without a terminal it runs until it is interrupted.",
    flags: || {
        vec![
            Flag::new("block", Kind::Int, "N", "77", "Nodes are at 127.N.0.1 and up."),
            Flag::new("web-port", Kind::Int, "PORT", "8080", "Port of the web pages."),
            Flag::new(
                "quorum",
                Kind::Text,
                "RULE",
                "none",
                "Who may be primary when not everybody can be seen.",
            )
            .choices(&["none", "majority"]),
            Flag::new(
                "script",
                Kind::Text,
                "STEPS",
                "",
                "Steps separated by ';': kill NODE, stop NODE, pause NODE, heal, add, sleep \
                 SECONDS, wait, quit; NODE is a number or primary.",
            ),
        ]
    },
    prefix: "",
    action: Action::Parsed(run),
};

/// Nodes without a word about it.
const NODES: usize = 5;

/// Runs `tribune cluster` with these arguments; the number of nodes may come first or last.
pub(crate) fn dispatch(arguments: &[OsString]) -> i32 {
    match arguments.split_first() {
        Some((first, rest)) if !first.to_string_lossy().starts_with('-') => {
            let mut turned = rest.to_vec();
            turned.push(first.clone());
            CLUSTER.run(&turned)
        }
        _ => CLUSTER.run(arguments),
    }
}

fn run(command: &Command, parsed: &Parsed) -> i32 {
    let options = match options(parsed) {
        Ok(options) => options,
        Err(why) => return command.misused(&why),
    };
    sandbox::run(&options)
}

fn options(parsed: &Parsed) -> Result<Options, String> {
    let nodes = match parsed.words().as_slice() {
        [] => NODES,
        [nodes] => match nodes.parse() {
            Ok(nodes @ 1..=90) => nodes,
            _ => return Err(format!("'{nodes}' is no number of nodes from 1 to 90")),
        },
        _ => return Err("Only the number of nodes may stand behind the flags".to_owned()),
    };
    let number = |name: &str| parsed.text(name).parse::<i64>().unwrap_or(-1);
    let block = u8::try_from(number("block")).ok().filter(|block| (1..255).contains(block));
    let web_port = u16::try_from(number("web-port")).ok().filter(|port| *port > 0);
    let quorum = parsed.text("quorum");
    if quorum != "none" && quorum != "majority" {
        return Err(format!("-quorum is none or majority, not '{quorum}'"));
    }
    let script = parsed.text("script");
    let script = match script.trim() {
        "" => None,
        script => Some(sandbox::parse_script(script).map_err(|error| error.to_string())?),
    };
    Ok(Options {
        nodes,
        layout: Layout {
            block: block.ok_or("-block is a number from 1 to 254")?,
            web_port: web_port.ok_or("-web-port is a number from 1 to 65535")?,
        },
        quorum,
        script,
        program: std::env::current_exe().map_err(|error| error.to_string())?,
    })
}

/// Runs one node of such a cluster: `NAME PAGE-ADDRESS FOLDER CONFIG-FILE`. Not for people.
pub(crate) fn node(arguments: &[OsString]) -> i32 {
    let [name, page, folder, config] = arguments else {
        complain("This command is run by `tribune cluster`\n");
        return FAILURE;
    };
    let name = name.to_string_lossy().into_owned();
    let Ok(page) = page.to_string_lossy().parse() else {
        return fail("The page's address is no ADDRESS:PORT");
    };
    if let Err(error) = sandbox::serve_page(name, page, PathBuf::from(folder)) {
        return fail(format!("The page cannot be served at {page}: {error}"));
    }
    if let Err(error) = sandbox::end_with_parent() {
        return fail(format!("Cannot watch over the parent: {error}"));
    }
    let config = config.to_string_lossy().into_owned();
    agent::run(vec![FlagSetting { name: "config-file".to_owned(), value: config }], false)
}
