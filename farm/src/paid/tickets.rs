//! When each machine emits its tickets: a function of its seed and its hashrate, whatever happens.

use std::time::Duration;

/// Which machine of the farm.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MachineId(pub usize);

/// One ticket of one machine; the same in every farm of one seed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TicketId {
    /// Who emits it.
    pub machine: MachineId,
    /// From nought.
    pub number: u32,
}

/// What a machine hashes, in terahashes a second: only proportions matter to the experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terahashes(pub f64);

/// The moments of one machine's tickets: exponential pauses, as finds come.
#[derive(Clone, Debug)]
pub struct TicketClock {
    machine: MachineId,
    dice: fastrand::Rng,
    pause_mean: Duration,
    next: Duration,
    number: u32,
}

/// Between these lie the hashrates.
pub const HASHRATE_MIN: Terahashes = Terahashes(20.0);
pub const HASHRATE_MAX: Terahashes = Terahashes(200.0);

/// Mixed with a machine's number, so that neighbours draw differently: the golden ratio in 64
/// bits.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl MachineId ===

impl MachineId {
    /// A seed of its own.
    #[must_use]
    pub fn seed(self, farm: u64) -> u64 {
        let number = u64::try_from(self.0).unwrap_or(u64::MAX).wrapping_add(1);
        farm ^ SEED_STEP.wrapping_mul(number)
    }

    /// Its part of the farm's hashrates.
    #[must_use]
    pub fn hashrate(self, farm: u64) -> Terahashes {
        let Terahashes(low) = HASHRATE_MIN;
        let Terahashes(high) = HASHRATE_MAX;
        let part = fastrand::Rng::with_seed(!self.seed(farm)).f64();
        Terahashes(low + part * (high - low))
    }
}

// === impl TicketClock ===

impl TicketClock {
    /// For a machine of `machine`'s hashrate; the middle one of the range emits a ticket every
    /// `pause`.
    #[must_use]
    pub fn new(machine: MachineId, farm: u64, pause: Duration) -> Self {
        let Terahashes(hashrate) = machine.hashrate(farm);
        let Terahashes(low) = HASHRATE_MIN;
        let Terahashes(high) = HASHRATE_MAX;
        let pause_mean = pause.mul_f64((low + high) / 2.0 / hashrate);
        let dice = fastrand::Rng::with_seed(machine.seed(farm));
        let mut clock = Self { machine, dice, pause_mean, next: Duration::ZERO, number: 0 };
        clock.next = clock.pause();
        clock
    }

    /// When the next is due, since the start of the experiment.
    #[must_use]
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Takes the ticket that is due.
    pub fn take(&mut self) -> (TicketId, Duration) {
        let taken = (TicketId { machine: self.machine, number: self.number }, self.next);
        self.number = self.number.wrapping_add(1);
        let pause = self.pause();
        self.next += pause;
        taken
    }

    fn pause(&mut self) -> Duration {
        // One minus: the logarithm of nought is none.
        let drawn = -(1.0 - self.dice.f64()).ln();
        self.pause_mean.mul_f64(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(machine: usize) -> Vec<Duration> {
        let mut clock = TicketClock::new(MachineId(machine), 7, Duration::from_secs(60));
        std::iter::repeat_with(|| clock.take().1).take(2_000).collect()
    }

    #[test]
    fn a_machine_has_the_same_tickets_in_every_farm_of_a_seed_and_no_other_has_them() {
        assert_eq!(moments(3), moments(3));
        assert_ne!(moments(3), moments(4));
    }

    #[test]
    fn tickets_come_at_the_pace_of_the_hashrate() {
        for machine in 0..20 {
            let Terahashes(hashrate) = MachineId(machine).hashrate(7);
            let expected = 60.0 * 110.0 / hashrate * 2_000.0;
            let last = moments(machine).last().map_or(0.0, Duration::as_secs_f64);
            assert!((last / expected - 1.0).abs() < 0.1, "{hashrate} TH/s: {last} {expected}");
        }
    }
}
