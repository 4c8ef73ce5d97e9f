//! The commands, one module each, and what they share.

pub(crate) mod agent;
pub(crate) mod cluster;
pub(crate) mod event;
pub(crate) mod force_leave;
pub(crate) mod info;
pub(crate) mod join;
pub(crate) mod keygen;
pub(crate) mod keys;
pub(crate) mod leave;
pub(crate) mod members;
pub(crate) mod monitor;
pub(crate) mod query;
pub(crate) mod reachability;
pub(crate) mod rtt;
pub(crate) mod simulate;
pub(crate) mod tags;
pub(crate) mod version;
pub(crate) mod why;

use std::collections::BTreeMap;
use std::ffi::OsString;

use client::{Bytes, Client};

use crate::flags::Parsed;
use crate::output::say;

/// Exit code of everything that went wrong.
pub(crate) const FAILURE: i32 = 1;

/// Says what went wrong; the result is the exit code.
pub(crate) fn fail(message: impl AsRef<[u8]>) -> i32 {
    say(message);
    FAILURE
}

/// Connects to the agent that the flags and the environment name, or says why not.
pub(crate) fn connect(parsed: &Parsed) -> Result<Client, i32> {
    Client::connect(&parsed.text("rpc-addr"), &parsed.text("rpc-auth"))
        .map_err(|error| fail(format!("Error connecting to Serf agent: {error}")))
}

/// Reads `KEY=VALUE` pairs; the last one of a key wins. Only the first `=` separates.
pub(crate) fn parse_tags(pairs: &[String]) -> Result<BTreeMap<String, String>, i32> {
    let mut tags = BTreeMap::new();
    for pair in pairs {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                tags.insert(key.to_owned(), value.to_owned());
            }
            _ => return Err(fail(format!("Error: Invalid tag: '{pair}'"))),
        }
    }
    Ok(tags)
}

/// A payload as it was typed, byte for byte.
fn payload(argument: Option<&OsString>) -> Option<Bytes> {
    argument.map(|argument| Bytes::copy_from_slice(argument.as_encoded_bytes()))
}

/// How output is shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl Format {
    fn from_name(name: &str) -> Option<Format> {
        match name {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// What `info` and `members` say of a format that is none.
fn bad_format(name: &str) -> i32 {
    fail(format!("Encoding error: Invalid output format {}", gotext::quote(name)))
}
