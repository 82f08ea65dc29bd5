//! Quantiles of a stream of durations, in a fixed number of buckets that forget.
//!
//! Buckets are an eighth of an octave wide at most (12.5 %), from a quarter of a millisecond to two minutes; integers
//! alone decide which one, so every machine gives the same answer. A quantile is the upper edge of its bucket: it errs
//! towards patience.

use std::time::Duration;

/// Durations up to this many microseconds share the first bucket: no pool is nearer.
const FIRST_MICROS_LOG2: u32 = 8;

/// Buckets per octave, as a power of two.
const SUB_BUCKETS_LOG2: u32 = 3;

/// Octaves above the first bucket: to 2^27 µs, 134 s, which no submit timeout exceeds.
const OCTAVES: u32 = 19;

/// One for the shortest, eight per octave; the last takes all that is longer.
const BUCKETS: usize = 1 + ((OCTAVES as usize) << SUB_BUCKETS_LOG2);

/// Weight at which everything is halved: the estimate is of the last four thousand verdicts or so, of which p99.9 leaves
/// four out.
const WEIGHT_MAX: u32 = 4096;

/// A verdict weighs this much, so that halving keeps it apart from nothing for some rounds.
const WEIGHT: u32 = 16;

/// How long a pool takes for its verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    /// Verdicts that this is made of, older ones weighing less.
    pub(crate) samples: u32,
    /// Half of the verdicts came within this; absent without any.
    pub(crate) p50: Option<Duration>,
    /// All but one of a thousand came within this; of fewer verdicts, all.
    pub(crate) p999: Option<Duration>,
}

/// The histogram.
#[derive(Debug)]
pub(super) struct LatencyEstimate {
    buckets: Box<[u32; BUCKETS]>,
    weight: u32,
}

// === impl LatencyEstimate ===

impl Default for LatencyEstimate {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), weight: 0 }
    }
}

impl LatencyEstimate {
    pub(super) fn add(&mut self, duration: Duration) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(duration)) {
            *bucket += WEIGHT;
            self.weight += WEIGHT;
        }
        if self.weight >= WEIGHT_MAX * WEIGHT {
            for bucket in self.buckets.iter_mut() {
                *bucket /= 2;
            }
            self.weight = self.buckets.iter().sum();
        }
    }

    pub(super) fn latency(&self) -> Latency {
        Latency { samples: self.weight / WEIGHT, p50: self.quantile(500), p999: self.quantile(999) }
    }

    /// The upper edge of the bucket that `permille` of all weight is in or below.
    fn quantile(&self, permille: u64) -> Option<Duration> {
        let needed = (u64::from(self.weight) * permille).div_ceil(1000);
        let mut below = 0;
        let reached = |weight: &u32| {
            below += u64::from(*weight);
            below >= needed
        };
        let bucket = self.buckets.iter().position(reached).filter(|_| self.weight > 0)?;
        Some(upper_edge(bucket))
    }
}

fn bucket_of(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros <= 1 << FIRST_MICROS_LOG2 {
        return 0;
    }
    // An upper edge belongs to its bucket.
    let micros = micros - 1;
    let octave = micros.ilog2();
    let sub = (micros >> (octave - SUB_BUCKETS_LOG2)) & ((1 << SUB_BUCKETS_LOG2) - 1);
    let sub = usize::try_from(sub).unwrap_or(0);
    let octaves = usize::try_from(octave - FIRST_MICROS_LOG2).unwrap_or(usize::MAX);
    (1 + (octaves << SUB_BUCKETS_LOG2) + sub).min(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> Duration {
    let Some(above) = bucket.checked_sub(1) else {
        return Duration::from_micros(1 << FIRST_MICROS_LOG2);
    };
    let sub = 1 + u64::try_from(above % (1 << SUB_BUCKETS_LOG2)).unwrap_or(0);
    let octave = FIRST_MICROS_LOG2 + u32::try_from(above >> SUB_BUCKETS_LOG2).unwrap_or(OCTAVES);
    Duration::from_micros((1 << octave) + (sub << (octave - SUB_BUCKETS_LOG2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations_ms: impl IntoIterator<Item = u64>) -> Latency {
        let mut estimate = LatencyEstimate::default();
        for ms in durations_ms {
            estimate.add(Duration::from_millis(ms));
        }
        estimate.latency()
    }

    #[test]
    fn without_a_verdict_nothing_is_said() {
        assert_eq!(of([]), Latency { samples: 0, p50: None, p999: None });
    }

    #[test]
    fn one_in_a_thousand_is_left_out_and_two_are_not() {
        let slow = |count| std::iter::repeat_n(900, count);
        let one = of(std::iter::repeat_n(40, 1999).chain(slow(1))).p999.expect("verdicts");
        assert!((40..=45).contains(&one.as_millis()), "{one:?}");
        let three = of(std::iter::repeat_n(40, 1997).chain(slow(3))).p999.expect("verdicts");
        assert!((900..=1013).contains(&three.as_millis()), "{three:?}");
    }

    #[test]
    fn of_few_verdicts_the_slowest_counts() {
        let few = of([10, 10, 500]);
        assert_eq!(few.samples, 3);
        assert!(few.p50.expect("verdicts").as_millis() <= 12);
        assert!((500..=563).contains(&few.p999.expect("verdicts").as_millis()));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let slow_then_fast = std::iter::repeat_n(2000, 4000).chain(std::iter::repeat_n(20, 80_000));
        let latency = of(slow_then_fast);
        assert!(latency.p999.expect("verdicts").as_millis() <= 23, "{latency:?}");
        assert!(latency.samples <= WEIGHT_MAX);
    }

    #[test]
    fn a_duration_lies_in_its_bucket_and_an_eighth_below_its_edge() {
        let mut micros: u64 = 0;
        while micros < 134_000_000 {
            for micros in [micros.saturating_sub(1), micros, micros + 1] {
                let duration = Duration::from_micros(micros);
                let edge = upper_edge(bucket_of(duration));
                assert!(duration <= edge, "{duration:?} above {edge:?}");
                let near = micros <= 256 || edge <= duration.mul_f64(1.126);
                assert!(near, "{duration:?} far below {edge:?}");
            }
            micros += 1 + micros / 37;
        }
        for octave in 8..27 {
            let duration = Duration::from_micros(1 << octave);
            assert_eq!(upper_edge(bucket_of(duration)), duration, "an edge is its bucket's");
        }
    }

    #[test]
    fn any_duration_is_taken() {
        for seconds in [0, 135, 100_000, u64::MAX] {
            let mut estimate = LatencyEstimate::default();
            estimate.add(Duration::from_secs(seconds));
            assert!(estimate.latency().p999.is_some(), "{seconds}");
        }
    }
}
