//! `serf query`.

use std::collections::BTreeMap;

use client::{Bytes, Client, Error, QueryRecord, QueryRequest, Record};
use gotext::Json;

use super::event::TOO_MANY;
use super::{FAILURE, Format, connect, fail, parse_tags, payload};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let tags = match parse_tags(&parsed.list("tag")) {
        Ok(tags) => tags,
        Err(code) => return code,
    };
    let words = parsed.words();
    let Some(name) = words.first() else {
        return command.misused("A query name must be specified.");
    };
    if words.len() > 2 {
        return command.misused(TOO_MANY);
    }
    let Ok(relay_factor) = u8::try_from(parsed.int("relay-factor")) else {
        return fail("Relay factor must be between 0 and 255");
    };
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let format = parsed.text("format");
    let Some(format) = Format::from_name(&format) else {
        return fail(format!("Invalid format: {format}"));
    };
    if let Err(error) = crate::platform::on_interrupt(|| std::process::exit(FAILURE)) {
        return fail(format!("Error watching for signals: {error}"));
    }
    let no_ack = parsed.on("no-ack");
    let request = QueryRequest {
        filter_nodes: parsed.list("node"),
        filter_tags: Some(tags),
        request_ack: !no_ack,
        relay_factor,
        timeout_ns: parsed.duration("timeout").as_nanoseconds(),
        name: name.clone(),
        payload: payload(parsed.positional.get(1)),
    };
    if let Err(error) = client.query(request) {
        return fail(format!("Error sending query: {error}"));
    }
    let mut answers = Answers { format, acks: Vec::new(), responses: BTreeMap::new(), count: 0 };
    if format == Format::Text {
        say(format!("Query '{name}' dispatched"));
    }
    if let Err(error) = answers.collect(&mut client) {
        return fail(format!("Error receiving answers: {error}"));
    }
    match format {
        Format::Json => say(answers.json().indented()),
        Format::Text => {
            if !no_ack {
                say(format!("Total Acks: {}", answers.acks.len()));
            }
            say(format!("Total Responses: {}", answers.count));
        }
    }
    0
}

/// What has come in.
struct Answers {
    format: Format,
    acks: Vec<String>,
    responses: BTreeMap<String, Bytes>,
    count: usize,
}

impl Answers {
    fn collect(&mut self, client: &mut Client) -> Result<(), Error> {
        while let Some((_, record)) = client.next_record()? {
            match record {
                // Agents may send some of nobody just before the end.
                Record::Query(QueryRecord::Ack { from } | QueryRecord::Response { from, .. })
                    if from.is_empty() => {}
                Record::Query(QueryRecord::Ack { from }) => {
                    if self.format == Format::Text {
                        say(format!("Ack from '{from}'"));
                    }
                    self.acks.push(from);
                }
                Record::Query(QueryRecord::Response { from, payload }) => {
                    let payload = payload.unwrap_or_default();
                    if self.format == Format::Text {
                        let mut line = format!("Response from '{from}': ").into_bytes();
                        line.extend_from_slice(payload.strip_suffix(b"\n").unwrap_or(&payload));
                        say(line);
                    }
                    self.count += 1;
                    self.responses.insert(from, payload);
                }
                Record::Query(QueryRecord::Done) | Record::Event(_) | Record::Log(_) => {}
            }
        }
        Ok(())
    }

    fn json(&self) -> Json {
        let acks = self.acks.iter().map(|from| Json::text(from.as_str())).collect();
        Json::record([
            ("Acks", Json::list_or_null(acks)),
            ("Responses", Json::map(&self.responses)),
        ])
    }
}
