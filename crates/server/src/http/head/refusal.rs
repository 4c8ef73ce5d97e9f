//! What Go's server says to heads that it does not understand (consul-http, "Paths").

/// How hyper begins an answer to such a head; nobody else closes without a word.
const OTHERS: [&[u8]; 3] =
    [b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 431 ", b"HTTP/1.1 414 URI Too Long\r\n"];

const TOO_LARGE: &str = "431 Request Header Fields Too Large";
const MALFORMED: &str = "400 Bad Request";

/// The answer to a head in place of the one that is to be written, if that is an answer to a head
/// that was not understood.
pub(super) fn of(answer: &[u8], head: &[u8]) -> Option<Vec<u8>> {
    let which = OTHERS.iter().position(|begin| answer.starts_with(begin))?;
    let bodiless = contains(answer, b"Content-Length: 0\r\n");
    if !bodiless || !contains(answer, b"Connection: close\r\n") {
        return None;
    }
    let (status, body) = match which {
        0 => wrong(head),
        _ => (TOO_LARGE, TOO_LARGE),
    };
    Some(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: \
             close\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// What is wrong with a head: status line and body.
fn wrong(head: &[u8]) -> (&'static str, &'static str) {
    let same = |text| (text, text);
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut line = || lines.next().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // Empty lines before a request are nothing.
    let Some(first) = std::iter::from_fn(&mut line).find(|line| !line.is_empty()) else {
        return same(MALFORMED);
    };
    let mut words = first.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(_), Some(version)) = (words.next(), words.next(), words.next()) else {
        return same(MALFORMED);
    };
    if method.is_empty() || !method.iter().all(is_token) {
        return same(MALFORMED);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => {}
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return same("505 HTTP Version Not Supported: unsupported protocol version");
        }
        _ => return same(MALFORMED),
    }
    let mut told = None;
    for line in std::iter::from_fn(line).take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return same(MALFORMED);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(is_token) {
            told = told.or(Some("400 Bad Request: invalid header name"));
        } else if value.iter().any(|byte| *byte == 0x7f || (*byte < b' ' && *byte != b'\t')) {
            told = told.or(Some("400 Bad Request: invalid header value"));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding")
            && !value.eq_ignore_ascii_case(b"chunked")
        {
            return ("501 Not Implemented", "Unsupported transfer encoding");
        }
    }
    same(told.unwrap_or(MALFORMED))
}

/// What names of methods and of headers are made of.
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}
