//! TLS: from the PEM of a listener, or of a pool, to what a handshake needs. Owns what makes a pair of certificate and key
//! usable, and how a pool's certificate is judged. It opens nothing: connections are the callers'.
//!
//! No error repeats what it was given: one half of that is a private key.

use std::sync::Arc;

use loka_api::runtime_config::{ListenerTls, TlsVersion};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig, SupportedProtocolVersion};

pub(crate) mod pool;
mod validity;

/// Certificates of a chain: more than any issuer has between itself and a root.
const CHAIN_MAX: usize = 16;

/// What a listener needs for a handshake, checked.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) config: Arc<ServerConfig>,
    /// The last second of the listener's own certificate, in Unix time, if it can be read.
    pub(crate) not_after: Option<u64>,
}

/// Why certificates and keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("a certificate of the authorities cannot be used: {0}")]
    Authorities(String),
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    #[error("the private key cannot be used")]
    Key,
    #[error("tls.crt holds more than {CHAIN_MAX} certificates")]
    LongChain,
    #[error("there are more than 512 authorities")]
    ManyAuthorities,
    #[error("the private key does not match the certificate")]
    Mismatch,
    #[error("there is no certificate of an authority in PEM")]
    NoAuthority,
    #[error("tls.crt holds no certificate in PEM")]
    NoCertificate,
    #[error("tls.key holds no private key in PEM")]
    NoKey,
    #[error("a pin is not 64 hex digits")]
    Pin,
    #[error("is no name that a certificate can be for")]
    ServerName,
}

// === impl TlsError ===

impl TlsError {
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Authorities(_) => {
                "give the certificate of the authority itself, of version 3; a pool's own certificate is pinned in tls.pins"
            }
            Self::Certificate(_) => "give a certificate of version 3, as every issuer makes them",
            Self::Key => "give an RSA, ECDSA or Ed25519 key",
            Self::LongChain => "leave out the certificates that do not lead to the issuer",
            Self::ManyAuthorities => "give only those that the pool's certificate may come from",
            Self::Mismatch => {
                "put the key of the first certificate of tls.crt into tls.key; both change together"
            }
            Self::NoAuthority => {
                "put the whole text under the key, from -----BEGIN CERTIFICATE----- on"
            }
            Self::NoCertificate => {
                "put the whole text into tls.crt, from -----BEGIN CERTIFICATE----- on"
            }
            Self::Pin => "write sha256: and what `openssl x509 -noout -fingerprint -sha256` shows",
            Self::ServerName => "write a host name or an address",
            Self::NoKey => {
                "put the whole text into tls.key, from -----BEGIN PRIVATE KEY----- on, without a pass phrase"
            }
        }
    }
}

// === impl Terms ===

impl Terms {
    /// Reads and checks what a listener is configured with.
    pub(crate) fn new(wanted: &ListenerTls) -> Result<Self, TlsError> {
        let ListenerTls { certificate_pem, key_pem, min_version } = wanted;
        let chain = chain(certificate_pem.expose())?;
        let not_after = chain.first().and_then(|own| validity::not_after(own));
        let key = certified(chain, key_pem.expose())?;
        // Whatever the process has for a default: ours are named here, and cannot be missing.
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions(*min_version))
            .map_err(|error| TlsError::Certificate(error.to_string()))?;
        let resolver = Arc::new(SingleCertAndKey::from(key));
        let config = builder.with_no_client_auth().with_cert_resolver(resolver);
        Ok(Self { config: Arc::new(config), not_after })
    }
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if chain.len() == CHAIN_MAX {
            return Err(TlsError::LongChain);
        }
        chain.push(certificate.map_err(|_| TlsError::NoCertificate)?);
    }
    if chain.is_empty() { Err(TlsError::NoCertificate) } else { Ok(chain) }
}

fn certified(chain: Vec<CertificateDer<'static>>, pem: &str) -> Result<CertifiedKey, TlsError> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::NoKey)?;
    let key = ring::default_provider().key_provider.load_private_key(key);
    let certified = CertifiedKey::new(chain, key.map_err(|_| TlsError::Key)?);
    match certified.keys_match() {
        // Unknown: the key cannot tell, which those of ring always can.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::Mismatch),
        Err(error) => Err(TlsError::Certificate(error.to_string())),
    }
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static FROM_1_3: [&SupportedProtocolVersion; 1] = [&TLS13];
    match min {
        TlsVersion::Tls12 => &FROM_1_2,
        TlsVersion::Tls13 => &FROM_1_3,
    }
}

#[cfg(test)]
pub(crate) mod tests;
