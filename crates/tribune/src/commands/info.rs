//! `serf info`.

use client::Stats;
use gotext::Json;

use super::{Format, bad_format, connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let stats = match client.stats() {
        Ok(stats) => stats,
        Err(error) => return fail(format!("Error querying agent: {error}")),
    };
    let format = parsed.text("format");
    match Format::from_name(&format) {
        Some(Format::Text) => say(text(&stats)),
        Some(Format::Json) => say(json(&stats).indented()),
        None => return bad_format(&format),
    }
    0
}

fn text(stats: &Stats) -> String {
    let mut text = String::new();
    for (name, section) in &stats.sections {
        text.push_str(&format!("{name}:\n"));
        for (key, value) in section {
            text.push_str(&format!("\t{key} = {value}\n"));
        }
    }
    text.trim().to_owned()
}

fn json(stats: &Stats) -> Json {
    Json::Object(
        stats.sections.iter().map(|(name, section)| (name.clone(), Json::map(section))).collect(),
    )
}
