//! The time ledger: what miners' hashrate had to work on, in difficulty. A share says what was found; this says what could
//! have been, and why it was not.
//!
//! ```text
//! paid      live work of a pool of its route
//! stale     the last job of a pool that is gone
//! no_job    nothing yet
//! draining  asked to leave
//! absent    a worker that was here and is not
//! ```
//! A miner's hashrate is what its shares have shown, so one that has found none yet counts for nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::exact;

/// Rows at most: 512 routes by a few listeners, with room for names that change.
const ROWS_MAX: usize = 4096;

/// Listener and route of the row that takes what is beyond [`ROWS_MAX`].
const OTHER: &str = "other";

/// Workers that are remembered while they are gone; who leaves beyond that is not missed.
const ABSENT_MAX: usize = 65_536;

/// A worker that is gone for longer was switched off.
const MISSED_FOR: Duration = Duration::from_secs(3600);

/// What a miner has to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkState {
    /// A worker that was here and is not.
    Absent,
    /// Asked to leave.
    Draining,
    /// No job yet.
    NoJob,
    /// Live work of a pool of its route.
    Paid,
    /// The last job of a pool that is gone.
    Stale,
}

/// Difficulty by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Work {
    /// [`WorkState::Absent`].
    #[serde(deserialize_with = "exact::sum")]
    pub absent: f64,
    /// [`WorkState::Draining`].
    #[serde(deserialize_with = "exact::sum")]
    pub draining: f64,
    /// [`WorkState::NoJob`].
    #[serde(deserialize_with = "exact::sum")]
    pub no_job: f64,
    /// [`WorkState::Paid`].
    #[serde(deserialize_with = "exact::sum")]
    pub paid: f64,
    /// [`WorkState::Stale`].
    #[serde(deserialize_with = "exact::sum")]
    pub stale: f64,
}

/// The work of the miners of a listener for a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkSnapshot {
    /// Their listener.
    pub listener: Arc<str>,
    /// Their route.
    pub route: Arc<str>,
    /// What it comes to.
    #[serde(flatten)]
    pub work: Work,
}

/// A row of the time ledger.
#[derive(Debug, Default)]
pub struct TimeRow(
    /// Contended by the sessions of a listener, each once in some seconds.
    Mutex<Work>,
);

/// All rows, and who is missed.
#[derive(Debug, Default)]
pub struct TimeLedger {
    rows: DashMap<(Arc<str>, Arc<str>), Arc<TimeRow>>,
    /// Contended by miners that come and go.
    absent: Mutex<Absent>,
}

/// By listener and name; several machines may have one name.
#[derive(Debug, Default)]
struct Absent {
    workers: BTreeMap<(Arc<str>, Box<str>), Vec<Gone>>,
    count: usize,
}

/// A miner that is gone.
#[derive(Debug)]
struct Gone {
    since: Instant,
    difficulty_per_second: f64,
    row: Arc<TimeRow>,
}

// === impl WorkState ===

impl WorkState {
    /// Every state, for exposition.
    pub const ALL: [Self; 5] = [Self::Absent, Self::Draining, Self::NoJob, Self::Paid, Self::Stale];

    /// The state as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Draining => "draining",
            Self::NoJob => "no_job",
            Self::Paid => "paid",
            Self::Stale => "stale",
        }
    }
}

// === impl Work ===

impl Work {
    /// The work of one state.
    pub fn of(&self, state: WorkState) -> f64 {
        match state {
            WorkState::Absent => self.absent,
            WorkState::Draining => self.draining,
            WorkState::NoJob => self.no_job,
            WorkState::Paid => self.paid,
            WorkState::Stale => self.stale,
        }
    }

    fn add(&mut self, state: WorkState, difficulty: f64) {
        let sum = match state {
            WorkState::Absent => &mut self.absent,
            WorkState::Draining => &mut self.draining,
            WorkState::NoJob => &mut self.no_job,
            WorkState::Paid => &mut self.paid,
            WorkState::Stale => &mut self.stale,
        };
        *sum += difficulty;
    }
}

// === impl TimeRow ===

impl TimeRow {
    /// A miner of this speed was in a state for so long.
    pub fn spent(&self, state: WorkState, difficulty_per_second: f64, time: Duration) {
        let difficulty = difficulty_per_second * time.as_secs_f64();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(state, difficulty);
    }

