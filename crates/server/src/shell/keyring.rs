//! `operator/keyring`: the keys of both pools (consul-http, "Operator").

use std::collections::BTreeMap;

use agent::node::{KeyCommand, NodeHandle};
use api::{Failure, Method, Request};
use gotext::object::{Object, ObjectError};
use serde::Serialize;

use super::{Outcome, empty, json};
use crate::http::Site;

/// Members that pass an answer on, at most.
const RELAYS_MAX: i64 = 5;

/// The keys of one pool.
#[derive(Serialize)]
struct PoolRow<'a> {
    #[serde(rename = "WAN")]
    wan: bool,
    #[serde(rename = "Datacenter")]
    datacenter: &'a str,
    #[serde(rename = "Segment")]
    segment: &'a str,
    #[serde(rename = "Messages", skip_serializing_if = "BTreeMap::is_empty")]
    messages: BTreeMap<String, String>,
    #[serde(rename = "Keys")]
    keys: BTreeMap<String, usize>,
    #[serde(rename = "PrimaryKeys")]
    primary_keys: BTreeMap<String, usize>,
    #[serde(rename = "NumNodes")]
    nodes: usize,
}

/// Lists, adds, removes or changes a key everywhere.
pub(super) async fn call(site: &Site, request: &Request) -> Outcome {
    let lists = request.method == Method::Get;
    let key = if lists { String::new() } else { key(&request.body).map_err(refused)? };
    relay_factor(request)?;
    let local_only = local_only(request)?;
    if local_only && !lists {
        let why = "Invalid use of local-only: local-only can only be set for list requests";
        return Err(Failure::bad(why));
    }
    let command = match request.method {
        Method::Get => KeyCommand::List,
        Method::Post => KeyCommand::Install(key),
        Method::Put => KeyCommand::Use(key),
        Method::Delete => KeyCommand::Remove(key),
    };
    let shell = &site.shell;
    let datacenter = &*shell.identity.datacenter;
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let wan = shell.wan.as_ref().filter(|_| !local_only).map(|pool| (pool, true));
    for (pool, wan) in wan.into_iter().chain([(&shell.lan, false)]) {
        let title = if wan { "WAN".to_owned() } else { format!("{datacenter} (LAN)") };
        let told = in_pool(pool, command.clone(), &title).await;
        match told {
            Ok(row) => rows.push(PoolRow { wan, datacenter, ..row }),
            Err(told) => errors.extend(told),
        }
    }
    if !errors.is_empty() {
        return Err(Failure::internal(gotext::multi_error(&errors)));
    }
    Ok(if lists { json(&rows) } else { empty() })
}

/// What the members of a pool say, or what is wrong in it: the pool's line, then the members'.
async fn in_pool(
    pool: &NodeHandle,
    command: KeyCommand,
    title: &str,
) -> Result<PoolRow<'static>, Vec<String>> {
    let report =
        pool.keys(command).await.map_err(|error| vec![format!("{title} error: {error}")])?;
    let messages = report.messages.into_iter().filter(|(_, message)| !message.is_empty());
    if let Some(failure) = report.failure {
        let mut lines = vec![format!("{title} error: {failure}")];
        lines.extend(messages.map(|(node, message)| format!("{node}: {message}")));
        return Err(lines);
    }
    Ok(PoolRow {
        wan: false,
        datacenter: "",
        segment: "",
        messages: messages.map(|(node, message)| (node.to_string(), message)).collect(),
        keys: report.keys,
        primary_keys: report.primary_keys,
        nodes: report.nodes,
    })
}

/// The key of a body. What else may stand there does nothing.
fn key(body: &[u8]) -> Result<String, ObjectError> {
    let mut body = Object::parse(body)?;
    let key = body.field("Key")?;
    let _: String = body.field("Token")?;
    let _: i64 = body.field("RelayFactor")?;
    let _: bool = body.field("LocalOnly")?;
    body.finish()?;
    Ok(key)
}

fn refused(error: ObjectError) -> Failure {
    Failure::bad(format!("Request decode failed: {error}"))
}

/// How many members pass an answer on: checked, although members that answer at once need none.
fn relay_factor(request: &Request) -> Result<(), Failure> {
    let Some(text) = request.query.filled("relay-factor") else { return Ok(()) };
    let number: i64 = text.parse().map_err(|_| {
        let text = gotext::quote(text);
        Failure::bad(format!(
            "Error parsing relay factor: strconv.Atoi: parsing {text}: invalid syntax"
        ))
    })?;
    if (0..=RELAYS_MAX).contains(&number) {
        return Ok(());
    }
    let range = format!("Relay factor must be in range: [0, {RELAYS_MAX}]");
    Err(Failure::bad(format!("Invalid relay-factor: {range}")))
}

fn local_only(request: &Request) -> Result<bool, Failure> {
    let text = request.query.filled("local-only").unwrap_or("false");
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => {
            let text = gotext::quote(text);
            Err(Failure::bad(format!(
                "Error parsing local-only: strconv.ParseBool: parsing {text}: invalid syntax"
            )))
        }
    }
}
