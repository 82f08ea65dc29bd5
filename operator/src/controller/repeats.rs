//! A failure that stays the same, told now and then instead of each time.

use std::time::{Duration, Instant};

/// A failure that lasts is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// What failed last, and when that was told.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: Option<(String, Instant)>,
    kept_back: u64,
}

// === impl Repeats ===

impl Repeats {
    /// It failed. `Some` if that is to be told, with how often it was not told since the last time.
    pub(super) fn failed(&mut self, how: String, now: Instant) -> Option<u64> {
        let is_told = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == how && now.duration_since(*at) < AGAIN_AFTER);
        if is_told {
            self.kept_back = self.kept_back.saturating_add(1);
            return None;
        }
        self.last = Some((how, now));
        Some(std::mem::take(&mut self.kept_back))
    }

    /// It works again: the next failure is news.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_first_when_it_changes_when_it_lasts_and_when_it_comes_back() {
        let mut repeats = Repeats::default();
        let at = Instant::now();
        let mut failed =
            |how: &str, seconds| repeats.failed(how.to_owned(), at + Duration::from_secs(seconds));
        assert_eq!(failed("refused", 0), Some(0));
        assert_eq!(failed("refused", 30), None);
        assert_eq!(failed("refused", 299), None);
        assert_eq!(failed("refused", 300), Some(2));
        assert_eq!(failed("403", 301), Some(0));
        assert_eq!(failed("403", 302), None);
        repeats.worked();
        assert_eq!(repeats.failed("403".to_owned(), at + Duration::from_secs(303)), Some(0));
    }
}
