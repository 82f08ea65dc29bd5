//! What grows with what a miner does, in bytes, for whoever counts memory. The rest of a session is as large as any other's.

use super::mining::Mining;
use super::{Downstream, Phase, Resumable};

// === impl Downstream ===

impl Downstream {
    /// Bytes of the shares that are remembered, and of what holds them.
    #[must_use]
    pub fn work_bytes(&self) -> usize {
        match &self.phase {
            Phase::Fresh(_) | Phase::Waiting(_) | Phase::Subscribed(_) => 0,
            Phase::Mining(mining) => mining.bytes(),
        }
    }
}

// === impl Resumable ===

impl Resumable {
    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.mining.bytes()
    }
}

// === impl Mining ===

impl Mining {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.seen.bytes()
    }
}
