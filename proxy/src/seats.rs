//! Seats: which lane of its route each miner works on, and how fast it is.
//!
//! A session takes a seat among those of its route. The route's task moves seats between lanes and publishes its work
//! afterwards, so that a session which looks at its work finds its seat moved; sessions write their measured speed and
//! never wait. A seat holds three numbers, and no lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use loka_stratum::extranonce::MinerId;
use loka_stratum::types::LaneId;

/// Of a seat that was given no lane: its session works on the first there is. No pool's task has this number.
const NO_LANE: u32 = 0;

/// Seats of one route at most: more than a process has sockets. Who comes later sits nowhere, and works on the first lane.
const SEATS_MAX: usize = 1 << 20;

/// One miner's seat.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    lane: AtomicU32,
    /// Difficulty per second, as the bits of an `f32`.
    rate: AtomicU32,
    /// [`MinerId::pack`], or 0 of a miner that has not subscribed.
    miner: AtomicU64,
}

/// The seats of one route.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Vec<Weak<Seat>>>);

// === impl Seat ===

impl Seat {
    /// Where its miner works; none if that was not said.
    pub(crate) fn lane(&self) -> Option<LaneId> {
        Some(self.lane.load(Ordering::Relaxed)).filter(|lane| *lane != NO_LANE).map(LaneId)
    }

    /// Moves it, from the next time on that its session looks.
    pub(crate) fn assign(&self, lane: Option<LaneId>) {
        self.lane.store(lane.map_or(NO_LANE, |lane| lane.0), Ordering::Relaxed);
    }

    /// The id of its miner, once that has subscribed. [`MinerId::bank`] tells which connection to a pool can serve it.
    pub(crate) fn miner(&self) -> Option<MinerId> {
        MinerId::unpack(self.miner.load(Ordering::Relaxed))
    }

    /// Takes note of who sits here.
    pub(crate) fn identify(&self, miner: Option<MinerId>) {
        self.miner.store(miner.map_or(0, MinerId::pack), Ordering::Relaxed);
    }

    /// Difficulty per second that its miner was measured at.
    pub(crate) fn rate(&self) -> f64 {
        f32::from_bits(self.rate.load(Ordering::Relaxed)).into()
    }

    /// Takes note of a measurement.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits of a noisy measurement are plenty"
    )]
    pub(crate) fn measured(&self, difficulty_per_second: f64) {
        self.rate.store((difficulty_per_second as f32).to_bits(), Ordering::Relaxed);
    }
}

// === impl Seats ===

impl Seats {
    /// A seat for a session, for as long as it holds it.
    pub(crate) fn take(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat::default());
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.len() == seats.capacity() {
            // Before it grows: most of those who left are found here.
            seats.retain(|seat| seat.strong_count() > 0);
        }
        if seats.len() < SEATS_MAX {
            seats.push(Arc::downgrade(&seat));
        }
        seat
    }

    /// All that are taken, in the order in which they were.
    pub(crate) fn taken(&self) -> Vec<Arc<Seat>> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_says_where_and_how_fast() {
        let seats = Seats::default();
        let seat = seats.take();
        assert_eq!((seat.lane(), seat.rate()), (None, 0.0));
        let [seen] = &*seats.taken() else { panic!("one seat") };
        seen.assign(Some(LaneId(7)));
        seat.measured(1.5);
        assert_eq!((seat.lane(), seen.rate()), (Some(LaneId(7)), 1.5));
        seen.assign(None);
        assert_eq!(seat.lane(), None);
    }

    #[test]
    fn a_seat_that_was_left_is_no_seat() {
        let seats = Seats::default();
        let first = seats.take();
        let second = seats.take();
        drop(first);
        assert!(Arc::ptr_eq(&seats.taken()[0], &second));
        assert_eq!(seats.taken().len(), 1);
        for _ in 0..10_000 {
            drop(seats.take());
        }
        assert!(seats.0.lock().unwrap().len() < 100, "those who left take no room");
    }
}
