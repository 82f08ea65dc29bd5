//! A listener's difficulty range in the core's terms.

use std::time::Duration;

use loka_api::runtime_config::DifficultyRange;
use loka_stratum::difficulty::Difficulty;
use loka_stratum::vardiff::VardiffSettings;

/// The range as configured. Each text was checked when the configuration was loaded; one that is no difficulty all the
/// same counts as 1, since a miner must be given something.
pub(crate) fn vardiff(range: &DifficultyRange) -> VardiffSettings {
    let read = |text: &str| Difficulty::parse(text).unwrap_or(Difficulty::ONE);
    VardiffSettings {
        initial: read(&range.initial),
        min: read(&range.min),
        max: read(&range.max),
        share_interval: Duration::from_millis(range.share_interval_ms),
    }
}
