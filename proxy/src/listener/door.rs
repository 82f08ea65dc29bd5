//! How miners come in: in the clear, or by a TLS handshake. Owns the handshake's bounds and what its failures are called.
//!
//! A handshake runs on the thread that will own the session, never on the one that accepts. It has until the listener's
//! handshake timeout, Stratum's own part included, and one of a bounded number of slots, which it asks for only when the
//! miner has spoken: who connects and says nothing holds no more than a socket.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use loka_stratum::work::Now;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{AlertDescription, Error, ServerConfig};

use crate::telemetry::reasons::TlsFailure;
use crate::transport::{Boxed, Transport};

/// Handshakes of one listener at once. Each holds up to 64 KiB of what the miner has sent so far, so 16 MiB at the most;
/// and each thread goes on with its sessions between two of them.
const HANDSHAKES_MAX: usize = 256;

/// The first byte of every TLS connection: a record of the handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// How miners come in.
#[derive(Clone, Debug)]
pub(super) enum Door {
    Plain,
    Tls(Arc<ServerConfig>),
    /// A certificate that cannot be served: nobody, since in the clear would be worse.
    Shut,
}

/// The handshakes that a listener may have at once, whatever its certificate.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Semaphore>);

/// What a handshake is given.
pub(super) struct Handshake {
    pub(super) config: Arc<ServerConfig>,
    pub(super) slots: Slots,
    pub(super) accepted: Now,
}

/// Why there was none.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: TlsFailure,
    pub(super) detail: String,
}

/// A connection whose first byte was read already.
struct Begun {
    first: Option<u8>,
    io: Box<dyn Transport>,
}

// === impl Slots ===

impl Slots {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(HANDSHAKES_MAX)))
    }
}

// === impl Handshake ===

impl Handshake {
    /// Makes of a connection one that TLS protects. In a box: a session's memory is not to hold the place of a handshake.
    /// Gives up when `let_go` ends: a miner that is to leave anyway need not get in.
    pub(super) fn run<'a>(
        self,
        io: Box<dyn Transport>,
        timeout: Duration,
        let_go: impl Future<Output = ()> + Send + 'a,
    ) -> Boxed<'a, Result<Box<dyn Transport>, Failure>> {
        Box::pin(async move {
            let deadline = tokio::time::Instant::from_std(self.accepted.instant + timeout);
            let work = self.work(io);
            tokio::select! {
                // An end first: it is for ever, and a handshake that is done as well can be thrown away.
                biased;
                () = let_go => Err(TlsFailure::Stopped.into()),
                done = timeout_at(deadline, work) => match done {
                    Ok(result) => result,
                    Err(_) => Err(TlsFailure::TimedOut.into()),
                },
            }
        })
    }

    async fn work(&self, mut io: Box<dyn Transport>) -> Result<Box<dyn Transport>, Failure> {
        let mut first = [0];
        if io.read(&mut first).await.map_err(Failure::of)? == 0 {
            return Err(TlsFailure::Disconnected.into());
        }
        let [first] = first;
        if first != HANDSHAKE_RECORD {
            return Err(TlsFailure::NotTls.into());
        }
        // Never closed; were it, the miner would find no slot.
        let _slot = self.slots.0.acquire().await.map_err(|_| Failure::from(TlsFailure::Stopped))?;
        let begun = Begun { first: Some(first), io };
        let stream = TlsAcceptor::from(Arc::clone(&self.config)).accept(begun).await;
        Ok(Box::new(stream.map_err(Failure::of)?))
    }
}

// === impl Failure ===

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
    pub(super) fn of(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        Self { reason: tls.map_or(TlsFailure::Disconnected, reason), detail: error.to_string() }
    }
}

impl From<TlsFailure> for Failure {
    fn from(reason: TlsFailure) -> Self {
        Self { reason, detail: String::new() }
    }
}

fn reason(error: &Error) -> TlsFailure {
    use AlertDescription as Alert;
    match error {
        Error::AlertReceived(
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
        ) => TlsFailure::CertificateRefused,
        Error::AlertReceived(Alert::CloseNotify | Alert::UserCanceled) => TlsFailure::Disconnected,
        Error::AlertReceived(_) | Error::PeerIncompatible(_) => TlsFailure::Incompatible,
        // The enumeration is open; what else a miner can cause is nonsense of its own.
        _ => TlsFailure::Malformed,
    }
}

// === impl Begun ===

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
