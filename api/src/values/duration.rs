//! Durations as the Gateway API writes them (GEP-2257): a subset of Go's, without fractions and
//! without signs, so that every implementation reads the same number of milliseconds.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{ValueError, short_text};

/// For CEL's `matches`; [`DurationText::duration`] reads the same language.
pub(crate) const DURATION_PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

const DIGITS_MAX: usize = 5;
const PARTS_MAX: usize = 4;

/// A duration such as `30s`, `1m30s` or `500ms`, as it stands in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText(String);

impl DurationText {
    /// The text as it stands.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The duration that the text means.
    ///
    /// # Errors
    /// If the text is not one to four of `<up to 5 digits><h|m|s|ms>`.
    pub fn duration(&self) -> Result<Duration, ValueError> {
        let mut rest = self.0.as_str();
        let mut total_ms = 0_u64;
        for _ in 0..PARTS_MAX {
            let (part_ms, tail) = part(rest).ok_or(ValueError::Duration)?;
            total_ms += part_ms;
            rest = tail;
            if rest.is_empty() {
                return Ok(Duration::from_millis(total_ms));
            }
        }
        Err(ValueError::Duration)
    }
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        short_text("A duration such as 30s or 1m30s.".into())
    }
}

/// The first `<digits><unit>` in milliseconds, and what follows it.
fn part(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    // `ms` before `m`: the longer unit wins, as in the pattern, where `m` leaves an `s` behind.
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (tail, unit_ms) =
        units.iter().find_map(|(name, ms)| Some((rest.strip_prefix(name)?, *ms)))?;
    Some((number.parse::<u64>().ok()? * unit_ms, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<u128> {
        DurationText::from(text).duration().ok().map(|d| d.as_millis())
    }

    #[test]
    fn durations_mean_what_go_takes_them_for() {
        for (text, expected) in [
            ("0s", 0),
            ("500ms", 500),
            ("6s", 6_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1h2m3s4ms", 3_723_004),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["", "5", "s", "1.5s", "-1s", "1d", " 1s", "1s ", "123456s", "1s1s1s1s1s"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
