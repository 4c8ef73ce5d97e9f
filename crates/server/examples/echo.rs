//! What a UDP server costs that does nothing: the floor that `bench/dns.py` divides by.
//!
//! `cargo run --release -p tribune-server --example echo -- ADDRESS LENGTH`
//!
//! Every datagram comes back as one of LENGTH bytes: itself, marked as a reply, cut or filled up
//! with zeros. One thread, one call to receive and one to send.

#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(length)) = (arguments.next(), arguments.next()) else {
        panic!("echo ADDRESS LENGTH");
    };
    let length: usize = length.parse().unwrap();
    let socket = UdpSocket::bind(address).unwrap();
    let mut buffer = vec![0; 65536];
    loop {
        let (received, from) = socket.recv_from(&mut buffer).unwrap();
        buffer[received..length.max(received)].fill(0);
        buffer[2] |= 0x80;
        socket.send_to(&buffer[..length], from).unwrap();
    }
}
