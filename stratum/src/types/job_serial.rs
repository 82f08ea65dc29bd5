//! The job ids that miners see.
//!
//! Pools repeat their ids and two pools use the same ones, so miners are sent a counter of the
//! process instead. It does not carry the pool's id: the job does.

use std::fmt;

/// A job id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobSerial(pub u64);

/// Digits of the largest serial.
const DIGITS_MAX: usize = 16;

impl JobSerial {
    /// The serial that one to sixteen hexadecimal digits spell. Anything else is no job of ours;
    /// `u64::from_str_radix` alone would let a sign through.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.len() <= DIGITS_MAX && crate::hex::is_hex(text);
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    /// The serial after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for JobSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for serial in [0, 1, 0xabc, u64::MAX].map(JobSerial) {
            assert_eq!(JobSerial::parse(&serial.to_string()), Some(serial));
        }
        assert_eq!(JobSerial(0xabc).next().to_string(), "abd");
    }

    #[test]
    fn only_hexadecimal_digits_name_a_job() {
        for refused in ["", "+1", "-1", "zz", "0x1", " 1", "1 ", "1_0", "10000000000000000", "é"] {
            assert_eq!(JobSerial::parse(refused), None, "{refused:?}");
        }
    }
}
