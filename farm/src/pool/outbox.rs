//! Lines on their way to one connection, each with the moment from which it may leave.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Lines that wait for a connection that does not read; beyond it the connection is closed.
const LINES_MAX: usize = 4096;

/// A bounded queue that keeps its order: a reply that takes its time holds back what follows.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<(Instant, Vec<u8>)>,
}

/// The reader is too slow.
#[derive(Debug)]
pub(super) struct Overflow;

// === impl Outbox ===

impl Outbox {
    pub(super) fn push(&mut self, due: Instant, line: Vec<u8>) -> Result<(), Overflow> {
        if self.lines.len() >= LINES_MAX {
            return Err(Overflow);
        }
        let due = self.lines.back().map_or(due, |(last, _)| due.max(*last));
        self.lines.push_back((due, line));
        Ok(())
    }

    /// The bytes that may leave now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.next_due().is_some_and(|due| due <= now) {
            bytes.extend(self.lines.pop_front().into_iter().flat_map(|(_, line)| line));
        }
        bytes
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lines.front().map(|(due, _)| *due)
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}
