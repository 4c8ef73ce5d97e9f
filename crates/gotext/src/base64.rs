//! Standard base64 as Go's decoder reads it: which text it takes, and which byte it blames.

/// The byte at which the text stops being base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub struct Base64Error(pub usize);

/// Reads padded standard base64; line ends are skipped wherever they stand.
///
/// As in Go, the spare bits of the last character may be anything, and an incomplete group is
/// blamed on its first byte.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, Base64Error> {
    let mut input =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\n' | b'\r')).peekable();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    while input.peek().is_some() {
        let mut group = [0u8; 4];
        let mut count = 0;
        while count < 4 {
            let Some((position, byte)) = input.next() else {
                return Err(Base64Error(text.len() - count));
            };
            if let Some(value) = value_of(byte) {
                group[count] = value;
                count += 1;
                continue;
            }
            if byte != b'=' || count < 2 {
                return Err(Base64Error(position));
            }
            // One padding character after three, two after two, and nothing behind them.
            if count == 2 {
                match input.next() {
                    Some((_, b'=')) => {}
                    Some((position, _)) => return Err(Base64Error(position)),
                    None => return Err(Base64Error(text.len())),
                }
            }
            if let Some((position, _)) = input.next() {
                return Err(Base64Error(position));
            }
            break;
        }
        let joined = group.iter().fold(0u32, |all, value| all << 6 | u32::from(*value));
        let [_, first, second, third] = joined.to_be_bytes();
        bytes.extend_from_slice(&[first, second, third][..count - 1]);
    }
    Ok(bytes)
}

fn value_of(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blames_the_byte_that_go_blames() {
        for (text, position) in
            [("abc", 0), ("!!", 0), ("YWJj!", 4), ("YW=j", 3), ("YWI=x", 4), ("YW=", 3), ("=", 0)]
        {
            assert_eq!(decode_base64(text), Err(Base64Error(position)), "{text}");
        }
        assert_eq!(decode_base64("YW\nJj\r\n"), Ok(b"abc".to_vec()));
        assert_eq!(decode_base64("YWI="), Ok(b"ab".to_vec()));
        assert_eq!(decode_base64("YQ=="), Ok(b"a".to_vec()));
        assert_eq!(decode_base64(""), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = decode_base64(&text);
        }
    }
}
