//! A listener's difficulty range and what is known of firmware, in the core's terms; and whom it lets in.

use std::time::Duration;

use loka_api::runtime_config::{
    Ban, DifficultyRange, FirmwareProfile, Limits, Listener, SetExtranonce,
};
use loka_api::values::Cidr;
use loka_stratum::difficulty::Difficulty;
use loka_stratum::firmware::{self, Profile, Profiles};
use loka_stratum::glob::Glob;
use loka_stratum::vardiff::VardiffSettings;

use crate::policy::visitors::{BanTerms, DoorTerms};

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

/// Whom the listener lets in. A load balancer whose word is taken is exempt: what it does not say whose it is would else be
/// held against all who come by it.
pub(super) fn door(config: &Listener) -> DoorTerms {
    let Limits {
        // Of each connection and of all together: the listener's and the sessions' own.
        max_connections: _,
        max_line_bytes: _,
        handshake_timeout_ms: _,
        idle_timeout_ms: _,
        submits_per_second: _,
        submit_burst: _,
        max_connections_per_address,
        connects_per_minute_per_address,
        max_handshakes,
        max_handshakes_per_address,
        max_connections_per_worker: _,
        submits_per_minute_per_worker: _,
        ban,
        exempt,
    } = &config.limits;
    let trusted = config.proxy_protocol.iter().flat_map(|terms| &terms.from);
    DoorTerms {
        connections_per_address_max: *max_connections_per_address,
        connects_per_minute: *connects_per_minute_per_address,
        handshakes_max: *max_handshakes,
        handshakes_per_address_max: *max_handshakes_per_address,
        ban: ban
            .map(|Ban { after, for_ms }| BanTerms { after, lasts: Duration::from_millis(for_ms) }),
        // Each text was checked when the configuration was loaded.
        exempt: exempt.iter().chain(trusted).filter_map(|text| Cidr::parse(text).ok()).collect(),
    }
}

/// The profiles of the configuration, and then those that we ship.
pub(crate) fn firmware(own: &[FirmwareProfile]) -> Profiles {
    match own {
        [] => Profiles::shipped(),
        own => Profiles::new(own.iter().map(profile).collect()),
    }
}

fn profile(own: &FirmwareProfile) -> Profile {
    let FirmwareProfile {
        name,
        user_agents,
        extranonce2_size,
        coinbase_bytes_max,
        min_difficulty,
        initial_difficulty,
        set_extranonce,
    } = own;
    // Each text was checked when the configuration was loaded.
    let read = |text: &Option<String>| Difficulty::parse(text.as_deref()?).ok();
    Profile {
        name: name.as_str().into(),
        user_agents: user_agents.iter().map(|pattern| Glob::of_any_case(pattern)).collect(),
        extranonce2_sizes: extranonce2_size.iter().copied().collect(),
        coinbase_bytes_max: coinbase_bytes_max.and_then(|bytes| usize::try_from(bytes).ok()),
        min_difficulty: read(min_difficulty),
        initial_difficulty: read(initial_difficulty),
        set_extranonce: match set_extranonce {
            Some(SetExtranonce::Disabled) => firmware::SetExtranonce::Forbidden,
            Some(SetExtranonce::Enabled) | None => firmware::SetExtranonce::Allowed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_the_configuration_is_one_of_the_core() {
        let own = FirmwareProfile {
            name: "lab".into(),
            user_agents: vec!["Lab*".into()],
            extranonce2_size: Some(2),
            coinbase_bytes_max: Some(700),
            min_difficulty: Some("64".into()),
            initial_difficulty: Some("128".into()),
            set_extranonce: Some(SetExtranonce::Disabled),
        };
        let profiles = firmware(&[own]);
        let profile = profiles.of(Some("LAB/1"));
        assert_eq!(&*profile.name, "lab");
        let difficulty = |text| Difficulty::parse(text).ok();
        assert_eq!(
            (profile.min_difficulty, profile.initial_difficulty),
            (difficulty("64"), difficulty("128"))
        );
        assert_eq!(
            (&*profile.extranonce2_sizes, profile.coinbase_bytes_max),
            (&[2][..], Some(700))
        );
        assert_eq!(profile.set_extranonce, firmware::SetExtranonce::Forbidden);
        assert_eq!(&*profiles.of(Some("cgminer/4")).name, "cgminer", "the shipped ones follow");
        assert!(firmware(&[]).is(&Profiles::shipped()));
    }
}
