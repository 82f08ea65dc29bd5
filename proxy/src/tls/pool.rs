//! TLS towards pools: from what a document says of a pool's certificate to a handshake, and what its failures are called.
//!
//! Which certificate is the pool's: with authorities of the document one of theirs, for the name, in its time, and if there are pins one of these
//! as well; with pins alone one of these, whatever its issuer, its name and its dates; with neither one of the public authorities. In every
//! case the pool proves that it has the certificate's key. Sessions are not resumed: each connection is checked whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loka_api::Secret;
use loka_api::runtime_config::{ClientCertificate, PoolTls, TlsVersion};
use loka_stratum::hex;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage,
    OtherError, RootCertStore, SignatureScheme,
};

use super::{TlsError, certified, chain, versions};
use crate::clock::Clock;

/// Certificates of authorities: all public ones are fewer.
const AUTHORITIES_MAX: usize = 512;

/// Bytes of a SHA-256.
const PIN_BYTES: usize = 32;

/// What a handshake with a pool needs, checked.
#[derive(Clone, Debug)]
pub(crate) struct PoolTerms {
    config: Arc<ClientConfig>,
    /// Instead of the host.
    name: Option<ServerName<'static>>,
}

/// Whose fault it was that there is no TLS, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No authority that is trusted stands behind the pool's certificate.
    Authority,
    /// The pool broke TLS.
    Broken,
    /// The pool wants a certificate of ours, or another one.
    ClientCertificate,
    /// The pool ended the connection, or said nothing.
    Closed,
    /// The pool's certificate is over, or not begun.
    Dates,
    /// No version or cipher in common.
    Incompatible,
    /// The pool's certificate is for another name.
    Name,
    /// What the pool says is not TLS.
    NotTls,
    /// The pool's certificate has none of the pins.
    Pin,
}

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) detail: String,
}

/// Takes a certificate that has one of the pins, and that authorities stand behind where there are some.
#[derive(Debug)]
struct Pinned {
    pins: Vec<[u8; PIN_BYTES]>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate without a pin, for whoever would pin it.
#[derive(Debug, thiserror::Error)]
#[error(
    "none of the pins is that of the certificate, sha256:{certificate}, or of its key, sha256:{key}"
)]
struct Unpinned {
    certificate: String,
    key: String,
}

/// The proxy's own wall clock, for the dates of certificates.
#[derive(Debug)]
struct Wall(Clock);

// === impl PoolTerms ===

impl PoolTerms {
    /// Reads and checks what a pool is configured with.
    pub(crate) fn new(wanted: &PoolTls, clock: Clock) -> Result<Self, TlsError> {
        let PoolTls { server_name, ca_pem, client_certificate, pins, min_version } = wanted;
        let provider = Arc::new(ring::default_provider());
        let pins = pins.iter().map(|pin| read(pin)).collect::<Result<Vec<_>, _>>()?;
        let roots = match ca_pem {
            Some(pem) => Some(authorities(pem.expose())?),
            None if pins.is_empty() => Some(public_authorities()),
            None => None,
        };
        let by_roots = roots.map(|roots| by(roots, &provider)).transpose()?;
        let builder =
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(Wall(clock)))
                .with_protocol_versions(versions(*min_version))
                .map_err(|error| TlsError::Authorities(error.to_string()))?;
        let verifier: Arc<dyn ServerCertVerifier> = match by_roots {
            Some(by_roots) if pins.is_empty() => by_roots,
            authorities => {
                let algorithms = provider.signature_verification_algorithms;
                Arc::new(Pinned { pins, authorities, algorithms })
            }
        };
        // Dangerous would be a verifier that takes everything; ours take a pin, or what rustls itself takes.
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match client_certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { certificate_pem, key_pem }) => {
                let key = certified(chain(certificate_pem.expose())?, key_pem.expose())?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        config.resumption = Resumption::disabled();
        let name = server_name.as_deref().map(server).transpose()?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// What an HTTPS server is checked by: the authorities of `ca_pem`, or the public ones.
    pub(crate) fn of_server(ca_pem: Option<&Secret>, clock: Clock) -> Result<Self, TlsError> {
        let wanted = PoolTls {
            server_name: None,
            ca_pem: ca_pem.cloned(),
            client_certificate: None,
            pins: Vec::new(),
            min_version: TlsVersion::Tls12,
        };
        Self::new(&wanted, clock)
    }

    /// Makes of a connection to `host` one that TLS protects.
    pub(crate) async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server(host)
                .map_err(|error| Failure { fault: Fault::Name, detail: error.to_string() })?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(|error| Failure::of(&error))
    }
}

