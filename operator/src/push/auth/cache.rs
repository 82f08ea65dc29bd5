//! What the API server said about a token, for a minute: pods that dial again and again are not to
//! cost it a review each time. Tokens are kept by their hash only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::Claim;

/// A token that is revoked is accepted so much longer.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// More than pods may be connected at once.
const ENTRIES_MAX: usize = 8192;

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// The accepted tokens of the last minute. Refusals are not kept: what was wrong may be put right.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<TokenHash, Entry>,
}

struct Entry {
    claim: Claim,
    until: Instant,
}

// === impl TokenHash ===

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

// === impl Cache ===

impl Cache {
    pub(super) fn find(&self, hash: &TokenHash, now: Instant) -> Option<&Claim> {
        let entry = self.entries.get(hash)?;
        (now < entry.until).then_some(&entry.claim)
    }

    pub(super) fn keep(&mut self, hash: TokenHash, claim: Claim, now: Instant) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|_, entry| now < entry.until);
        }
        if self.entries.len() >= ENTRIES_MAX {
            // All of the last minute: it costs a review each, no more.
            self.entries.clear();
        }
        self.entries.insert(hash, Entry { claim, until: now + KEPT_FOR });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::PodId;

    fn claim() -> Claim {
        Claim {
            namespace: "mining".to_owned(),
            service_account: "farm".to_owned(),
            pod: PodId { name: "farm-0".to_owned(), uid: "u-0".to_owned() },
        }
    }

    #[test]
    fn a_token_is_known_for_a_minute_and_another_is_not() {
        let now = Instant::now();
        let mut cache = Cache::default();
        cache.keep(TokenHash::of("a"), claim(), now);
        let found = |token, at| cache.find(&TokenHash::of(token), at).is_some();
        assert!(found("a", now + KEPT_FOR - Duration::from_millis(1)));
        assert!(!found("a", now + KEPT_FOR));
        assert!(!found("b", now));
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_drops_the_expired_first() {
        let now = Instant::now();
        let mut cache = Cache::default();
        cache.keep(TokenHash::of("old"), claim(), now);
        let later = now + KEPT_FOR;
        for number in 1..ENTRIES_MAX + 1 {
            cache.keep(TokenHash::of(&number.to_string()), claim(), later);
        }
        assert_eq!(cache.entries.len(), ENTRIES_MAX);
        assert!(cache.find(&TokenHash::of("1"), later).is_some());
        cache.keep(TokenHash::of("one more"), claim(), later);
        assert!(cache.entries.len() <= ENTRIES_MAX);
        assert!(cache.find(&TokenHash::of("one more"), later).is_some());
    }
}
