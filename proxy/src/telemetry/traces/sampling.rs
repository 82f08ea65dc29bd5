//! Which traces are kept: by ratio, decided from the trace's id as the OpenTelemetry SDKs do, so
//! that every service that sees the trace decides alike.

use std::sync::atomic::{AtomicU64, Ordering};

use super::TraceRef;

/// A ratio that may be changed while the proxy runs.
#[derive(Debug)]
pub(in crate::telemetry) struct Sampling {
    /// Trace ids whose low 63 bits are below this are kept.
    bound: AtomicU64,
}

// === impl Sampling ===

impl Sampling {
    /// Keeps `ratio` of the traces; what lies outside 0 to 1 counts as the nearer end.
    pub(in crate::telemetry) fn new(ratio: f64) -> Self {
        Self { bound: AtomicU64::new(bound_of(ratio)) }
    }

    pub(super) fn set_ratio(&self, ratio: f64) {
        self.bound.store(bound_of(ratio), Ordering::Relaxed);
    }

    pub(super) fn keeps(&self, reference: TraceRef) -> bool {
        let [.., a, b, c, d, e, f, g, h] = reference.trace_id().to_bytes();
        let low = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        low < self.bound.load(Ordering::Relaxed)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=2^63, and a float cast saturates"
)]
fn bound_of(ratio: f64) -> u64 {
    const WHOLE: f64 = 9_223_372_036_854_775_808.0; // 2^63
    (ratio.clamp(0.0, 1.0) * WHOLE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(ratio: f64) -> usize {
        let sampling = Sampling::new(ratio);
        (0..2_000).filter(|_| sampling.keeps(TraceRef::random())).count()
    }

    #[test]
    fn the_ratio_is_kept_within_chance() {
        assert_eq!(kept(0.0), 0);
        assert_eq!(kept(1.0), 2_000);
        assert_eq!(kept(7.0), 2_000);
        assert!((800..1_200).contains(&kept(0.5)), "far from half");
    }
}
