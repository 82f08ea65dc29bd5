//! The pool's view of the block chain, invented: heights, previous blocks and their bits, and the
//! templates that jobs are made from.
//!
//! Everything is drawn from one seeded generator in the order of the calls, so a pool's jobs are a
//! function of its seed and of what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};

use crate::judge::{Difficulty, Work};

use super::coinbase::{Coinbase, Payee, Payout};
use super::settings::{BIP320_MASK, PoolSettings};

/// Trees up to this many levels are hashed from fake transactions. Above it the siblings are
/// drawn: they stand for the roots of subtrees into which nobody can look.
const HASHED_LEVELS_MAX: u8 = 6;
const SUBSIDY_SAT: u64 = 312_500_000;
const FEES_SAT_MAX: u64 = 50_000_000;

/// Whether older jobs lose their worth with this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clean {
    Clean,
    Continues,
}

/// Draws blocks and templates.
#[derive(Debug)]
pub(super) struct Chain {
    random: fastrand::Rng,
    name: String,
    branches_max: u8,
    network_difficulty: Option<Difficulty>,
    key_hash: [u8; 20],
    height: u32,
    prev_block: BlockHash,
    nbits: u32,
    templates_made: u32,
}

/// One block template; it becomes work once the room for the extranonces is known.
#[derive(Debug)]
pub(super) struct Template {
    coinbase: Coinbase,
    base: Work,
    made: BTreeMap<usize, Arc<Work>>,
}

// === impl Chain ===

impl Chain {
    pub(super) fn new(settings: &PoolSettings) -> Self {
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let mut chain = Self {
            name: settings.name.clone(),
            branches_max: settings.branches_max,
            network_difficulty: settings.network_difficulty,
            key_hash: drawn(&mut random),
            height: 880_000 + random.u32(0..100_000),
            prev_block: BlockHash::all_zeros(),
            nbits: 0,
            templates_made: 0,
            random,
        };
        chain.nbits = chain.drawn_nbits();
        chain.advance(None);
        chain
    }

    /// The next block was found: by a share of this pool, or else by somebody.
    pub(super) fn advance(&mut self, found: Option<BlockHash>) {
        self.height += 1;
        self.prev_block = found.unwrap_or_else(|| {
            // Internal order: the zeros of a block's hash stand at the end.
            let mut hash: [u8; 32] = drawn(&mut self.random);
            hash.iter_mut().skip(23).for_each(|byte| *byte = 0);
            BlockHash::from_byte_array(hash)
        });
        if self.random.u8(0..3) == 0 {
            self.nbits = self.drawn_nbits();
        }
    }

    /// From the next template on, this key is paid.
    pub(super) fn pay(&mut self, key_hash: [u8; 20]) {
        self.key_hash = key_hash;
    }

    pub(super) fn template(&mut self, unix_time: u32) -> Template {
        self.templates_made = self.templates_made.wrapping_add(1);
        let base = Work {
            coinb1: Vec::new(),
            coinb2: Vec::new(),
            branches: self.drawn_branches(),
            prev_block: self.prev_block,
            version: self.drawn_version(),
            nbits: self.nbits,
            ntime: unix_time,
        };
        Template { coinbase: self.drawn_coinbase(), base, made: BTreeMap::new() }
    }

    /// A number below 100.
    pub(super) fn percentile(&mut self) -> u8 {
        self.random.u8(0..100)
    }

    /// Between one half and one and a half.
    pub(super) fn stretch(&mut self) -> f64 {
        0.5 + self.random.f64()
    }

    /// The difficulty moves a little, as it does every fortnight.
    fn drawn_nbits(&mut self) -> u32 {
        let drift = 0.95 + self.random.f64() / 10.0;
        let drifted = |base: Difficulty| Difficulty::rounded(base.as_f64() * drift);
        match self.network_difficulty.and_then(drifted) {
            Some(difficulty) => difficulty.target().to_compact_lossy().to_consensus(),
            None => 0x1701_8000 + self.random.u32(0..0x4000),
        }
    }

    /// Bits inside the rolling mask at times, as nodes that signal for several things set them.
    fn drawn_version(&mut self) -> u32 {
        let signals = match self.random.u8(0..4) {
            0 => self.random.u32(..) & BIP320_MASK,
            1 => 0x0000_0004,
            _ => 0,
        };
        0x2000_0000 | signals
    }

    fn drawn_coinbase(&mut self) -> Coinbase {
        let stamp_bytes = self.random.usize(4..=8);
        let payee = Payee::KeyHash(self.key_hash);
        let reward = SUBSIDY_SAT + self.random.u64(0..FEES_SAT_MAX);
        let mut payouts = vec![Payout { to: payee, amount_sat: reward }];
        if self.random.bool() {
            let to = Payee::WitnessKeyHash(drawn(&mut self.random));
            payouts.push(Payout { to, amount_sat: self.random.u64(1..FEES_SAT_MAX) });
        }
        Coinbase {
            height: self.height,
            stamp: std::iter::repeat_with(|| self.random.u8(..)).take(stamp_bytes).collect(),
            tag: format!("/{} {:x}/", self.name, self.templates_made),
            payouts,
            commitment: drawn(&mut self.random),
            lock_time: if self.random.bool() { self.height - 1 } else { 0 },
        }
    }

    fn drawn_branches(&mut self) -> Vec<[u8; 32]> {
        let levels = self.random.u8(0..=self.branches_max);
        let hashed = levels.min(HASHED_LEVELS_MAX);
        let mut branches = merkle_branches(self.drawn_transactions(hashed));
        branches.extend((hashed..levels).map(|_| drawn::<32>(&mut self.random)));
        branches
    }

    /// As many transactions, beside the coinbase, as make a tree of so many levels.
    fn drawn_transactions(&mut self, levels: u8) -> Vec<[u8; 32]> {
        let count = match levels {
            0 => 0,
            levels => self.random.usize(1 << (levels - 1)..1 << levels),
        };
        std::iter::repeat_with(|| drawn(&mut self.random)).take(count).collect()
    }
}

// === impl Template ===

impl Template {
    /// The work for extranonces of this length together, made once.
    pub(super) fn work(&mut self, extranonce_bytes: usize) -> Arc<Work> {
        let made = self.made.entry(extranonce_bytes).or_insert_with(|| {
            let (coinb1, coinb2) = self.coinbase.halves(extranonce_bytes);
            Arc::new(Work { coinb1, coinb2, ..self.base.clone() })
        });
        Arc::clone(made)
    }
}

/// The siblings on the coinbase's way to the root, given the transactions beside it.
fn merkle_branches(mut level: Vec<[u8; 32]>) -> Vec<[u8; 32]> {
    let mut branches = Vec::new();
    while let Some((sibling, others)) = level.split_first() {
        branches.push(*sibling);
        level = others.chunks(2).filter_map(parent).collect();
    }
    branches
}

/// The node over one or two others; a lone one is paired with itself.
fn parent(children: &[[u8; 32]]) -> Option<[u8; 32]> {
    let (left, right) = (children.first()?, children.last()?);
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    Some(sha256d::Hash::from_engine(engine).to_byte_array())
}

fn drawn<const BYTES: usize>(random: &mut fastrand::Rng) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
