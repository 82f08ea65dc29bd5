//! Where the miners of a route sit: by weights among the pools that are mined on. It also knows the hashrate, of which
//! every pool is told what it has or would get.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::types::LaneId;

use super::banks;
use super::route::RouteTask;
use super::slot::Slot;
use crate::policy::apportion::{self, Accounts, Brought, Sitter};
use crate::seats::{Seat, Seats};
use crate::upstream::{PoolId, Wanted};

/// How often the hashrate is measured and seats are moved; at once when a pool comes or goes.
const PERIOD: Duration = Duration::from_secs(10);

/// The time between two shares of a route that pools are asked for. Pools themselves aim at one every half to three
/// seconds: below that a failover floods the new pool and its verdicts, above it a lost share is worth much and the
/// weights' hour has few shares to be met with.
const SHARE_INTERVAL: Duration = Duration::from_secs(2);

/// The hashrate must have been known for so long before a pool is told of it: the first shares say little.
const WARM_AFTER: Duration = Duration::from_secs(60);

/// The seats of a route, and what was brought to its pools.
#[derive(Debug)]
pub(super) struct Seating {
    seats: Arc<Seats>,
    /// Rises when seats were moved.
    version: u64,
    accounts: Accounts,
    counted: Instant,
    /// The lanes, with the weights, that seats were last given out for.
    lanes: Vec<(PoolId, f64)>,
    /// Difficulty per second of all miners, and of those at each pool.
    rate: f64,
    rates: BTreeMap<u32, f64>,
    /// Since when the rate is known.
    known_since: Option<Instant>,
    /// Pools that are to have a turn first.
    lend_to: Vec<PoolId>,
    /// When it was looked for miners that wait for a connection.
    looked: Instant,
    is_crowded: bool,
}

// === impl Seating ===

impl Seating {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            seats: Arc::default(),
            version: 0,
            accounts: Accounts::default(),
            counted: now,
            lanes: Vec::new(),
            rate: 0.0,
            rates: BTreeMap::new(),
            known_since: None,
            lend_to: Vec::new(),
            looked: now,
            is_crowded: false,
        }
    }

    pub(super) fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// Of all miners, in difficulty per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn due_at(&self) -> Instant {
        self.counted + PERIOD
    }

    /// When miners are looked after that wait for a connection.
    pub(super) fn look_at(&self) -> Instant {
        if self.is_crowded { self.looked + banks::LOOK_EVERY } else { self.due_at() }
    }

    /// The part of the hashrate that `pool` has.
    pub(super) fn part(&self, pool: PoolId) -> f64 {
        let rate = self.rates.get(&pool.0).copied().unwrap_or_default();
        if self.rate > 0.0 { rate / self.rate } else { 0.0 }
    }

    /// Gives these pools a turn of the slowest miner before anything else.
    pub(super) fn lend_to(&mut self, pools: &[PoolId]) {
        self.lend_to = pools.to_vec();
    }

    /// Moves seats for what each pool is owed.
    fn apportion(&mut self, elapsed: Duration, seats: &[Arc<Seat>], pools: &[(u32, f64, Brought)]) {
        self.accounts.update(elapsed, pools);
        let rates = seats.iter().map(|seat| seat.rate()).filter(|rate| *rate > 0.0);
        let slowest = rates.fold(f64::INFINITY, f64::min);
        for pool in self.lend_to.drain(..).filter(|_| slowest.is_finite()) {
            self.accounts.lend(pool.0, slowest);
        }
        let place = |lane: LaneId| pools.iter().position(|(pool, _, _)| *pool == lane.0);
        let sitters: Vec<Sitter> = seats
            .iter()
            .map(|seat| Sitter { pool: seat.lane().and_then(place), rate: seat.rate() })
            .collect();
        let moves = apportion::moves(&self.accounts.shares(), &sitters);
        for (sitter, to) in &moves {
            if let (Some(seat), Some((pool, _, _))) = (seats.get(*sitter), pools.get(*to)) {
                seat.assign(Some(LaneId(*pool)));
            }
        }
        if !moves.is_empty() {
            self.version += 1;
        }
    }

    /// Everybody sits at the one pool that there is.
    fn clear(&mut self, seats: &[Arc<Seat>]) {
        self.accounts = Accounts::default();
        for seat in seats {
            seat.assign(None);
        }
    }

    fn measure(&mut self, now: Instant, seats: &[Arc<Seat>]) {
        self.rate = seats.iter().map(|seat| seat.rate()).sum();
        self.rates.clear();
        let first = self.lanes.first().map(|(pool, _)| pool.0);
        for seat in seats {
            let lane = seat.lane().map(|lane| lane.0).or(first);
            if let Some(lane) = lane {
                *self.rates.entry(lane).or_default() += seat.rate();
            }
        }
        if self.rate > 0.0 {
            self.known_since.get_or_insert(now);
        } else {
            self.known_since = None;
        }
    }

    /// The difficulty that suits a pool with such a part of the hashrate.
    fn wanted(&self, now: Instant, part: f64) -> Wanted {
        let known = self.known_since.is_some_and(|since| now >= since + WARM_AFTER);
        let difficulty = self.rate * part * SHARE_INTERVAL.as_secs_f64();
        let difficulty = Difficulty::from_f64(difficulty).ok().filter(|_| known);
        Wanted { difficulty: difficulty.map(Difficulty::rounded_down) }
    }
}

