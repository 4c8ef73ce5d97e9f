//! The client against a scripted agent.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use client::{Client, Error, EventRequest, QueryRecord, QueryRequest, Record};
use wire::rpc::{
    Command, Frame, KeyReport, LogRecord, MembersReply, Request, RequestStream, ResponseHeader,
};

/// The agent's end of a connection.
struct Agent {
    stream: TcpStream,
    requests: RequestStream,
}

impl Agent {
    fn next(&mut self) -> Option<(u64, Request)> {
        let mut header = None;
        loop {
            if header.is_none() {
                header = self.requests.next_header().unwrap();
            }
            if let Some(header) = &header {
                let command = Command::from_name(&header.command).unwrap();
                if let Some(request) = self.requests.next_body(command).unwrap() {
                    return Some((header.sequence, request));
                }
            }
            let mut buffer = [0; 512];
            let length = self.stream.read(&mut buffer).unwrap();
            if length == 0 {
                return None;
            }
            self.requests.push(&buffer[..length]);
        }
    }

    fn head(&mut self, sequence: u64, error: &str) {
        self.body(&ResponseHeader { sequence, error: error.into() });
    }

    fn body(&mut self, body: &impl Frame) {
        let mut bytes = Vec::new();
        body.encode(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }
}

/// An agent that has shaken hands and then does what it is told.
fn agent(script: impl FnOnce(&mut Agent) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut agent = Agent { stream, requests: RequestStream::new() };
        assert_eq!(agent.next(), Some((1, Request::Handshake { version: 1 })));
        agent.head(1, "");
        script(&mut agent);
    });
    (address, thread)
}

#[test]
fn records_that_arrive_before_an_answer_are_kept() {
    let (address, thread) = agent(|agent| {
        let (log, _) = agent.next().unwrap();
        agent.head(log, "");
        let (members, request) = agent.next().unwrap();
        assert_eq!(request, Request::Members);
        agent.head(log, "");
        agent.body(&LogRecord { log: "one".into() });
        agent.head(members, "");
        agent.body(&MembersReply::default());
        agent.head(log, "");
        agent.body(&LogRecord { log: "two".into() });
        let (stop, request) = agent.next().unwrap();
        assert_eq!(request, Request::Stop { sequence: log });
        agent.head(stop, "");
        assert_eq!(agent.next(), None);
    });
    let mut client = Client::connect(&address, "").unwrap();
    assert_eq!(client.next_record(), Ok(None));
    let log = client.monitor("debug").unwrap();
    assert_eq!(client.members(), Ok(vec![]));
    assert_eq!(client.next_record(), Ok(Some((log, Record::Log("one".into())))));
    assert_eq!(client.next_record(), Ok(Some((log, Record::Log("two".into())))));
    client.stopper().stop(log).unwrap();
    assert_eq!(client.next_record(), Ok(None));
    drop(client);
    thread.join().unwrap();
}

#[test]
fn a_query_ends_with_its_last_record() {
    let (address, thread) = agent(|agent| {
        let (query, _) = agent.next().unwrap();
        agent.head(query, "");
        for record in [
            QueryRecord::Ack { from: "a".into() },
            QueryRecord::Response { from: "a".into(), payload: None },
            QueryRecord::Done,
        ] {
            agent.head(query, "");
            agent.body(&record);
        }
    });
    let mut client = Client::connect(&address, "").unwrap();
    let query = client.query(QueryRequest { name: "q".into(), ..Default::default() }).unwrap();
    for expected in [
        QueryRecord::Ack { from: "a".into() },
        QueryRecord::Response { from: "a".into(), payload: None },
        QueryRecord::Done,
    ] {
        assert_eq!(client.next_record(), Ok(Some((query, Record::Query(expected)))));
    }
    assert_eq!(client.next_record(), Ok(None));
    thread.join().unwrap();
}

#[test]
fn refusals_carry_the_agents_words() {
    let (address, thread) = agent(|agent| {
        let (auth, request) = agent.next().unwrap();
        assert_eq!(request, Request::Auth { key: "sesame".into() });
        agent.head(auth, "");
        let (event, _) = agent.next().unwrap();
        // Refused twice, as an agent does that takes the body for another header.
        agent.head(event, "Authentication required");
        agent.head(event, "Authentication required");
        let (keys, _) = agent.next().unwrap();
        agent.head(keys, "1/1 nodes reported failure");
        let messages = BTreeMap::from([("a".to_owned(), "no".to_owned())]);
        agent.body(&KeyReport { messages, nodes: 1, errors: 1, ..Default::default() });
    });
    let mut client = Client::connect(&address, "sesame").unwrap();
    let refused = client.event(EventRequest::default()).unwrap_err();
    assert_eq!(refused.to_string(), "Authentication required");
    let Err(Error::Keys { reason, report }) = client.use_key("x") else { panic!() };
    assert_eq!((reason.as_str(), report.messages.len()), ("1/1 nodes reported failure", 1));
    thread.join().unwrap();
    assert_eq!(client.leave(), Err(Error::Closed));
    assert_eq!(Error::Closed.to_string(), "client closed");
}

#[test]
fn bad_addresses_are_named_as_go_names_them() {
    for (address, error) in [
        ("", "dial tcp: missing address"),
        ("127.0.0.9", "dial tcp: address 127.0.0.9: missing port in address"),
        ("127.0.0.9:notaport", "dial tcp: address tcp/notaport: unknown port"),
        ("127.0.0.9:99999", "dial tcp: address 99999: invalid port"),
        ("127.0.0.9:1", "dial tcp 127.0.0.9:1: connect: connection refused"),
    ] {
        assert_eq!(Client::connect(address, "").unwrap_err().to_string(), error);
    }
}
