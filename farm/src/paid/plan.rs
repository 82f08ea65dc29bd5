//! What happens to a farm in the course of the experiment, and when: a function of a seed.
//!
//! Owns the phases, the order of events and the moments of blocks. An event has a window that ends
//! when the farm should long be calm again; a ticket belongs to the window in which it is due.

use std::time::Duration;

/// What goes on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    Calm,
    /// The active pool resets all its connections, and is there again at once.
    Reset,
    /// Nothing passes to or from the active pool, and nobody says so.
    BlackHole,
    /// The active pool keeps its connections, takes new ones, and says nothing.
    Zombie,
    /// The active pool is gone for a moment, and gives out new extranonces.
    Restart,
    /// The active pool is gone for 20 s, there for 40 s, and so on.
    Flapping,
    /// No pool is reachable for 30 s.
    UplinkShort,
    /// No pool is reachable for 300 s.
    UplinkLong,
    /// The other pool is to be mined on from now on.
    PoolChange,
    /// The proxy that has the miners is killed; a second one stands behind the same address.
    Kill,
    /// The proxies are replaced one by one, each in good order.
    Rolling,
}

/// One of the two pools.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PoolId {
    First,
    Second,
}

/// Something to be done to the world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The pool hears of this block.
    Block(PoolId, [u8; 32]),
    Cut(PoolId),
    Darken(PoolId, Duration),
    /// Just before the dark ends: what was connected through it is gone.
    CutDark(PoolId),
    Silence(PoolId),
    Speak(PoolId),
    Stop(PoolId),
    Start(PoolId),
    Uplink(Duration),
    Prefer(PoolId),
    KillProxy,
    RollProxies,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pub phase: Phase,
    pub from: Duration,
    pub until: Duration,
}

/// A pool that nobody can reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    pub pool: PoolId,
    pub from: Duration,
    pub until: Duration,
}

/// How often what happens, how long it lasts, and how long its window goes on after it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub phase: Phase,
    pub times: usize,
    pub fault: Duration,
    pub settle: Duration,
}

/// The size of an experiment.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub length: Duration,
    /// Tickets before it are not counted: the farm is switched on.
    pub warm_up: Duration,
    pub block_interval: Duration,
    pub order: Order,
    pub kinds: &'static [Kind],
}

/// In which order the kinds of events come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    Drawn,
    /// As listed: where the time is too short for machines to fail back between two events.
    AsListed,
}

/// All that happens.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: Shape,
    /// In their order; their windows do not overlap.
    pub events: Vec<Event>,
    /// In their order.
    pub actions: Vec<(Duration, Action)>,
    pub outages: Vec<Outage>,
    /// Since when which pool is to be mined on.
    pub preferences: Vec<(Duration, PoolId)>,
    /// When each pool hears of each block.
    pub blocks: Vec<(Duration, PoolId)>,
}

/// Down and up again, in flapping.
const FLAP_DOWN: Duration = Duration::from_secs(20);
const FLAP_PERIOD: Duration = Duration::from_secs(60);

/// The second pool hears of a block up to this much later or earlier than the first.
const PROPAGATION_MAX: Duration = Duration::from_millis(600);

/// Before dark ends, the connections that went through it are given up by their kernels.
const DARK_END: Duration = Duration::from_millis(100);

const fn kind(phase: Phase, times: usize, fault_s: u64, settle_s: u64) -> Kind {
    Kind {
        phase,
        times,
        fault: Duration::from_secs(fault_s),
        settle: Duration::from_secs(settle_s),
    }
}

/// 24 hours, as the goals are told.
pub const DAY: Shape = Shape {
    length: Duration::from_secs(24 * 3600),
    warm_up: Duration::from_secs(120),
    block_interval: Duration::from_secs(600),
    order: Order::Drawn,
    kinds: &[
        kind(Phase::Reset, 4, 0, 600),
        kind(Phase::BlackHole, 2, 600, 1200),
        kind(Phase::Zombie, 2, 600, 1200),
        kind(Phase::Restart, 6, 10, 600),
        kind(Phase::Flapping, 1, 1200, 1200),
        kind(Phase::UplinkShort, 2, 30, 600),
        kind(Phase::UplinkLong, 1, 300, 1200),
        kind(Phase::PoolChange, 12, 0, 600),
        kind(Phase::Kill, 4, 0, 900),
        kind(Phase::Rolling, 2, 0, 900),
    ],
};

