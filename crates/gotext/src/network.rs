//! Addresses and the words in which Go reports errors of the operating system.

use std::io;
use std::net::SocketAddr;

/// What is wrong with an address; the words are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing at all.
    #[error("missing address")]
    MissingAddress,
    /// No colon, or nothing but an address in brackets.
    #[error("address {0}: missing port in address")]
    MissingPort(String),
    /// An IPv6 address without brackets.
    #[error("address {0}: too many colons in address")]
    TooManyColons(String),
    /// `[` without `]`.
    #[error("address {0}: missing ']' in address")]
    MissingBracket(String),
    /// `[` in the middle.
    #[error("address {0}: unexpected '[' in address")]
    UnexpectedOpening(String),
    /// `]` in the middle.
    #[error("address {0}: unexpected ']' in address")]
    UnexpectedClosing(String),
    /// A number beyond 16 bits.
    #[error("address {0}: invalid port")]
    InvalidPort(String),
    /// Neither a number nor the name of a service.
    #[error("address tcp/{0}: unknown port")]
    UnknownPort(String),
}

/// Splits `host:port`, `[ipv6]:port`, `[ipv6%zone]:port`. Neither half is looked at, both may
/// be empty.
pub fn split_host_port(address: &str) -> Result<(&str, &str), AddressError> {
    let missing_port = || AddressError::MissingPort(address.to_owned());
    let too_many = || AddressError::TooManyColons(address.to_owned());
    let colon = address.rfind(':').ok_or_else(missing_port)?;
    let (host, open_from, close_from) = if address.starts_with('[') {
        let end =
            address.find(']').ok_or_else(|| AddressError::MissingBracket(address.to_owned()))?;
        if end + 1 == address.len() {
            return Err(missing_port());
        }
        if end + 1 != colon {
            // Either a colon behind the bracket that is not the last, or something else there.
            let doubled = address.as_bytes().get(end + 1) == Some(&b':');
            return Err(if doubled { too_many() } else { missing_port() });
        }
        (&address[1..end], 1, end + 1)
    } else {
        let host = &address[..colon];
        if host.contains(':') {
            return Err(too_many());
        }
        (host, 0, 0)
    };
    if address[open_from..].contains('[') {
        return Err(AddressError::UnexpectedOpening(address.to_owned()));
    }
    if address[close_from..].contains(']') {
        return Err(AddressError::UnexpectedClosing(address.to_owned()));
    }
    Ok((host, &address[colon + 1..]))
}

/// `host:port`, with brackets around a host that holds a colon.
pub fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The number of a port: decimal, nothing for 0, or one of the names that Go knows by itself.
pub fn parse_port(port: &str) -> Result<u16, AddressError> {
    let (negative, digits) = match port.as_bytes().first() {
        Some(b'-') => (true, &port[1..]),
        Some(b'+') => (false, &port[1..]),
        _ => (false, port),
    };
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let number = digits
            .bytes()
            .fold(0u32, |n, digit| n.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
        return u16::try_from(number)
            .ok()
            .filter(|n| !negative || *n == 0)
            .ok_or_else(|| AddressError::InvalidPort(port.to_owned()));
    }
    match port.to_ascii_lowercase().as_str() {
        "domain" => Ok(53),
        "ftp" => Ok(21),
        "ftps" => Ok(990),
        "gopher" => Ok(70),
        "http" => Ok(80),
        "https" => Ok(443),
        "imap2" => Ok(143),
        "imap3" => Ok(220),
        "imaps" => Ok(993),
        "pop3" => Ok(110),
        "pop3s" => Ok(995),
        "smtp" => Ok(25),
        "ssh" => Ok(22),
        "telnet" => Ok(23),
        _ => Err(AddressError::UnknownPort(port.to_owned())),
    }
}

/// `dial tcp 127.0.0.9:7946: connect: connection refused`, or `... i/o timeout`.
pub fn dial_error(address: SocketAddr, error: &io::Error) -> String {
    operation_error("dial", "connect", address, error)
}

/// `listen tcp 127.0.0.1:7373: bind: address already in use`.
pub fn listen_error(address: SocketAddr, error: &io::Error) -> String {
    operation_error("listen", "bind", address, error)
}

fn operation_error(verb: &str, call: &str, address: SocketAddr, error: &io::Error) -> String {
    // A deadline of the program's own is no system call's error.
    if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() {
        return format!("{verb} tcp {address}: i/o timeout");
    }
    format!("{verb} tcp {address}: {call}: {}", errno_text(error))
}

/// `open /no/such: no such file or directory`.
pub fn path_error(operation: &str, path: &str, error: &io::Error) -> String {
    format!("{operation} {path}: {}", errno_text(error))
}

/// The word for an error of the operating system, without number and in lower case.
pub fn errno_text(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by peer",
        io::ErrorKind::ConnectionAborted => "software caused connection abort",
        io::ErrorKind::NotConnected => "transport endpoint is not connected",
        io::ErrorKind::AddrInUse => "address already in use",
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address",
        io::ErrorKind::NetworkUnreachable => "network is unreachable",
        io::ErrorKind::HostUnreachable => "no route to host",
        io::ErrorKind::TimedOut => "connection timed out",
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::AlreadyExists => "file exists",
        io::ErrorKind::BrokenPipe => "broken pipe",
        io::ErrorKind::NotADirectory => "not a directory",
        io::ErrorKind::IsADirectory => "is a directory",
        io::ErrorKind::ReadOnlyFilesystem => "read-only file system",
        io::ErrorKind::StorageFull => "no space left on device",
        io::ErrorKind::UnexpectedEof => "EOF",
        // Permission denied has two numbers (1 and 13) with two texts: the system's own.
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Several errors in one text, as the join commands show them: a count, one line for each, and
/// two line ends behind.
pub fn multi_error<S: AsRef<str>>(errors: &[S]) -> String {
    let mut text = match errors.len() {
        1 => "1 error occurred:".to_owned(),
        n => format!("{n} errors occurred:"),
    };
    for error in errors {
        text.push_str("\n\t* ");
        text.push_str(error.as_ref());
    }
    text.push_str("\n\n");
    text
}
