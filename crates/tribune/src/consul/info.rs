//! `consul info`.

use std::collections::BTreeMap;

use client::http::HttpError;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

type Sections = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    let read = || -> Result<Sections, HttpError> { Ok(agent.about_itself()?.field("Stats")?) };
    let sections = read().map_err(|error| Failure::of("Error querying agent", error))?;
    for (name, section) in sections {
        say(format!("{name}:"));
        for (key, value) in section {
            say(format!("\t{key} = {value}"));
        }
    }
    Ok(())
}
