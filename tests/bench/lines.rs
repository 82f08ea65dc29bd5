//! Lines of a socket, whole.

use std::io;

use tokio::net::TcpStream;

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
    /// Waits for bytes; how many came.
    pub(crate) async fn fill(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.buffer.drain(..self.from);
        self.from = 0;
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        let mut chunk = [0; BYTES];
        loop {
            match stream.try_read(&mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.readable().await?
                }
                Err(error) => return Err(error),
            }
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
