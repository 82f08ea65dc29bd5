//! One direction of a connection: bytes with the moment of their arrival.
//!
//! It is told the time and wakes nobody by itself: the link decides who must be woken.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::io::ReadBuf;
use tokio::time::Instant;

/// What one direction holds before its writer must wait: the order of a socket's buffer.
const BUFFERED_BYTES_MAX: usize = 256 * 1024;

/// Bytes on their way from one end to the other.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    segments: VecDeque<Segment>,
    buffered_bytes: usize,
    /// When the writer's farewell arrives, once it has closed.
    end_at: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
}

#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    read: usize,
    due: Instant,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    Bytes,
    /// Something arrives then.
    At(Instant),
    Nothing,
    End,
}

// === impl Pipe ===

impl Pipe {
    /// How many more bytes fit.
    pub(super) fn room(&self) -> usize {
        BUFFERED_BYTES_MAX.saturating_sub(self.buffered_bytes)
    }

    /// Sends a chunk, due at the given time at the earliest; chunks keep their order.
    pub(super) fn push(&mut self, bytes: &[u8], due: Instant) {
        let due = self.segments.back().map_or(due, |last| last.due.max(due));
        self.buffered_bytes += bytes.len();
        self.segments.push_back(Segment { bytes: bytes.to_vec(), read: 0, due });
    }

    /// Closes the writer's end.
    pub(super) fn finish(&mut self, due: Instant) {
        let due = self.segments.back().map_or(due, |last| last.due.max(due));
        self.end_at.get_or_insert(due);
        self.wake();
    }

    /// Takes what has arrived, nothing of it before `held_until`.
    pub(super) fn pull(
        &mut self,
        now: Instant,
        held_until: Option<Instant>,
        out: &mut ReadBuf<'_>,
    ) -> Arrival {
        let arrives = |due: Instant| held_until.map_or(due, |held| held.max(due));
        let mut found = Arrival::Nothing;
        while let Some(segment) = self.segments.front_mut() {
            if arrives(segment.due) > now {
                return if found == Arrival::Bytes {
                    found
                } else {
                    Arrival::At(arrives(segment.due))
                };
            }
            let rest = segment.bytes.get(segment.read..).unwrap_or_default();
            let (taken, left) = rest.split_at(rest.len().min(out.remaining()));
            out.put_slice(taken);
            segment.read += taken.len();
            self.buffered_bytes = self.buffered_bytes.saturating_sub(taken.len());
            found = Arrival::Bytes;
            if !left.is_empty() {
                return found;
            }
            self.segments.pop_front();
        }
        match self.end_at.map(arrives) {
            Some(_) if found == Arrival::Bytes => found,
            Some(end) if end > now => Arrival::At(end),
            Some(_) => Arrival::End,
            None => found,
        }
    }

    /// Forgets what is on its way.
    pub(super) fn discard(&mut self) {
        self.segments.clear();
        self.buffered_bytes = 0;
    }

    pub(super) fn abandon(&mut self) {
        self.reader_gone = true;
        self.discard();
        self.wake();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.reader_gone
    }

    pub(super) fn is_finished(&self) -> bool {
        self.end_at.is_some()
    }

    pub(super) fn await_bytes(&mut self, reader: &Waker) {
        self.reader = Some(reader.clone());
    }

    pub(super) fn await_room(&mut self, writer: &Waker) {
        self.writer = Some(writer.clone());
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}
