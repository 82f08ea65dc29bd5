//! Sums that are read back to the last bit. `serde_json` reads numbers with a fraction to the last bit but one, and a ledger
//! that is kept over a thousand starts must not wander.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A sum of work: finite, and not below zero.
pub(super) fn sum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    let sum = text.get().parse::<f64>().ok();
    sum.filter(|sum| sum.is_finite() && *sum >= 0.0)
        .ok_or_else(|| D::Error::custom(format!("{} is no sum of work", text.get())))
}
