#![allow(clippy::unwrap_used)]

use super::*;

fn ring() -> Keyring {
    let key = |byte| Key::new(&[byte; 16]).unwrap();
    Keyring::with_keys(key(1), [key(2), key(1), key(3), key(2)])
}

fn firsts(ring: &Keyring) -> Vec<u8> {
    ring.keys().iter().map(|key| key.as_bytes()[0]).collect()
}

#[test]
fn keys_are_distinct_and_the_primary_is_first() {
    assert_eq!(firsts(&ring()), [1, 2, 3]);
    assert_eq!(ring().primary().as_bytes(), [1; 16]);
}

#[test]
fn adding_appends_once() {
    let mut ring = ring();
    ring.add(&[4; 32]).unwrap();
    ring.add(&[2; 16]).unwrap();
    assert_eq!(firsts(&ring), [1, 2, 3, 4]);
    let error = ring.add(&[1; 17]).unwrap_err();
    assert_eq!(error.to_string(), "key size must be 16, 24 or 32 bytes");
}

#[test]
fn using_moves_to_the_front_and_keeps_the_others_in_order() {
    let mut ring = ring();
    ring.use_key(&[3; 16]).unwrap();
    assert_eq!(firsts(&ring), [3, 1, 2]);
    ring.use_key(&[3; 16]).unwrap();
    assert_eq!(firsts(&ring), [3, 1, 2]);
    let error = ring.use_key(&[9; 16]).unwrap_err();
    assert_eq!(error.to_string(), "Requested key is not in the keyring");
}

#[test]
fn removing_spares_the_primary() {
    let mut ring = ring();
    let before = ring.clone();
    let error = ring.remove(&[1; 16]).unwrap_err();
    assert_eq!(error.to_string(), "Removing the primary key is not allowed");
    ring.remove(&[2; 16]).unwrap();
    ring.remove(&[9; 16]).unwrap();
    assert_eq!(firsts(&ring), [1, 3]);
    assert_eq!(firsts(&before), [1, 2, 3]);
}

#[test]
fn keys_are_not_shown() {
    assert_eq!(format!("{:?}", ring()), "Keyring([Key(16 bytes), Key(16 bytes), Key(16 bytes)])");
}
