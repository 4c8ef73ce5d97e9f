//! Every recorded exchange of `serf-rpc` goes through our reader, and what the agent and the real
//! client have sent comes out of our writer byte for byte.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use serde_json::Value as Json;
use wire::DecodeError;
use wire::rpc::{
    AUTHENTICATION_REQUIRED, Command, CoordinateReply, Frame, JoinReply, KeyReport, LogRecord,
    MembersReply, QueryRecord, RequestStream, ResponseHeader, ResponseStream, Stats, StreamRecord,
};

fn recordings() -> Vec<(String, Json)> {
    let shared = std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> = std::fs::read_dir(shared.join("vectors/serf-rpc"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect()
}

fn bytes_of(step: &Json) -> Vec<u8> {
    let hex = step["hex"].as_str().unwrap_or_default();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// One recorded connection, read by both sides as they would read it.
struct Exchange {
    name: String,
    /// Whether the client was the real one, whose bytes must be ours.
    real_client: bool,
    requests: RequestStream,
    responses: ResponseStream,
    /// A header whose body is awaited.
    awaiting_body: Option<(Command, u64)>,
    /// Reads the body that must follow the last answer or record; tells whether it was there.
    awaited: Option<fn(&mut Exchange) -> bool>,
    /// Requests that have not been answered.
    unanswered: Vec<(Command, u64)>,
    /// Requests that have opened a stream.
    open: Vec<(Command, u64)>,
    client_error: Option<DecodeError>,
    request_count: usize,
    body_count: usize,
    real_bytes: (Vec<u8>, Vec<u8>),
    agent_bytes: (Vec<u8>, Vec<u8>),
    /// Headers of commands refused for want of authentication: their bodies are headers.
    unauthenticated: bool,
}

impl Exchange {
    fn client_sends(&mut self, bytes: &[u8]) {
        if self.client_error.is_some() {
            return;
        }
        self.requests.push(bytes);
        self.real_bytes.0.extend_from_slice(bytes);
        if let Err(error) = self.read_requests() {
            self.client_error = Some(error);
        }
    }

    fn read_requests(&mut self) -> Result<(), DecodeError> {
        loop {
            let (command, sequence) = match self.awaiting_body {
                Some(awaited) => awaited,
                None => {
                    let Some(header) = self.requests.next_header()? else { return Ok(()) };
                    let Some(command) = Command::from_name(&header.command) else {
                        // The agent closes: what else is sent is not read.
                        return Ok(());
                    };
                    (command, header.sequence)
                }
            };
            if self.unauthenticated && !matches!(command, Command::Handshake | Command::Auth) {
                self.unanswered.push((command, sequence));
                continue;
            }
            self.awaiting_body = Some((command, sequence));
            let Some(request) = self.requests.next_body(command)? else { return Ok(()) };
            self.awaiting_body = None;
            self.unanswered.push((command, sequence));
            self.request_count += 1;
            request.encode(sequence, &mut self.real_bytes.1);
        }
    }

    fn agent_sends(&mut self, bytes: &[u8]) {
        self.agent_bytes.0.extend_from_slice(bytes);
        // In small pieces: a decoder that needs whole messages at once would fail here.
        for piece in bytes.chunks(5) {
            self.responses.push(piece);
            self.read_responses();
        }
    }

    fn read_responses(&mut self) {
        loop {
            if let Some(read_body) = self.awaited {
                if !read_body(self) {
                    return;
                }
                self.awaited = None;
                self.body_count += 1;
            }
            let Some(header) = self.responses.next_header().unwrap() else { return };
            header.encode(&mut self.agent_bytes.1);
            let sequence = header.sequence;
            if let Some(at) = self.unanswered.iter().position(|(_, seq)| *seq == sequence) {
                let (command, _) = self.unanswered.remove(at);
                self.awaited = self.answer(command, &header);
            } else if let Some((command, _)) = self.open.iter().find(|(_, seq)| *seq == sequence) {
                self.awaited = Some(match command {
                    Command::Stream => Exchange::body::<StreamRecord>,
                    Command::Monitor => Exchange::body::<LogRecord>,
                    _ => Exchange::body::<QueryRecord>,
                });
            } else {
                assert!(!header.error.is_empty(), "{}: a record of no stream", self.name);
            }
        }
    }

    /// Which body follows.
    fn answer(
        &mut self,
        command: Command,
        header: &ResponseHeader,
    ) -> Option<fn(&mut Exchange) -> bool> {
        if header.error == AUTHENTICATION_REQUIRED {
            return None;
        }
        if command == Command::Auth && header.error.is_empty() {
            self.unauthenticated = false;
        }
        let streams = [Command::Stream, Command::Monitor, Command::Query];
        if streams.contains(&command) && header.error.is_empty() {
            self.open.push((command, header.sequence));
        }
        Some(match command {
            Command::Join => Exchange::body::<JoinReply>,
            Command::Members | Command::MembersFiltered => Exchange::body::<MembersReply>,
            Command::GetCoordinate => Exchange::body::<CoordinateReply>,
            Command::Stats => Exchange::body::<Stats>,
            Command::InstallKey | Command::UseKey | Command::RemoveKey | Command::ListKeys => {
                Exchange::body::<KeyReport>
            }
            _ => {
                assert!(!command.has_response_body());
                return None;
            }
        })
    }

    fn body<B: Frame>(&mut self) -> bool {
        let body: Option<B> = self.responses.next_body().unwrap();
        if let Some(body) = &body {
            body.encode(&mut self.agent_bytes.1);
        }
        body.is_some()
    }
}

/// Free maps stand in the agent's own order, which Go leaves open: compared as multisets of bytes.
fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable();
    sorted
}

#[test]
fn every_recorded_exchange_is_read_and_written_back() {
    let recordings = recordings();
    assert_eq!(recordings.len(), 146);
    let (mut requests, mut bodies, mut refused) = (0, 0, Vec::new());
    for (name, recording) in recordings {
        let steps = recording["steps"].as_array().unwrap();
        let unauthenticated =
            steps.iter().any(|step| step["values"].to_string().contains(AUTHENTICATION_REQUIRED));
        let mut exchange = Exchange {
            real_client: name.starts_with("client-"),
            name,
            requests: RequestStream::new(),
            responses: ResponseStream::new(),
            awaiting_body: None,
            awaited: None,
            unanswered: Vec::new(),
            open: Vec::new(),
            client_error: None,
            request_count: 0,
            body_count: 0,
            real_bytes: Default::default(),
            agent_bytes: Default::default(),
            unauthenticated,
        };
        for step in steps {
            let bytes = bytes_of(step);
            match step["from"].as_str() {
                Some("client") => exchange.client_sends(&bytes),
                Some("agent") => exchange.agent_sends(&bytes),
                other => panic!("{}: a step from {other:?}", exchange.name),
            }
        }
        let name = &exchange.name;
        if exchange.client_error.is_some() {
            refused.push(name.clone());
            assert_eq!(recording["closed_by_agent"], true, "{name}: {:?}", exchange.client_error);
        }
        let (read, written) = &exchange.agent_bytes;
        assert_eq!(sorted(read), sorted(written), "{name}: what the agent sent");
        if exchange.real_client {
            let (read, written) = &exchange.real_bytes;
            assert_eq!(read, written, "{name}: what the real client sent");
        }
        requests += exchange.request_count;
        bodies += exchange.body_count;
    }
    assert!(requests > 250 && bodies > 120, "{requests} requests, {bodies} bodies");
    // All that the agent closed on for a decoding error, and nothing else.
    let expected = [
        "event-coalesce-2",
        "event-coalesce-string",
        "event-name-bin",
        "event-payload-int",
        "header-command-bin",
        "header-garbage",
        "header-http",
        "header-key-bin",
        "header-string",
        "join-string",
        "query-relay-300",
        "seq-float",
        "seq-negative",
        "seq-string",
    ];
    assert_eq!(refused, expected);
}

#[test]
fn values_with_fixed_order_are_written_byte_for_byte() {
    // All but records with free maps (tags, keys, statistics): there every byte must agree.
    let mut compared = 0;
    for (name, recording) in recordings() {
        for step in recording["steps"].as_array().unwrap() {
            let values = step["values"].as_array();
            for value in values.into_iter().flatten().filter(|_| step["from"] == "agent") {
                let (bytes, json) = (bytes_of(value), &value["json"]);
                let mut written = Vec::new();
                match json {
                    json if json.get("Seq").is_some() => {
                        ResponseHeader::decode(&bytes).unwrap().encode(&mut written);
                    }
                    json if json.get("Coord").is_some() => {
                        CoordinateReply::decode(&bytes).unwrap().encode(&mut written);
                    }
                    json if json.get("Num").is_some() => {
                        JoinReply::decode(&bytes).unwrap().encode(&mut written);
                    }
                    json if json.get("Log").is_some() => {
                        LogRecord::decode(&bytes).unwrap().encode(&mut written);
                    }
                    json if json.get("Type").is_some() => {
                        QueryRecord::decode(&bytes).unwrap().encode(&mut written);
                    }
                    json if json.get("LTime").is_some() => {
                        StreamRecord::decode(&bytes).unwrap().encode(&mut written);
                    }
                    _ => continue,
                }
                assert_eq!(written, bytes, "{name}: {json}");
                compared += 1;
            }
        }
    }
    assert!(compared > 450, "{compared}");
}
