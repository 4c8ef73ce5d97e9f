//! `consul kv ...`.

mod export;
mod get;

use std::io::Read;

use client::http::Request;

use super::Failure;
use super::connection::{Agent, is_true};
use super::failure::too_many;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

pub(super) use export::{export, import};
pub(super) use get::get;

/// Longest text that is read from a file or from standard input. An agent takes values of half a
/// mebibyte unless it is configured otherwise; an import may hold many of them.
const LONGEST_INPUT: u64 = 1 << 30;

/// The only argument, as a key or prefix: a slash at its front is dropped.
fn key(parsed: &Parsed) -> Result<String, Failure> {
    too_many(parsed.positional.len(), 1)?;
    let key = parsed.words().pop().unwrap_or_default();
    Ok(key.strip_prefix('/').map(str::to_owned).unwrap_or(key))
}

fn missing_key() -> Failure {
    Failure::said("Error! Missing KEY argument")
}

/// The bytes that an argument stands for: `@FILE`, `-` for standard input, or itself.
fn input(argument: &std::ffi::OsStr) -> Result<Vec<u8>, Failure> {
    let bytes = argument.as_encoded_bytes();
    let mut data = Vec::new();
    if bytes == b"-" {
        std::io::stdin()
            .take(LONGEST_INPUT)
            .read_to_end(&mut data)
            .map_err(|error| Failure::of("Error! Failed to read stdin", error))?;
        return Ok(data);
    }
    if bytes.first() != Some(&b'@') {
        return Ok(bytes.to_vec());
    }
    let text = argument.to_string_lossy();
    let path = &text[1..];
    let mut read = || -> std::io::Result<()> {
        std::fs::File::open(path)?.take(LONGEST_INPUT).read_to_end(&mut data)?;
        Ok(())
    };
    read().map_err(|error| {
        Failure::of("Error! Failed to read file", gotext::path_error("open", path, &error))
    })?;
    Ok(data)
}

pub(super) fn put(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let words = parsed.words();
    let (key, data) = match parsed.positional.as_slice() {
        [] => return Err(missing_key()),
        [_] => (&words[0], Vec::new()),
        [_, data] => (&words[0], input(data)?),
        more => {
            let text = format!("Error! Too many arguments (expected 1 or 2, got {})", more.len());
            return Err(Failure::Said(text));
        }
    };
    let session = parsed.text("session");
    let (acquire, release) = (parsed.on("acquire"), parsed.on("release"));
    if (acquire || release) && session.is_empty() {
        let text = "Error! Missing -session (required with -acquire and -release)";
        return Err(Failure::said(text));
    }
    let data = if parsed.on("base64") { decoded(&data) } else { data };
    if key.starts_with('/') {
        let text = format!("Invalid key. Key must not begin with a '/': {key}");
        return Err(Failure::of("Error! Failed writing data", text));
    }
    let mut request = Request::put(format!("/v1/kv/{key}")).body(data);
    let flags = parsed.unsigned("flags");
    if flags != 0 {
        request = request.with("flags", flags.to_string());
    }
    let index = parsed.unsigned("modify-index");
    let (request, done, refused) = if parsed.on("cas") {
        let why = match index {
            0 => "CAS performed with index=0 and key already exists.",
            _ => "CAS failed",
        };
        let refused = format!("Error! Did not write to {key}: {why}");
        (request.with("cas", index.to_string()), "Data written to", refused)
    } else if acquire {
        let refused = "Error! Did not acquire lock".to_owned();
        (request.with("acquire", session), "Lock acquired on", refused)
    } else if release {
        let refused = "Error! Did not release lock".to_owned();
        (request.with("release", session), "Lock released on", refused)
    } else {
        (request, "Data written to", format!("Error! Did not write to {key}"))
    };
    let agent = Agent::connect(parsed)?;
    let answer =
        agent.read(request).map_err(|error| Failure::of("Error! Failed writing data", error))?;
    if !is_true(&answer) {
        return Err(Failure::Said(refused));
    }
    say(format!("Success! {done}: {key}"));
    Ok(())
}

/// What is written in base64. What is not is told, and nothing is written in its place.
fn decoded(data: &[u8]) -> Vec<u8> {
    match gotext::decode_base64(&String::from_utf8_lossy(data)) {
        Ok(data) => data,
        Err(error) => {
            complain(format!("Error! Cannot base 64 decode data: {error}"));
            Vec::new()
        }
    }
}

pub(super) fn delete(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let key = key(parsed)?;
    let (recurse, cas) = (parsed.on("recurse"), parsed.on("cas"));
    let index = parsed.unsigned("modify-index");
    if key.is_empty() && !recurse {
        return Err(missing_key());
    }
    if index != 0 && !cas {
        return Err(Failure::said("Cannot specify -modify-index without -cas!"));
    }
    if cas && recurse {
        return Err(Failure::said("Cannot specify both -cas and -recurse!"));
    }
    if cas && index == 0 {
        // The doubled word is the reference's.
        let text = "Cannot delete a key that does not exist. Provide a -modify-index greater than \
                    than 0.";
        return Err(Failure::said(text));
    }
    let agent = Agent::connect(parsed)?;
    let mut request = Request::delete(format!("/v1/kv/{key}"));
    if recurse {
        request = request.with("recurse", "");
    } else if cas {
        request = request.with("cas", index.to_string());
    }
    let answer = agent
        .read(request)
        .map_err(|error| Failure::of(&format!("Error deleting key {key}"), error))?;
    if !is_true(&answer) {
        return Err(Failure::Said(format!("Error! Did not delete key {key}: CAS failed")));
    }
    let what = if recurse { "keys with prefix" } else { "key" };
    say(format!("Success! Deleted {what}: {key}"));
    Ok(())
}
