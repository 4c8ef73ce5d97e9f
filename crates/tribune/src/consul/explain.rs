//! `tribune explain`: how an answer of DNS comes about.

use client::http::Request;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::{FlagError, Parsed, parse};
use crate::output::say;

pub(super) fn dns(command: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let (name, parsed) = one(command, parsed)?;
    let request = Request::get("/v1/tribune/explain/dns/")
        .with("name", name)
        .with("type", parsed.text("type"))
        .with("transport", if parsed.on("tcp") { "tcp" } else { "udp" })
        .with_given("edns", parsed.text("edns"));
    show(&parsed, request)
}

pub(super) fn service(command: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let (name, parsed) = one(command, parsed)?;
    show(&parsed, Request::get("/v1/tribune/explain/service/").with("name", name))
}

/// The name, and all flags: unlike those of Consul's commands they may stand behind it.
fn one(command: &Command, parsed: &Parsed) -> Result<(String, Parsed), Failure> {
    let wanted = || Failure::misused("One name must be specified");
    let (name, rest) = parsed.positional.split_first().ok_or_else(wanted)?;
    let mut all = parse((command.flags)(), rest).map_err(|error| match error {
        FlagError::HelpWanted => wanted(),
        FlagError::Message(message) => Failure::Misused(message),
    })?;
    if name.is_empty() || !all.positional.is_empty() {
        return Err(wanted());
    }
    all.given.splice(0..0, parsed.given.iter().cloned());
    Ok((name.to_string_lossy().into_owned(), all))
}

fn show(parsed: &Parsed, request: Request) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    let failed = |error| Failure::of("Error explaining the answer", error);
    let mut trace = agent.object(request).map_err(failed)?;
    let steps: Vec<String> = trace.field("Steps").map_err(|error| failed(error.into()))?;
    steps.into_iter().for_each(say);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::consul::table::COMMANDS;

    fn read(words: &[&str]) -> Result<(String, String), Failure> {
        let command = COMMANDS.iter().find(|command| command.name == "explain dns").unwrap();
        let words: Vec<_> = words.iter().map(Into::into).collect();
        let parsed = parse((command.flags)(), &words).unwrap();
        one(command, &parsed).map(|(name, all)| (name, all.text("type")))
    }

    #[test]
    fn flags_stand_before_and_behind_the_name() {
        let expected = Ok(("web".to_owned(), "SRV".to_owned()));
        assert_eq!(read(&["-type", "SRV", "web"]), expected);
        assert_eq!(read(&["web", "-type", "SRV"]), expected);
        assert_eq!(read(&["-type", "A", "web", "-type=SRV"]), expected);
        for wrong in [&[][..], &[""], &["web", "db"], &["web", "-type"], &["web", "-nothing"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
