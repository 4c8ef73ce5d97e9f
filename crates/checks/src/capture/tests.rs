#![allow(clippy::unwrap_used)]

use super::Capture;

fn captured(max_bytes: usize, pieces: &[&[u8]]) -> Capture {
    let mut capture = Capture::new(max_bytes);
    for piece in pieces {
        capture.push(piece);
    }
    capture
}

#[test]
fn keeps_the_last_bytes_and_says_so() {
    assert_eq!(captured(4, &[b"ab", b"cd"]).report(), "abcd");
    assert_eq!(captured(4, &[b"ab", b"cde"]).report(), "Captured 4 of 5 bytes\n...\nbcde");
    assert_eq!(captured(4, &[b"ab", b"cdefghij"]).report(), "Captured 4 of 10 bytes\n...\nghij");
    assert_eq!(captured(0, &[b"ab"]).report(), "Captured 0 of 2 bytes\n...\n");
    assert_eq!(captured(0, &[]).report(), "");
}

#[test]
fn is_the_same_for_every_way_to_cut_it() {
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(100).collect();
    for size in 1..=text.len() {
        for max_bytes in [0, 1, 7, 99, 100, 101] {
            let mut capture = Capture::new(max_bytes);
            for piece in text.chunks(size) {
                capture.push(piece);
                assert!(capture.kept.len() <= 2 * max_bytes);
            }
            assert_eq!(capture.last(), &text[text.len().saturating_sub(max_bytes)..]);
            assert_eq!(capture.total, 100);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_one_by_one() {
    assert_eq!(captured(9, &[b"a\xe2\x82b\xff"]).text(), "a\u{fffd}\u{fffd}b\u{fffd}");
}
