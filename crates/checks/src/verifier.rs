//! Whether a server is who it should be, decided as Go does.
//!
//! Two things differ from what rustls does by itself. A server may show a certificate of an
//! authority if we trust that very authority: that is what `openssl req -x509` makes for whoever
//! wants a certificate for one server, and operators put it into the system's store. And of
//! several faults the one is told that Go would tell: dates, then names, then the signers.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Holds a server against what we trust.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    /// None: any certificate is believed, but the server still has to show that it has its key.
    roots: Option<Arc<RootCertStore>>,
}

impl Verifier {
    pub(crate) fn new(
        provider: Arc<CryptoProvider>,
        roots: Option<Arc<RootCertStore>>,
    ) -> Verifier {
        Verifier { provider, roots }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            roots,
            intermediates,
            now,
            algorithms,
        );
        let signed = match signed {
            Err(error) if is_outdated(&error) => return Err(error),
            // Dates are looked at before that, so they are right.
            Err(error) if is_authority(&error) => trusts(roots, end_entity),
            other => other,
        };
        verify_server_name(&certificate, server_name)?;
        signed.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_outdated(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. }
        )
    )
}

/// Whether all that is wrong with a server's certificate is that it may sign others.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Whether a certificate is of an authority that we trust: of that name, with that key. That the
/// server has the key is seen in the handshake, and who has it could sign any name.
fn trusts(roots: &RootCertStore, authority: &CertificateDer<'_>) -> Result<(), Error> {
    let mut own = RootCertStore::empty();
    own.add(authority.clone().into_owned())?;
    if own.roots.iter().any(|root| roots.roots.contains(root)) {
        return Ok(());
    }
    Err(CertificateError::UnknownIssuer.into())
}
