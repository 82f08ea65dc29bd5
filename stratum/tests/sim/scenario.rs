//! What a seed stands for: which miners and which pools, before anything happens.

use std::time::Duration;

use fastrand::Rng;
use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::Terms;
use loka_stratum::extranonce::Layout;
use loka_stratum::vardiff::VardiffSettings;

use crate::miner::{Habits, Handshake};
use crate::pool::{Configure, PoolSettings};

pub(crate) struct Scenario {
    pub(crate) miners: Vec<Habits>,
    pub(crate) pools: Vec<PoolSettings>,
    /// The layout that fits both pools.
    pub(crate) layout: Layout,
    /// The same, when the configuration says so.
    pub(crate) fixed_layout: Option<Layout>,
    pub(crate) terms: Terms,
}

const POOLS: usize = 2;

pub(crate) fn draw(rng: &mut Rng) -> Scenario {
    let pools: Vec<PoolSettings> = (0..POOLS).map(|_| pool(rng)).collect();
    let smallest = pools.iter().map(|pool| pool.extranonce2_size).min().unwrap();
    let largest = pools.iter().map(|pool| pool.extranonce2_size).max().unwrap();
    // Miners that all follow can be given what does not fit both pools.
    let everybody_follows = rng.u8(..3) == 0;
    let size = if everybody_follows { largest } else { smallest };
    let layout = Layout::for_pool_size(u8::try_from(size).unwrap()).unwrap();
    let follows = |habits: Habits| match everybody_follows {
        true => Habits { follows_extranonce: true, ..habits },
        false => habits,
    };
    Scenario {
        miners: (0..rng.usize(3..9)).map(|_| follows(miner(rng))).collect(),
        pools,
        layout,
        fixed_layout: (!everybody_follows && rng.bool()).then_some(layout),
        terms: terms(),
    }
}

pub(crate) fn random_hash(rng: &mut Rng) -> [u8; 32] {
    let mut hash = [0; 32];
    rng.fill(&mut hash);
    hash
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn pool(rng: &mut Rng) -> PoolSettings {
    PoolSettings {
        extranonce1_len: rng.usize(1..9),
        extranonce2_size: rng.usize(3..13),
        mask: pick(rng, &[0x1fff_e000, 0x1fff_e000, 0x0000_6000, 0]),
        configure: pick(
            rng,
            &[Configure::Grants, Configure::Grants, Configure::Refuses, Configure::Silent],
        ),
        difficulty: pick(rng, &["0.000000005", "1e-8", "0.00000002", "4.5e-8"]),
        job_before_login: rng.bool(),
        verdict_ms: pick(rng, &[5, 300, 3000]),
        job_every_ms: pick(rng, &[2000, 10_000, 25_000]),
        clean_percent: pick(rng, &[0, 10, 50]),
    }
}

fn miner(rng: &mut Rng) -> Habits {
    Habits {
        handshake: pick(rng, &[Handshake::Configure, Handshake::Subscribe, Handshake::Authorize]),
        mask: pick(rng, &[None, Some(0xffff_ffff), Some(0x1fff_e000), Some(0x0000_2000)]),
        pipelines: rng.bool(),
        constant_extranonce2: rng.u8(..4) == 0,
        finishes_jobs: rng.u8(..3) == 0,
        hasty: rng.bool(),
        resumes: rng.bool(),
        follows_extranonce: rng.u8(..3) == 0,
        hashes_per_turn: rng.u32(1..12),
        mischief_percent: pick(rng, &[0, 5, 30]),
    }
}

/// So easy that a run costs some thousand hashes.
fn terms() -> Terms {
    let difficulty = |text| Difficulty::parse(text).unwrap();
    Terms::generous(VardiffSettings {
        initial: difficulty("1e-9"),
        min: difficulty("2.5e-10"),
        max: difficulty("1"),
        share_interval: Duration::from_secs(3),
    })
}
