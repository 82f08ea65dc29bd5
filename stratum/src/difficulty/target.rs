//! The number that a hash must not exceed, and the 256-bit arithmetic behind it.

use std::cmp::Ordering;
use std::fmt;

use crate::hex::{self, HexError};
use crate::types::NBits;

use super::ShareHash;

/// A 256-bit number: the largest hash that still counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// Least significant first.
    limbs: [u64; 4],
}

/// 0xFFFF·2²⁰⁸, the target of difficulty 1, in the fourth of the 64-bit limbs.
const ONE_TOP_LIMB: u64 = 0xffff << 16;

/// As a float, exactly.
const ONE_F64: f64 = 65_535.0 * ((1_u128 << 104) as f64) * ((1_u128 << 104) as f64);

/// Largest power of ten below 2⁶⁴.
const TEN_POWER_MAX: u32 = 19;

// === impl Target ===

impl Target {
    /// Every hash meets it.
    pub const MAX: Self = Self { limbs: [u64::MAX; 4] };
    /// No hash of this universe meets it.
    pub const ZERO: Self = Self { limbs: [0; 4] };

    /// The network's target from its compact form: mantissa·256^(exponent−3).
    ///
    /// A negative or overflowing form gives [`Self::ZERO`]: by consensus no block is valid at it.
    #[must_use]
    pub fn from_nbits(nbits: NBits) -> Self {
        let [exponent, high, mid, low] = nbits.0.to_be_bytes();
        if high & 0x80 != 0 {
            return Self::ZERO;
        }
        let mut bytes = [0; 32];
        for (digit, place) in [low, mid, high].into_iter().zip(i32::from(exponent) - 3..) {
            // Bytes below the units fall away; a byte above the top must be zero.
            let Ok(place) = usize::try_from(place) else { continue };
            match bytes.get_mut(place) {
                Some(byte) => *byte = digit,
                None if digit == 0 => {}
                None => return Self::ZERO,
            }
        }
        Self::from_le_bytes(bytes)
    }

    /// From 32 bytes, least significant first.
    #[must_use]
    pub fn from_le_bytes(bytes: [u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, word) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*word);
        }
        Self { limbs }
    }

    /// As 32 bytes, least significant first.
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (word, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.limbs) {
            *word = limb.to_le_bytes();
        }
        bytes
    }

    /// From 64 hexadecimal digits, most significant first, as it is displayed.
    ///
    /// # Errors
    /// Anything but 64 hexadecimal digits.
    pub fn from_be_hex(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; 32];
        hex::decode_into(text, &mut bytes)?;
        bytes.reverse();
        Ok(Self::from_le_bytes(bytes))
    }

    /// Whether `hash`, read as a number, is this target or below.
    #[must_use]
    pub fn is_met_by(&self, hash: &ShareHash) -> bool {
        Self::from_le_bytes(*hash.as_bytes()) <= *self
    }

    /// The difficulty of this target, to the precision of a float; infinite for zero.
    #[must_use]
    pub fn difficulty_f64(self) -> f64 {
        let two_to_64 = (1_u128 << 64) as f64;
        ONE_F64 / self.limbs.iter().rev().fold(0.0, |sum, limb| sum * two_to_64 + *limb as f64)
    }

    /// ⌊0xFFFF·2²⁰⁸·10^scale / divisor⌋, at most [`Self::MAX`].
    pub(super) fn of_ratio(scale: u32, divisor: u64) -> Self {
        // 224 bits and up to 10^36 (120 bits) fit six limbs.
        let mut limbs = [0, 0, 0, ONE_TOP_LIMB, 0, 0];
        let mut powers = scale;
        while powers > 0 {
            let step = powers.min(TEN_POWER_MAX);
            multiply(&mut limbs, 10_u64.pow(step));
            powers -= step;
        }
        divide(&mut limbs, divisor);
        match limbs {
            [a, b, c, d, 0, 0] => Self { limbs: [a, b, c, d] },
            _ => Self::MAX,
        }
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        self.limbs.iter().rev().cmp(other.limbs.iter().rev())
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.limbs;
        write!(f, "{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Multiplies a number of limbs, least significant first. What leaves the top is lost: callers
/// leave room.
fn multiply(limbs: &mut [u64], factor: u64) {
    let mut carry = 0;
    for limb in limbs {
        (*limb, carry) = limb.carrying_mul(factor, carry);
    }
}

/// Divides a number of limbs, least significant first, rounding down.
fn divide(limbs: &mut [u64], divisor: u64) {
    let divisor = u128::from(divisor.max(1));
    let mut remainder = 0_u128;
    for limb in limbs.iter_mut().rev() {
        let dividend = remainder << 64 | u128::from(*limb);
        // The remainder is below the divisor, so the quotient is below 2^64.
        *limb = u64::try_from(dividend / divisor).unwrap_or(u64::MAX);
        remainder = dividend % divisor;
    }
}
