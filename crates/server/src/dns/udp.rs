//! Questions over UDP: one loop a socket, which answers in place.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::dns::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::datagrams::{Asker, Datagrams, Room};
use super::{Answer, Answerer, Ask, Dns, cut};
use crate::telemetry::Tally;

/// Questions that are answered before others of the runtime have their turn.
const IN_ONE_GO: usize = 64;
/// Work after which they have it in any case.
const TURN: Duration = Duration::from_millis(1);
/// The system's queue of a socket. Some 270 short questions have room, which are answered within
/// milliseconds; those beyond it are lost, as they would be answered when nobody waits any more.
const QUEUE_BYTES: usize = 106_496;
/// After an error of the socket itself.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket at that address.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<Datagrams> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(QUEUE_BYTES)?;
    socket.bind(&address.into())?;
    Datagrams::new(UdpSocket::from_std(socket.into())?, address)
}

/// Answers what comes in, for ever.
pub(super) async fn serve(socket: Datagrams, dns: Arc<Dns>) {
    let socket = Arc::new(socket);
    let mut room = Room::default();
    let mut answerer = Answerer::new();
    let mut tally = Tally::default();
    loop {
        if let Err(error) = socket.readable().await {
            dns.warnings.socket("udp", &error);
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        serve_some(&socket, &dns, &mut room, &mut answerer, &mut tally);
        dns.telemetry.dns_counted(&mut tally);
        tokio::task::yield_now().await;
    }
}

fn serve_some(
    socket: &Arc<Datagrams>,
    dns: &Arc<Dns>,
    room: &mut Room,
    answerer: &mut Answerer,
    tally: &mut Tally,
) {
    let moment = dns.moment();
    let begun = Instant::now();
    let mut before = begun;
    for _ in 0..IN_ONE_GO {
        let (length, asker) = match socket.try_receive(room) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // The fate of an earlier reply.
            Err(_) => continue,
        };
        let Some(query) = room.message.get(..length) else { continue };
        let source = asker.from.ip().to_canonical();
        match answerer.answer(&moment, Transport::Udp, source, query, &[], &mut ()) {
            Answer::Ready => {
                if dns.is_beyond(&answerer.reply, source) {
                    answerer.answer(&moment, Transport::UdpShort, source, query, &[], &mut ());
                }
                // A reply that finds no room is lost, as it may be on its way.
                let _ = socket.try_reply(&answerer.reply, &asker);
                let now = Instant::now();
                dns.telemetry.dns_answered(tally, query, &answerer.reply, now - before);
                before = now;
                if now - begun >= TURN {
                    return;
                }
            }
            Answer::Ask(ask) => ask_others(socket, dns, ask, query, asker),
            Answer::Silent => dns.telemetry.dns_unanswerable(tally),
        }
    }
}

/// Others are asked meanwhile. How many such tasks there are is bounded by the places for them.
fn ask_others(socket: &Arc<Datagrams>, dns: &Arc<Dns>, ask: Ask, query: &[u8], asker: Asker) {
    let (socket, dns, query) = (socket.clone(), dns.clone(), query.to_vec());
    tokio::spawn(async move {
        let started = Instant::now();
        let source = asker.from.ip().to_canonical();
        if let Some(mut reply) = dns.ask(ask, &query, Transport::Udp, asker.from).await {
            if dns.is_beyond(&reply, source) {
                cut(&query, &mut reply);
            }
            // As above; and a task that waited here would have no place any more.
            let _ = socket.try_reply(&reply, &asker);
            dns.count(&query, &reply, started);
        }
    });
}
