//! One line-oriented connection without buffers while idle.
//!
//! Reads go through a buffer on the stack of the poll that reads; only an incomplete line and unsent bytes are kept, both
//! bounded. It knows no protocol beyond the line, and what a first look tells of who speaks ([`mod@greeting`]).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use loka_stratum::frame::{FrameError, LineDecoder};
use tokio::io::ReadBuf;

use crate::transport::Transport;

mod greeting;

pub(crate) use self::greeting::Greeting;

/// Bytes taken from the socket by one read: several lines, and small enough for a stack.
const READ_CHUNK: usize = 4096;

/// Whether the caller wants more lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Only write what is unsent.
    Write,
    /// Read as well.
    ReadWrite,
}

/// What a poll of the connection brought.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Bytes came: lines may be complete.
    Read,
    /// Everything unsent has gone.
    Flushed,
    /// The peer has closed its side.
    Closed,
}

pub(crate) struct Wire {
    io: Box<dyn Transport>,
    decoder: LineDecoder,
    unsent: Vec<u8>,
    greeting: Option<Greeting>,
    /// The transport may hold bytes that it has taken and not passed on. TCP never does; TLS does while its socket is full.
    unflushed: bool,
}

// === impl Wire ===

impl Wire {
    pub(crate) fn new(io: Box<dyn Transport>, line_bytes_max: usize) -> Self {
        let decoder = LineDecoder::new(line_bytes_max);
        Self { io, decoder, unsent: Vec::new(), greeting: None, unflushed: false }
    }

    /// Another limit for lines, from now on.
    pub(crate) fn set_line_limit(&mut self, line_bytes_max: usize) {
        self.decoder.set_limit(line_bytes_max);
    }

    /// The next complete line that was read.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, FrameError> {
        self.decoder.next_line()
    }

    /// What the first bytes that the peer ever sent look like.
    pub(crate) fn greeting(&self) -> Option<Greeting> {
        self.greeting
    }

    /// Bytes that the socket has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Bytes of its buffers.
    pub(crate) fn bytes(&self) -> usize {
        self.decoder.capacity() + self.unsent.capacity()
    }

    /// Writes what the socket takes now and keeps the rest for [`Self::poll`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        // The next poll registers the real waker if anything is left.
        let mut cx = Context::from_waker(Waker::noop());
        let mut rest = bytes;
        while !rest.is_empty() {
            match Pin::new(&mut *self.io).poll_write(&mut cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(taken)) => rest = rest.get(taken..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.unsent.extend_from_slice(rest);
        match Pin::new(&mut *self.io).poll_flush(&mut cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => {
                self.unflushed = true;
                Ok(())
            }
        }
    }

    /// Makes progress in both directions.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<Progress>> {
        if (self.unflushed || !self.unsent.is_empty())
            && let Poll::Ready(result) = self.poll_flush(cx)
        {
            return Poll::Ready(result.map(|()| Progress::Flushed));
        }
        match interest {
            Interest::Write => Poll::Pending,
            Interest::ReadWrite => self.poll_read(cx),
        }
    }

    /// Writes until nothing is unsent, here or in the transport.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let result = loop {
            let rest = self.unsent.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *self.io).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => sent += taken,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        ready!(result)?;
        self.unflushed = true;
        ready!(Pin::new(&mut *self.io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        let mut chunk = [const { MaybeUninit::uninit() }; READ_CHUNK];
        let mut buffer = ReadBuf::uninit(&mut chunk);
        match ready!(Pin::new(&mut *self.io).poll_read(cx, &mut buffer)) {
            Ok(()) => {}
            // TLS that ends without its own farewell. Firmware just closes; a line that was cut short is no line.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Ok(Progress::Closed));
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        let bytes = buffer.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(Progress::Closed));
        }
        self.greeting.get_or_insert_with(|| Greeting::of(bytes));
        self.decoder.push(bytes);
        Poll::Ready(Ok(Progress::Read))
    }

    /// Closes our side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("unsent", &self.unsent.len()).finish_non_exhaustive()
    }
}
