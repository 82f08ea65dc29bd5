//! Hashes per second, as estimated from work that was credited.

use std::fmt;
use std::time::Duration;

/// Hashes per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Hashrate(f64);

/// Hashes that a share of difficulty 1 stands for on average: 2²⁵⁶ / (0xFFFF·2²⁰⁸), which is
/// 2³²·65536/65535 and not 2³² as is often written.
const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0 * 65_536.0 / 65_535.0;

const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

impl Hashrate {
    /// No hashes at all.
    pub const ZERO: Self = Self(0.0);

    /// The rate that yields shares of this total difficulty in this time. Zero time gives zero.
    #[must_use]
    pub fn from_work(difficulty_sum: f64, over: Duration) -> Self {
        let seconds = over.as_secs_f64();
        if seconds > 0.0 {
            Self(difficulty_sum * HASHES_PER_DIFFICULTY / seconds)
        } else {
            Self::ZERO
        }
    }

    /// Hashes per second.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Hashrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        let mut shown = "";
        for prefix in PREFIXES {
            shown = prefix;
            // 999.995 would print as 1000.00.
            if value < 999.995 {
                break;
            }
            if prefix != "E" {
                value /= 1000.0;
            }
        }
        write!(f, "{value:.2} {shown}H/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_over_time_uses_the_exact_factor() {
        let rate = Hashrate::from_work(1.0, Duration::from_secs(1));
        assert!((rate.as_f64() - 4_295_032_833.000_015).abs() < 1e-3, "{}", rate.as_f64());
        assert_eq!(Hashrate::from_work(1.0, Duration::ZERO), Hashrate::ZERO);
    }

    #[test]
    fn display_picks_the_prefix() {
        for (rate, text) in [
            (0.0, "0.00 H/s"),
            (999.0, "999.00 H/s"),
            (999.999, "1.00 kH/s"),
            (1.234e12, "1.23 TH/s"),
            (6e18, "6.00 EH/s"),
            (1.5e22, "15000.00 EH/s"),
        ] {
            assert_eq!(Hashrate(rate).to_string(), text);
        }
    }
}
