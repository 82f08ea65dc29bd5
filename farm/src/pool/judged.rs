//! What the pool judged, share by share, for whoever compares it with what miners sent.
//!
//! Nothing is kept until somebody asks for it.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::judge::{Claim, Verdict};
use crate::wire::decode_hex;

/// What tells a share from all others, whichever way it came: a proxy may put bytes before the
/// miner's extranonce2, and changes nothing else.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShareKey {
    nonce: u32,
    ntime: u32,
    /// The last two bytes of the extranonce2.
    extranonce2_end: [u8; 2],
}

/// One share, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    pub key: ShareKey,
    pub user: String,
    pub at: Instant,
    pub verdict: Verdict,
}

/// The newest that were not yet taken.
#[derive(Debug, Default)]
pub(super) struct JudgedLog {
    kept: Option<VecDeque<Judged>>,
}

/// More than an hour of the largest simulated farm.
const JUDGED_MAX: usize = 1 << 18;

// === impl ShareKey ===

impl ShareKey {
    /// From the texts of a submit; `None` where they are no numbers.
    #[must_use]
    pub fn of(extranonce2: &str, ntime: &str, nonce: &str) -> Option<Self> {
        let extranonce2_end = *decode_hex(extranonce2)?.last_chunk()?;
        let number = |text| u32::from_str_radix(text, 16).ok();
        Some(Self { nonce: number(nonce)?, ntime: number(ntime)?, extranonce2_end })
    }
}

// === impl JudgedLog ===

impl JudgedLog {
    /// From now on.
    pub(super) fn keep(&mut self) {
        self.kept.get_or_insert_default();
    }

    pub(super) fn enter(&mut self, claim: Claim<'_>, at: Instant, verdict: Verdict) {
        let Some(kept) = &mut self.kept else { return };
        let key = ShareKey::of(claim.extranonce2, claim.ntime, claim.nonce);
        if let Some(key) = key {
            if kept.len() >= JUDGED_MAX {
                kept.pop_front();
            }
            kept.push_back(Judged { key, user: claim.user.to_owned(), at, verdict });
        }
    }

    pub(super) fn take(&mut self) -> Vec<Judged> {
        self.kept.as_mut().map(|kept| kept.drain(..).collect()).unwrap_or_default()
    }
}
