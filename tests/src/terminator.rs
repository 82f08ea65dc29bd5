//! TLS in front of a pool that speaks in the clear: certificates for it, and what went over the wire.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, RootCertStore, ServerConfig};

/// Bytes of the wire that are kept.
const WIRE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
#[derive(Debug)]
pub struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

/// How a terminator speaks TLS.
#[derive(Clone, Debug)]
pub struct Speech(Arc<ServerConfig>);

/// Takes TLS connections and hands what is said on them to a pool.
#[derive(Debug)]
pub struct Terminator {
    /// Where it listens.
    pub address: SocketAddr,
    speech: watch::Sender<Speech>,
    wire: Wire,
    live: Arc<AtomicUsize>,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// What went over TCP, both ways.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

/// A connection that is listened to.
struct Tapped {
    io: TcpStream,
    wire: Wire,
}

/// One of the connections that live.
struct Life(Arc<AtomicUsize>);

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.use_authority_key_identifier_extension = true;
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn fingerprint(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

// === impl Authority ===

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority"))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, for years to come.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.sign(params(names))
    }

    /// One that was over in 2021.
    pub fn issue_ended(&self, names: &[&str]) -> Pair {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { certificate, key }
    }
}

// === impl Pair ===

impl Pair {
    /// By nobody, for another name, and over: as pools have them.
    pub fn of_nobody() -> Self {
        Self::of_nobody_with(key())
    }

    /// Another certificate of the same key.
    pub fn renewed(&self) -> Self {
        Self::of_nobody_with(KeyPair::from_pem(&self.key.serialize_pem()).expect("the key"))
    }

    fn of_nobody_with(key: KeyPair) -> Self {
        let mut params = params(&["localhost.localdomain"]);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        Self { certificate: params.self_signed(&key).expect("a certificate"), key }
    }

    /// The pin of the certificate.
    pub fn pin(&self) -> String {
        fingerprint(self.certificate.der())
    }

    /// The pin of its key.
    pub fn key_pin(&self) -> String {
        fingerprint(&self.key.subject_public_key_info())
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its key in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn chain(
        &self,
    ) -> (Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>>, PrivateKeyDer<'static>)
    {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], PrivateKeyDer::from(key))
    }
}

// === impl Speech ===

impl Speech {
    /// Shows this certificate to whoever comes.
    pub fn showing(pair: &Pair) -> Self {
        Self::new(pair, DEFAULT_VERSIONS, None)
    }

    /// Speaks no newer version than 1.2.
    pub fn old(pair: &Pair) -> Self {
        Self::new(pair, &[&TLS12], None)
    }

    /// Wants a certificate by one of these authorities.
    pub fn asking(pair: &Pair, authorities: &[&Authority]) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority.0.der().clone()).expect("an authority");
        }
        Self::new(pair, DEFAULT_VERSIONS, Some(roots))
    }

    fn new(
        pair: &Pair,
        versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion],
        clients: Option<RootCertStore>,
    ) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().expect("authorities"))
            }
        };
        let (chain, key) = pair.chain();
        Self(Arc::new(builder.with_single_cert(chain, key).expect("a pair")))
    }
}

// === impl Terminator ===

impl Terminator {
    /// In front of the pool at `to`.
    pub async fn start(to: SocketAddr, speech: Speech) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (speech, heard) = watch::channel(speech);
        let (wire, live) = (Wire::default(), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, to, heard, wire.clone(), Arc::clone(&live)));
        Self { address, speech, wire, live, _tasks: tasks }
    }

    /// Speaks otherwise from the next connection on.
    pub fn speak(&self, speech: Speech) {
        self.speech.send_replace(speech);
    }

    /// All that went over the wire.
    pub fn wire(&self) -> Vec<u8> {
        self.wire.0.lock().expect("no panic").clone()
    }

    /// Connections whose handshake is done.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

async fn serve(
    listener: TcpListener,
    to: SocketAddr,
    speech: watch::Receiver<Speech>,
    wire: Wire,
    live: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((io, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let acceptor = TlsAcceptor::from(Arc::clone(&speech.borrow().0));
        let (tapped, live) = (Tapped { io, wire: wire.clone() }, Arc::clone(&live));
        connections.spawn(async move {
            let mut miner = acceptor.accept(tapped).await?;
            let _life = Life::new(live);
            let mut pool = TcpStream::connect(to).await?;
            copy_bidirectional(&mut miner, &mut pool).await
        });
    }
}

// === impl Life ===

impl Life {
    fn new(live: Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self(live)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Wire ===

impl Wire {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().expect("no panic");
        let room = WIRE_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }
}

// === impl Tapped ===

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.wire.keep(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.wire.keep(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
