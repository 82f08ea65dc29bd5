//! How the hashrate of a route is shared by pools with weights: what each pool is owed, and which seats move for it.
//!
//! Deficit control: a pool is owed its weight of all work, past and to come, less what it was credited with. The weights
//! are met by work and not by miners or by time, so luck and unequal machines even out, and one large miner alone is
//! passed around in slices. Moves are few: a seat moves only where that brings the work nearer to what is owed.

use std::time::Duration;

/// Within this time what is owed shall be made good. Shorter, and seats would follow the luck of single shares; longer,
/// and an hour would end with more than a hundredth missing.
pub(crate) const HORIZON: Duration = Duration::from_secs(60);

/// Past work counts less with time, by this constant: what went wrong an hour ago is not made good any more.
const MEMORY: Duration = Duration::from_secs(3600);

/// A pool that misses less than this part of the hashrate is left as it is: seats would follow the luck of single shares.
/// It is a twentieth of a minute's work that may be missing then, or of an hour's less than a thousandth.
const TOLERANCE: f64 = 0.05;

/// A move must bring the work nearer by this part of the miner's rate, or it would be undone by the next.
const GAIN_LEAST: f64 = 0.05;

/// Seats that move at once at most, beside those that sit nowhere: a miner that moves starts on a fresh job.
const MOVES_MAX: usize = 64;

/// A pool that refuses shares is made good for, up to this part of the work: else it would draw all hashrate to itself.
const REFUSED_MAX: f64 = 0.05;

/// A miner moves when a pool misses more than half of its rate: this part of it, with room for the tolerance.
const TURN: f64 = 0.6;

/// What a pool was brought, as counted from its start. Difficulty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Brought {
    /// Handed to it.
    pub(crate) written: f64,
    /// Of that, what it refused or will never answer.
    pub(crate) refused: f64,
}

/// A pool that is mined on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) weight: f64,
    /// Its work so far, in difficulty, on any scale that all pools share.
    pub(crate) work: f64,
}

/// A miner: where it works, by the place in the list of pools, and its rate in difficulty per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sitter {
    pub(crate) pool: Option<usize>,
    pub(crate) rate: f64,
}

/// The work of pools that share a hashrate, remembered for an hour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts(Vec<Account>);

#[derive(Clone, Copy, Debug)]
struct Account {
    /// Which pool: whatever names it for the caller.
    pool: u32,
    weight: f64,
    work: f64,
    /// As last counted.
    brought: Brought,
}

// === impl Brought ===

impl Brought {
    /// What counts as credited: all but the refused, of which no more than a part is made good.
    fn credited(self) -> f64 {
        (self.written - self.refused).max(self.written * (1.0 - REFUSED_MAX))
    }
}

// === impl Accounts ===

