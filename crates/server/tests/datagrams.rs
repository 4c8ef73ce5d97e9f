//! What a question and its reply cost the allocator at the socket. One test, as the count is of the
//! whole process.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::alloc::System;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cap::Cap;
use tokio::net::UdpSocket;

use datagrams::{Datagrams, Room};

#[path = "../src/dns/datagrams.rs"]
mod datagrams;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const ROUNDS: usize = 20;

/// The bytes that are allocated for one question and its reply, at the least.
async fn allocated(at: IpAddr, asked: IpAddr) -> usize {
    let socket = UdpSocket::bind((at, 0)).await.unwrap();
    let bound = socket.local_addr().unwrap();
    let (datagrams, mut room) = (Datagrams::new(socket, bound).unwrap(), Room::default());
    let client = std::net::UdpSocket::bind((asked, 0)).unwrap();
    let mut least = usize::MAX;
    for _ in 0..ROUNDS {
        client.send_to(b"question", SocketAddr::new(asked, bound.port())).unwrap();
        let (asker, before) = loop {
            datagrams.readable().await.unwrap();
            let before = MEMORY.total_allocated();
            if let Ok((length, asker)) = datagrams.try_receive(&mut room) {
                assert_eq!(room.message[..length], *b"question");
                break (asker, before);
            }
        };
        datagrams.try_reply(b"reply", &asker).unwrap();
        least = least.min(MEMORY.total_allocated() - before);
        let mut reply = [0; 16];
        let (length, from) = client.recv_from(&mut reply).unwrap();
        assert_eq!((&reply[..length], from.ip()), (&b"reply"[..], asked));
    }
    least
}

#[test]
fn no_datagram_allocates() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        let before = MEMORY.total_allocated();
        assert_eq!(allocated(v4, v4).await, 0);
        assert!(MEMORY.total_allocated() > before, "nothing is counted");
        assert_eq!(allocated(Ipv4Addr::UNSPECIFIED.into(), v4).await, 0);
        // Where there is no IPv6, there is nothing to count.
        if std::net::UdpSocket::bind((v6, 0)).is_ok() {
            assert_eq!(allocated(v6, v6).await, 0);
            assert_eq!(allocated(Ipv6Addr::UNSPECIFIED.into(), v6).await, 0);
        }
    });
}
