//! The handshake of TLS, with Go's words for all that can go wrong.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use chrono::{DateTime, SecondsFormat};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::target::Tls;
use crate::trust::Trust;

/// What the streams are made of.
pub(crate) type Secure = TlsStream<Opening<TcpStream>>;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Our own settings cannot be used.
    #[error("tls: {0}")]
    Settings(#[from] rustls::Error),
    /// Neither a host name nor an address.
    #[error("x509: certificate is not valid for any names, but wanted to match {0}")]
    Name(String),
    /// The deadline.
    #[error("context deadline exceeded")]
    TimedOut,
    /// The other end hung up.
    #[error("EOF")]
    Closed,
    /// The other end does not speak TLS.
    #[error("tls: first record does not look like a TLS handshake")]
    NotTls {
        /// It answered in HTTP instead.
        is_http: bool,
    },
    /// It is not who it should be.
    #[error("tls: failed to verify certificate: x509: {}", certificate_text(.0))]
    Certificate(CertificateError),
    /// It refused us.
    #[error("remote error: tls: {}", alert_text(*.0))]
    Refused(AlertDescription),
    /// Anything else.
    #[error("{}", gotext::errno_text(.0))]
    Io(io::Error),
}

/// The host of `host:port`.
pub(crate) fn host_of(address: &str) -> &str {
    gotext::split_host_port(address).map_or(address, |(host, _)| host)
}

/// Whom to expect at a host.
fn name(tls: &Tls, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = if tls.server_name.is_empty() { host } else { &tls.server_name };
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))
}

/// Shakes hands with a host; `protocols` are offered by ALPN, the best first.
pub(crate) async fn connect(
    stream: TcpStream,
    host: &str,
    tls: &Tls,
    protocols: &[&[u8]],
    trust: &Trust,
    deadline: Instant,
) -> Result<Secure, TlsError> {
    let config = trust.config(tls, protocols).await?;
    handshake(stream, name(tls, host)?, config, deadline).await
}

async fn handshake(
    stream: TcpStream,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    deadline: Instant,
) -> Result<Secure, TlsError> {
    let opening = Opening { inner: stream, first: [0; 5], count: 0 };
    let connect = TlsConnector::from(config).connect(name, opening).into_fallible();
    match timeout_at(deadline, connect).await {
        Err(_) => Err(TlsError::TimedOut),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, opening))) => Err(failure(error, &opening.first[..opening.count])),
    }
}

fn failure(error: io::Error, first: &[u8]) -> TlsError {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        None if error.kind() == io::ErrorKind::UnexpectedEof => match first.first() {
            Some(byte) if !is_record(*byte) => TlsError::NotTls { is_http: first == b"HTTP/" },
            _ => TlsError::Closed,
        },
        None => TlsError::Io(error),
        Some(rustls::Error::InvalidMessage(_)) if !first.first().is_some_and(|b| is_record(*b)) => {
            TlsError::NotTls { is_http: first == b"HTTP/" }
        }
        Some(rustls::Error::InvalidCertificate(why)) => TlsError::Certificate(why.clone()),
        Some(rustls::Error::AlertReceived(alert)) => TlsError::Refused(*alert),
        Some(other) => TlsError::Settings(other.clone()),
    }
}

/// Whether a byte can begin a record of TLS: change of cipher, alert, handshake, data.
fn is_record(byte: u8) -> bool {
    (20..=23).contains(&byte)
}

fn certificate_text(error: &CertificateError) -> String {
    let time = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        time.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    let outside = "certificate has expired or is not yet valid: current time";
    match error {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::ExpiredContext { time: now, not_after } => {
            format!("{outside} {} is after {}", time(now), time(not_after))
        }
        CertificateError::NotValidYetContext { time: now, not_before } => {
            format!("{outside} {} is before {}", time(now), time(not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            name_text(expected, presented)
        }
        CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".to_owned()
        }
        other => other.to_string(),
    }
}

/// Which names a certificate has instead of the one that was wanted.
fn name_text(expected: &ServerName<'_>, presented: &[String]) -> String {
    let of_kind = |kind: &str| {
        // As the verifier writes them: `DnsName("a.example")`, `IpAddress(127.0.0.1)`.
        let inner = |name: &String| {
            let name = name.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')')?;
            Some(name.trim_matches('"').to_owned())
        };
        presented.iter().filter_map(inner).collect::<Vec<_>>().join(", ")
    };
    let wanted = expected.to_str();
    let is_address = matches!(expected, ServerName::IpAddress(_));
    let valid = of_kind(if is_address { "IpAddress" } else { "DnsName" });
    match (is_address, valid.is_empty()) {
        (_, false) => format!("certificate is valid for {valid}, not {wanted}"),
        (true, true) => format!(
            "cannot validate certificate for {wanted} because it doesn't contain any IP SANs"
        ),
        (false, true) => {
            format!("certificate is not valid for any names, but wanted to match {wanted}")
        }
    }
}

/// Go's words for alerts.
fn alert_text(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::RecordOverflow => "record overflow",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::IllegalParameter => "illegal parameter",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecodeError => "error decoding message",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InsufficientSecurity => "insufficient security level",
        AlertDescription::InternalError => "internal error",
        AlertDescription::InappropriateFallback => "inappropriate fallback",
        AlertDescription::UserCanceled => "user canceled",
        AlertDescription::NoRenegotiation => "no renegotiation",
        AlertDescription::MissingExtension => "missing extension",
        AlertDescription::UnsupportedExtension => "unsupported extension",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    };
    words.to_owned()
}

/// A stream that remembers the first bytes that came: who does not speak TLS says so in them.
#[derive(Debug)]
pub(crate) struct Opening<S> {
    inner: S,
    first: [u8; 5],
    count: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        let wanted = &mut this.first[this.count..];
        let came = &buffer.filled()[before..];
        let count = came.len().min(wanted.len());
        wanted[..count].copy_from_slice(&came[..count]);
        this.count += count;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
