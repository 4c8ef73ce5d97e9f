//! `serf keys`.

use client::{Client, Error, KeyReport};

use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;
use crate::table::columns;

/// What one of the actions does and says.
struct Wording {
    begin: &'static str,
    success: &'static str,
    failure: &'static str,
}

type Call = fn(&mut Client, &str) -> Result<KeyReport, Error>;

/// By the name of the flag.
const ACTIONS: [(&str, Call, Wording); 3] = [
    (
        "install",
        Client::install_key,
        Wording {
            begin: "Installing key on all members...",
            success: "Successfully installed key!",
            failure: "Error installing key",
        },
    ),
    (
        "use",
        Client::use_key,
        Wording {
            begin: "Changing primary key on all members...",
            success: "Successfully changed primary key!",
            failure: "Error changing primary key",
        },
    ),
    (
        "remove",
        Client::remove_key,
        Wording {
            begin: "Removing key on all members...",
            success: "Successfully removed key!",
            failure: "Error removing key",
        },
    ),
];

const LIST: Wording = Wording {
    begin: "Asking all members for installed keys...",
    success: "Keys gathered, listing cluster keys...",
    failure: "Failed to gather member keys",
};

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let list = parsed.on("list");
    let chosen: Vec<_> =
        ACTIONS.iter().filter(|(flag, ..)| !parsed.text(flag).is_empty()).collect();
    match chosen.len() + usize::from(list) {
        0 => return fail(command.help()),
        1 => {}
        _ => return fail("Only one of -install, -use, -remove, or -list allowed"),
    }
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let (wording, outcome) = match chosen.first() {
        Some((flag, call, wording)) => {
            say(format!("==> {}", wording.begin));
            (wording, call(&mut client, &parsed.text(flag)))
        }
        None => {
            say(format!("==> {}", LIST.begin));
            (&LIST, client.list_keys())
        }
    };
    let report = match outcome {
        Ok(report) => report,
        Err(error) => return report_failure(wording, &error),
    };
    say(format!("==> {}", wording.success));
    if list {
        say("");
        let keys = report.keys.unwrap_or_default();
        let rows: Vec<_> = keys
            .into_iter()
            .map(|(key, count)| vec![key, format!("[{count}/{}]", report.nodes)])
            .collect();
        say(columns(&rows));
    }
    0
}

fn report_failure(wording: &Wording, error: &Error) -> i32 {
    if let Error::Keys { report, .. } = error
        && !report.messages.is_empty()
    {
        let rows: Vec<_> =
            report.messages.iter().map(|(node, text)| vec!["failed:", node, text]).collect();
        say(columns(&rows));
    }
    say("");
    fail(format!("{}: {error}", wording.failure))
}
