//! Whether each ticket was credited, and the one cause why not; and what an oracle would have got.
//!
//! The oracle is a proxy of no cost on the same network: computed, not run. It mines on the pool
//! that is wanted if anybody can reach it and else on the other, and its miners have the work in
//! the same instant; the way to the pool and back it cannot shorten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Answer, AtPool, Fate, Record};
use super::plan::{Phase, Plan, PoolId};
use super::tickets::MachineId;
use crate::judge::Reason;

/// Why a ticket was not credited.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The machine had none.
    NoJob,
    /// The machine had been without work for so long that it had to power up.
    Ramp,
    /// For a block that was over.
    OldBlock,
    /// On no pool's books.
    NotArrived,
    PoolReject,
    /// The proxy said yes and wrote it to no pool.
    AcknowledgedNotArrived,
    /// The proxy said no, and a pool would have paid.
    WouldHavePaidButRefused,
    WrongAccount,
    HiddenByDifficulty,
    Duplicate,
}

/// How a pool treats a share for the block before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// One way.
    pub latency: Duration,
    /// In the pools' order.
    pub grace: [Duration; 2],
}

/// What a phase came to in one farm.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub tickets: u64,
    pub credited: u64,
    pub causes: BTreeMap<Cause, u64>,
    /// Not credited, though the oracle would have got it.
    pub excess: u64,
    /// Of the excess: by machine, beside its tickets.
    pub machines: BTreeMap<MachineId, (u64, u64)>,
}

/// What the experiment came to in one farm.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    pub phases: BTreeMap<Phase, Tally>,
    /// Tickets that the oracle loses.
    pub oracle_lost: BTreeMap<Phase, u64>,
    /// The first few that must not be, to look at: lost for a forbidden cause, or in calm.
    pub examples: Vec<(Cause, Phase, Record)>,
}

/// Examples kept.
const EXAMPLES_MAX: usize = 24;

/// How Stratum says that a share came too late.
const STALE: i64 = 21;

// === impl Cause ===

impl Cause {
    pub const ALL: [Self; 10] = [
        Self::NoJob,
        Self::Ramp,
        Self::OldBlock,
        Self::NotArrived,
        Self::PoolReject,
        Self::AcknowledgedNotArrived,
        Self::WouldHavePaidButRefused,
        Self::WrongAccount,
        Self::HiddenByDifficulty,
        Self::Duplicate,
    ];

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoJob => "no_job",
            Self::Ramp => "ramp",
            Self::OldBlock => "old_block",
            Self::NotArrived => "not_arrived",
            Self::PoolReject => "pool_reject",
            Self::AcknowledgedNotArrived => "acknowledged_not_arrived",
            Self::WouldHavePaidButRefused => "would_have_paid_but_refused",
            Self::WrongAccount => "wrong_account",
            Self::HiddenByDifficulty => "hidden_by_difficulty",
            Self::Duplicate => "duplicate",
        }
    }

    /// A proxy never loses a ticket so; but whoever is killed may have said yes a moment before.
    #[must_use]
    pub fn is_forbidden(self, phase: Phase) -> bool {
        match self {
            Self::NoJob | Self::Ramp | Self::OldBlock | Self::NotArrived | Self::PoolReject => {
                false
            }
            Self::AcknowledgedNotArrived => phase != Phase::Kill,
            Self::WouldHavePaidButRefused
            | Self::WrongAccount
            | Self::HiddenByDifficulty
            | Self::Duplicate => true,
        }
    }

    /// Of one ticket; none if it was credited once, to the account that was meant.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        match record.fate {
            Fate::NoJob => return Some(Self::NoJob),
            Fate::Ramp => return Some(Self::Ramp),
            Fate::Hidden => return Some(Self::HiddenByDifficulty),
            Fate::Submitted => {}
        }
        match record.pool {
            AtPool::Credited(1) => return None,
            AtPool::Credited(_) | AtPool::Refused(Reason::Duplicate) => {
                return Some(Self::Duplicate);
            }
            AtPool::Misdirected => return Some(Self::WrongAccount),
            AtPool::Refused(Reason::Stale) => return Some(Self::OldBlock),
            AtPool::Refused(_) => return Some(Self::PoolReject),
            AtPool::NotSeen => {}
        }
        if record.wrongly_refused {
            return Some(Self::WouldHavePaidButRefused);
        }
        match record.answer {
            Answer::Yes if !record.left_proxy => Some(Self::AcknowledgedNotArrived),
            Answer::No(Some(STALE)) => Some(Self::OldBlock),
            Answer::Yes | Answer::No(_) | Answer::None => Some(Self::NotArrived),
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Whether the oracle gets a ticket that is due at `at` credited.
    #[must_use]
    pub fn oracle_pays(&self, at: Duration, terms: &Terms) -> bool {
        let wanted = self.preferred(at);
        let Some(pool) = [wanted, wanted.other()].into_iter().find(|pool| self.is_up(*pool, at))
        else {
            return false;
        };
        let grace = terms.grace.get(pool.index()).copied().unwrap_or_default();
        !self.is_too_late(pool, at, terms.latency, grace)
    }

    /// A share found when nobody at the miner could know of the new block yet, and arriving when
    /// the pool no longer pays for the old one.
    fn is_too_late(&self, pool: PoolId, at: Duration, latency: Duration, grace: Duration) -> bool {
        let arrives = at + latency;
        // Blocks that come later than the arrival do not matter, nor those that were heard of.
        let end = self.blocks.partition_point(|(block, _)| *block <= arrives);
        let before = self.blocks.get(..end).unwrap_or_default().iter().rev();
        before
            .take_while(|(block, _)| *block + latency >= at)
            .any(|(block, of)| *of == pool && arrives >= *block + grace)
    }
}

