//! `serf monitor`.

use std::sync::atomic::{AtomicBool, Ordering};

use client::{Client, Error, Record, StreamRecord};
use wire::msgpack::{Dialect, Reader, Value};
use wire::rpc::Frame;

use super::{FAILURE, connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::go_syntax::go_syntax;
use crate::output::say;

pub(crate) fn run(_: &Command, parsed: &Parsed) -> i32 {
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let events = match client.stream("*") {
        Ok(events) => events,
        Err(error) => return fail(format!("Error starting stream: {error}")),
    };
    let log = match client.monitor(&parsed.text("log-level")) {
        Ok(log) => log,
        Err(error) => return fail(format!("Error starting monitor: {error}")),
    };
    let stopper = client.stopper();
    let stopping = AtomicBool::new(false);
    let watching = crate::platform::on_interrupt(move || {
        // The second time, or if the agent is gone, there is nothing to wait for.
        if stopping.swap(true, Ordering::Relaxed)
            || stopper.stop(log).and_then(|()| stopper.stop(events)).is_err()
        {
            std::process::exit(0);
        }
    });
    if let Err(error) = watching {
        return fail(format!("Error watching for signals: {error}"));
    }
    match follow(&mut client) {
        Ok(()) => 0,
        Err(Error::Closed) => {
            say("");
            say("Remote side ended the monitor! This usually means that the\n\
                 remote side has exited or crashed.");
            FAILURE
        }
        Err(error) => fail(format!("Error reading from the agent: {error}")),
    }
}

/// Shows records until both subscriptions have ended.
fn follow(client: &mut Client) -> Result<(), Error> {
    while let Some((_, record)) = client.next_record()? {
        match record {
            Record::Log(line) => say(line),
            Record::Event(event) => say(event_text(&event)),
            Record::Query(_) => {}
        }
    }
    Ok(())
}

/// The event's fields as they travel, in Go's notation.
fn event_text(event: &StreamRecord) -> String {
    let mut encoded = Vec::new();
    event.encode(&mut encoded);
    let value = Value::read(&mut Reader::with_dialect(&encoded, Dialect::Rpc));
    let mut text = "Event Info:".to_owned();
    if let Ok(Value::Map(fields)) = value {
        for (name, value) in fields {
            let name = name.as_text().unwrap_or_default().to_owned();
            text.push_str(&format!("\n\t{name}: {}", go_syntax(&value)));
        }
    }
    text
}
