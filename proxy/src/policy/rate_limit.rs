//! A token bucket. It tells how long to wait, so that its user can stop reading instead of dropping: a limiter must
//! never cost a share that a pool would pay.

use std::time::{Duration, Instant};

/// Tokens that refill with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    tokens: f32,
    filled: Instant,
}

// === impl TokenBucket ===

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(now: Instant, burst: u32) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a burst is far below 2^24")]
        let tokens = burst as f32;
        Self { tokens, filled: now }
    }

    /// Takes a token, or tells how long it takes until there is one.
    #[expect(clippy::cast_precision_loss, reason = "rates and bursts are far below 2^24")]
    pub(crate) fn take(
        &mut self,
        now: Instant,
        per_second: u32,
        burst: u32,
    ) -> Result<(), Duration> {
        self.take_at(now, per_second.max(1) as f32, burst)
    }

    /// The same where a minute's tokens are the burst.
    #[expect(clippy::cast_precision_loss, reason = "rates and bursts are far below 2^24")]
    pub(crate) fn take_of_a_minute(
        &mut self,
        now: Instant,
        per_minute: u32,
    ) -> Result<(), Duration> {
        self.take_at(now, per_minute.max(1) as f32 / 60.0, per_minute)
    }

    #[expect(clippy::cast_precision_loss, reason = "rates and bursts are far below 2^24")]
    fn take_at(&mut self, now: Instant, rate: f32, burst: u32) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f32();
        self.tokens = elapsed.mul_add(rate, self.tokens).min(burst.max(1) as f32);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A hair more than needed, so that rounding cannot wake its user a moment too early for ever.
        Err(Duration::from_secs_f32((1.0 - self.tokens) / rate) + Duration::from_millis(1))
    }

    /// Gives back a token that was taken for nothing, or for what must not count.
    pub(crate) fn give_back(&mut self) {
        self.tokens += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 3);
        for _ in 0..3 {
            bucket.take(start, 2, 3).expect("within the burst");
        }
        let wait = bucket.take(start, 2, 3).expect_err("the burst is used up");
        assert!((500..=502).contains(&wait.as_millis()), "{wait:?}");
        bucket.take(start + wait, 2, 3).expect("refilled");
        bucket.take(start + wait, 2, 3).expect_err("only one token");
    }

    #[test]
    fn a_token_that_is_given_back_is_had_again() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 1);
        for _ in 0..3 {
            bucket.take(start, 1, 1).expect("given back");
            bucket.give_back();
        }
        bucket.take(start, 1, 1).expect("the last");
        bucket.take(start, 1, 1).expect_err("not given back");
    }

    #[test]
    fn a_long_rest_fills_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 2);
        let later = start + Duration::from_secs(3600);
        bucket.take(later, 20, 2).expect("one");
        bucket.take(later, 20, 2).expect("two");
        bucket.take(later, 20, 2).expect_err("not three");
    }
}
