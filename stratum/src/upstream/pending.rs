//! Submits whose verdict is awaited, bounded, in the order of their ids; and a pool's refusals as a closed set.

use std::collections::VecDeque;
use std::time::Instant;

/// Submits that may await a verdict on one connection: at one share per second and pool that is hours.
pub(super) const OUTSTANDING_MAX: usize = 10_000;

/// Blocks among them, beyond that bound: for a block there is always room.
pub(super) const BLOCKS_MAX: usize = 64;

/// What a submit is worth, which decides whether there is still room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It meets the network's target.
    Block,
    /// A share.
    Share,
}

/// Why a pool refused a share, from the codes 20 to 25.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PoolReject {
    /// 22.
    Duplicate,
    /// 23.
    LowDifficulty,
    /// 25.
    NotSubscribed,
    /// 20 and everything unknown.
    Other,
    /// 21: job not found, or stale.
    Stale,
    /// 24.
    Unauthorized,
}

#[derive(Debug)]
pub(super) struct Pending<T>(VecDeque<Entry<T>>);

#[derive(Debug)]
struct Entry<T> {
    request: u64,
    sent: Instant,
    token: T,
}

// === impl PoolReject ===

impl PoolReject {
    /// Every reason, for exposition.
    pub const ALL: [Self; 6] = [
        Self::Duplicate,
        Self::LowDifficulty,
        Self::NotSubscribed,
        Self::Other,
        Self::Stale,
        Self::Unauthorized,
    ];

    /// Reads a pool's error: the code where there is one, else well-known words (`reject-reason` has no code).
    pub fn from_error(code: Option<i64>, message: &str) -> Self {
        match code {
            Some(21) => return Self::Stale,
            Some(22) => return Self::Duplicate,
            Some(23) => return Self::LowDifficulty,
            Some(24) => return Self::Unauthorized,
            Some(25) => return Self::NotSubscribed,
            Some(_) | None => {}
        }
        let message = message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["stale", "job not found", "unknown-work", "invalid-job-id"]) {
            Self::Stale
        } else if says(&["duplicate"]) {
            Self::Duplicate
        } else if says(&["low difficulty", "above target", "high-hash", "difficulty-too-low"]) {
            Self::LowDifficulty
        } else if says(&["unauthorized"]) {
            Self::Unauthorized
        } else {
            Self::Other
        }
    }

    /// The reason as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::LowDifficulty => "low_difficulty",
            Self::NotSubscribed => "not_subscribed",
            Self::Other => "other",
            Self::Stale => "stale",
            Self::Unauthorized => "unauthorized",
        }
    }
}

// === impl Pending ===

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Pending<T> {
    pub(super) fn has_room(&self, worth: Worth) -> bool {
        let max = match worth {
            Worth::Block => OUTSTANDING_MAX + BLOCKS_MAX,
            Worth::Share => OUTSTANDING_MAX,
        };
        self.0.len() < max
    }

    pub(super) fn push(&mut self, request: u64, sent: Instant, token: T) -> Result<(), T> {
        if !self.has_room(Worth::Block) {
            return Err(token);
        }
        self.0.push_back(Entry { request, sent, token });
        Ok(())
    }

    /// Removes the entry of `request`; pools answer in order or nearly so.
    pub(super) fn take(&mut self, request: u64) -> Option<(Instant, T)> {
        let at = self.0.binary_search_by_key(&request, |entry| entry.request).ok()?;
        self.0.remove(at).map(|entry| (entry.sent, entry.token))
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.0.front().map(|entry| entry.sent)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_tokens(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|entry| entry.token)
    }
}
