//! A running digest of all that the network delivered, by which two runs of one seed are compared.
//!
//! It keeps no bytes and draws nothing. It is meant for runs on one thread under paused time; on
//! several threads deliveries have no order of which a digest could be a function.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::link::{Side, StreamId};

#[derive(Debug)]
pub(super) struct Diary {
    started: Instant,
    /// Each entry's hash goes over the one before it.
    digest: AtomicU64,
}

// === impl Diary ===

impl Diary {
    pub(super) fn new(started: Instant) -> Self {
        Self { started, digest: AtomicU64::new(0) }
    }

    /// What one end of a connection read, and when; no bytes are the end of them.
    pub(super) fn enter(&self, now: Instant, id: StreamId, reader: Side, bytes: &[u8]) {
        // The hasher without keys: the same in every run of the same build.
        let mut hasher = DefaultHasher::new();
        let elapsed = now.saturating_duration_since(self.started);
        (self.digest(), elapsed, id, reader).hash(&mut hasher);
        hasher.write(bytes);
        self.digest.store(hasher.finish(), Ordering::Relaxed);
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.load(Ordering::Relaxed)
    }
}
