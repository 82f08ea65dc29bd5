//! When a pool was last heard of, for whoever books the time that miners spend on its work. A pool that has fallen silent pays
//! nobody, and that is known only later; until it is, nothing after its last sign is booked.
//!
//! Every time is an argument. What is found to be silence is decided elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The signs of life of one pool: its jobs and its verdicts.
#[derive(Debug)]
pub(crate) struct Pulse(
    /// Contended by the pool's task, its route's, and its miners' sessions, each once in some seconds.
    Mutex<Signs>,
);

#[derive(Clone, Copy, Debug)]
struct Signs {
    heard: Instant,
    silence: Option<Silence>,
}

/// The latest time without a sign that was found to be too long.
#[derive(Clone, Copy, Debug)]
struct Silence {
    from: Instant,
    /// When it was heard of again.
    until: Option<Instant>,
}

/// Whether whoever asks goes on working for the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// What is not known yet can be asked for later.
    Stays,
    /// It must be said now.
    Leaves,
}

/// What a time with a pool's work was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// The pool was there.
    pub(crate) live: Duration,
    /// It was silent.
    pub(crate) silent: Duration,
    /// Up to where that is known.
    pub(crate) until: Instant,
}

// === impl Pulse ===

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Signs { heard: now, silence: None }))
    }

    fn update(&self, change: impl FnOnce(&mut Signs)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A job has come. What was found in a silence before it may be judged by nobody.
    pub(crate) fn heard(&self, now: Instant) {
        self.update(|signs| signs.hear(now));
    }

    /// A verdict has come, on a share that was written then.
    pub(crate) fn answered(&self, now: Instant, written: Instant) {
        self.update(|signs| {
            signs.hear(now);
            // It was only slow.
            let is_of = |silence: &Silence| {
                silence.from <= written && silence.until.is_none_or(|until| written < until)
            };
            signs.silence = signs.silence.filter(|silence| !is_of(silence));
        });
    }

    /// It is taken to be silent since it was last heard of.
    pub(crate) fn is_missed(&self) {
        self.update(|signs| {
            if signs.silence.is_none_or(|silence| silence.until.is_some()) {
                let from = signs.heard;
                signs.silence = Some(Silence { from, until: None });
            }
        });
    }

    /// What the time from `since` to `now` with its work was. Never more than that time, and no part of it twice.
    pub(crate) fn spent(&self, since: Instant, now: Instant, stay: Stay) -> Spent {
        let Signs { heard, silence } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = match stay {
            Stay::Leaves => now,
            // A silence that is not over may yet turn out to be none.
            Stay::Stays => heard.clamp(since, now.max(since)),
        };
        let whole = until.saturating_duration_since(since);
        let silent = silence.map_or(Duration::ZERO, |Silence { from, until: end }| {
            let end = end.map_or(until, |end| end.min(until));
            end.saturating_duration_since(from.max(since))
        });
        Spent { live: whole.saturating_sub(silent), silent, until }
    }
}

// === impl Signs ===

impl Signs {
    fn hear(&mut self, now: Instant) {
        self.heard = now;
        if let Some(silence) = &mut self.silence {
            silence.until.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Live and silent seconds, and up to which second that is known.
    fn check(pulse: &Pulse, start: Instant, [since, now]: [u64; 2], stay: Stay) -> [u64; 3] {
        let at = |second| start + Duration::from_secs(second);
        let Spent { live, silent, until } = pulse.spent(at(since), at(now), stay);
        [live, silent, until.saturating_duration_since(start)].map(|time| time.as_secs())
    }

    #[test]
    fn what_is_not_known_yet_is_not_said_by_who_stays() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.heard(start + Duration::from_secs(30));
        assert_eq!(check(&pulse, start, [10, 40], Stay::Stays), [20, 0, 30]);
        assert_eq!(check(&pulse, start, [35, 40], Stay::Stays), [0, 0, 35]);
        assert_eq!(check(&pulse, start, [10, 40], Stay::Leaves), [30, 0, 40]);
        pulse.heard(start + Duration::from_secs(60));
        assert_eq!(check(&pulse, start, [30, 50], Stay::Stays), [20, 0, 50]);
    }

    #[test]
    fn a_pool_that_is_left_for_its_silence_was_worth_nothing_since_its_last_sign() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.heard(start + Duration::from_secs(30));
        pulse.is_missed();
        assert_eq!(check(&pulse, start, [10, 90], Stay::Stays), [20, 0, 30]);
        assert_eq!(check(&pulse, start, [10, 90], Stay::Leaves), [20, 60, 90]);
        assert_eq!(check(&pulse, start, [40, 90], Stay::Leaves), [0, 50, 90]);
    }

    #[test]
    fn a_silence_stays_one_when_the_pool_is_back() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.heard(start + Duration::from_secs(30));
        let at = |second| start + Duration::from_secs(second);
        pulse.is_missed();
        pulse.heard(at(90));
        pulse.answered(at(95), at(91));
        assert_eq!(check(&pulse, start, [10, 100], Stay::Stays), [25, 60, 95]);
        assert_eq!(check(&pulse, start, [10, 60], Stay::Leaves), [20, 30, 60]);
        assert_eq!(check(&pulse, start, [92, 100], Stay::Leaves), [8, 0, 100]);
    }

    #[test]
    fn a_pool_that_was_only_slow_was_there() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.is_missed();
        pulse.answered(start + Duration::from_secs(5), start + Duration::from_secs(1));
        assert_eq!(check(&pulse, start, [0, 9], Stay::Leaves), [9, 0, 9]);
    }
}
