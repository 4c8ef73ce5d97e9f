//! `serf tags`.

use super::{connect, fail, parse_tags};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let (set, delete) = (parsed.list("set"), parsed.list("delete"));
    if set.is_empty() && delete.is_empty() {
        return fail(command.help());
    }
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let tags = match parse_tags(&set) {
        Ok(tags) => tags,
        Err(code) => return code,
    };
    match client.tags(tags, delete) {
        Ok(()) => {
            say("Successfully updated agent tags");
            0
        }
        Err(error) => fail(format!("Error setting tags: {error}")),
    }
}
