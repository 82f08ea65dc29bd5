//! What a route would like of a pool, and at what pace the pool is told.

use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;

/// Suggestions to one pool are at least this far apart: a difficulty follows a farm's hashrate, which changes slowly.
const SUGGEST_EVERY: Duration = Duration::from_secs(60);

/// A wish that is nearer to the last suggestion than this factor is not worth a line.
const SUGGEST_FACTOR: f64 = 2.0;

/// What a route tells a pool's task. `Default`: nothing is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The difficulty that suits the hashrate that this pool has or would get, suggested to it after the login and when it
    /// changes much.
    pub(crate) difficulty: Option<Difficulty>,
}

/// What one connection has been told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suggested(Option<(Difficulty, Instant)>);

// === impl Suggested ===

impl Suggested {
    /// The difficulty to suggest now, which counts as suggested then.
    pub(super) fn take(&mut self, now: Instant, wanted: Wanted) -> Option<Difficulty> {
        self.due_at(now, wanted).filter(|at| *at <= now)?;
        self.0 = wanted.difficulty.map(|difficulty| (difficulty, now));
        wanted.difficulty
    }

    /// When there is something to suggest.
    pub(super) fn due_at(&self, now: Instant, wanted: Wanted) -> Option<Instant> {
        let wanted = wanted.difficulty?.as_f64();
        let Some((said, at)) = self.0 else { return Some(now) };
        let factor = wanted / said.as_f64();
        let far = factor >= SUGGEST_FACTOR || factor <= SUGGEST_FACTOR.recip();
        far.then(|| at + SUGGEST_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Wanted {
        Wanted { difficulty: Some(Difficulty::parse(text).expect("a difficulty")) }
    }

    #[test]
    fn the_first_wish_is_told_at_once_and_a_near_one_never() {
        let start = Instant::now();
        let mut suggested = Suggested::default();
        assert_eq!(suggested.take(start, Wanted::default()), None);
        assert_eq!(suggested.take(start, wanted("1000")), wanted("1000").difficulty);
        let later = start + Duration::from_secs(3600);
        for near in ["1000", "1999", "501"] {
            assert_eq!(suggested.due_at(later, wanted(near)), None, "{near}");
            assert_eq!(suggested.take(later, wanted(near)), None, "{near}");
        }
    }

    #[test]
    fn a_wish_that_has_doubled_is_told_once_a_minute() {
        let start = Instant::now();
        let mut suggested = Suggested::default();
        suggested.take(start, wanted("1000"));
        let soon = start + Duration::from_secs(1);
        assert_eq!(suggested.take(soon, wanted("2000")), None);
        let due = suggested.due_at(soon, wanted("2000")).expect("due");
        assert_eq!(due, start + SUGGEST_EVERY);
        assert_eq!(suggested.take(due, wanted("2000")), wanted("2000").difficulty);
        assert_eq!(suggested.due_at(due, wanted("1000")), Some(due + SUGGEST_EVERY), "or halved");
    }
}
