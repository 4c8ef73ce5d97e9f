//! Whom checks trust, and as whom they introduce themselves.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::target::Tls;
use crate::tls::TlsError;
use crate::verifier::Verifier;

/// The certificates that servers are held against, and our own for those that want one.
///
/// A clone shares what was read from the system.
#[derive(Clone)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    roots: Arc<OnceCell<Arc<RootCertStore>>>,
    identity: Option<Arc<Identity>>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Trust {
    /// Trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded), read at the
    /// first use. Certificates that cannot be read are left out.
    #[must_use]
    pub fn system() -> Trust {
        Trust {
            provider: Arc::new(aws_lc_rs::default_provider()),
            roots: Arc::new(OnceCell::new()),
            identity: None,
        }
    }

    /// Trusts these certificates and no others.
    ///
    /// # Errors
    ///
    /// One of them is none.
    pub fn only(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Trust, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate)?;
        }
        let roots = Arc::new(OnceCell::new_with(Some(Arc::new(roots))));
        Ok(Trust { roots, ..Trust::system() })
    }

    /// With a certificate chain, and its first one's key, for servers that ask who we are.
    ///
    /// # Errors
    ///
    /// The key is of no kind that we know, or does not fit the certificate.
    pub fn with_identity(
        mut self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Trust, rustls::Error> {
        // Said here once rather than at every run.
        rustls::sign::CertifiedKey::from_der(chain.clone(), key.clone_key(), &self.provider)?;
        self.identity = Some(Arc::new(Identity { chain, key }));
        Ok(self)
    }

    /// What a handshake needs.
    pub(crate) async fn config(
        &self,
        tls: &Tls,
        protocols: &[&[u8]],
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?;
        let roots = if tls.skip_verify { None } else { Some(self.roots().await) };
        let verifier = Verifier::new(Arc::clone(&self.provider), roots);
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Every run shakes hands in full: whether that works is part of what is checked.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    async fn roots(&self) -> Arc<RootCertStore> {
        let read = async || {
            // Reads files; a task that was cancelled or panicked leaves us trusting nobody.
            let found = spawn_blocking(rustls_native_certs::load_native_certs).await;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.map(|found| found.certs).unwrap_or_default());
            Arc::new(roots)
        };
        Arc::clone(self.roots.get_or_init(read).await)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("roots", &self.roots.get().map(|roots| roots.len()))
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}
