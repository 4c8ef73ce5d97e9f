//! `consul kv export` and `consul kv import`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::http::Request;
use gotext::Json;
use gotext::decode::{Value, whole_value};
use gotext::object::{Object, ObjectError, objects};

use super::super::Failure;
use super::super::connection::Agent;
use super::get::pairs_below;
use super::{input, key};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn export(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let prefix = key(parsed)?;
    let agent = Agent::connect(parsed)?;
    let pairs = pairs_below(&agent, &prefix)
        .map_err(|error| Failure::of("Error querying Consul agent", error))?;
    let entries = pairs
        .iter()
        .map(|pair| {
            Json::record([
                ("key", Json::text(pair.key.as_str())),
                ("flags", Json::Verbatim(pair.flags.to_string().into())),
                ("value", Json::text(STANDARD.encode(&pair.value))),
            ])
        })
        .collect();
    say(Json::List(entries).indented_by("\t"));
    Ok(())
}

/// One key to be written.
#[derive(Debug, PartialEq)]
struct Entry {
    key: String,
    flags: u64,
    value: String,
}

fn entries(text: &[u8]) -> Result<Vec<Entry>, String> {
    let list = match whole_value(text).map_err(|error| error.to_string())? {
        Value::Null => return Ok(Vec::new()),
        list @ Value::List(_) => list,
        other => {
            let kind = other.json_kind();
            let target = "Go value of type []*impexp.Entry";
            return Err(format!("json: cannot unmarshal {kind} into {target}"));
        }
    };
    let read = |mut fields: Object| -> Result<Entry, ObjectError> {
        let entry = Entry {
            key: fields.field("key")?,
            flags: fields.field("flags")?,
            value: fields.field("value")?,
        };
        Ok(entry)
    };
    let entries = objects(list).and_then(|list| list.into_iter().map(read).collect());
    entries.map_err(|error| error.to_string())
}

/// The key below a prefix, with one slash between them.
fn joined(prefix: &str, key: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => key.to_owned(),
        prefix => format!("{prefix}/{}", key.trim_start_matches('/')),
    }
}

pub(crate) fn import(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let data = match parsed.positional.as_slice() {
        [] => return Err(Failure::said("Error! Missing DATA argument")),
        [data] if data.is_empty() => return Err(Failure::said("Error! Empty DATA argument")),
        [data] => input(data)?,
        more => {
            let text = format!("Error! Too many arguments (expected 1, got {})", more.len());
            return Err(Failure::Said(text));
        }
    };
    let agent = Agent::connect(parsed)?;
    let prefix = parsed.text("prefix");
    for entry in entries(&data).map_err(|why| Failure::of("Cannot unmarshal data", why))? {
        let value = gotext::decode_base64(&entry.value).map_err(|error| {
            Failure::of(&format!("Error base 64 decoding value for key {}", entry.key), error)
        })?;
        let key = joined(&prefix, &entry.key);
        let mut request = Request::put(format!("/v1/kv/{key}")).body(value);
        if entry.flags != 0 {
            request = request.with("flags", entry.flags.to_string());
        }
        agent.read(request).map_err(|error| {
            Failure::of(&format!("Error! Failed writing data for key {key}"), error)
        })?;
        say(format!("Imported: {key}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_entries_is_refused() {
        for (text, why) in [
            ("nope", "invalid character 'o' in literal null (expecting 'u')"),
            ("{}", "json: cannot unmarshal object into Go value of type []*impexp.Entry"),
        ] {
            assert_eq!(entries(text.as_bytes()), Err(why.to_owned()));
        }
        let entry = Entry { key: "a".to_owned(), flags: u64::MAX, value: String::new() };
        let text = br#"[{"key":"a","flags":18446744073709551615}]"#;
        assert_eq!(entries(text), Ok(vec![entry]));
    }

    #[test]
    fn keys_stand_below_the_prefix() {
        assert_eq!(joined("", "a/"), "a/");
        assert_eq!(joined("pre", "a/"), "pre/a/");
        assert_eq!(joined("pre/", "/a"), "pre/a");
    }
}
