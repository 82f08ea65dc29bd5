//! What the sessions of a listener share, in the terms of the machine.

use std::ops::Range;
use std::time::Instant;

use loka_stratum::downstream::Registry;
use loka_stratum::extranonce::{Layout, MinerId};

use super::SessionContext;

/// The shared things, at one moment.
pub(super) struct Shared<'a> {
    pub(super) context: &'a SessionContext,
    pub(super) now: Instant,
}

// === impl Shared ===

impl Registry for Shared<'_> {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        self.context.ids.allocate(self.now, layout, banks)
    }

    fn release(&self, id: MinerId) {
        self.context.ids.release(self.now, id);
    }
}
