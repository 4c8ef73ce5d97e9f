//! A request, and how its address is written.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;

/// A request of the HTTP API.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, Vec<String>>,
    pub(crate) body: Bytes,
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Request {
        Request { method, path: path.into(), query: BTreeMap::new(), body: Bytes::new() }
    }

    /// A read of this path, which is given as text: escaping is done here.
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// A write to this path.
    pub fn put(path: impl Into<String>) -> Request {
        Request::new(Method::PUT, path)
    }

    /// The deletion of what is at this path.
    pub fn delete(path: impl Into<String>) -> Request {
        Request::new(Method::DELETE, path)
    }

    /// With one more parameter; a repeated one has several values.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Request {
        self.query.entry(name.to_owned()).or_default().push(value.into());
        self
    }

    /// With a parameter, unless it is empty.
    pub fn with_given(self, name: &str, value: impl Into<String>) -> Request {
        let value = value.into();
        if value.is_empty() { self } else { self.with(name, value) }
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = body.into();
        self
    }

    /// The method as Go's errors show it.
    pub(crate) fn operation(&self) -> String {
        let name = self.method.as_str();
        format!("{}{}", &name[..1], name[1..].to_ascii_lowercase())
    }

    /// Path and query as they are sent, `prefix` before them.
    pub(crate) fn target(&self, prefix: &str) -> String {
        let mut target = escape_path(&format!("{prefix}{}", self.path));
        // Go's client takes what follows two slashes for a host, which gives way to that of the
        // address: the prefix of an address that ends in a slash costs the path its first part.
        if let Some(rest) = target.strip_prefix("//") {
            target = rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
        }
        let mut separator = '?';
        for (name, values) in &self.query {
            for value in values {
                target.push(separator);
                target.push_str(&escape_query(name));
                target.push('=');
                target.push_str(&escape_query(value));
                separator = '&';
            }
        }
        target
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

/// A path as Go escapes it: slashes stay, question marks do not.
fn escape_path(path: &str) -> String {
    escape(path, |byte| is_unreserved(byte) || b"$&+,/:;=@".contains(&byte))
}

/// One name or value of a query as Go escapes it, blanks as `+`.
fn escape_query(text: &str) -> String {
    escape(text, |byte| is_unreserved(byte) || byte == b' ').replace(' ', "+")
}

/// The host of an address that may be the path of a socket.
pub(crate) fn escape_host(host: &str) -> String {
    escape(host, |byte| is_unreserved(byte) || b"!$&'()*+,;=:[]<>\"".contains(&byte))
}

fn escape(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stays(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_escaped_and_sorted_as_go_does() {
        for (request, target) in [
            (Request::get("/v1/kv/a/b?c=d&e#f%20"), "/v1/kv/a/b%3Fc=d&e%23f%2520"),
            (Request::get("/v1/kv/sp ace/ü"), "/v1/kv/sp%20ace/%C3%BC"),
            (Request::get("/v1/kv/").with("recurse", ""), "/v1/kv/?recurse="),
            (
                Request::put("/m").with("reason", "why not?").with("enable", "true"),
                "/m?enable=true&reason=why+not%3F",
            ),
            (Request::get("/t").with("tag", "b").with("tag", "a"), "/t?tag=b&tag=a"),
            (Request::get("/t").with_given("tag", ""), "/t"),
        ] {
            assert_eq!(request.target(""), target);
        }
        assert_eq!(Request::get("/v1/x").target("/prefix"), "/prefix/v1/x");
        assert_eq!(Request::get("/v1/x/y").target("/"), "/x/y");
        assert_eq!(Request::delete("/").operation(), "Delete");
        assert_eq!(escape_host("/run/a.sock"), "%2Frun%2Fa.sock");
    }
}
