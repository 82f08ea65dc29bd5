//! What a listener and its route ask of a miner, and what they do for it.

use std::time::{Duration, Instant};

use crate::firmware::Profiles;
use crate::types::VersionMask;
use crate::vardiff::VardiffSettings;

/// What a listener and its route allow and ask of a miner; from configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Difficulty and its bounds.
    pub vardiff: VardiffSettings,
    /// For subscribe and authorize together.
    pub handshake_timeout: Duration,
    /// Without a line from the miner while it has work.
    pub idle_timeout: Duration,
    /// What becomes of miners while no pool can be mined on.
    pub no_pool: NoPool,
    /// The version bits that we let roll where the pool does.
    pub version_mask: VersionMask,
    /// What is known of the software of miners.
    pub firmware: Profiles,
    /// What becomes of miners that have subscribed and not authorized.
    pub nameless: Nameless,
}

// === impl Terms ===

impl Terms {
    /// Nobody is hurried and all that is known is granted: what a machine is tried and measured with, where it is not about
    /// its terms.
    #[must_use]
    pub fn generous(vardiff: VardiffSettings) -> Self {
        Self {
            vardiff,
            handshake_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            no_pool: NoPool::Hold,
            version_mask: VersionMask::ALL,
            firmware: Profiles::shipped(),
            nameless: Nameless::Served,
        }
    }
}

/// What becomes of miners that have subscribed and not authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nameless {
    /// Given work after two seconds, which some firmware waits for.
    Served,
    /// Given none: whom the listener lets in is decided by name.
    Wait,
}

/// What becomes of miners while no pool can be mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPool {
    /// Held, told so, and answered honestly.
    Hold,
    /// Told nothing yet: where its work comes from is being settled.
    Wait,
    /// Let go after this long, so that their own failover acts.
    Close {
        /// How long they are held first.
        after: Duration,
        /// Since when there has been nothing to mine on; none while there is. Who comes later is not held for as long again.
        since: Option<Instant>,
    },
}

// === impl NoPool ===

impl NoPool {
    /// When a miner is let go that has waited since `waiting`.
    pub(super) fn closes_at(self, waiting: Instant) -> Option<Instant> {
        match self {
            Self::Hold | Self::Wait => None,
            Self::Close { after, since } => {
                Some(since.map_or(waiting, |since| since.min(waiting)) + after)
            }
        }
    }
}
