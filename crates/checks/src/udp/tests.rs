#![allow(clippy::unwrap_used)]

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::check;
use crate::outcome::{Outcome, Status};
use crate::testing::{SHORT, deadline, own_address};

#[tokio::test]
async fn any_reply_passes() {
    let server = UdpSocket::bind((own_address(), 0)).await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let serve = async {
        let (length, from) = server.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!(length, 0);
        server.send_to(b"go away, whoever you are", from).await.unwrap();
    };
    let (found, ()) = tokio::join!(check(&address, deadline()), serve);
    assert_eq!(found, Outcome::passing(format!("UDP connect {address}: Success")));
}

#[tokio::test]
async fn silence_passes_when_the_time_is_over() {
    let server = UdpSocket::bind((own_address(), 0)).await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let before = Instant::now();
    let found = check(&address, before + SHORT).await;
    assert_eq!(found, Outcome::passing(format!("UDP connect {address}: Success")));
    assert!(Instant::now() >= before + SHORT);
}

#[tokio::test]
async fn a_refusal_is_critical() {
    let address = UdpSocket::bind((own_address(), 0)).await.unwrap().local_addr().unwrap();
    let found = check(&address.to_string(), deadline()).await;
    assert_eq!(found.status, Status::Critical);
    let (from, behind) = found.output.split_once("->").unwrap();
    assert!(from.starts_with("read udp 127."), "{from}");
    assert_eq!(behind, format!("{address}: read: connection refused"));
}

#[tokio::test]
async fn what_is_no_address() {
    for (target, text) in [
        ("127.0.0.1", "dial udp: address 127.0.0.1: missing port in address"),
        ("127.0.0.1:x", "dial udp: lookup udp/x: unknown port"),
        ("no-such.invalid:1", "dial udp: lookup no-such.invalid: no such host"),
    ] {
        assert_eq!(check(target, deadline()).await, Outcome::critical(text));
    }
}
