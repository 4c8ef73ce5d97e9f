//! What a handler is asked, whatever carried it.

use std::net::IpAddr;

use bytes::Bytes;

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read.
    Get,
    /// Write.
    Put,
    /// Make, for the few endpoints that tell it from writing.
    Post,
    /// Remove.
    Delete,
}

impl Method {
    /// As it stands in a request; case matters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// The parameters of a request, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`. `None`: an escape is broken, or there is a `;` in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(';') {
            return None;
        }
        let mut pairs = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.push((unescape(name)?, unescape(value)?));
        }
        Some(Self(pairs))
    }

    /// The first value of a name, also if it is empty.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, if it is not empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Whether a name stands there, with whatever value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The same without a name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(key, _)| key != name);
        self
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Sorted by names and escaped, as Go writes it again.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let pair = |(name, value): &(String, String)| format!("{}={}", escape(name), escape(value));
        sorted.into_iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// Undoes percent escapes and `+`; bytes that are not UTF-8 become U+FFFD.
fn unescape(text: &str) -> Option<String> {
    let spaces = text.replace('+', " ");
    let bytes = percent_decode(&spaces)?;
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Undoes percent escapes. `None`: one is broken.
#[must_use]
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A request whose path and method are known.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// What stands behind the endpoint's path, decoded: a key, a name, an ID.
    pub tail: Box<[u8]>,
    /// The parameters.
    pub query: Query,
    /// The body, which is within the endpoint's limit.
    pub body: Bytes,
    /// Who asks: the secret of a token, empty for nobody.
    pub token: Box<str>,
    /// The address of who asks, or of whom it was passed on for.
    pub source: Option<IpAddr>,
}

impl Request {
    /// The tail as text: bytes that are not UTF-8 are shown as U+FFFD.
    #[must_use]
    pub fn tail_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.tail)
    }
}

#[cfg(test)]
mod tests;
