//! The door: connections are accepted, shake hands within bounds, and are handed to the server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, InvalidMessage, ServerConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::connection::{Connection, Peer};
use super::{Limits, Push};
use crate::push::authority::Certificate;
use crate::push::event::{Event, Events, TlsFailure};

/// After the operating system refused to accept, such as for want of descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Lets connections in.
pub(super) struct Door {
    knock: Knock,
    certificate: Certificate,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What a handshake needs.
#[derive(Clone)]
struct Knock {
    tls: TlsAcceptor,
    handed_over: mpsc::Sender<io::Result<Connection>>,
    events: Events,
    limits: Limits,
    kill: CancellationToken,
}

/// Gives each handshake the certificate of that time.
struct Current(Certificate);

// === impl Door ===

impl Door {
    pub(super) fn new(
        push: &Push,
        handed_over: mpsc::Sender<io::Result<Connection>>,
        kill: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Self, rustls::Error> {
        let tls = TlsAcceptor::from(Arc::new(tls(push.certificate.clone())?));
        let (events, limits) = (Arc::clone(&push.events), push.limits.clone());
        let connections = Arc::new(Semaphore::new(limits.connections));
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        let knock = Knock { tls, handed_over, events, limits, kill };
        let certificate = push.certificate.clone();
        Ok(Self { knock, certificate, connections, handshakes, tasks })
    }

    /// Accepts until `stop`.
    pub(super) async fn keep(mut self, listener: TcpListener, stop: CancellationToken) {
        tokio::select! {
            // An end needs no certificate.
            biased;
            () = stop.cancelled() => return,
            () = self.certificate.is_there() => {}
        }
        loop {
            let accepted = tokio::select! {
                // An end overtakes those who still knock.
                biased;
                () = stop.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            let Some((stream, address, turn)) = accepted else { continue };
            match Arc::clone(&self.connections).try_acquire_owned() {
                Ok(place) => {
                    let opened = self.knock.clone().open(stream, address, turn, place);
                    let stop = stop.clone();
                    self.tasks.spawn(async move {
                        tokio::select! {
                            // A handshake is not worth waiting for at the end.
                            biased;
                            () = stop.cancelled() => {}
                            () = opened => {}
                        }
                    });
                }
                Err(_) => self.knock.failed(address, TlsFailure::Full),
            }
        }
    }

    /// The next connection, when there is a turn for its handshake; the rest wait in the kernel.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let turn = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, address)) => Some((stream, address, turn)),
            Err(error) => {
                warn!(%error, "a connection of the control stream could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
                None
            }
        }
    }
}

// === impl Knock ===

impl Knock {
    async fn open(
        self,
        stream: TcpStream,
        address: SocketAddr,
        turn: OwnedSemaphorePermit,
        place: OwnedSemaphorePermit,
    ) {
        // A refusal costs latency, and nothing else.
        drop(stream.set_nodelay(true));
        let stream =
            match tokio::time::timeout(self.limits.handshake, self.tls.accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return self.failed(address, failure(&error)),
                Err(_) => return self.failed(address, TlsFailure::Timeout),
            };
        drop(turn);
        let peer = Peer::new(address, self.kill.child_token());
        let connection = Connection::new(stream, peer, self.limits.idle, place);
        // An error means that the server has ended.
        drop(self.handed_over.send(Ok(connection)).await);
    }

    fn failed(&self, peer: SocketAddr, why: TlsFailure) {
        (self.events)(Event::TlsFailed { peer, why });
    }
}

/// TLS 1.3 only. No resumption: it would outlive the certificate that the peer once checked.
fn tls(certificate: Certificate) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Current(certificate)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn failure(error: &io::Error) -> TlsFailure {
    let Some(tls) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return TlsFailure::Lost;
    };
    match tls {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFailure::Plain,
        rustls::Error::AlertReceived(_) => TlsFailure::Alert,
        _ => TlsFailure::Other,
    }
}

// === impl Current ===

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.current()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}
