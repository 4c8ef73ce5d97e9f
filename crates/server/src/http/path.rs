//! Paths as Go's router sees them.

use std::borrow::Cow;

/// What a path comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    /// Usable: the decoded bytes.
    Clean(Cow<'a, [u8]>),
    /// Written in a roundabout way; this is the straight one, decoded.
    Roundabout(Vec<u8>),
    /// An escape is broken.
    Broken,
    /// There is something in it that nobody can see.
    Unprintable,
}

/// Decodes a path and looks at what is in it.
pub(crate) fn read(raw: &str, unprintable_allowed: bool) -> Path<'_> {
    if is_straight(raw) {
        return Path::Clean(raw.as_bytes().into());
    }
    let Some(decoded) = api::percent_decode(raw) else { return Path::Broken };
    let text = String::from_utf8_lossy(&decoded);
    if !unprintable_allowed && !text.chars().all(gotext::is_printable) {
        return Path::Unprintable;
    }
    let clean = clean(&decoded);
    if clean == decoded { Path::Clean(decoded.into()) } else { Path::Roundabout(clean) }
}

/// Whether nothing is to be decoded, cleaned or hidden, as with almost every path.
fn is_straight(raw: &str) -> bool {
    let mut before = 0;
    let fits = |byte| {
        let follows = before != b'/' || !matches!(byte, b'/' | b'.');
        before = byte;
        follows && byte.is_ascii_graphic() && byte != b'%'
    };
    raw.starts_with('/') && raw.bytes().all(fits)
}

/// Without empty parts, `.` and `..`; a slash at the end stays.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for part in &parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if path.ends_with(b"/") || parts.is_empty() {
        out.push(b'/');
    }
    out
}

/// A path written for a header: what cannot stand there is escaped.
pub(crate) fn escape(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn straight(path: &str) -> String {
        String::from_utf8_lossy(&clean(path.as_bytes())).into_owned()
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (from, to) in [
            ("/", "/"),
            ("//v1/kv/a", "/v1/kv/a"),
            ("/v1/../v1/./kv/a", "/v1/kv/a"),
            ("/v1/catalog/nodes//", "/v1/catalog/nodes/"),
            ("/./", "/"),
            ("/.", "/"),
            ("/v1/kv/a/..", "/v1/kv"),
            ("/v1/kv/a./.b/...", "/v1/kv/a./.b/..."),
            ("/v1/kv/a~!$&'()*+,;=:@", "/v1/kv/a~!$&'()*+,;=:@"),
            ("v1/kv", "/v1/kv"),
            ("/../../x", "/x"),
        ] {
            assert_eq!(straight(from), to, "{from}");
            let is_clean = read(from, false) == Path::Clean(to.as_bytes().into());
            assert_eq!(is_clean, from == to, "{from}");
        }
    }

    #[test]
    fn what_nobody_sees_is_found() {
        assert_eq!(read("/v1/kv/%zz", false), Path::Broken);
        assert_eq!(read("/v1/kv/%00", false), Path::Unprintable);
        assert_eq!(read("/v1/kv/%C2%A0", false), Path::Unprintable);
        assert_eq!(read("/v1/kv/%00", true), Path::Clean(b"/v1/kv/\0".into()));
        assert_eq!(read("/v1/kv/%ff%20", false), Path::Clean(b"/v1/kv/\xff ".into()));
        assert_eq!(read("/a%2F%2Fb", false), Path::Roundabout(b"/a/b".to_vec()));
    }
}