    fn work(&self) -> Work {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl TimeLedger ===

impl TimeLedger {
    /// The row of a listener and a route, both of the configuration.
    pub fn row(&self, listener: &Arc<str>, route: &Arc<str>) -> Arc<TimeRow> {
        let key = (Arc::clone(listener), Arc::clone(route));
        let is_room = self.rows.len() < ROWS_MAX || self.rows.contains_key(&key);
        let key = if is_room { key } else { (OTHER.into(), OTHER.into()) };
        Arc::clone(&self.rows.entry(key).or_default())
    }

    /// Adds what an earlier process booked.
    pub(super) fn add(&self, listener: &Arc<str>, route: &Arc<str>, earlier: &Work) {
        let row = self.row(listener, route);
        let mut work = row.0.lock().unwrap_or_else(PoisonError::into_inner);
        for state in WorkState::ALL {
            work.add(state, earlier.of(state));
        }
    }

    /// A miner has gone, and nobody asked it to.
    pub fn left(
        &self,
        now: Instant,
        (listener, worker): (&Arc<str>, &str),
        difficulty_per_second: f64,
        row: &Arc<TimeRow>,
    ) {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        if absent.count >= ABSENT_MAX {
            absent.forget(now);
        }
        if absent.count < ABSENT_MAX {
            absent.count += 1;
            let gone = Gone { since: now, difficulty_per_second, row: Arc::clone(row) };
            absent.workers.entry((Arc::clone(listener), worker.into())).or_default().push(gone);
        }
    }

    /// A miner of this name has come; how fast it was, if one was missed.
    pub fn came(&self, now: Instant, listener: &Arc<str>, worker: &str) -> Option<f64> {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(listener), worker.into());
        let missed = absent.workers.get_mut(&key)?;
        let gone = missed.pop();
        if missed.is_empty() {
            absent.workers.remove(&key);
        }
        let gone = gone?;
        absent.count -= 1;
        gone.row.spent(WorkState::Absent, gone.difficulty_per_second, gone.missed_for(now));
        Some(gone.difficulty_per_second)
    }

    /// What it all comes to by now, in the order of listeners and routes.
    pub fn snapshot(&self, now: Instant) -> Vec<WorkSnapshot> {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.forget(now);
        let snapshot = |row: &Arc<TimeRow>, listener: &Arc<str>, route: &Arc<str>| {
            let mut work = row.work();
            for gone in absent.workers.values().flatten() {
                if Arc::ptr_eq(&gone.row, row) {
                    let missed = gone.missed_for(now).as_secs_f64();
                    work.absent += gone.difficulty_per_second * missed;
                }
            }
            WorkSnapshot { listener: Arc::clone(listener), route: Arc::clone(route), work }
        };
        let rows = self.rows.iter();
        let mut all: Vec<_> =
            rows.map(|row| snapshot(row.value(), &row.key().0, &row.key().1)).collect();
        all.sort_by(|a, b| (&a.listener, &a.route).cmp(&(&b.listener, &b.route)));
        all
    }
}

// === impl Absent ===

impl Absent {
    /// Books those for good who have been gone for too long.
    fn forget(&mut self, now: Instant) {
        let mut forgotten = 0;
        self.workers.retain(|_, missed| {
            missed.retain(|gone| {
                let is_missed = now.saturating_duration_since(gone.since) < MISSED_FOR;
                if !is_missed {
                    forgotten += 1;
                    let time = gone.missed_for(now);
                    gone.row.spent(WorkState::Absent, gone.difficulty_per_second, time);
                }
                is_missed
            });
            !missed.is_empty()
        });
        self.count -= forgotten;
    }
}

// === impl Gone ===

impl Gone {
    fn missed_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since).min(MISSED_FOR)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "sums of whole numbers are exact")]

    use super::*;

    fn work(ledger: &TimeLedger, now: Instant) -> Work {
        let [row] = &ledger.snapshot(now)[..] else { panic!("one row") };
        row.work
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn work_is_speed_times_time_by_state() {
        let ledger = TimeLedger::default();
        let row = ledger.row(&"v1".into(), &"main".into());
        row.spent(WorkState::Paid, 2.0, seconds(30));
        row.spent(WorkState::Stale, 2.0, seconds(5));
        ledger.row(&"v1".into(), &"main".into()).spent(WorkState::Paid, 1.0, seconds(1));
        let work = work(&ledger, Instant::now());
        assert_eq!(WorkState::ALL.map(|state| work.of(state)), [0.0, 0.0, 0.0, 61.0, 10.0]);
    }

    #[test]
    fn who_was_here_is_missed_until_it_comes_or_is_taken_for_switched_off() {
        let ledger = TimeLedger::default();
        let (listener, start): (Arc<str>, _) = ("v1".into(), Instant::now());
        let row = ledger.row(&listener, &"main".into());
        for _ in 0..2 {
            ledger.left(start, (&listener, "acct.rig"), 2.0, &row);
        }
        assert_eq!(work(&ledger, start + seconds(10)).absent, 40.0);
        assert_eq!(ledger.came(start + seconds(20), &listener, "acct.rig"), Some(2.0));
        assert_eq!(ledger.came(start + seconds(20), &listener, "acct.other"), None);
        assert_eq!(work(&ledger, start + seconds(30)).absent, 100.0);
        let hour = 2.0 * MISSED_FOR.as_secs_f64();
        assert_eq!(work(&ledger, start + 2 * MISSED_FOR).absent, 40.0 + hour);
        assert_eq!(ledger.came(start + 2 * MISSED_FOR, &listener, "acct.rig"), None);
        assert_eq!(work(&ledger, start + 3 * MISSED_FOR).absent, 40.0 + hour);
    }

    #[test]
    fn those_who_are_missed_are_bounded() {
        let ledger = TimeLedger::default();
        let (listener, now): (Arc<str>, _) = ("v1".into(), Instant::now());
        let row = ledger.row(&listener, &"main".into());
        for n in 0..ABSENT_MAX + 10 {
            ledger.left(now, (&listener, &n.to_string()), 1.0, &row);
        }
        assert_eq!(work(&ledger, now + seconds(1)).absent, 65_536.0);
    }
}
