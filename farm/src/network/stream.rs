//! One end of a connection, as an asynchronous byte stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::link::{Link, Side, StreamId};
use super::pipe::Arrival;

/// One end of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct NetStream {
    /// The two ends, and whoever causes a fault, contend for it for a moment at a time.
    link: Arc<Mutex<Link>>,
    side: Side,
    id: StreamId,
    /// Runs while bytes are on their way to a reader.
    arrival: Option<Pin<Box<Sleep>>>,
}

// === impl NetStream ===

impl NetStream {
    pub(super) fn pair(link: &Arc<Mutex<Link>>) -> (Self, Self) {
        (Self::new(link, Side::Dialling), Self::new(link, Side::Accepting))
    }

    fn new(link: &Arc<Mutex<Link>>, side: Side) -> Self {
        let id = lock(link).id();
        Self { link: Arc::clone(link), side, id, arrival: None }
    }

    /// The connection's identity; the other end has the same.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The name at this end.
    pub fn local(&self) -> String {
        lock(&self.link).name(self.side).to_owned()
    }

    /// The name at the other end.
    pub fn peer(&self) -> String {
        let other = match self.side {
            Side::Dialling => Side::Accepting,
            Side::Accepting => Side::Dialling,
        };
        lock(&self.link).name(other).to_owned()
    }

    /// Ends the connection with a reset instead of a close.
    pub fn reset(self) {
        lock(&self.link).cut();
    }
}

impl AsyncRead for NetStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let arrival = lock(&self.link).read(self.side, out, cx.waker())?;
            match arrival {
                Arrival::Bytes | Arrival::End => return Poll::Ready(Ok(())),
                Arrival::Nothing => return Poll::Pending,
                Arrival::At(due) => {
                    let mut sleep = Box::pin(sleep_until(due));
                    let woken = sleep.as_mut().poll(cx);
                    self.arrival = Some(sleep);
                    ready!(woken);
                }
            }
        }
    }
}

impl AsyncWrite for NetStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.link).write(self.side, bytes, cx.waker())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.link).finish(self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for NetStream {
    fn drop(&mut self) {
        lock(&self.link).leave(self.side);
    }
}

fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}
