//! TLS to an agent: whom to trust, who one is, and Go's words for what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{HttpError, TlsSettings};

/// Where systems keep the authorities that they trust, in the order in which they are tried.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Deepest folder below a path of authorities that is looked into.
const DEEPEST_FOLDER: usize = 16;

/// The settings as the library wants them.
pub(crate) fn config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, HttpError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Tls(error.to_string()))?;
    let identity = identity(settings, &provider)?;
    let authorities = authorities(settings)?;
    let builder = if settings.verify {
        builder.with_root_certificates(authorities)
    } else {
        let verifier = Arc::new(Unchecked { algorithms });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    let config = match identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| HttpError::Identity(error.to_string()))?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn authorities(settings: &TlsSettings) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    if !settings.ca_file.is_empty() {
        let added = add_file(&mut store, Path::new(&settings.ca_file));
        added.map_err(HttpError::CaFile)?;
    } else if !settings.ca_path.is_empty() {
        let mut files = Vec::new();
        collect(Path::new(&settings.ca_path), DEEPEST_FOLDER, &mut files)
            .map_err(HttpError::CaPath)?;
        for file in files {
            add_file(&mut store, &file).map_err(HttpError::CaPath)?;
        }
    } else if settings.verify {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let known = SYSTEM_AUTHORITIES.iter().map(PathBuf::from);
        let file = named.into_iter().chain(known).find(|file| file.exists());
        if let Some(file) = file {
            // A system without a usable file trusts nobody, which is said when it matters.
            let _ = add_file(&mut store, &file);
        }
    }
    Ok(store)
}

/// All files of a folder and those below it, sorted by name.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error| gotext::path_error("open", &path.to_string_lossy(), &error);
    if !path.is_dir() {
        fs::metadata(path).map_err(failed)?;
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Err(format!("{} is too deep a folder", path.display()));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.file_name());
    }
    entries.sort();
    for name in entries {
        // A path of `.` shows its files by their bare names.
        let below = if path == Path::new(".") { name.into() } else { path.join(name) };
        collect(&below, depth - 1, files)?;
    }
    Ok(())
}

/// Trusts the certificates of a file, of which there must be one.
fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = path.to_string_lossy();
    let text = fs::read(path).map_err(|error| gotext::path_error("open", &shown, &error))?;
    let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("Couldn't parse PEM in: {shown}"));
    }
    Ok(())
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(
    settings: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<Option<Identity>, HttpError> {
    match (settings.certificate.as_str(), settings.key.as_str()) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => Err(HttpError::HalfIdentity),
        (certificate, key) => {
            let read = |path: &str| {
                let unreadable = |error| gotext::path_error("open", path, &error);
                fs::read(path).map_err(|error| HttpError::Identity(unreadable(error)))
            };
            let (chain, key) = (read(certificate)?, read(key)?);
            let chain: Vec<_> =
                CertificateDer::pem_slice_iter(&chain).filter_map(Result::ok).collect();
            if chain.is_empty() {
                let text = "tls: failed to find any PEM data in certificate input";
                return Err(HttpError::Identity(text.to_owned()));
            }
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
                HttpError::Identity("tls: failed to find any PEM data in key input".to_owned())
            })?;
            provider
                .key_provider
                .load_private_key(key.clone_key())
                .map_err(|error| HttpError::Identity(format!("tls: {error}")))?;
            Ok(Some((chain, key)))
        }
    }
}

/// The name that the agent's certificate must have.
pub(crate) fn server_name(
    settings: &TlsSettings,
    host: &str,
) -> Result<ServerName<'static>, String> {
    let name = if settings.server_name.is_empty() { host } else { &settings.server_name };
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("tls: {} is no name of a server", gotext::quote(name)))
}

/// Takes any certificate, as the user has asked for.
#[derive(Debug)]
struct Unchecked {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why there is no secure connection, in Go's words where it is about certificates.
pub(crate) fn failure(error: &Error) -> String {
    let Error::InvalidCertificate(error) = error else { return format!("tls: {error}") };
    let reason = match error {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(expected, presented)
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            format!("certificate has expired or is not yet valid: {error}")
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {reason}")
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    let shown = expected.to_str();
    let (kind, none) = match expected {
        ServerName::IpAddress(_) => (
            "IpAddress(",
            format!(
                "cannot validate certificate for {shown} because it doesn't contain any IP SANs"
            ),
        ),
        _ => (
            "DnsName(",
            format!("certificate is not valid for any names, but wanted to match {shown}"),
        ),
    };
    let names: Vec<_> = presented
        .iter()
        .filter_map(|name| name.strip_prefix(kind)?.strip_suffix(')'))
        .map(|name| name.trim_matches('"'))
        .collect();
    if names.is_empty() {
        return none;
    }
    format!("certificate is valid for {}, not {shown}", names.join(", "))
}