fn server(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName)
}

fn by(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TlsError::Authorities(error.to_string()))
}

/// Those that browsers trust, as of the build. The images hold no file of them.
fn public_authorities() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn authorities(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if roots.len() == AUTHORITIES_MAX {
            return Err(TlsError::ManyAuthorities);
        }
        let certificate = certificate.map_err(|_| TlsError::NoAuthority)?;
        roots.add(certificate).map_err(|error| TlsError::Authorities(error.to_string()))?;
    }
    if roots.is_empty() { Err(TlsError::NoAuthority) } else { Ok(roots) }
}

fn read(pin: &str) -> Result<[u8; PIN_BYTES], TlsError> {
    let mut bytes = [0; PIN_BYTES];
    hex::decode_into(pin, &mut bytes).map_err(|_| TlsError::Pin)?;
    Ok(bytes)
}

// === impl Pinned ===

impl Pinned {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Unpinned> {
        let whole = Sha256::digest(certificate);
        // One that cannot be read far enough has no signature that could be checked either.
        let key = ParsedCertificate::try_from(certificate).ok();
        let key = key.map(|parsed| Sha256::digest(parsed.subject_public_key_info()));
        let is_pinned = |found: &[u8]| self.pins.iter().any(|pin| pin == found);
        if is_pinned(&whole) || key.as_ref().is_some_and(|key| is_pinned(key)) {
            return Ok(());
        }
        let key = key.map_or_else(|| "unreadable".to_owned(), |key| hex::encode(&key));
        Err(Unpinned { certificate: hex::encode(&whole), key })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(by) = &self.authorities {
            by.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        let unpinned = |error| CertificateError::Other(OtherError(Arc::new(error)));
        self.check(end_entity).map_err(unpinned)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

// === impl Wall ===

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::from(self.0.now().unix.0);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

// === impl Failure ===

impl Failure {
    /// What the end of a handshake says.
    fn of(error: &io::Error) -> Self {
        let fault = Fault::of(error).unwrap_or(Fault::Closed);
        let detail = match fault {
            Fault::Closed => format!("the pool ended the TLS handshake: {error}"),
            _ => error.to_string(),
        };
        Self { fault, detail }
    }
}

// === impl Fault ===

impl Fault {
    /// What an error of a connection says of TLS, if anything. A pool refuses a client certificate after the handshake is over (TLS 1.3).
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::AlertReceived(alert) => Self::alert(*alert)?,
            Error::InvalidCertificate(error) => Self::certificate(error),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::PeerIncompatible(_) => Self::Incompatible,
            // The enumeration is open; what else a pool can cause is nonsense of its own.
            _ => Self::Broken,
        })
    }

    fn alert(alert: AlertDescription) -> Option<Self> {
        use AlertDescription as Alert;
        Some(match alert {
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate => Self::ClientCertificate,
            Alert::CloseNotify | Alert::UserCanceled => return None,
            Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::ProtocolVersion => {
                Self::Incompatible
            }
            Alert::UnrecognisedName => Self::Name,
            _ => Self::Broken,
        })
    }

    fn certificate(error: &CertificateError) -> Self {
        use CertificateError as Wrong;
        match error {
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. } => Self::Dates,
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => Self::Name,
            Wrong::Other(OtherError(other)) if other.is::<Unpinned>() => Self::Pin,
            _ => Self::Authority,
        }
    }
}

#[cfg(test)]
mod tests;
