//! `serf force-leave`.

use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let words = parsed.words();
    let [node] = words.as_slice() else {
        return command.misused("A node name must be specified to force leave.");
    };
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match client.force_leave(node, parsed.on("prune")) {
        Ok(()) => 0,
        Err(error) => fail(format!("Error force leaving: {error}")),
    }
}
