//! Where a request goes: URLs as Go reads them, which is more generous than the standard.

use std::fmt;

use gotext::quote;

/// What is wrong with the text of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {reason}", quote(text))]
pub(crate) struct LocationError {
    text: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("net/url: invalid control character in URL")]
    Control,
    #[error("missing protocol scheme")]
    MissingScheme,
    #[error("first path segment in URL cannot contain colon")]
    ColonInPath,
    #[error("missing ']' in host")]
    MissingBracket,
    #[error("invalid port {} after host", quote(.0))]
    Port(String),
    #[error("invalid character {} in host name", quote(.0))]
    HostCharacter(String),
    #[error("invalid URL escape {}", quote(.0))]
    Escape(String),
    #[error("net/url: invalid userinfo")]
    UserInfo,
}

/// A URL, absolute or relative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    /// In lower case; empty if relative.
    pub(crate) scheme: String,
    /// Name and password, as they were written.
    user: Option<String>,
    /// Host and port, as they were written.
    pub(crate) host: String,
    /// Escaped.
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Location, LocationError> {
        parse(text).map_err(|reason| LocationError { text: text.to_owned(), reason })
    }

    /// Host without port and brackets, in lower case.
    pub(crate) fn host_name(&self) -> String {
        let host = &self.host;
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name.to_ascii_lowercase()
    }

    /// `host:port` to connect to.
    pub(crate) fn address(&self) -> String {
        let default = if self.scheme == "https" { "443" } else { "80" };
        let after_host = self.host.rfind(']').map_or(0, |end| end + 1);
        match self.host[after_host..].split_once(':') {
            None => format!("{}:{default}", self.host),
            Some((_, "")) => format!("{}{default}", self.host),
            Some(_) => self.host.clone(),
        }
    }

    /// What `Host` says: without an empty port.
    pub(crate) fn host_header(&self) -> &str {
        self.host.strip_suffix(':').unwrap_or(&self.host)
    }

    /// Path and query, as they are asked for.
    pub(crate) fn origin_form(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match &self.query {
            None => path.to_owned(),
            Some(query) => format!("{path}?{}", escaped(query, "\"<>")),
        }
    }

    /// Name and password, if the URL has them.
    pub(crate) fn credentials(&self) -> Option<Vec<u8>> {
        let user = self.user.as_ref()?;
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let mut credentials = unescaped(name);
        credentials.push(b':');
        credentials.extend(unescaped(password));
        Some(credentials)
    }

    /// Without name, password and fragment, as pages are told where somebody came from.
    pub(crate) fn referer(&self) -> String {
        Location { user: None, fragment: None, ..self.clone() }.to_string()
    }

    /// Where a relative one, found here, leads.
    pub(crate) fn join(&self, other: &Location) -> Location {
        let mut joined = other.clone();
        if other.scheme.is_empty() {
            joined.scheme.clone_from(&self.scheme);
            if other.host.is_empty() {
                joined.host.clone_from(&self.host);
                joined.user.clone_from(&self.user);
                if other.path.is_empty() {
                    joined.path.clone_from(&self.path);
                    if other.query.is_none() {
                        joined.query.clone_from(&self.query);
                    }
                } else if !other.path.starts_with('/') {
                    let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                    joined.path = format!("{folder}{}", other.path);
                }
            }
        }
        joined.path = without_dots(&joined.path);
        joined
    }
}

impl fmt::Display for Location {
    /// The password, if there is one, is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if !self.scheme.is_empty() || !self.host.is_empty() {
            f.write_str("//")?;
        }
        if let Some(user) = &self.user {
            match user.split_once(':') {
                Some((name, _)) => write!(f, "{name}:***@")?,
                None => write!(f, "{user}@")?,
            }
        }
        write!(f, "{}{}", self.host_header(), self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Location, Reason> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(Reason::Control);
    }
    let (rest, fragment) = cut(text, '#');
    let (scheme, rest) = scheme_of(rest)?;
    let (rest, query) = cut(rest, '?');
    let mut location = Location { scheme: scheme.to_ascii_lowercase(), ..Location::default() };
    location.query = query.map(str::to_owned);
    location.fragment = fragment.filter(|text| !text.is_empty()).map(str::to_owned);
    let mut path = rest;
    if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find('/').unwrap_or(rest.len());
        let authority = &rest[..end];
        path = &rest[end..];
        let host = match authority.rsplit_once('@') {
            None => authority,
            Some((user, host)) => {
                let known = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
                if !user.chars().all(known) {
                    return Err(Reason::UserInfo);
                }
                check_escapes(user)?;
                location.user = Some(user.to_owned());
                host
            }
        };
        check_host(host)?;
        location.host = host.to_owned();
    } else if scheme.is_empty() && path.split('/').next().is_some_and(|part| part.contains(':')) {
        return Err(Reason::ColonInPath);
    }
    check_escapes(path)?;
    location.path = escaped(path, "\"<>\\^`{|}");
    Ok(location)
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

fn scheme_of(text: &str) -> Result<(&str, &str), Reason> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err(Reason::MissingScheme),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), Reason> {
    let port = if host.starts_with('[') {
        let end = host.rfind(']').ok_or(Reason::MissingBracket)?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let digits = port.strip_prefix(':');
    if !port.is_empty() && !digits.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Reason::Port(port.to_owned()));
    }
    let is_wrong = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !HOST.contains(c);
    match host.chars().find(|c| is_wrong(*c)) {
        Some(wrong) => Err(Reason::HostCharacter(wrong.to_string())),
        None => Ok(()),
    }
}

/// What a host may have beside letters and digits.
const HOST: &str = "-._~!$&'()*+,;=:[]<>\"%";

fn check_escapes(text: &str) -> Result<(), Reason> {
    for (index, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(index + 1..index + 3);
        if !digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) {
            let shown = text[index..].chars().take(3).collect();
            return Err(Reason::Escape(shown));
        }
    }
    Ok(())
}

/// Spaces, what is not ASCII, and `also`, as `%xx`.
fn escaped(text: &str, also: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() && !also.contains(c) {
            escaped.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                escaped.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    escaped
}

/// With `%xx` as bytes; only for what [`check_escapes`] has seen.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).unwrap_or_default();
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend(&part.as_bytes()[digits.len()..]);
    }
    bytes
}

/// The path with its `.` and `..` followed.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    if path.is_empty() { String::new() } else { format!("/{}", kept.join("/")) }
}

#[cfg(test)]
mod tests;
