//! Shows the members that an agent knows, then every event as it comes, and answers the query
//! `ping` with `pong`.
//!
//! `cargo run -p tribune-client --example watch [ADDR:PORT [TOKEN]]`

use client::{Client, Error, Record, StreamRecord};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7373".to_owned());
    let token = arguments.next().unwrap_or_default();

    let mut client = Client::connect(&address, &token)?;
    for member in client.members()? {
        println!("{} is {}", member.name, member.status);
    }
    client.stream("*")?;
    while let Some((_, record)) = client.next_record()? {
        match record {
            Record::Event(StreamRecord::Query { id, name, .. }) if name == "ping" => {
                client.respond(id, "pong")?;
            }
            Record::Event(event) => println!("{event:?}"),
            Record::Log(_) | Record::Query(_) => {}
        }
    }
    Ok(())
}
