//! Difficulty text → 256-bit target, exactly, by the farm's own arithmetic.
//!
//! Owns the number a found hash is compared with. It deliberately shares nothing with the proxy's
//! arithmetic: a miner that used the same code could not disagree with it.

use std::fmt;

/// Decimal digits after the point (or zeros before it) that a difficulty may carry: 10^18 is the
/// largest power of ten that leaves a `u64` mantissa exact.
const DIGITS_MAX: usize = 18;

/// 32-bit limbs of `0xFFFF · 2^208 · 10^18`: 224 bits of the first, 60 of the second.
const LIMBS: usize = 9;

/// What a hash, read as a little-endian number, must not exceed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Most significant limb first.
    limbs: [u64; 4],
}

/// The text of a difficulty that no miner could work at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("difficulty {text:?} is not a positive decimal number below 2^64")]
pub struct BadDifficulty {
    /// As received, cut.
    pub text: String,
}

// === impl Target ===

impl Target {
    /// Every hash meets it.
    pub const MAX: Self = Self { limbs: [u64::MAX; 4] };

    /// `floor(0xFFFF · 2^208 / difficulty)`, capped at [`Target::MAX`]; the difficulty is the text
    /// of a JSON number (`1024`, `0.00001`, `1e-05`).
    pub fn of_difficulty(text: &str) -> Result<Self, BadDifficulty> {
        let bad = || BadDifficulty { text: text.chars().take(64).collect() };
        let decimal = Decimal::parse(text).ok_or_else(bad)?;
        Ok(Self::quotient(decimal))
    }

    /// A hash in internal (header) byte order.
    #[must_use]
    pub fn is_met_by(self, hash: &[u8; 32]) -> bool {
        Self::of_hash(hash) <= self
    }

    /// The 64 most significant bits: a hash whose own are greater cannot meet the target.
    #[must_use]
    pub fn top(self) -> u64 {
        self.limbs[0]
    }

    fn of_hash(hash: &[u8; 32]) -> Self {
        let mut limbs = [0_u64; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(hash.chunks_exact(8)) {
            *limb = bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        }
        Self { limbs }
    }

    /// Schoolbook division, limb by limb.
    fn quotient(decimal: Decimal) -> Self {
        let mut limbs = scaled_numerator(decimal.digits_after_point);
        let mut remainder = 0_u128;
        for limb in &mut limbs {
            let dividend = (remainder << 32) | u128::from(*limb);
            remainder = dividend % u128::from(decimal.mantissa);
            *limb = low_32(dividend / u128::from(decimal.mantissa));
        }
        let (overflow, kept) = limbs.split_at(LIMBS - 8);
        if overflow.iter().any(|limb| *limb != 0) {
            return Self::MAX;
        }
        let mut target = [0_u64; 4];
        for (limb, pair) in target.iter_mut().zip(kept.chunks_exact(2)) {
            *limb = pair.iter().fold(0, |sum, half| (sum << 32) | u64::from(*half));
        }
        Self { limbs: target }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limbs.iter().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

/// `mantissa / 10^digits_after_point`, above zero.
#[derive(Clone, Copy)]
struct Decimal {
    mantissa: u64,
    digits_after_point: usize,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut mantissa = 0_u64;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            mantissa = mantissa.checked_mul(10)?.checked_add(value)?;
        }
        let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Self::normalised(mantissa, places)
    }

    /// A negative number of places is multiplied into the mantissa.
    fn normalised(mantissa: u64, places: i32) -> Option<Self> {
        if mantissa == 0 {
            return None;
        }
        let power = u32::try_from(places.min(0).checked_neg()?).ok()?;
        let mantissa = mantissa.checked_mul(10_u64.checked_pow(power)?)?;
        let digits_after_point = usize::try_from(places.max(0)).ok()?;
        (digits_after_point <= DIGITS_MAX).then_some(Self { mantissa, digits_after_point })
    }
}

/// `0xFFFF · 2^208 · 10^power`, most significant limb first.
fn scaled_numerator(power: usize) -> [u32; LIMBS] {
    let mut limbs = [0_u32; LIMBS];
    // 2^208 is bit 16 of the seventh limb from the right.
    limbs[LIMBS - 7] = 0xFFFF << 16;
    for _ in 0..power {
        let mut carry = 0_u128;
        for limb in limbs.iter_mut().rev() {
            let product = u128::from(*limb) * 10 + carry;
            *limb = low_32(product);
            carry = product >> 32;
        }
    }
    limbs
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is asked for")]
fn low_32(number: u128) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(difficulty: &str, target: &str) {
        assert_eq!(Target::of_difficulty(difficulty).unwrap().to_string(), target, "{difficulty}");
    }

    #[test]
    fn targets_equal_the_published_table() {
        check("0.00001", "0001869e79600000000000000000000000000000000000000000000000000000");
        check("1e-5", "0001869e79600000000000000000000000000000000000000000000000000000");
        check("0.002", "000001f3fe0c0000000000000000000000000000000000000000000000000000");
        check("1", "00000000ffff0000000000000000000000000000000000000000000000000000");
        check("1.0", "00000000ffff0000000000000000000000000000000000000000000000000000");
        check("42", "0000000006185b6db6db6db6db6db6db6db6db6db6db6db6db6db6db6db6db6d");
        check("699", "00000000005dc15f96860afcb43057e5a182bf2d0c15f96860afcb43057e5a18");
        check("16383.75", "0000000000040000000000000000000000000000000000000000000000000000");
        check("1E6", "00000000000010c6e6d9be4cd74927913e81450efdc9c4da9003eea209aaa3ad");
        check("4294967296", "0000000000000000ffff00000000000000000000000000000000000000000000");
    }

    #[test]
    fn a_difficulty_below_any_hash_caps_at_the_largest_target() {
        assert_eq!(Target::of_difficulty("0.0000000001"), Ok(Target::MAX));
        assert_ne!(Target::of_difficulty("0.000000001"), Ok(Target::MAX));
    }

    #[test]
    fn what_is_no_positive_number_below_2_to_the_64_is_refused() {
        for text in ["", "0", "0.0", "-1", "1e400", "NaN", "1e-19", "18446744073709551616", "1,5"] {
            assert!(Target::of_difficulty(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_equal_to_the_target_meets_it_and_one_more_does_not() {
        let target = Target::of_difficulty("1").unwrap();
        let mut hash = [0_u8; 32];
        hash[26] = 0xFF;
        hash[27] = 0xFF;
        assert!(target.is_met_by(&hash));
        hash[0] = 1;
        assert!(!target.is_met_by(&hash));
    }
}
