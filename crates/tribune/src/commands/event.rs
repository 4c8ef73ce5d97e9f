//! `serf event`.

use client::EventRequest;

use super::{connect, fail, payload};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// Said by `query` too.
pub(super) const TOO_MANY: &str =
    "Too many command line arguments. Only a name and payload must be specified.";

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let words = parsed.words();
    let Some(name) = words.first() else {
        return command.misused("An event name must be specified.");
    };
    if words.len() > 2 {
        return command.misused(TOO_MANY);
    }
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let coalesce = parsed.on("coalesce");
    let payload = payload(parsed.positional.get(1));
    let event = EventRequest { name: name.clone(), payload, coalesce };
    if let Err(error) = client.event(event) {
        return fail(format!("Error sending event: {error}"));
    }
    say(format!("Event '{name}' dispatched! Coalescing enabled: {coalesce}"));
    0
}
