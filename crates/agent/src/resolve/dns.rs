//! One question to the system's first name server, over TCP.

use std::net::{IpAddr, SocketAddr};

use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits;

/// All addresses that the first name server of `/etc/resolv.conf` has for a name. Aliases are not
/// followed.
pub(super) async fn look_up_over_tcp(host: &str) -> Result<Vec<IpAddr>, String> {
    let config = std::fs::read_to_string("/etc/resolv.conf").map_err(|error| error.to_string())?;
    let server = first_server(&config).ok_or("no name server is configured")?;
    let question = question(host).ok_or("not a domain name")?;
    tokio::time::timeout(limits::NAME_SERVER_TIMEOUT, ask(server, question))
        .await
        .map_err(|_| format!("name server {server} did not answer in time"))?
}

fn first_server(config: &str) -> Option<SocketAddr> {
    config.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        Some(SocketAddr::new(words.next()?.parse().ok()?, 53))
    })
}

/// A question for every record of the name, framed for TCP.
fn question(host: &str) -> Option<Vec<u8>> {
    let name: Name<Vec<u8>> = host.parse().ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(crate::random::u16());
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((name, Rtype::ANY)).ok()?;
    let message = builder.finish();
    let mut framed = u16::try_from(message.len()).ok()?.to_be_bytes().to_vec();
    framed.extend(message);
    Some(framed)
}

async fn ask(server: SocketAddr, question: Vec<u8>) -> Result<Vec<IpAddr>, String> {
    let words = |error: std::io::Error| gotext::dial_error(server, &error);
    let mut stream = TcpStream::connect(server).await.map_err(words)?;
    stream.write_all(&question).await.map_err(words)?;
    let length = stream.read_u16().await.map_err(words)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(words)?;
    addresses(answer, &question).ok_or_else(|| "the answer is malformed".to_owned())
}

fn addresses(answer: Vec<u8>, question: &[u8]) -> Option<Vec<IpAddr>> {
    let answer = Message::from_octets(answer).ok()?;
    let asked = question.get(2..4)?;
    if answer.header().id().to_be_bytes() != asked || !answer.header().qr() {
        return None;
    }
    let mut found = Vec::new();
    for record in answer.answer().ok()? {
        let record = record.ok()?;
        if let Ok(Some(v4)) = record.to_record::<A>() {
            found.push(IpAddr::V4(v4.data().addr()));
        } else if let Ok(Some(v6)) = record.to_record::<Aaaa>() {
            found.push(IpAddr::V6(v6.data().addr()));
        }
        if found.len() == limits::ADDRESSES_PER_NAME {
            break;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use domain::base::iana::{Class, Rcode};
    use domain::base::{Record, Ttl};

    #[test]
    fn the_first_server_is_asked() {
        let config = "# nameserver 9.9.9.9\nsearch x\nnameserver\t10.0.0.2\nnameserver 10.0.0.3\n";
        assert_eq!(first_server(config), Some("10.0.0.2:53".parse().unwrap()));
        assert_eq!(first_server("nameserver fd00::1"), Some("[fd00::1]:53".parse().unwrap()));
        assert_eq!(first_server("options edns0"), None);
    }

    #[test]
    fn addresses_are_taken_and_other_records_skipped() {
        let question = question("nodes.example.org").unwrap();
        let asked = Message::from_octets(question[2..].to_vec()).unwrap();
        let mut answer = MessageBuilder::new_vec().start_answer(&asked, Rcode::NOERROR).unwrap();
        let owner: Name<Vec<u8>> = "nodes.example.org".parse().unwrap();
        let ttl = Ttl::from_secs(60);
        let v4 = Record::new(owner.clone(), Class::IN, ttl, A::new("10.1.2.3".parse().unwrap()));
        answer.push(v4).unwrap();
        let text: domain::rdata::Txt<Vec<u8>> =
            domain::rdata::Txt::build_from_slice(b"no address").unwrap();
        answer.push(Record::new(owner.clone(), Class::IN, ttl, text)).unwrap();
        let v6 = Record::new(owner, Class::IN, ttl, Aaaa::new("fd00::5".parse().unwrap()));
        answer.push(v6).unwrap();
        let found = addresses(answer.finish(), &question).unwrap();
        assert_eq!(found, ["10.1.2.3".parse::<IpAddr>().unwrap(), "fd00::5".parse().unwrap()]);
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        let question = question("a.example").unwrap();
        let mut forged = question[2..].to_vec();
        forged[0] ^= 1;
        forged[2] |= 0x80;
        assert_eq!(addresses(forged, &question), None);
        for length in 0..12 {
            assert_eq!(addresses(vec![0xff; length], &question), None);
        }
    }
}
