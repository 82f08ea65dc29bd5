//! What the sessions of a listener share, in the terms of the machine.

use std::ops::Range;
use std::time::Instant;

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{Registry, Resume};
use loka_stratum::extranonce::{Layout, MinerId};
use loka_stratum::types::WorkerName;

use super::SessionContext;

/// The shared things, at one moment.
pub(super) struct Shared<'a> {
    pub(super) context: &'a SessionContext,
    pub(super) now: Instant,
}

// === impl Shared ===

impl Shared<'_> {
    /// Takes back the ids of those who have not come back in time.
    pub(super) fn give_up(&self) {
        for session in self.context.resumables.given_up(self.now) {
            session.ids().for_each(|id| self.context.ids.release(self.now, id));
        }
    }
}

impl Registry for Shared<'_> {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        self.give_up();
        self.context.ids.allocate(self.now, layout, banks)
    }

    fn release(&self, id: MinerId) {
        self.context.ids.release(self.now, id);
    }

    fn resume(&self, session: &str) -> Resume {
        self.context.resumables.resume(self.now, session)
    }

    fn remembered(&self, worker: &WorkerName) -> Option<Difficulty> {
        self.context.memory.recall(self.now, worker)
    }
}
