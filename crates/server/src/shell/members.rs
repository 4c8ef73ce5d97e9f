//! `agent/members`, `agent/join`, `agent/force-leave`.

use api::{Failure, Request};

use super::{Outcome, empty, json};
use crate::http::Site;
use crate::pools;

const SEGMENTS: &str = "Network segments are not supported in this version of Consul";

pub(super) async fn list(site: &Site, request: &Request) -> Outcome {
    let wan = request.query.filled("wan").is_some();
    let segment = request.query.filled("segment").filter(|segment| *segment != "_all");
    if wan && segment.is_some() {
        return Err(Failure::bad("Cannot provide a segment with wan=true"));
    }
    if segment.is_some() {
        return Err(Failure::internal(SEGMENTS));
    }
    let members = match (wan, &site.shell.wan) {
        (false, _) => site.shell.lan.members().await,
        (true, Some(pool)) => pool.members().await,
        (true, None) => Vec::new(),
    };
    let filter = request.query.filled("filter").unwrap_or_default();
    Ok(json(&pools::rows(members, filter)?))
}

pub(super) async fn join(site: &Site, request: &Request) -> Outcome {
    let address = request.tail_text().into_owned();
    let pool = match (request.query.filled("wan"), &site.shell.wan) {
        (None, _) => &site.shell.lan,
        (Some(_), Some(pool)) => pool,
        (Some(_), None) => return Err(Failure::internal("WAN federation disabled")),
    };
    pool.join(vec![address], false).await.map(|_| empty()).map_err(|why| {
        Failure::internal(why.lines().map(named_with_port).collect::<Vec<_>>().join("\n") + "\n")
    })
}

/// Consul names who could not be joined with the port.
fn named_with_port(line: &str) -> String {
    let named = || {
        let (host, rest) = line.split_once("Failed to join ")?.1.split_once(": dial tcp ")?;
        let (address, _) = rest.split_once(": ")?;
        Some(line.replacen(&format!("join {host}:"), &format!("join {address}:"), 1))
    };
    named().unwrap_or_else(|| line.to_owned())
}

pub(super) async fn force_leave(site: &Site, request: &Request) -> Outcome {
    let name = request.tail_text().into_owned();
    let prune = request.query.has("prune");
    let wan = request.query.has("wan");
    let pool = if wan { site.shell.wan.as_ref() } else { Some(&site.shell.lan) };
    let Some(pool) = pool else { return Ok(empty()) };
    let known = pool.members().await.iter().any(|member| member.name.to_string() == name);
    if !known {
        let shown = if wan { "" } else { &name };
        let text = format!("agent: No node found with name '{shown}'");
        return Err(Failure::internal(text));
    }
    if pool.name().to_string() == name {
        return Ok(empty());
    }
    pool.force_leave(&name, prune).await.map(|()| empty()).map_err(Failure::internal)
}
