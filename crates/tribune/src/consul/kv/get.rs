//! `consul kv get`, and the pairs that are shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::http::{HttpError, Request};
use gotext::decode::{Value, whole_value};
use gotext::object::{Base64, FromValue, Object};

use super::super::Failure;
use super::super::connection::{Agent, objects_of};
use super::{key, missing_key};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// Where values stand behind their labels, of which `ModifyIndex` is the longest.
const LABEL_WIDTH: usize = 17;

/// A key with its value.
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) flags: u64,
    pub(super) value: Vec<u8>,
    session: String,
    create_index: u64,
    modify_index: u64,
    lock_index: u64,
}

impl Pair {
    fn read(mut fields: Object) -> Result<Pair, HttpError> {
        Ok(Pair {
            key: fields.field("Key")?,
            flags: fields.field("Flags")?,
            value: fields.field::<Base64>("Value")?.0,
            session: fields.field("Session")?,
            create_index: fields.field("CreateIndex")?,
            modify_index: fields.field("ModifyIndex")?,
            lock_index: fields.field("LockIndex")?,
        })
    }

    fn shown_value(&self, base64: bool) -> Vec<u8> {
        if base64 { STANDARD.encode(&self.value).into_bytes() } else { self.value.clone() }
    }

    /// Everything about it, a line each; no newline at the end.
    fn detailed(&self, base64: bool) -> Vec<u8> {
        let session = if self.session.is_empty() { "-" } else { &self.session };
        let mut text = Vec::new();
        for (label, value) in [
            ("CreateIndex", self.create_index.to_string()),
            ("Flags", self.flags.to_string()),
            ("Key", self.key.clone()),
            ("LockIndex", self.lock_index.to_string()),
            ("ModifyIndex", self.modify_index.to_string()),
            ("Session", session.to_owned()),
        ] {
            text.extend(format!("{label:LABEL_WIDTH$}{value}\n").bytes());
        }
        text.extend(format!("{:LABEL_WIDTH$}", "Value").bytes());
        text.extend(self.shown_value(base64));
        text.truncate(text.trim_ascii_end().len());
        text
    }
}

/// The pairs below a prefix.
pub(super) fn pairs_below(agent: &Agent, prefix: &str) -> Result<Vec<Pair>, HttpError> {
    let request = Request::get(format!("/v1/kv/{prefix}")).with("recurse", "");
    pairs(agent, request)
}

fn pairs(agent: &Agent, request: Request) -> Result<Vec<Pair>, HttpError> {
    let (body, _) = agent.wait(agent.http().look_up(request))?;
    let Some(body) = body else { return Ok(Vec::new()) };
    objects_of(&body)?.into_iter().map(Pair::read).collect()
}

fn keys_below(agent: &Agent, prefix: &str, separator: String) -> Result<Vec<String>, HttpError> {
    let request = Request::get(format!("/v1/kv/{prefix}"))
        .with("keys", "")
        .with_given("separator", separator);
    let (body, _) = agent.wait(agent.http().look_up(request))?;
    match body.as_deref().map(whole_value).transpose()? {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => Ok(Vec::from_value(list)?),
    }
}

pub(crate) fn get(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let key = key(parsed)?;
    let (keys, recurse) = (parsed.on("keys"), parsed.on("recurse"));
    if key.is_empty() && !keys && !recurse {
        return Err(missing_key());
    }
    let failed = |error: HttpError| Failure::of("Error querying Consul agent", error);
    let agent = Agent::connect(parsed)?;
    if keys {
        let separator = parsed.text("separator");
        for key in keys_below(&agent, &key, separator).map_err(failed)? {
            say(key);
        }
        return Ok(());
    }
    let (detailed, base64) = (parsed.on("detailed"), parsed.on("base64"));
    if recurse {
        let pairs = pairs_below(&agent, &key).map_err(failed)?;
        for (index, pair) in pairs.iter().enumerate() {
            if !detailed {
                say([pair.key.as_bytes(), b":", &pair.shown_value(base64)].concat());
                continue;
            }
            if index > 0 {
                say("");
            }
            say(pair.detailed(base64));
        }
        return Ok(());
    }
    let found = pairs(&agent, Request::get(format!("/v1/kv/{key}"))).map_err(failed)?;
    let Some(pair) = found.first() else {
        return Err(Failure::Said(format!("Error! No key exists at: {key}")));
    };
    say(if detailed { pair.detailed(base64) } else { pair.shown_value(base64) });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn details_are_laid_out_as_recorded() {
        let read = |text: &str| Pair::read(Object::parse(text.as_bytes()).unwrap()).unwrap();
        let pair = read(
            r#"{"LockIndex":1,"Key":"lock/1","Flags":42,"Value":"dg==","Session":"s",
                "CreateIndex":20,"ModifyIndex":21}"#,
        );
        let text = "CreateIndex      20\nFlags            42\nKey              lock/1\n\
                    LockIndex        1\nModifyIndex      21\nSession          s\n\
                    Value            ";
        assert_eq!(pair.detailed(false), format!("{text}v").as_bytes());
        assert_eq!(pair.detailed(true), format!("{text}dg==").as_bytes());
        let empty = read(r#"{"Key":"k","Value":null}"#).detailed(false);
        assert!(empty.ends_with(b"Session          -\nValue"));
    }
}