// === impl RouteTask ===

impl RouteTask {
    /// Moves seats, when it is time or the pools are others than before.
    pub(super) fn seat(&mut self) {
        let now = self.now().instant;
        if self.seating.is_crowded && now >= self.seating.look_at() {
            self.seating.looked = now;
            let seats = self.seating.seats.taken();
            self.open_banks(now, &seats);
        }
        let lanes: Vec<(PoolId, f64)> =
            self.active_pools().into_iter().map(|pool| (pool, self.weight_of(pool))).collect();
        if lanes == self.seating.lanes && now < self.seating.due_at() {
            return;
        }
        let elapsed = now.saturating_duration_since(self.seating.counted);
        self.seating.counted = now;
        let seats = self.seating.seats.taken();
        self.open_banks(now, &seats);
        self.seating.is_crowded = seats.len() >= banks::MANY_SEATS;
        let pools: Vec<(u32, f64, Brought)> =
            lanes.iter().map(|(pool, weight)| (pool.0, *weight, self.brought(*pool))).collect();
        match pools.len() {
            0 => {}
            1 if self.seating.lanes.len() == 1 => {}
            1 => self.seating.clear(&seats),
            _ => self.seating.apportion(elapsed, &seats, &pools),
        }
        self.seating.lanes = lanes;
        self.seating.measure(now, &seats);
        self.tell_difficulty(now);
    }

    /// By all connections to a pool.
    fn brought(&self, pool: PoolId) -> Brought {
        let is_of = |slot: &&Slot| {
            slot.handle.id == pool || slot.further.is_some_and(|further| further.of == pool)
        };
        let works = self.slots.iter().filter(is_of).map(|slot| slot.facts().work);
        works.fold(Brought::default(), |sum, work| Brought {
            written: sum.written + work.written,
            refused: sum.refused + work.rejected + work.unanswered,
        })
    }

    /// Tells each pool what difficulty suits the hashrate that it has or would have after a failover, so that none is
    /// flooded when it comes to that.
    fn tell_difficulty(&self, now: Instant) {
        for slot in &self.slots {
            let mut groups: BTreeMap<usize, f64> = BTreeMap::new();
            for other in self.slots.iter().filter(|other| other.place.tier == slot.place.tier) {
                groups.insert(other.place.group, f64::from(other.place.weight));
            }
            let all: f64 = groups.values().sum();
            let part = if all > 0.0 { f64::from(slot.place.weight) / all } else { 1.0 };
            slot.want(self.seating.wanted(now, part));
        }
    }
}
