//! `consul monitor`.

use client::http::{HttpError, Request, Response};

use super::Failure;
use super::connection::Agent;
use super::signals::Signals;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::show;

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    let mut request = Request::get("/v1/agent/monitor").with("loglevel", parsed.text("log-level"));
    if parsed.on("log-json") {
        request = request.with("logjson", "true");
    }
    let mut stream =
        agent.open(request).map_err(|error| Failure::of("Error starting monitor", error))?;
    agent.wait(async {
        let mut signals =
            Signals::new().map_err(|error| Failure::of("Error watching for signals", error))?;
        tokio::select! {
            _ = signals.next() => Ok(()),
            followed = follow(&mut stream) => match followed {
                Ok(()) => Err(Failure::said("The agent has ended the stream: it has stopped")),
                Err(error) => Err(Failure::of("The stream of the agent has broken off", error)),
            },
        }
    })
}

async fn follow(stream: &mut Response) -> Result<(), HttpError> {
    while let Some(piece) = stream.piece().await? {
        show(&piece);
    }
    Ok(())
}
