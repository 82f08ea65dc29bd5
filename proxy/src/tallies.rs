//! What the connections of one name do together: how many they are, and how fast they submit. One table for each listener
//! that bounds either; it is bounded itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::rate_limit::TokenBucket;

/// Names that are remembered though nobody is connected by them: some 200 bytes each. Whoever is connected is counted by the
/// bounds of connections and of names on each.
const ABSENT_MAX: usize = 16_384;

/// So many are left when room is made.
const ABSENT_KEPT: usize = ABSENT_MAX / 4 * 3;

/// After this a bucket of a minute's submits is full again.
const MINUTE: Duration = Duration::from_secs(60);

/// What one name may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkerBounds {
    pub(crate) connections_max: Option<u32>,
    pub(crate) submits_per_minute: Option<u32>,
}

/// The names of a listener.
#[derive(Debug)]
pub(crate) struct Tallies {
    bounds: WorkerBounds,
    /// Contended when a name is authorized and when its connection ends; never by a share.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    known: BTreeMap<Arc<str>, Arc<Tally>>,
    /// Names without a connection.
    absent: usize,
}

#[derive(Debug)]
struct Tally {
    name: Arc<str>,
    /// Changed under the lock of the table only.
    connections: AtomicU32,
    /// Contended by the submits of one name.
    bucket: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    bucket: TokenBucket,
    last: Instant,
}

/// A connection, counted in at a name for as long as this lives.
#[derive(Debug)]
pub(crate) struct Member {
    tallies: Arc<Tallies>,
    tally: Arc<Tally>,
}

// === impl Tallies ===

impl Tallies {
    /// None where nothing is bounded.
    pub(crate) fn new(bounds: WorkerBounds) -> Option<Arc<Self>> {
        let is_bounded = bounds != WorkerBounds::default();
        is_bounded.then(|| Arc::new(Self { bounds, table: Mutex::default() }))
    }

    pub(crate) const fn bounds(&self) -> WorkerBounds {
        self.bounds
    }

    /// Whether the name has as many connections as it may.
    pub(crate) fn is_full(&self, name: &str) -> bool {
        let Some(max) = self.bounds.connections_max else { return false };
        let table = self.lock();
        table.known.get(name).is_some_and(|tally| tally.connections.load(Ordering::Relaxed) >= max)
    }

    pub(crate) fn join(self: &Arc<Self>, now: Instant, name: &str) -> Member {
        let mut table = self.lock();
        let tally = match table.known.get(name).map(Arc::clone) {
            Some(tally) => tally,
            None => {
                let tally = Arc::new(Tally::new(now, name, self.bounds));
                table.known.insert(Arc::clone(&tally.name), Arc::clone(&tally));
                table.absent += 1;
                tally
            }
        };
        if tally.connections.fetch_add(1, Ordering::Relaxed) == 0 {
            table.absent = table.absent.saturating_sub(1);
        }
        if table.absent > ABSENT_MAX {
            table.forget(now);
        }
        drop(table);
        Member { tallies: Arc::clone(self), tally }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    /// Makes room: names that have all tokens again go, and then those that were busy longest ago.
    fn forget(&mut self, now: Instant) {
        let mut absent: Vec<(Instant, Arc<str>)> = Vec::with_capacity(self.absent);
        self.known.retain(|name, tally| {
            if tally.connections.load(Ordering::Relaxed) > 0 {
                return true;
            }
            let last = tally.spent().last;
            let is_kept = now.saturating_duration_since(last) < MINUTE;
            if is_kept {
                absent.push((last, Arc::clone(name)));
            }
            is_kept
        });
        absent.sort_unstable();
        let surplus = absent.len().saturating_sub(ABSENT_KEPT);
        for (_, name) in absent.iter().take(surplus) {
            self.known.remove(name);
        }
        self.absent = absent.len() - surplus;
    }
}

// === impl Tally ===

impl Tally {
    fn new(now: Instant, name: &str, bounds: WorkerBounds) -> Self {
        let bucket = TokenBucket::new(now, bounds.submits_per_minute.unwrap_or_default());
        Self {
            name: name.into(),
            connections: AtomicU32::new(0),
            bucket: Mutex::new(Spent { bucket, last: now }),
        }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Member ===

impl Member {
    pub(crate) fn is(&self, name: &str) -> bool {
        *self.tally.name == *name
    }

    pub(crate) fn is_of(&self, tallies: &Arc<Tallies>) -> bool {
        Arc::ptr_eq(&self.tallies, tallies)
    }

    /// Takes the token of a submit, or tells how long it takes until there is one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let Some(per_minute) = self.tallies.bounds.submits_per_minute else { return Ok(()) };
        let mut spent = self.tally.spent();
        spent.last = now;
        spent.bucket.take_of_a_minute(now, per_minute)
    }

    /// The submit was one that does not count.
    pub(crate) fn give_back(&self) {
        self.tally.spent().bucket.give_back();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut table = self.tallies.lock();
        if self.tally.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            table.absent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(connections_max: Option<u32>, submits_per_minute: Option<u32>) -> Arc<Tallies> {
        Tallies::new(WorkerBounds { connections_max, submits_per_minute }).unwrap()
    }

    #[test]
    fn a_name_has_as_many_connections_as_it_may_and_no_more() {
        let (tallies, now) = (tallies(Some(2), None), Instant::now());
        let first = tallies.join(now, "a");
        assert!(!tallies.is_full("a"));
        let _second = tallies.join(now, "a");
        assert!(tallies.is_full("a"));
        assert!(!tallies.is_full("b"));
        drop(first);
        assert!(!tallies.is_full("a"));
    }

    #[test]
    fn the_connections_of_a_name_share_its_tokens_and_a_new_one_brings_none() {
        let (tallies, now) = (tallies(None, Some(3)), Instant::now());
        let (one, other) = (tallies.join(now, "a"), tallies.join(now, "a"));
        for member in [&one, &other, &one] {
            member.take(now).expect("three in all");
        }
        other.take(now).expect_err("that was the fourth");
        one.give_back();
        other.take(now).expect("given back");
        drop((one, other));
        tallies.join(now, "a").take(now).expect_err("who comes back is known");
        tallies.join(now, "b").take(now).expect("another name");
    }

    #[test]
    fn names_without_a_connection_are_bounded() {
        let (tallies, now) = (tallies(None, Some(3)), Instant::now());
        let stays = tallies.join(now, "stays");
        for number in 0..ABSENT_MAX + 100 {
            drop(tallies.join(now, &format!("w{number}")));
        }
        let table = tallies.lock();
        assert!(table.known.len() <= ABSENT_MAX + 2, "{}", table.known.len());
        assert_eq!(table.absent, table.known.len() - 1);
        assert!(table.known.contains_key("stays"));
        drop(table);
        drop(stays);
    }
}