impl Accounts {
    /// Brings the books up to date. Begins anew when the pools or their weights are others than before: a pool that was
    /// away is not owed what it missed.
    pub(crate) fn update(&mut self, elapsed: Duration, pools: &[(u32, f64, Brought)]) {
        let same = self.0.len() == pools.len()
            && self.0.iter().zip(pools).all(|(account, (pool, weight, _))| {
                account.pool == *pool && (account.weight - weight).abs() < f64::EPSILON
            });
        if !same {
            let opened = |&(pool, weight, brought)| Account { pool, weight, work: 0.0, brought };
            self.0 = pools.iter().map(opened).collect();
            return;
        }
        let kept = (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        for (account, (_, _, brought)) in self.0.iter_mut().zip(pools) {
            let done = (brought.credited() - account.brought.credited()).max(0.0);
            account.work = account.work * kept + done;
            account.brought = *brought;
        }
    }

    /// Where the pools stand.
    pub(crate) fn shares(&self) -> Vec<Share> {
        self.0.iter().map(|account| Share { weight: account.weight, work: account.work }).collect()
    }

    /// Owes `pool` a turn of a miner of this rate: a pool of small weight would else wait long for its first share.
    pub(crate) fn lend(&mut self, pool: u32, rate: f64) {
        for account in self.0.iter_mut().filter(|account| account.pool == pool) {
            account.work -= rate * HORIZON.as_secs_f64() * TURN;
        }
    }
}

/// The rate that each pool should have until [`HORIZON`] from now, to have then what it is owed.
pub(crate) fn wanted(pools: &[Share], rate: f64) -> Vec<f64> {
    let weights: f64 = pools.iter().map(|pool| pool.weight).sum();
    let work: f64 = pools.iter().map(|pool| pool.work).sum();
    let all = work + rate * HORIZON.as_secs_f64();
    let owed: Vec<f64> =
        pools.iter().map(|pool| (pool.weight / weights * all - pool.work).max(0.0)).collect();
    let sum: f64 = owed.iter().sum();
    // What none is owed, for want of anything to share, goes by the weights.
    let part = |(owed, pool): (&f64, &Share)| {
        if sum > 0.0 { owed / sum } else { pool.weight / weights }
    };
    owed.iter().zip(pools).map(|each| part(each) * rate).collect()
}

/// Which sitters move to which pool: as few as bring each pool near to the rate that it should have.
pub(crate) fn moves(pools: &[Share], sitters: &[Sitter]) -> Vec<(usize, usize)> {
    if pools.is_empty() {
        return Vec::new();
    }
    let guess = guess(sitters);
    let rate_of = |sitter: &Sitter| if sitter.rate > 0.0 { sitter.rate } else { guess };
    let total: f64 = sitters.iter().map(rate_of).sum();
    let mut gaps = wanted(pools, total);
    for sitter in sitters {
        if let Some(gap) = sitter.pool.and_then(|pool| gaps.get_mut(pool)) {
            *gap -= rate_of(sitter);
        }
    }
    let mut moves = seat_the_new(sitters, &mut gaps, &rate_of);
    let mut movable: Vec<(usize, usize, f64)> = sitters
        .iter()
        .enumerate()
        .filter_map(|(index, sitter)| Some((index, sitter.pool?, rate_of(sitter))))
        .collect();
    for _ in 0..MOVES_MAX {
        let Some((taken, to)) = best_move(&gaps, &movable, total * TOLERANCE) else { break };
        let (index, from, rate) = movable.swap_remove(taken);
        shift(&mut gaps, Some(from), to, rate);
        moves.push((index, to));
    }
    moves
}

/// Who sits nowhere, or at a pool that is gone, goes where most is missing. The fast ones first, so that the slow ones
/// even out what they leave.
fn seat_the_new(
    sitters: &[Sitter],
    gaps: &mut [f64],
    rate_of: &impl Fn(&Sitter) -> f64,
) -> Vec<(usize, usize)> {
    let mut new: Vec<(usize, f64)> = sitters
        .iter()
        .enumerate()
        .filter(|(_, sitter)| sitter.pool.is_none_or(|pool| pool >= gaps.len()))
        .map(|(index, sitter)| (index, rate_of(sitter)))
        .collect();
    new.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut moves = Vec::new();
    for (index, rate) in new {
        if let Some(to) = widest(gaps) {
            shift(gaps, None, to, rate);
            moves.push((index, to));
        }
    }
    moves
}

/// The move that closes most, if any does: from a pool above what it should have to the one that misses most.
fn best_move(
    gaps: &[f64],
    movable: &[(usize, usize, f64)],
    tolerance: f64,
) -> Option<(usize, usize)> {
    let to = widest(gaps)?;
    let missing = gaps.get(to).copied().filter(|missing| *missing > tolerance)?;
    let gain = |from: f64, rate: f64| {
        let before = missing.abs() + from.abs();
        before - (missing - rate).abs() - (from + rate).abs()
    };
    let gains = movable.iter().enumerate().filter_map(|(place, (_, from, rate))| {
        let above = gaps.get(*from).copied().filter(|_| *from != to)?;
        Some((place, gain(above, *rate)))
    });
    let (place, gain) = gains.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let rate = movable.get(place).map(|(_, _, rate)| *rate)?;
    (gain > rate * GAIN_LEAST).then_some((place, to))
}

/// The pool that misses most.
fn widest(gaps: &[f64]) -> Option<usize> {
    gaps.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

fn shift(gaps: &mut [f64], from: Option<usize>, to: usize, rate: f64) {
    if let Some(gap) = from.and_then(|from| gaps.get_mut(from)) {
        *gap += rate;
    }
    if let Some(gap) = gaps.get_mut(to) {
        *gap -= rate;
    }
}

/// What a miner is taken for whose rate is not known yet: one like the others.
fn guess(sitters: &[Sitter]) -> f64 {
    let (sum, count) = sitters
        .iter()
        .filter(|sitter| sitter.rate > 0.0)
        .fold((0.0, 0.0), |(sum, count), sitter| (sum + sitter.rate, count + 1.0));
    if count > 0.0 { sum / count } else { 1.0 }
}

#[cfg(test)]
mod tests;