/// One of each in two hours, with shorter faults: what every change can afford to run.
pub const SHORT: Shape = Shape {
    length: Duration::from_secs(2 * 3600),
    warm_up: Duration::from_secs(120),
    block_interval: Duration::from_secs(600),
    order: Order::Drawn,
    kinds: &[
        kind(Phase::Reset, 1, 0, 240),
        kind(Phase::BlackHole, 1, 240, 480),
        kind(Phase::Zombie, 1, 240, 480),
        kind(Phase::Restart, 1, 10, 290),
        kind(Phase::Flapping, 1, 240, 480),
        kind(Phase::UplinkShort, 1, 30, 270),
        kind(Phase::UplinkLong, 1, 300, 480),
        kind(Phase::PoolChange, 1, 0, 300),
        kind(Phase::Kill, 1, 0, 360),
        kind(Phase::Rolling, 1, 0, 480),
    ],
};

/// Twenty minutes on real sockets: what passes within them.
pub const SOCKETS: Shape = Shape {
    length: Duration::from_secs(20 * 60),
    warm_up: Duration::from_secs(30),
    block_interval: Duration::from_secs(120),
    order: Order::AsListed,
    kinds: &[
        kind(Phase::Zombie, 1, 120, 120),
        kind(Phase::Reset, 1, 0, 60),
        kind(Phase::Restart, 1, 10, 80),
        kind(Phase::UplinkShort, 1, 30, 90),
        kind(Phase::PoolChange, 2, 0, 60),
        kind(Phase::Kill, 1, 0, 120),
        kind(Phase::Rolling, 1, 0, 160),
    ],
};

// === impl Phase ===

impl Phase {
    pub const ALL: [Self; 11] = [
        Self::Calm,
        Self::Reset,
        Self::BlackHole,
        Self::Zombie,
        Self::Restart,
        Self::Flapping,
        Self::UplinkShort,
        Self::UplinkLong,
        Self::PoolChange,
        Self::Kill,
        Self::Rolling,
    ];

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Reset => "pool_reset",
            Self::BlackHole => "black_hole",
            Self::Zombie => "zombie_pool",
            Self::Restart => "pool_restart",
            Self::Flapping => "flapping",
            Self::UplinkShort => "uplink_30s",
            Self::UplinkLong => "uplink_300s",
            Self::PoolChange => "pool_change",
            Self::Kill => "sigkill",
            Self::Rolling => "rolling_restart",
        }
    }
}

// === impl PoolId ===

impl PoolId {
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

// === impl Plan ===

impl Plan {
    /// The events of `shape`, with calm between them.
    #[must_use]
    pub fn new(shape: Shape, seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut plan = Self {
            shape,
            events: Vec::new(),
            actions: Vec::new(),
            outages: Vec::new(),
            preferences: vec![(Duration::ZERO, PoolId::First)],
            blocks: Vec::new(),
        };
        plan.draw_blocks(&mut dice);
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in shape.kinds {
            kinds.extend(std::iter::repeat_n(*kind, kind.times));
        }
        if shape.order == Order::Drawn {
            dice.shuffle(&mut kinds);
        }
        let taken: Duration = kinds.iter().map(|kind| kind.fault + kind.settle).sum();
        let gaps = u32::try_from(kinds.len() + 1).unwrap_or(u32::MAX);
        let gap = shape.length.saturating_sub(shape.warm_up + taken) / gaps;
        let mut from = shape.warm_up + gap;
        for kind in kinds {
            // Not at a whole second: nothing in the world may fall together with it by habit.
            from += Duration::from_millis(dice.u64(1..1000));
            let until = from + kind.fault + kind.settle;
            plan.events.push(Event { phase: kind.phase, from, until });
            plan.happen(kind, from);
            from = until + gap;
        }
        plan.actions.sort_by_key(|(at, _)| *at);
        plan
    }

    /// What goes on at `at`.
    #[must_use]
    pub fn phase(&self, at: Duration) -> Phase {
        let next = self.events.partition_point(|event| event.from <= at);
        let last = next.checked_sub(1).and_then(|last| self.events.get(last));
        last.filter(|event| at < event.until).map_or(Phase::Calm, |event| event.phase)
    }

    /// The pool that is to be mined on at `at`.
    #[must_use]
    pub fn preferred(&self, at: Duration) -> PoolId {
        let so_far = self.preferences.iter().take_while(|(since, _)| *since <= at);
        so_far.last().map_or(PoolId::First, |(_, pool)| *pool)
    }

    /// Whether anybody could reach the pool at `at`.
    #[must_use]
    pub fn is_up(&self, pool: PoolId, at: Duration) -> bool {
        let hits =
            |outage: &Outage| outage.pool == pool && (outage.from..outage.until).contains(&at);
        !self.outages.iter().any(hits)
    }

