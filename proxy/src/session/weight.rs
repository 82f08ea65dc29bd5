//! What a session has grown by, for whoever counts memory.

use std::sync::atomic::AtomicUsize;

use super::driver::Session;
use crate::room;

// === impl Session ===

impl Session {
    /// By how many bytes all sessions of its listener have grown.
    pub(crate) fn growth(&self) -> &AtomicUsize {
        &self.context.growth
    }

    /// Counts its buffers and the shares that are remembered of it, as they are now.
    pub(super) fn weigh(&mut self) {
        let bytes = self.wire.bytes() + self.machine.work_bytes();
        self.weighs(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// It counts no more.
    pub(super) fn weigh_nothing(&mut self) {
        self.weighs(0);
    }

    fn weighs(&mut self, bytes: u32) {
        room::weigh(&self.context.growth, self.growth as usize, bytes as usize);
        self.growth = bytes;
    }
}
