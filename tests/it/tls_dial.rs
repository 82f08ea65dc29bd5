//! Miners that speak TLS: whom they trust, and which versions they know.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use loka_farm::miner::dial::Dial;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::client::Client;

/// The name that miners dial, and that certificates are for.
pub(crate) const NAME: &str = "proxy.test";

/// All versions that are not of old.
pub(crate) const FROM_1_2: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A miner's way to a port, and whom it trusts.
#[derive(Clone)]
pub(crate) struct TlsDial {
    port: u16,
    name: &'static str,
    connector: TlsConnector,
}

// === impl TlsDial ===

impl TlsDial {
    /// Trusts these certificates, one after the other in PEM.
    pub(crate) fn new(
        port: u16,
        trusted: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { port, name: NAME, connector: TlsConnector::from(Arc::new(config)) }
    }

    /// The same, under another name.
    pub(crate) fn to(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// TLS over what is connected already.
    pub(crate) async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.try_into().expect("a name"), stream).await
    }

    /// Connected, and nothing said.
    pub(crate) async fn connected(&self) -> Client<TlsStream<TcpStream>> {
        Client::over(self.dial().await.expect("TLS"))
    }

    pub(crate) async fn client(&self) -> Client<TlsStream<TcpStream>> {
        self.connected().await.log_in().await
    }
}

impl Dial for TlsDial {
    type Stream = TlsStream<TcpStream>;

    async fn dial(&self) -> io::Result<Self::Stream> {
        self.over(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port))).await?).await
    }
}