// === impl Judgement ===

impl Judgement {
    /// Judges every ticket that was due after the warm-up.
    #[must_use]
    pub fn of(records: &[Record], plan: &Plan, terms: &Terms) -> Self {
        let mut judgement = Self::default();
        let counted = plan.shape.warm_up..plan.shape.length;
        for record in records.iter().filter(|record| counted.contains(&record.at)) {
            judgement.enter(record, plan, terms);
        }
        judgement
    }

    /// Everything together.
    #[must_use]
    pub fn total(&self) -> Tally {
        let zero = Tally::default();
        self.phases.values().fold(zero, |sum, tally| sum.plus(tally))
    }

    /// Lost for a cause that must be nought, by cause.
    #[must_use]
    pub fn forbidden(&self) -> BTreeMap<Cause, u64> {
        let mut found = BTreeMap::new();
        for (phase, tally) in &self.phases {
            for (cause, count) in
                tally.causes.iter().filter(|(cause, _)| cause.is_forbidden(*phase))
            {
                *found.entry(*cause).or_default() += count;
            }
        }
        found
    }

    fn enter(&mut self, record: &Record, plan: &Plan, terms: &Terms) {
        // One that is on its way when something happens belongs to what happens.
        let phase = plan.phase(record.at + terms.latency * 2);
        let oracle_pays = plan.oracle_pays(record.at, terms);
        *self.oracle_lost.entry(phase).or_default() += u64::from(!oracle_pays);
        let tally = self.phases.entry(phase).or_default();
        tally.tickets += 1;
        let (lost, tickets) = tally.machines.entry(record.ticket.machine).or_default();
        *tickets += 1;
        let Some(cause) = Cause::of(record) else {
            tally.credited += 1;
            return;
        };
        *tally.causes.entry(cause).or_default() += 1;
        tally.excess += u64::from(oracle_pays);
        *lost += u64::from(oracle_pays);
        let is_odd = cause.is_forbidden(phase) || (phase == Phase::Calm && oracle_pays);
        if is_odd && self.examples.len() < EXAMPLES_MAX {
            self.examples.push((cause, phase, *record));
        }
    }
}

// === impl Tally ===

