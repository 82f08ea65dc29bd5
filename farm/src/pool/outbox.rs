//! Lines on their way to one connection, each with the moment from which it may leave.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Lines that wait for a connection that does not read; beyond it the connection is closed.
const LINES_MAX: usize = 4096;

/// Two bounded queues, each of which keeps its order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ordered: VecDeque<(Instant, Vec<u8>)>,
    late: VecDeque<(Instant, Vec<u8>)>,
}

/// The queue that a line waits in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// A line that takes its time holds back what follows, so that a handshake keeps its order.
    Ordered,
    /// What is late by itself: everything in the other lane passes it.
    Late,
}

/// The reader is too slow.
#[derive(Debug)]
pub(super) struct Overflow;

// === impl Outbox ===

impl Outbox {
    pub(super) fn push(&mut self, lane: Lane, due: Instant, line: Vec<u8>) -> Result<(), Overflow> {
        if self.ordered.len() + self.late.len() >= LINES_MAX {
            return Err(Overflow);
        }
        let lines = match lane {
            Lane::Ordered => &mut self.ordered,
            Lane::Late => &mut self.late,
        };
        let due = lines.back().map_or(due, |(last, _)| due.max(*last));
        lines.push_back((due, line));
        Ok(())
    }

    /// The bytes that may leave now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        for lines in [&mut self.late, &mut self.ordered] {
            while lines.front().is_some_and(|(due, _)| *due <= now) {
                bytes.extend(lines.pop_front().into_iter().flat_map(|(_, line)| line));
            }
        }
        bytes
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let fronts = [self.ordered.front(), self.late.front()];
        fronts.into_iter().flatten().map(|(due, _)| *due).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ordered.is_empty() && self.late.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.ordered.clear();
        self.late.clear();
    }
}
