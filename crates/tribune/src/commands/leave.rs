//! `serf leave`.

use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match client.leave() {
        Ok(()) => {
            say("Graceful leave complete");
            0
        }
        Err(error) => fail(format!("Error leaving: {error}")),
    }
}
