//! `consul keygen`.

use super::Failure;
use crate::command::Command;
use crate::commands::keygen::new_key;
use crate::flags::Parsed;
use crate::output::say;

pub(super) fn run(_: &Command, _: &Parsed) -> Result<(), Failure> {
    let key = new_key().ok_or_else(|| {
        Failure::said("Error reading random data: the system's generator does not answer")
    })?;
    say(key);
    Ok(())
}