impl Tally {
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.tickets - self.credited
    }

    fn plus(mut self, other: &Self) -> Self {
        let Self { tickets, credited, causes, excess, machines } = other;
        self.tickets += tickets;
        self.credited += credited;
        self.excess += excess;
        for (cause, count) in causes {
            *self.causes.entry(*cause).or_default() += count;
        }
        for (machine, (lost, tickets)) in machines {
            let (lost_so_far, tickets_so_far) = self.machines.entry(*machine).or_default();
            *lost_so_far += lost;
            *tickets_so_far += tickets;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{DAY, Outage};
    use super::super::tickets::TicketId;
    use super::*;

    fn record() -> Record {
        Record {
            ticket: TicketId { machine: MachineId(0), number: 0 },
            at: Duration::from_secs(500),
            fate: Fate::Submitted,
            answer: Answer::None,
            pool: AtPool::NotSeen,
            left_proxy: false,
            wrongly_refused: false,
        }
    }

    #[test]
    fn every_lost_ticket_has_one_cause() {
        let cases = [
            (Record { pool: AtPool::Credited(1), ..record() }, None),
            (Record { pool: AtPool::Credited(2), ..record() }, Some(Cause::Duplicate)),
            (Record { pool: AtPool::Misdirected, ..record() }, Some(Cause::WrongAccount)),
            (Record { pool: AtPool::Refused(Reason::Stale), ..record() }, Some(Cause::OldBlock)),
            (
                Record { pool: AtPool::Refused(Reason::UnknownJob), ..record() },
                Some(Cause::PoolReject),
            ),
            (Record { fate: Fate::NoJob, ..record() }, Some(Cause::NoJob)),
            (Record { fate: Fate::Ramp, ..record() }, Some(Cause::Ramp)),
            (Record { fate: Fate::Hidden, ..record() }, Some(Cause::HiddenByDifficulty)),
            (Record { answer: Answer::Yes, ..record() }, Some(Cause::AcknowledgedNotArrived)),
            (Record { answer: Answer::Yes, left_proxy: true, ..record() }, Some(Cause::NotArrived)),
            (Record { answer: Answer::No(Some(21)), ..record() }, Some(Cause::OldBlock)),
            (Record { answer: Answer::No(Some(20)), ..record() }, Some(Cause::NotArrived)),
            (
                Record { answer: Answer::No(Some(21)), wrongly_refused: true, ..record() },
                Some(Cause::WouldHavePaidButRefused),
            ),
            (record(), Some(Cause::NotArrived)),
        ];
        for (record, cause) in cases {
            assert_eq!(Cause::of(&record), cause, "{record:?}");
        }
    }

    #[test]
    fn a_ticket_that_meets_an_event_on_its_way_is_not_lost_in_calm() {
        let plan = Plan::new(DAY, 1);
        let event = plan.events.iter().find(|event| event.phase == Phase::Reset).unwrap();
        let terms = Terms { latency: Duration::from_millis(20), grace: [Duration::ZERO; 2] };
        let phase = |before: u64| {
            let at = event.from - Duration::from_millis(before);
            let judgement = Judgement::of(&[Record { at, ..record() }], &plan, &terms);
            judgement.phases.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(phase(15), [Phase::Reset]);
        assert_eq!(phase(60), [Phase::Calm]);
    }

    #[test]
    fn only_a_kill_excuses_what_was_acknowledged() {
        assert!(Cause::AcknowledgedNotArrived.is_forbidden(Phase::Calm));
        assert!(!Cause::AcknowledgedNotArrived.is_forbidden(Phase::Kill));
        assert!(Cause::Duplicate.is_forbidden(Phase::Kill));
    }

    #[test]
    fn the_oracle_loses_what_a_block_makes_old_on_its_way_and_what_nobody_could_deliver() {
        let mut plan = Plan::new(DAY, 1);
        let at = Duration::from_millis;
        plan.blocks = vec![(at(10_000), PoolId::First), (at(10_100), PoolId::Second)];
        plan.outages = vec![Outage { pool: PoolId::First, from: at(30_000), until: at(40_000) }];
        let terms = |grace| Terms { latency: at(20), grace: [at(grace), at(grace)] };
        let strict = terms(0);
        for (moment, pays) in [(9_979, true), (9_980, false), (10_020, false), (10_021, true)] {
            assert_eq!(plan.oracle_pays(at(moment), &strict), pays, "{moment}");
            assert!(plan.oracle_pays(at(moment), &terms(2_000)), "{moment} with grace");
        }
        assert!(plan.oracle_pays(at(35_000), &strict), "the other pool");
        plan.outages.push(Outage { pool: PoolId::Second, from: at(34_000), until: at(36_000) });
        assert!(!plan.oracle_pays(at(35_000), &strict), "no pool");
    }
}
