//! `serf join`.

use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let addresses = parsed.words();
    if addresses.is_empty() {
        return command.misused("At least one address to join must be specified.");
    }
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match client.join(&addresses, parsed.on("replay")) {
        Ok(contacted) => {
            say(format!("Successfully joined cluster by contacting {contacted} nodes."));
            0
        }
        Err(error) => fail(format!("Error joining the cluster: {error}")),
    }
}
