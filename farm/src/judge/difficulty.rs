//! Share difficulty as the exact decimal that stands in the pool's message, and its target.
//!
//! It is computed on integers throughout: a floating point quotient would move the target by a
//! few parts in 2^53, and a share that falls between the two would be judged wrongly.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use bitcoin::Target;

/// The most digits after the point: 10^18 is the largest power of ten with room to spare in 64
/// bits.
const SCALE_MAX: u32 = 18;
/// The share target of difficulty 1 is 0xFFFF · 2^208; these are its 32-bit limbs, least first,
/// with four more on top for the scale.
const LIMBS: usize = 10;
const DIFFICULTY_ONE_LIMB: usize = 6;

/// An exact positive decimal below 2^64: `mantissa / 10^scale`, without trailing zeros.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Difficulty {
    mantissa: NonZeroU64,
    scale: u32,
}

/// Why a text is no difficulty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DifficultyError {
    NotDecimal,
    TooPrecise,
    Zero,
}

// === impl Difficulty ===

impl Difficulty {
    pub const ONE: Self = Self { mantissa: NonZeroU64::MIN, scale: 0 };

    /// Reads a decimal, with or without an exponent.
    pub fn parse(text: &str) -> Result<Self, DifficultyError> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => {
                (number, exponent.parse::<i32>().map_err(|_| DifficultyError::NotDecimal)?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(DifficultyError::NotDecimal);
        }
        let decimals = i32::try_from(fraction.len()).map_err(|_| DifficultyError::TooPrecise)?;
        let scale = decimals.checked_sub(exponent).ok_or(DifficultyError::TooPrecise)?;
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Err(DifficultyError::Zero);
        }
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let trailing = i32::try_from(trailing).map_err(|_| DifficultyError::TooPrecise)?;
        let mantissa: u64 = significant.parse().map_err(|_| DifficultyError::TooPrecise)?;
        Self::scaled(mantissa, scale.saturating_sub(trailing))
    }

    /// The nearest difficulty of three significant digits, for figures that were measured.
    pub fn rounded(value: f64) -> Option<Self> {
        Self::parse(&format!("{value:.2e}")).ok()
    }

    /// `mantissa / 10^scale` for a mantissa without trailing zeros and a scale of either sign.
    fn scaled(mantissa: u64, scale: i32) -> Result<Self, DifficultyError> {
        let (mantissa, scale) = match u32::try_from(scale) {
            Ok(scale) => (Some(mantissa), scale),
            Err(_) => {
                let power = 10_u64.checked_pow(scale.unsigned_abs());
                (power.and_then(|power| mantissa.checked_mul(power)), 0)
            }
        };
        match mantissa.and_then(NonZeroU64::new) {
            Some(mantissa) if scale <= SCALE_MAX => Ok(Self { mantissa, scale }),
            Some(_) | None => Err(DifficultyError::TooPrecise),
        }
    }

    /// For display and statistics only.
    pub fn as_f64(self) -> f64 {
        self.mantissa.get() as f64 / self.unit() as f64
    }

    /// `floor(0xFFFF · 2^208 / difficulty)`, at most 2^256 − 1. A hash is good if it is not above.
    pub fn target(self) -> Target {
        let quotient = divided(multiplied(difficulty_one(), self.unit()), self.mantissa);
        let (low, high) = quotient.split_at(8);
        if high.iter().any(|&limb| limb != 0) {
            return Target::from_le_bytes([0xff; 32]);
        }
        let mut bytes = [0; 32];
        for (out, limb) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(low) {
            *out = limb.to_le_bytes();
        }
        Target::from_le_bytes(bytes)
    }

    /// 10^scale, below 2^60.
    fn unit(self) -> u64 {
        10_u64.saturating_pow(self.scale)
    }

    /// The number in units of 10^−18, exact: below 2^64 · 10^18 < 2^124.
    pub(super) fn attos(self) -> u128 {
        u128::from(self.mantissa.get()) * 10_u128.saturating_pow(SCALE_MAX - self.scale)
    }
}

impl fmt::Display for DifficultyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "it is not a plain decimal number such as 0.0001 or 1024",
            Self::TooPrecise => "it has more digits than 64 bits and 18 decimals hold",
            Self::Zero => "it is zero; a difficulty is greater than 0",
        })
    }
}

impl std::error::Error for DifficultyError {}

impl Ord for Difficulty {
    fn cmp(&self, other: &Self) -> Ordering {
        self.attos().cmp(&other.attos())
    }
}

impl PartialOrd for Difficulty {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Difficulty {
    type Err = DifficultyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A plain decimal without exponent, integers as integers: old firmware reads with `atoi`.
impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_attos(f, self.attos())
    }
}

/// Writes a number of units of 10^−18 as a decimal.
pub(super) fn write_attos(f: &mut fmt::Formatter<'_>, attos: u128) -> fmt::Result {
    let unit = 10_u128.pow(SCALE_MAX);
    let (whole, fraction) = (attos / unit, attos % unit);
    if fraction == 0 {
        return write!(f, "{whole}");
    }
    let decimals = format!("{fraction:018}");
    write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
}

/// Little-endian 32-bit limbs, so that every product and every partial dividend fits in 128 bits.
fn difficulty_one() -> [u32; LIMBS] {
    // 2^208 = 2^(6·32) · 2^16
    std::array::from_fn(|limb| if limb == DIFFICULTY_ONE_LIMB { 0xffff << 16 } else { 0 })
}

fn multiplied(mut number: [u32; LIMBS], factor: u64) -> [u32; LIMBS] {
    let mut carry = 0_u128;
    for limb in &mut number {
        let product = u128::from(*limb) * u128::from(factor) + carry;
        (*limb, carry) = (low_limb(product), product >> 32);
    }
    number
}

fn divided(mut number: [u32; LIMBS], divisor: NonZeroU64) -> [u32; LIMBS] {
    let divisor = u128::from(divisor.get());
    let mut remainder = 0_u128;
    for limb in number.iter_mut().rev() {
        let part = remainder << 32 | u128::from(*limb);
        (*limb, remainder) = (low_limb(part / divisor), part % divisor);
    }
    number
}

/// The low 32 bits.
fn low_limb(number: u128) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
