//! How hard a share is: [`Difficulty`] as people and messages write it, [`Target`] as hashes are
//! compared, and [`ShareHash`], the hash itself.
//!
//! A difficulty is an exact decimal from its text to its target: no floating point lies between,
//! because a share that misses by one rounding is work that nobody pays. Floats go out only, for
//! statistics, and come in only where the proxy itself chooses a difficulty.
//!
//! Difficulty 1 is the target `00000000ffff0000…` ("bdiff"), which is what all Stratum V1
//! software means.

mod assignment;
mod share_hash;
mod target;

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

pub use assignment::Assignment;
pub use share_hash::ShareHash;
pub use target::Target;

/// An exact, positive decimal below 2⁶⁴.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Difficulty {
    /// Not zero, and not a multiple of ten unless `scale` is zero: equal values have equal fields.
    mantissa: u64,
    /// Decimal digits behind the point.
    scale: u8,
}

/// Why a text or a number is no difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DifficultyError {
    /// No decimal number; NaN and the infinities are none either.
    #[error("not a decimal number: write it like 1024, 0.5 or 1e-5")]
    NotANumber,
    /// Zero or less.
    #[error("not above zero: a difficulty is a positive number")]
    NotPositive,
    /// 2⁶⁴ or more.
    #[error("2^64 or more: no pool and no miner is that large")]
    TooLarge,
    /// Finer than can be held exactly.
    #[error(
        "too many digits: at most 19 significant ones and {} behind the point",
        Difficulty::SCALE_MAX
    )]
    TooPrecise,
}

// === impl Difficulty ===

impl Difficulty {
    /// Difficulty 1.
    pub const ONE: Self = Self { mantissa: 1, scale: 0 };

    /// Most digits behind the point. The shortest text of a double of 1e-19 still fits; any
    /// difficulty below 2.4e-10 has the same target, the largest.
    pub const SCALE_MAX: u8 = 36;

    /// Reads a number as JSON writes it, or the same in a string: an integer, a decimal fraction,
    /// either with an exponent.
    ///
    /// # Errors
    /// Anything that is not an exact decimal above 0 and below 2⁶⁴.
    pub fn parse(text: &str) -> Result<Self, DifficultyError> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(DifficultyError::NotANumber),
            Some(parts) => parts,
            None => (number, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(DifficultyError::NotANumber);
        }
        if negative {
            return Err(DifficultyError::NotPositive);
        }
        let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let overflow = match fraction {
            "" => DifficultyError::TooLarge,
            _ => DifficultyError::TooPrecise,
        };
        let (mantissa, zeros) =
            fold_digits(whole.bytes().chain(fraction.bytes())).ok_or(overflow)?;
        Self::from_parts(mantissa, exponent.saturating_sub(fraction_len).saturating_add(zeros))
    }

    /// The difficulty that a float prints as, in the shortest text that reads back as the float.
    /// For difficulties that the proxy works out; those that a peer sends are parsed from text.
    ///
    /// # Errors
    /// NaN, infinity, and what [`Self::parse`] refuses.
    pub fn from_f64(value: f64) -> Result<Self, DifficultyError> {
        if value.is_finite() {
            Self::parse(&value.to_string())
        } else {
            Err(DifficultyError::NotANumber)
        }
    }

    /// The difficulty of a target, to the precision of a float: for a miner's wish, not for
    /// judging shares.
    ///
    /// # Errors
    /// A target of zero.
    pub fn near(target: Target) -> Result<Self, DifficultyError> {
        Self::from_f64(target.difficulty_f64())
    }

    /// The nearest float, for sums and statistics.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.mantissa as f64 / 10_f64.powi(i32::from(self.scale))
    }

    /// The largest hash that is good enough: ⌊0xFFFF·2²⁰⁸ / difficulty⌋, at most [`Target::MAX`].
    #[must_use]
    pub fn target(self) -> Target {
        Target::of_ratio(u32::from(self.scale), self.mantissa)
    }

    /// The difficulty cut to three significant digits: readable, and never harder than asked.
    #[must_use]
    pub fn rounded_down(self) -> Self {
        let digits = self.mantissa.checked_ilog10().unwrap_or(0);
        let unit = 10_u64.pow(digits.saturating_sub(2));
        Self::normalised(self.mantissa / unit * unit, self.scale)
    }

    fn from_parts(mantissa: u64, exponent: i64) -> Result<Self, DifficultyError> {
        if mantissa == 0 {
            return Err(DifficultyError::NotPositive);
        }
        if let Ok(exponent) = u32::try_from(exponent) {
            let factor = 10_u64.checked_pow(exponent).ok_or(DifficultyError::TooLarge)?;
            let mantissa = mantissa.checked_mul(factor).ok_or(DifficultyError::TooLarge)?;
            return Ok(Self { mantissa, scale: 0 });
        }
        if exponent > 0 {
            return Err(DifficultyError::TooLarge);
        }
        let scale = u8::try_from(exponent.unsigned_abs()).ok();
        let scale = scale.filter(|scale| *scale <= Self::SCALE_MAX);
        Ok(Self::normalised(mantissa, scale.ok_or(DifficultyError::TooPrecise)?))
    }

    fn normalised(mut mantissa: u64, mut scale: u8) -> Self {
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }
}

impl Ord for Difficulty {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both to the finer scale. A product that leaves 128 bits is above any 64-bit mantissa.
        let widen =
            |mantissa: u64, by: u8| u128::from(mantissa).saturating_mul(10_u128.pow(u32::from(by)));
        widen(self.mantissa, other.scale.saturating_sub(self.scale))
            .cmp(&widen(other.mantissa, self.scale.saturating_sub(other.scale)))
    }
}

impl PartialOrd for Difficulty {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Difficulty {
    /// Without an exponent, and integers without a point: old firmware reads with `atoi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return self.mantissa.fmt(f);
        }
        let unit = 10_u128.pow(u32::from(self.scale));
        let mantissa = u128::from(self.mantissa);
        let width = usize::from(self.scale);
        write!(f, "{}.{:0width$}", mantissa / unit, mantissa % unit)
    }
}

impl fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difficulty({self})")
    }
}

fn parse_exponent(text: &str) -> Result<i64, DifficultyError> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DifficultyError::NotANumber);
    }
    let magnitude = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Ok(sign * magnitude)
}

/// The digits as a number without its trailing zeros, and how many of those there were.
fn fold_digits(digits: impl Iterator<Item = u8>) -> Option<(u64, i64)> {
    let mut mantissa = 0_u64;
    let mut zeros = 0_u32;
    for digit in digits {
        match digit {
            b'0' => zeros = zeros.checked_add(1)?,
            _ if mantissa == 0 => (mantissa, zeros) = (u64::from(digit - b'0'), 0),
            _ => {
                let shifted = mantissa.checked_mul(10_u64.checked_pow(zeros.checked_add(1)?)?)?;
                mantissa = shifted.checked_add(u64::from(digit - b'0'))?;
                zeros = 0;
            }
        }
    }
    Some((mantissa, i64::from(zeros)))
}

#[cfg(test)]
mod tests;
