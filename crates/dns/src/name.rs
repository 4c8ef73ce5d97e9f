//! Domain names in wire form, on the stack.

/// Longest name in wire form.
pub(crate) const NAME_BYTES: usize = 255;
/// Longest label.
const LABEL_BYTES: usize = 63;
/// A name of so many labels, the root not counted, is as long as a name can be.
pub(crate) const LABELS: usize = 127;

/// A name in wire form, uncompressed, with its end.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    bytes: [u8; NAME_BYTES],
    len: u8,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text(self.wire()))
    }
}

impl Name {
    /// No labels and no end yet.
    pub(crate) const fn empty() -> Self {
        Self { bytes: [0; NAME_BYTES], len: 0 }
    }

    /// Of a text with or without a dot at its end. `None` if no message could hold it.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut name = Self::empty();
        name.push_text(text)?;
        name.end()?;
        Some(name)
    }

    /// Appends the labels of a text.
    pub(crate) fn push_text(&mut self, text: &str) -> Option<()> {
        let text = text.strip_suffix('.').unwrap_or(text);
        text.split('.').try_for_each(|label| self.push(label.as_bytes()))
    }

    /// Of a text as people write it and [`text`] does: `\` stands before a character that would
    /// mean something else, or before the three digits of a byte (RFC 1035, 5.1). `None` if no
    /// message could hold it.
    pub(crate) fn from_escaped(text: &str) -> Option<Self> {
        let mut name = Self::empty();
        let mut label = Vec::new();
        let mut rest = if text == "." { &[] } else { text.as_bytes() };
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte == b'.' {
                name.push(&label)?;
                label.clear();
            } else if byte == b'\\' {
                let (escaped, after) = unescape(rest)?;
                label.push(escaped);
                rest = after;
            } else {
                label.push(byte);
            }
        }
        if !label.is_empty() {
            name.push(&label)?;
        }
        name.end()?;
        Some(name)
    }

    /// Appends one label.
    pub(crate) fn push(&mut self, label: &[u8]) -> Option<()> {
        if label.is_empty() || label.len() > LABEL_BYTES {
            return None;
        }
        self.raw(&[label.len() as u8])?;
        self.raw(label)
    }

    /// Appends the end.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.raw(&[0])
    }

    /// Appends bytes of the wire form.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        let from = usize::from(self.len);
        self.bytes.get_mut(from..from + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len() as u8;
        Some(())
    }

    /// The bytes.
    pub(crate) fn wire(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// In small letters; lengths of labels are below those of letters.
    pub(crate) fn fold(&mut self) {
        self.bytes.make_ascii_lowercase();
    }
}

/// The labels of a name in wire form.
pub(crate) fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (label, after) = after.split_at_checked(usize::from(length))?;
        rest = after;
        (length != 0).then_some(label)
    })
}

/// A name as people write it, with a dot at its end; for messages to them. Other letters are
/// escaped as in zone files (RFC 1035, 5.1).
pub(crate) fn text(wire: &[u8]) -> String {
    let mut text = String::new();
    for label in labels(wire) {
        for &byte in label {
            match byte {
                byte if is_plain(byte) => text.push(byte.into()),
                byte if byte.is_ascii_graphic() => text.extend(['\\', byte.into()]),
                byte => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() { ".".into() } else { text }
}

/// What stands behind a `\`: the byte that is meant, and what follows.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, after) = text.split_first()?;
    if !first.is_ascii_digit() {
        return Some((first, after));
    }
    let (digits, after) = text.split_first_chunk::<3>()?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, after))
}

/// A character string as people write it.
pub(crate) fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", text.escape_ascii())
}

/// A name's labels as text, in small letters, joined by dots: what rows are looked up by.
pub(crate) struct Dotted {
    text: [u8; NAME_BYTES],
    /// Where labels begin, and behind the last where the next would.
    starts: [u8; LABELS + 1],
    count: usize,
    plain: bool,
}

impl Dotted {
    /// Of a name in wire form.
    pub(crate) fn new(wire: &[u8]) -> Self {
        let mut dotted =
            Self { text: [0; NAME_BYTES], starts: [0; LABELS + 1], count: 0, plain: true };
        let mut at = 0;
        for label in labels(wire).take(LABELS) {
            let Some(place) = dotted.text.get_mut(at..at + label.len() + 1) else { break };
            if let Some((dot, place)) = place.split_last_mut() {
                place.copy_from_slice(label);
                place.make_ascii_lowercase();
                *dot = b'.';
            }
            dotted.plain &= label.iter().all(|&byte| is_plain(byte));
            at += label.len() + 1;
            dotted.count += 1;
            if let Some(start) = dotted.starts.get_mut(dotted.count) {
                *start = at as u8;
            }
        }
        dotted
    }

    /// How many labels there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Labels joined by dots.
    pub(crate) fn joined(&self, from: usize, to: usize) -> &str {
        let start = self.starts.get(from).copied().unwrap_or(0);
        let end = self.starts.get(to.min(self.count)).copied().unwrap_or(0);
        let bytes = self.text.get(usize::from(start)..usize::from(end).saturating_sub(1));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// One label.
    pub(crate) fn label(&self, at: usize) -> &str {
        self.joined(at, at + 1)
    }

    /// Whether every label is what a row's name could be. The reference looks names up in an
    /// escaped form, under which nothing can be registered.
    pub(crate) fn plain(&self) -> bool {
        self.plain
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'.' | b'(' | b')' | b';' | b'@' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_read_back() {
        let every: Vec<u8> = (0..=255).collect();
        for label in every.chunks(32) {
            let mut name = Name::empty();
            name.push(label)
                .and_then(|()| name.push(b"end"))
                .and_then(|()| name.end())
                .expect("room");
            let written = text(name.wire());
            assert!(written.is_ascii(), "{written}");
            let read = Name::from_escaped(&written).expect("a name");
            assert_eq!(read.wire(), name.wire(), "{written}");
        }
        for (text, wire) in [("", &b"\0"[..]), (".", b"\0"), (r"\119\e.b", b"\x02we\x01b\0")] {
            assert_eq!(Name::from_escaped(text).expect("a name").wire(), wire);
        }
        for bad in ["..", ".a", "a..b", r"a\", r"a\12", r"a\256", &"a".repeat(64)] {
            assert!(Name::from_escaped(bad).is_none(), "{bad}");
        }
    }
}
