//! A stream cut into lines: bounded, and safe to cancel between and inside reads.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest line that the farm reads: a notify with 16 branches is under 4 KiB, and a proxy
/// under test has no reason to send more.
pub const LINE_BYTES_MAX: usize = 65_536;

/// Room made for each read: one notify fits.
const READ_BYTES: usize = 4096;

/// Owns a transport and reads and writes it by lines.
#[derive(Debug)]
pub struct LineStream<S> {
    stream: S,
    buffer: Vec<u8>,
    /// How much of the buffer has been searched for a line's end, so that a peer that writes one
    /// byte at a time costs linear time.
    searched: usize,
    line_bytes_max: usize,
}

// === impl LineStream ===

impl<S> LineStream<S> {
    pub fn new(stream: S) -> Self {
        Self::with_limit(stream, LINE_BYTES_MAX)
    }

    pub fn with_limit(stream: S, line_bytes_max: usize) -> Self {
        Self { stream, buffer: Vec::new(), searched: 0, line_bytes_max }
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    pub fn into_stream(self) -> S {
        self.stream
    }

    /// The next complete line that is already here.
    fn buffered_line(&mut self) -> Option<Vec<u8>> {
        let fresh = self.buffer.iter().skip(self.searched);
        let Some(offset) = fresh.into_iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let rest = self.buffer.split_off(self.searched + offset + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Some(line)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> LineStream<S> {
    /// The next line without its end, `None` once the peer has closed. Blank lines are skipped.
    /// Dropping the future loses nothing.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        loop {
            while let Some(line) = self.buffered_line() {
                if !line.is_empty() {
                    let text = String::from_utf8(line);
                    return text.map(Some).map_err(|error| invalid(error.to_string()));
                }
            }
            if self.buffer.len() > self.line_bytes_max {
                return Err(invalid(format!("a line exceeds {} bytes", self.line_bytes_max)));
            }
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Writes the bytes as they are and flushes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
