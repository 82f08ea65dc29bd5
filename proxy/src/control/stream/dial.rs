//! The connection below the stream: TCP and TLS 1.3, checked against the operator's own CA.
//!
//! CA and token are read anew at each dial, since both are rotated in their files. The name that is
//! checked is always the Service's, whichever replica is dialled.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use super::StreamSettings;

/// To resolve, connect and agree on TLS.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is silent for so long is asked whether it lives,
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// and is given up without an answer within this.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the CA's file, and of the token's: certificates of two CAs during a rotation, and a good deal more.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{}: cannot be read: {error}; {remedy}", path.display())]
    File { path: PathBuf, error: io::Error, remedy: &'static str },
    #[error("{}: holds no certificate that can be used; mount the ConfigMap that the operator writes", .0.display())]
    NoCertificate(PathBuf),
    #[error("{}: holds no token", .0.display())]
    NoToken(PathBuf),
    #[error("{0} is no name that a certificate can have; give --control-name")]
    Name(String),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no connection within {CONNECT_TIMEOUT:?}")]
    Timeout,
    #[error("no TLS: {0}; --control must be the operator, and --control-ca must hold its CA")]
    Tls(io::Error),
    #[error("no HTTP/2: {0}")]
    Http(String),
}

/// The header that proves which pod this is.
pub(super) async fn bearer(path: &Path) -> Result<MetadataValue<Ascii>, DialError> {
    let remedy = "mount a projected ServiceAccount token";
    let token = read(path, remedy).await?;
    let token = str::from_utf8(&token).unwrap_or_default().trim();
    let none = || DialError::NoToken(path.to_owned());
    if token.is_empty() {
        return Err(none());
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| none())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A channel over one connection, which is not opened again when it ends.
pub(super) async fn connect(
    settings: &StreamSettings,
    leader: Option<SocketAddr>,
) -> Result<Channel, DialError> {
    let stream = timeout(CONNECT_TIMEOUT, tls(settings, leader));
    let stream = stream.await.map_err(|_elapsed| DialError::Timeout)??;
    let http = |error: tonic::transport::Error| DialError::Http(chain(&error));
    // TLS is ours, so that CA and name are: to the channel it is a plain connection.
    let uri = format!("http://{}", authority(&settings.name, settings.port));
    let endpoint = Endpoint::from_shared(uri)
        .map_err(http)?
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_uri| {
        let stream = once.take();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        std::future::ready(stream.ok_or_else(gone))
    });
    let connected = timeout(CONNECT_TIMEOUT, endpoint.connect_with_connector(connector));
    connected.await.map_err(|_elapsed| DialError::Timeout)?.map_err(http)
}

async fn tls(
    settings: &StreamSettings,
    leader: Option<SocketAddr>,
) -> Result<TlsStream<TcpStream>, DialError> {
    let StreamSettings { host, port, name, ca, token: _, schema: _ } = settings;
    let connector = TlsConnector::from(Arc::new(client(ca).await?));
    let wanted = ServerName::try_from(name.clone()).map_err(|_| DialError::Name(name.clone()))?;
    let stream = match leader {
        Some(leader) => TcpStream::connect(leader).await,
        None => TcpStream::connect((host.as_str(), *port)).await,
    };
    let stream = stream.map_err(DialError::Connect)?;
    // Acknowledgements are small and somebody waits for them.
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    connector.connect(wanted, stream).await.map_err(DialError::Tls)
}

async fn client(ca: &Path) -> Result<ClientConfig, DialError> {
    let pem = read(ca, "mount the ConfigMap that the operator writes").await?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&pem).flatten();
    let (added, _ignored) = roots.add_parsable_certificates(certificates);
    let unusable = || DialError::NoCertificate(ca.to_owned());
    if added == 0 {
        return Err(unusable());
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS13]).map_err(|_| unusable())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn read(path: &Path, remedy: &'static str) -> Result<Vec<u8>, DialError> {
    let failed = |error| DialError::File { path: path.to_owned(), error, remedy };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await.map_err(failed)?;
    Ok(bytes)
}

/// `HOST:PORT`, with brackets around an IPv6 address.
pub(super) fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// An error with its causes: the outermost one says little more than that it failed.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
