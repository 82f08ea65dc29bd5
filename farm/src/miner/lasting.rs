//! What a miner keeps while connections come and go: its counts, its clock, its pace, and what its
//! firmware remembers of the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counts::{Disconnect, MinerCounts};
use super::session::Share;
use crate::profile::Profile;
use crate::trap::{Fault, Trap};

/// Traps kept in full; the rest is counted.
pub(crate) const TRAPS_MAX: usize = 16;

/// Outlives connections.
#[derive(Debug)]
pub(crate) struct Lasting {
    pub(crate) counts: MinerCounts,
    pub(crate) traps: Vec<Trap>,
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    /// Sent back at the next subscribe.
    pub(crate) session: Option<String>,
    pub(crate) extranonce1: Option<Arc<[u8]>>,
    /// Shares to be sent again, should the same extranonce1 come back.
    pub(crate) held: Vec<Share>,
    pub(crate) tls: Tls,
    profile: &'static Profile,
    settled: Instant,
}

/// Whether the server is known to want plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Refused,
    Untried,
}

/// The miner's clock: seconds of the world at power-on, and tokio's time since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    powered_on: Instant,
    unix_base: u32,
}

/// Hashes owed by a hashrate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    hashes_per_second: u64,
    owed: u64,
    /// Of one hash, in nanoseconds times hashes per second.
    fraction: u64,
}

/// Where work was owed and not done for this long, the machine is too slow: the debt is shed
/// rather than paid in a burst.
const DEBT_MAX: Duration = Duration::from_secs(1);

const NANOS_PER_SECOND: u128 = 1_000_000_000;

// === impl Lasting ===

impl Lasting {
    pub(crate) fn new(profile: &'static Profile, pace: Pace, clock: Clock) -> Self {
        Self {
            counts: MinerCounts::default(),
            traps: Vec::new(),
            clock,
            pace,
            session: None,
            extranonce1: None,
            held: Vec::new(),
            tls: Tls::Untried,
            profile,
            settled: clock.powered_on,
        }
    }

    pub(crate) fn spring(&mut self, fault: Fault) {
        self.counts.traps += 1;
        if self.traps.len() < TRAPS_MAX {
            self.traps.push(Trap { profile: self.profile.name, what: fault });
        }
    }

    /// Books the time since the last call as spent with a job.
    pub(crate) fn settle_mining(&mut self, now: Instant) {
        let spent = self.since_settled(now);
        self.counts.mining += spent;
        self.counts.hashes_shed += self.pace.grant(spent);
    }

    /// Books the time since the last call as spent without a job.
    pub(crate) fn settle_idle(&mut self, now: Instant) {
        let spent = self.since_settled(now);
        self.counts.idle += spent;
        self.pace.forgive();
    }

    /// Books nothing: the power is off.
    pub(crate) fn settle_off(&mut self, now: Instant) {
        self.settled = now;
        self.pace.forgive();
    }

    /// Held shares whose session is gone for good.
    pub(crate) fn give_up_held(&mut self) {
        self.counts.unanswered += u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        self.counts.outstanding = 0;
        self.held.clear();
    }

    pub(crate) fn disconnected(&mut self, cause: Disconnect) {
        self.counts.disconnects.add(cause);
    }

    fn since_settled(&mut self, now: Instant) -> Duration {
        let spent = now.saturating_duration_since(self.settled);
        self.settled = now;
        spent
    }
}

// === impl Clock ===

impl Clock {
    pub(crate) fn new(unix_base: u32, powered_on: Instant) -> Self {
        Self { powered_on, unix_base }
    }

    pub(crate) fn unix(self, now: Instant) -> u32 {
        let seconds = self.since_power_on(now).as_secs();
        self.unix_base.wrapping_add(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// What of the time since power-on those seconds of the world stand for.
    pub(crate) fn since_unix(self, unix: u32) -> Duration {
        Duration::from_secs(unix.wrapping_sub(self.unix_base).into())
    }

    pub(crate) fn since_power_on(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.powered_on)
    }
}

// === impl Pace ===

impl Pace {
    pub(crate) fn new(hashes_per_second: u64) -> Self {
        Self { hashes_per_second, owed: 0, fraction: 0 }
    }

    pub(crate) fn owed(self) -> u64 {
        self.owed
    }

    pub(crate) fn paid(&mut self, hashes: u32) {
        self.owed = self.owed.saturating_sub(u64::from(hashes));
    }

    /// Nothing is owed for time without work.
    pub(crate) fn forgive(&mut self) {
        self.owed = 0;
        self.fraction = 0;
    }

    /// Returns the hashes shed.
    fn grant(&mut self, spent: Duration) -> u64 {
        let work =
            spent.as_nanos() * u128::from(self.hashes_per_second) + u128::from(self.fraction);
        self.fraction = u64::try_from(work % NANOS_PER_SECOND).unwrap_or(0);
        self.owed += u64::try_from(work / NANOS_PER_SECOND).unwrap_or(u64::MAX);
        let most = self.hashes_per_second.saturating_mul(DEBT_MAX.as_secs());
        let shed = self.owed.saturating_sub(most);
        self.owed -= shed;
        shed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_ticks_add_up_to_the_hashrate() {
        let mut pace = Pace::new(1_000);
        for _ in 0..3_000 {
            pace.grant(Duration::from_nanos(333_334));
        }
        assert_eq!(pace.owed(), 1_000);
    }

    #[test]
    fn more_than_a_seconds_debt_is_shed() {
        let mut pace = Pace::new(500);
        assert_eq!(pace.grant(Duration::from_secs(3)), 1_000);
        assert_eq!(pace.owed(), 500);
    }
}
