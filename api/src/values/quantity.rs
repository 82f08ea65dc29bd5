//! Quantities: exact decimal numbers with the suffixes that Kubernetes users know. A subset of
//! `resource.Quantity`: small enough that the API server's CEL, kube-cel and this parser agree
//! on every value and none of them overflows or rounds.

use std::{borrow::Cow, cmp::Ordering, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{ValueError, short_text};

/// For CEL's `matches`; [`QuantityText::quantity`] reads the same language. The digit bounds keep
/// any comparison of two quantities within 128 bits: 13 digits, up to 10^15, down to 10^-9.
pub(crate) const QUANTITY_PATTERN: &str = "^[0-9]{1,13}([.][0-9]{1,6})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti)?$";

const INTEGER_DIGITS_MAX: usize = 13;
const FRACTION_DIGITS_MAX: usize = 6;

/// A quantity such as `8192`, `1M` or `0.001`, as it stands in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuantityText(String);

impl QuantityText {
    /// The text as it stands.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that the text means.
    ///
    /// # Errors
    /// If the text is not a decimal number with at most one of the known suffixes.
    pub fn quantity(&self) -> Result<Quantity, ValueError> {
        Quantity::parse(&self.0).ok_or(ValueError::Quantity)
    }
}

impl From<&str> for QuantityText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for QuantityText {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        short_text("A decimal quantity in quotes, such as \"8192\", \"1M\" or \"0.001\".".into())
    }
}

/// An exact, non-negative decimal number: `mantissa / 10^fraction_digits`, in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    mantissa: u128,
    fraction_digits: u32,
}

impl Quantity {
    fn parse(text: &str) -> Option<Self> {
        let number_length =
            text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, suffix) = text.split_at_checked(number_length)?;
        let (integer, fraction) = match number.split_once('.') {
            Some((integer, fraction)) if (1..=FRACTION_DIGITS_MAX).contains(&fraction.len()) => {
                (integer, fraction)
            }
            Some(_) => return None,
            None => (number, ""),
        };
        if !(1..=INTEGER_DIGITS_MAX).contains(&integer.len()) {
            return None;
        }
        let digits: u128 = format!("{integer}{fraction}").parse().ok()?;
        let (factor, more_digits) = scale_of(suffix)?;
        let fraction_digits = u32::try_from(fraction.len()).ok()?.checked_add(more_digits)?;
        Some(Self { mantissa: digits.checked_mul(factor)?, fraction_digits }.reduced())
    }

    fn reduced(mut self) -> Self {
        while self.fraction_digits > 0 && self.mantissa.is_multiple_of(10) {
            self.mantissa /= 10;
            self.fraction_digits -= 1;
        }
        self
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        // At most 13 + 6 digits times 10^15, times 10^9 here: below 10^38, so nothing saturates.
        let widened = |one: &Self, two: &Self| {
            one.mantissa.saturating_mul(10_u128.saturating_pow(two.fraction_digits))
        };
        widened(self, other).cmp(&widened(other, self))
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain decimal text: no suffix, no exponent.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.saturating_pow(self.fraction_digits);
        write!(f, "{}", self.mantissa / one)?;
        if self.fraction_digits == 0 {
            return Ok(());
        }
        let width = usize::try_from(self.fraction_digits).unwrap_or_default();
        write!(f, ".{:0width$}", self.mantissa % one)
    }
}

/// A suffix as a factor and as digits that move behind the decimal point.
fn scale_of(suffix: &str) -> Option<(u128, u32)> {
    Some(match suffix {
        "" => (1, 0),
        "m" => (1, 3),
        "k" => (1_000, 0),
        "M" => (1_000_000, 0),
        "G" => (1_000_000_000, 0),
        "T" => (1_000_000_000_000, 0),
        "P" => (1_000_000_000_000_000, 0),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<String> {
        QuantityText::from(text).quantity().ok().map(|q| q.to_string())
    }

    #[test]
    fn quantities_become_plain_decimal_text() {
        for (text, expected) in [
            ("8192", "8192"),
            ("0.001", "0.001"),
            ("1.500", "1.5"),
            ("007", "7"),
            ("1M", "1000000"),
            ("1.5k", "1500"),
            ("500m", "0.5"),
            ("0.000001m", "0.000000001"),
            ("8Ki", "8192"),
            ("0.5Ki", "512"),
            ("1000P", "1000000000000000000"),
            ("9999999999999.999999P", "9999999999999999999000000000"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in
            ["", ".", ".5", "5.", "1e6", "-1", "+1", "1K", "1 k", "1.0000001", "12345678901234"]
        {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn the_extremes_compare_exactly() {
        let of = |text: &str| QuantityText::from(text).quantity().unwrap();
        assert!(of("0.000001m") < of("9999999999999.999999P"));
        assert!(of("0.1") > of("0.099999"));
        assert_eq!(of("1M"), of("1000k"));
    }
}
