//! TLS between miners and what is measured: a certificate that is made for the run, and what miners need to believe it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The name that it is for.
const NAME: &str = "localhost";

/// A certificate, its key (P-256), and who trusts it.
pub(crate) struct Identity {
    certificate: String,
    key: String,
    connector: TlsConnector,
}

/// How a miner makes TLS of a connection.
#[derive(Clone)]
pub(crate) struct Trust(TlsConnector);

// === impl Identity ===

impl Identity {
    pub(crate) fn new() -> Result<Self, String> {
        let told = |error: rcgen::Error| error.to_string();
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(told)?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).map_err(|error| error.to_string())?;
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Every miner makes a whole handshake: none has been there before.
        config.resumption = Resumption::disabled();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { certificate: cert.pem(), key: signing_key.serialize_pem(), connector })
    }

    /// Writes it where the configurations of what is measured look for it: the proxy as a mounted secret, the relays as files.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let secret = directory.join("miners-tls");
        fs::create_dir(&secret)?;
        fs::write(secret.join("tls.crt"), &self.certificate)?;
        fs::write(secret.join("tls.key"), &self.key)?;
        fs::write(directory.join("pair.pem"), format!("{}{}", self.certificate, self.key))
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust(self.connector.clone())
    }
}

// === impl Trust ===

impl Trust {
    pub(crate) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}
