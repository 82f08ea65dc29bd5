//! Lines of a socket, whole.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;

use tokio::io::{AsyncRead, ReadBuf};

/// More than the longest line of the bench.
const BYTES: usize = 8192;

/// What was read and is not looked at yet. Empty, it takes no memory: ten thousand idle miners are on the driver's side too.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    from: usize,
}

// === impl Lines ===

impl Lines {
    /// Waits for bytes; how many came. They are read by way of the stack, and with one call: a read that does not fill what
    /// it was given has emptied the socket.
    pub(crate) async fn fill(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<usize> {
        self.buffer.drain(..self.from);
        self.from = 0;
        let buffer = &mut self.buffer;
        poll_fn(|context| {
            let mut chunk = [MaybeUninit::uninit(); BYTES];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut chunk))?;
            buffer.extend_from_slice(chunk.filled());
            Ok(chunk.filled().len()).into()
        })
        .await
    }

    /// Gives its memory back; only where everything was looked at.
    pub(crate) fn rest(&mut self) {
        if self.from == self.buffer.len() {
            *self = Self::default();
        }
    }

    /// The next line, without its end.
    pub(crate) fn next(&mut self) -> Option<&str> {
        let rest = self.buffer.get(self.from..)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let from = self.from;
        self.from += length + 1;
        std::str::from_utf8(&self.buffer[from..from + length]).ok()
    }
}
