//! Bytes to lines.
//!
//! Owns the bytes of lines that are not taken yet, and nothing while there are none: an idle
//! connection holds no heap. Knows no JSON. A line that is too long is an error before it is held
//! whole, and there is no way back from it: where the next line starts is anybody's guess.

use std::ops::Range;

use thiserror::Error;

/// Splits a stream of bytes into lines, however the bytes are cut.
#[derive(Debug)]
pub struct LineDecoder {
    bytes: Vec<u8>,
    /// Bytes at the front that were handed out already.
    taken: usize,
    /// Bytes at the back that belong to a line without an end yet.
    unfinished: usize,
    line_bytes_max: usize,
    failed: bool,
}

/// What makes a stream unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A line without end.
    #[error("a line is longer than {limit} bytes: no Stratum peer, or the line limit is too low")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
}

// === impl LineDecoder ===

impl LineDecoder {
    /// Allows lines of up to `line_bytes_max` bytes, the `\n` not counted.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, unfinished: 0, line_bytes_max, failed: false }
    }

    /// Allows lines of another length from now on. A line that is too long already stays so: its end was not kept.
    pub fn set_limit(&mut self, line_bytes_max: usize) {
        if self.unfinished <= self.line_bytes_max {
            self.line_bytes_max = line_bytes_max;
        }
    }

    /// Takes in what was read. No more of a line is kept than shows that it is too long.
    pub fn push(&mut self, input: &[u8]) {
        if self.failed || self.unfinished > self.line_bytes_max {
            return;
        }
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let unfinished = match input.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => input.len() - end - 1,
            None => self.unfinished + input.len(),
        };
        self.unfinished = unfinished.min(self.line_bytes_max + 1);
        let kept = input.len() - (unfinished - self.unfinished);
        self.bytes.extend_from_slice(input.get(..kept).unwrap_or_default());
    }

    /// The next line, without its end (`\n` or `\r\n`); blank lines are skipped. `None` means that
    /// more input is needed; only the beginning of a line, if there is one, is held then.
    ///
    /// # Errors
    /// A line beyond the limit, once all lines before it are taken, and from then on always.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, FrameError> {
        while let Some(line) = self.next_range()? {
            if !self.slice(line.clone()).trim_ascii().is_empty() {
                return Ok(Some(strip_return(self.slice(line))));
            }
        }
        Ok(None)
    }

    /// Bytes of the buffer, whether or not they are in use.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether no byte is waiting, be it of a whole line or of a begun one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffered() == 0
    }

    /// Bytes that are waiting. A driver that leaves lines in here stops reading at a bound.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn next_range(&mut self) -> Result<Option<Range<usize>>, FrameError> {
        if self.failed {
            return Err(self.too_long());
        }
        if self.buffered() == self.unfinished {
            if self.unfinished > self.line_bytes_max {
                return Err(self.fail());
            }
            if self.unfinished == 0 {
                self.release();
            }
            return Ok(None);
        }
        let rest = self.slice(self.taken..self.bytes.len());
        let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        if len > self.line_bytes_max {
            return Err(self.fail());
        }
        let start = self.taken;
        self.taken = (start + len + 1).min(self.bytes.len());
        Ok(Some(start..start + len))
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn fail(&mut self) -> FrameError {
        self.release();
        self.failed = true;
        self.too_long()
    }

    fn too_long(&self) -> FrameError {
        FrameError::LineTooLong { limit: self.line_bytes_max }
    }

    /// Gives the memory back instead of keeping it for the next line: thousands of connections
    /// are idle while a few are read.
    fn release(&mut self) {
        self.bytes = Vec::new();
        self.taken = 0;
        self.unfinished = 0;
    }
}

fn strip_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
