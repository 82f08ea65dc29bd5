//! Firmware as data: what each kind of miner sends, in which order, and what it cannot bear.
//!
//! Owns the table. The behaviour itself is in [`crate::miner`], which interprets a [`Profile`] and
//! knows no firmware by name; a new firmware is a new row here and nothing else.

mod antminer;
mod cgminer;
mod cpuminer;
mod dialect;
mod esp;
mod handshake;
mod industrial;
mod rules;

pub use dialect::{Dialect, KeyOrder, Slashes, Spacing};
pub use handshake::{Await, Call, ConfigureForm, Extension, Method, Need, Step, SubscribeForm};
pub use rules::{
    BitsStyle, Chatter, CleanFlag, DifficultyFrom, Extranonce2Plan, Extranonce2Sizes, Ids,
    JobRules, Limits, Matching, Messages, NTimePlan, NameRule, NonceText, OldJob, Opening,
    Patience, Pong, ReconnectRule, RepeatedId, Rolling, Search, SixthParameter, SubmitId, Submits,
    TLS_PATIENCE,
};

/// One kind of firmware.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Short name, unique.
    pub name: &'static str,
    /// As sent in `mining.subscribe`.
    pub user_agent: &'static str,
    /// How its JSON looks.
    pub dialect: Dialect,
    /// What it sends first on a fresh connection.
    pub opening: Opening,
    /// What it then asks, in this order.
    pub handshake: &'static [Step],
    /// How it tells replies apart, and how it numbers its requests.
    pub ids: Ids,
    /// Version rolling, where it has it.
    pub rolling: Option<Rolling>,
    /// How it walks through the work.
    pub search: Search,
    /// What it does with jobs and difficulties.
    pub jobs: JobRules,
    /// Its buffers.
    pub limits: Limits,
    /// What it waits for, and how long.
    pub patience: Patience,
    /// What it sends besides shares.
    pub chatter: Chatter,
    /// What becomes of shares without an answer.
    pub submits: Submits,
}

/// Every firmware of the farm.
const ALL: &[&Profile] = &[
    &cpuminer::CPUMINER,
    &cpuminer::CPUMINER_OPT,
    &cpuminer::OLD_MINER,
    &cgminer::CGMINER,
    &cgminer::AVALON,
    &cgminer::BFGMINER,
    &antminer::BMMINER,
    &antminer::VNISH,
    &antminer::XMINER,
    &industrial::WHATSMINER,
    &industrial::BOSMINER,
    &industrial::NICEHASH,
    &esp::ESP_MINER,
    &esp::NERDMINER,
];

// === impl Profile ===

impl Profile {
    /// Every firmware, in a fixed order.
    #[must_use]
    pub fn all() -> &'static [&'static Self] {
        ALL
    }

    /// The firmware of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|profile| profile.name == name)
    }
}

/// What most firmware has in common; each row says what differs.
const PLAIN: Profile = Profile {
    name: "plain",
    user_agent: "plain/1",
    dialect: Dialect::COMPACT,
    opening: Opening::Clear,
    handshake: &[],
    ids: Ids { first: 1, submit: SubmitId::Counting, matching: Matching::ById },
    rolling: None,
    search: Search::PLAIN,
    jobs: JobRules::PLAIN,
    limits: Limits::PLAIN,
    patience: Patience::PLAIN,
    chatter: Chatter::NONE,
    submits: Submits::Forget,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_findable() {
        for profile in Profile::all() {
            assert_eq!(Profile::named(profile.name).map(|found| found.name), Some(profile.name));
        }
        let mut names: Vec<_> = ALL.iter().map(|profile| profile.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn every_firmware_subscribes_and_authorises_once() {
        for profile in Profile::all() {
            for method in [Method::Subscribe, Method::Authorize] {
                let times = profile.handshake.iter().filter(|s| s.call.method() == method).count();
                assert_eq!(times, 1, "{} {method}", profile.name);
            }
        }
    }

    #[test]
    fn firmware_that_rolls_versions_asks_for_it_and_no_other_does() {
        for profile in Profile::all() {
            let asks = profile.handshake.iter().any(|step| step.call.method() == Method::Configure);
            assert_eq!(asks, profile.rolling.is_some(), "{}", profile.name);
        }
    }
}
