//! Pools of random farms: what a miner could notice of them is drawn.

use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::pool::{
    DifficultyPolicy, Forms, PoolSettings, Rejection, Resumption, VersionRolling,
};

use super::farm::{DIFFICULTY, UNIX_START};

/// Short extranonce2, few version bits.
pub(crate) fn first_pool(random: &mut fastrand::Rng) -> PoolSettings {
    let resumption = if random.bool() { Resumption::Resumes } else { Resumption::Forgets };
    PoolSettings {
        extranonce1_bytes: random.usize(1..=8),
        extranonce2_bytes: random.usize(4..=6),
        version_rolling: VersionRolling::Granted { mask: 0x0fff_e000 },
        resumption,
        forms: Forms { rejection: Rejection::Mixed, ..Forms::default() },
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(2.0 * DIFFICULTY).expect("one")),
        ..pool("a", random)
    }
}

/// Long extranonce2, all version bits or none.
pub(crate) fn second_pool(random: &mut fastrand::Rng) -> PoolSettings {
    let rolling = [
        VersionRolling::Granted { mask: 0x1fff_e000 },
        VersionRolling::Refused,
        VersionRolling::UnknownMethod,
    ];
    PoolSettings {
        extranonce1_bytes: random.usize(1..=12),
        extranonce2_bytes: random.usize(6..=12),
        version_rolling: rolling[random.usize(0..3)],
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).expect("one")),
        ..pool("b", random)
    }
}

fn pool(name: &str, random: &mut fastrand::Rng) -> PoolSettings {
    PoolSettings {
        reply_latency: Duration::from_millis(random.u64(0..50)),
        reply_jitter: Duration::from_millis(random.u64(0..30)),
        block_interval: Duration::from_secs(random.u64(20..120)),
        job_interval: Duration::from_secs(random.u64(5..30)),
        base_unix_time: UNIX_START,
        ..PoolSettings::new(name, random.u64(..))
    }
}
