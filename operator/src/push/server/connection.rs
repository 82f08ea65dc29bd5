//! A connection that is through the TLS handshake: it can be cut, and it closes itself when no pod
//! has a stream on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// A peer's connection. Held by the server's task for it, which reads from it all the time.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Duration,
    idle_check: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

/// What its calls know of it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    address: SocketAddr,
    streams: Arc<AtomicUsize>,
    cut: CancellationToken,
}

/// A stream on it. While one is held, the connection is not idle.
#[derive(Debug)]
pub(super) struct Held(Peer);

// === impl Connection ===

impl Connection {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        peer: Peer,
        idle: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let cut = Box::pin(peer.cut.clone().cancelled_owned());
        let idle_check = Box::pin(tokio::time::sleep(idle));
        Self { stream, peer, cut, idle, idle_check, _place: place }
    }

    /// An error when it has been cut, or nobody has a stream on it now.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        while self.idle_check.as_mut().poll(context).is_ready() {
            if self.peer.streams.load(Ordering::Acquire) == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.idle_check.as_mut().reset(Instant::now() + self.idle);
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

// === impl Peer ===

impl Peer {
    /// `cut` ends the connection.
    pub(super) fn new(address: SocketAddr, cut: CancellationToken) -> Self {
        Self { address, streams: Arc::default(), cut }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

// === impl Held ===

impl Held {
    pub(super) fn by(peer: Peer) -> Self {
        peer.streams.fetch_add(1, Ordering::AcqRel);
        Self(peer)
    }

    /// Ends the connection, and every stream on it.
    pub(super) fn cut(&self) {
        self.0.cut.cancel();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}
