//! A TLS connection to the operator's stream, as a proxy makes it, for tests that call as somebody else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};
use tonic::transport::{Channel, Endpoint};

/// Connects to `address`, which must show a certificate for `name` by one of the PEM `authorities`.
///
/// # Errors
/// Those of the connection and of the handshake.
pub async fn dial(address: SocketAddr, name: &str, authorities: &str) -> io::Result<Channel> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_protocol_versions(&[&version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(with_http2(config)));
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connect = tower::service_fn(move |_| {
        let (connector, name) = (connector.clone(), name.clone());
        async move {
            let tcp = TcpStream::connect(address).await?;
            connector.connect(name, tcp).await.map(TokioIo::new)
        }
    });
    // The scheme is of no account: the connector does the TLS.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(io::Error::other)?;
    endpoint.connect_with_connector(connect).await.map_err(io::Error::other)
}

fn with_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
