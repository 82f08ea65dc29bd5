//! One connection between two addresses: its two directions, its weather and its fate.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::diary::Diary;
use super::pipe::{Arrival, Pipe};
use super::{Chunking, Conditions};

/// Names a connection; both ends have the same. No other connection of the network ever has it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(u64);

/// Which end of the link.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Side {
    Dialling,
    Accepting,
}

/// What has become of the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Intact,
    /// Both ends still believe in it; nothing passes.
    HalfOpen,
    Cut,
}

#[derive(Debug)]
pub(super) struct Link {
    id: StreamId,
    dialling: String,
    accepting: String,
    forth: Pipe,
    back: Pipe,
    fate: Fate,
    held_until: Option<Instant>,
    conditions: Conditions,
    random: fastrand::Rng,
    diary: Arc<Diary>,
}

// === impl StreamId ===

impl StreamId {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream-{}", self.0)
    }
}

// === impl Link ===

impl Link {
    pub(super) fn new(
        id: StreamId,
        ends: [&str; 2],
        conditions: Conditions,
        seed: u64,
        diary: Arc<Diary>,
    ) -> Self {
        let [dialling, accepting] = ends.map(str::to_owned);
        Self {
            id,
            dialling,
            accepting,
            forth: Pipe::default(),
            back: Pipe::default(),
            fate: Fate::Intact,
            held_until: None,
            conditions,
            random: fastrand::Rng::with_seed(seed),
            diary,
        }
    }

    pub(super) fn id(&self) -> StreamId {
        self.id
    }

    pub(super) fn name(&self, side: Side) -> &str {
        match side {
            Side::Dialling => &self.dialling,
            Side::Accepting => &self.accepting,
        }
    }

    pub(super) fn ends_at(&self, name: &str) -> bool {
        self.dialling == name || self.accepting == name
    }

    /// Neither end has closed, and it was not cut.
    pub(super) fn is_open(&self) -> bool {
        self.fate != Fate::Cut && !self.forth.is_finished() && !self.back.is_finished()
    }

    pub(super) fn cut(&mut self) {
        self.fate = Fate::Cut;
        self.forget_bytes();
        self.wake();
    }

    pub(super) fn half_open(&mut self) {
        if self.fate == Fate::Intact {
            self.fate = Fate::HalfOpen;
            self.forget_bytes();
            // A writer that waited for room has some now: its bytes vanish like the others.
            self.wake();
        }
    }

    pub(super) fn hold_until(&mut self, end: Instant) {
        self.held_until = Some(end);
    }

    /// Reads at one end; the time of the next arrival is handed out so that the reader can sleep.
    pub(super) fn read(
        &mut self,
        side: Side,
        out: &mut ReadBuf<'_>,
        reader: &Waker,
    ) -> io::Result<Arrival> {
        let (fate, held_until) = (self.fate, self.held_until);
        let incoming = self.incoming(side);
        match fate {
            Fate::Cut => Err(io::ErrorKind::ConnectionReset.into()),
            Fate::HalfOpen => {
                incoming.await_bytes(reader);
                Ok(Arrival::Nothing)
            }
            Fate::Intact => {
                let (now, read_before) = (Instant::now(), out.filled().len());
                let arrival = incoming.pull(now, held_until, out);
                match arrival {
                    // The writer may have waited for the room that is there now.
                    Arrival::Bytes => incoming.wake(),
                    Arrival::At(_) | Arrival::Nothing => incoming.await_bytes(reader),
                    Arrival::End => {}
                }
                if matches!(arrival, Arrival::Bytes | Arrival::End) {
                    let bytes = out.filled().get(read_before..).unwrap_or_default();
                    self.diary.enter(now, self.id, side, bytes);
                }
                Ok(arrival)
            }
        }
    }

    /// Writes at one end, as many bytes as there is room for.
    pub(super) fn write(
        &mut self,
        side: Side,
        bytes: &[u8],
        writer: &Waker,
    ) -> Poll<io::Result<usize>> {
        match self.fate {
            Fate::Cut => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Fate::HalfOpen => return Poll::Ready(Ok(bytes.len())),
            Fate::Intact => {}
        }
        let outgoing = self.outgoing(side);
        if outgoing.is_abandoned() || outgoing.is_finished() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = outgoing.room().min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            outgoing.await_room(writer);
            return Poll::Pending;
        }
        self.send(side, bytes.get(..room).unwrap_or_default());
        Poll::Ready(Ok(room))
    }

    fn send(&mut self, side: Side, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = self.chunk_bytes(bytes.len());
            let (chunk, rest) = bytes.split_at(length);
            let due = self.arrival_time();
            self.outgoing(side).push(chunk, due);
            bytes = rest;
        }
        self.outgoing(side).wake();
    }

    fn chunk_bytes(&mut self, available: usize) -> usize {
        match self.conditions.chunking {
            Chunking::Whole => available,
            Chunking::Pieces { bytes_max } => {
                self.random.usize(1..=bytes_max.max(1)).min(available)
            }
        }
    }

    fn arrival_time(&mut self) -> Instant {
        let jitter = self.conditions.jitter.mul_f64(self.random.f64());
        Instant::now() + self.conditions.latency + jitter
    }

    /// Closes the writing half of one end. On a half-open link nobody learns of it.
    pub(super) fn finish(&mut self, side: Side) {
        if self.fate == Fate::Intact {
            let due = self.arrival_time();
            self.outgoing(side).finish(due);
        }
    }

    /// One end is dropped.
    pub(super) fn leave(&mut self, side: Side) {
        self.finish(side);
        if self.fate == Fate::Intact {
            self.incoming(side).abandon();
        }
    }

    fn outgoing(&mut self, side: Side) -> &mut Pipe {
        match side {
            Side::Dialling => &mut self.forth,
            Side::Accepting => &mut self.back,
        }
    }

    fn incoming(&mut self, side: Side) -> &mut Pipe {
        match side {
            Side::Dialling => &mut self.back,
            Side::Accepting => &mut self.forth,
        }
    }

    fn forget_bytes(&mut self) {
        self.forth.discard();
        self.back.discard();
    }

    fn wake(&mut self) {
        self.forth.wake();
        self.back.wake();
    }
}