    /// How much of the experiment is counted under `phase`, and in how many events.
    #[must_use]
    pub fn span(&self, phase: Phase) -> (usize, Duration) {
        let of_phase = |event: &&Event| event.phase == phase || phase == Phase::Calm;
        let events = self.events.iter().filter(of_phase);
        let inside: Duration = events.clone().map(|event| event.until - event.from).sum();
        match phase {
            Phase::Calm => (1, self.shape.length - self.shape.warm_up - inside),
            _ => (events.count(), inside),
        }
    }

    fn happen(&mut self, kind: Kind, from: Duration) {
        let pool = self.preferred(from);
        let until = from + kind.fault;
        match kind.phase {
            Phase::Calm => {}
            Phase::Reset => self.act(from, Action::Cut(pool)),
            Phase::BlackHole => {
                self.act(from, Action::Darken(pool, kind.fault));
                self.act(until.saturating_sub(DARK_END), Action::CutDark(pool));
                self.outages.push(Outage { pool, from, until });
            }
            Phase::Zombie => {
                self.act(from, Action::Silence(pool));
                self.act(until, Action::Speak(pool));
                self.outages.push(Outage { pool, from, until });
            }
            Phase::Restart => self.down(pool, from, until),
            Phase::Flapping => {
                let mut down = from;
                while down < until {
                    self.down(pool, down, down + FLAP_DOWN);
                    down += FLAP_PERIOD;
                }
            }
            Phase::UplinkShort | Phase::UplinkLong => {
                self.act(from, Action::Uplink(kind.fault));
                self.outages.extend(PoolId::ALL.map(|pool| Outage { pool, from, until }));
            }
            Phase::PoolChange => {
                self.preferences.push((from, pool.other()));
                self.act(from, Action::Prefer(pool.other()));
            }
            Phase::Kill => self.act(from, Action::KillProxy),
            Phase::Rolling => self.act(from, Action::RollProxies),
        }
    }

    fn down(&mut self, pool: PoolId, from: Duration, until: Duration) {
        self.act(from, Action::Stop(pool));
        self.act(until, Action::Start(pool));
        self.outages.push(Outage { pool, from, until });
    }

    fn act(&mut self, at: Duration, action: Action) {
        self.actions.push((at, action));
    }

    /// Both pools hear of each block, one a little after the other. The first one comes at once, so
    /// that all are on the same chain.
    fn draw_blocks(&mut self, dice: &mut fastrand::Rng) {
        let mut at = Duration::from_millis(1);
        while at < self.shape.length {
            let mut hash = [0; 32];
            dice.fill(&mut hash);
            // In internal order the zeros of a block's hash stand at the end.
            hash.iter_mut().skip(23).for_each(|byte| *byte = 0);
            let late = PROPAGATION_MAX.mul_f64(dice.f64());
            let (first, second) = if dice.bool() {
                (PoolId::First, PoolId::Second)
            } else {
                (PoolId::Second, PoolId::First)
            };
            for (at, pool) in [(at, first), (at + late, second)] {
                self.blocks.push((at, pool));
                self.act(at, Action::Block(pool, hash));
            }
            at += self.shape.block_interval.mul_f64(0.5 + dice.f64());
        }
        self.blocks.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_everything_that_the_goals_count_and_half_of_it_is_calm() {
        let plan = Plan::new(DAY, 1);
        let count = |phase| plan.events.iter().filter(|event| event.phase == phase).count();
        assert_eq!(count(Phase::Reset), 4);
        assert_eq!(count(Phase::PoolChange), 12);
        assert_eq!(plan.preferences.len(), 13);
        let (_, calm) = plan.span(Phase::Calm);
        assert!(calm > Duration::from_secs(12 * 3600), "{calm:?}");
        let total: Duration = Phase::ALL.map(|phase| plan.span(phase).1).into_iter().sum();
        assert_eq!(total, DAY.length - DAY.warm_up);
    }

    #[test]
    fn windows_do_not_overlap_and_end_in_time() {
        for (shape, seed) in [(DAY, 1), (SHORT, 2), (SOCKETS, 3), (DAY, 4)] {
            let plan = Plan::new(shape, seed);
            assert!(plan.events.is_sorted_by(|one, next| one.until < next.from));
            assert!(plan.events.last().is_some_and(|last| last.until < shape.length));
            assert!(plan.actions.is_sorted_by_key(|(at, _)| *at));
        }
    }

    #[test]
    fn a_pool_that_flaps_is_up_twice_as_long_as_down() {
        let plan = Plan::new(DAY, 5);
        let flapping = plan.events.iter().find(|event| event.phase == Phase::Flapping).unwrap();
        let pool = plan.preferred(flapping.from);
        let up = (0..1200)
            .filter(|second| plan.is_up(pool, flapping.from + Duration::from_secs(*second)))
            .count();
        assert_eq!(up, 800);
        assert!(plan.is_up(pool.other(), flapping.from));
    }
}
