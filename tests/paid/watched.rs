//! A connection from a proxy to a pool, with somebody who reads along what the proxy writes.
//!
//! So it is known without asking the proxy which shares have left it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loka_farm::paid::book::Book;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream, and what of a line was written so far.
pub(crate) struct Watched<S> {
    stream: S,
    book: Arc<Book>,
    line: Vec<u8>,
}

/// A proxy's line is far shorter; what is longer is no submit.
const LINE_BYTES_MAX: usize = 16 * 1024;

// === impl Watched ===

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, book: Arc<Book>) -> Self {
        Self { stream, book, line: Vec::new() }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() < LINE_BYTES_MAX {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                if let Ok(line) = std::str::from_utf8(&self.line) {
                    self.book.left_proxy(line);
                }
                self.line.clear();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.wrote(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
