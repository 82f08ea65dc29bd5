//! Where tickets come up: the clock, the power and the book of one machine.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Farm;
use super::power::Power;
use super::traits::Kind;
use crate::miner::hash::Midstate;
use crate::miner::job::{Header, Job, Unit};
use crate::miner::target::Target;
use crate::paid::book::{Book, Fate, Place};
use crate::paid::tickets::{TicketClock, TicketId};

/// The bench of one machine.
#[derive(Debug)]
pub(super) struct Bench {
    clock: TicketClock,
    power: Power,
    /// What makes a hash a ticket.
    target: Target,
    start: Instant,
    book: Arc<Book>,
    dice: fastrand::Rng,
}

/// A job with all that is needed to work on it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) job: Arc<Job>,
    pub(super) extranonce1: Arc<[u8]>,
    pub(super) extranonce2_size: usize,
    /// Bits that may be rolled.
    pub(super) mask: u32,
    /// What the server wants to see.
    pub(super) target: Target,
}

/// A ticket that is worth writing down a line for.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) ticket: TicketId,
    pub(super) at: Duration,
    pub(super) header: [u8; 80],
    pub(super) nonce: u32,
    pub(super) ntime: u32,
    pub(super) extranonce2: Vec<u8>,
    pub(super) bits: u32,
    pub(super) order: Order,
}

/// Nonces tried before a machine gives up on a unit: at practice difficulties, for ever.
const NONCES_MAX: u32 = 1 << 24;

// === impl Bench ===

impl Bench {
    pub(super) fn new(clock: TicketClock, kind: Kind, target: Target, farm: &Farm) -> Self {
        let power = Power::new(kind.idle(), farm.start);
        // Of the clock's next moment: a seed of this machine's that is no other's.
        let moment = u64::try_from(clock.next().as_nanos()).unwrap_or(u64::MAX);
        let dice = fastrand::Rng::with_seed(farm.seed ^ moment);
        Self { clock, power, target, start: farm.start, book: Arc::clone(&farm.book), dice }
    }

    /// When the next ticket is due.
    pub(super) fn next(&self) -> Instant {
        self.start + self.clock.next()
    }

    /// Waits for something else than work; the tickets of that time find no job.
    pub(super) async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = pin!(something);
        loop {
            tokio::select! {
                biased;
                // What is waited for goes first: it may be the work.
                done = &mut something => return done,
                () = sleep_until(self.next()) => self.without_job(),
            }
        }
    }

    pub(super) fn work_gone(&mut self, now: Instant) {
        self.power.work_gone(now);
    }

    pub(super) fn work_came(&mut self, now: Instant) {
        self.power.work_came(now);
    }

    /// The ticket that is due, without a job.
    pub(super) fn without_job(&mut self) {
        let (ticket, at) = self.clock.take();
        self.book.enter(ticket, at, Fate::NoJob);
    }

    /// The ticket that is due, found in `order`'s work; none if the machine is not at full power,
    /// or if its difficulty hides it.
    pub(super) fn find(&mut self, now: Instant, order: &Order) -> Option<Found> {
        let (ticket, at) = self.clock.take();
        if self.dice.f64() >= self.power.level(now) {
            self.book.enter(ticket, at, Fate::Ramp);
            return None;
        }
        let number = ticket.number.to_be_bytes();
        let mut extranonce2 = vec![0; order.extranonce2_size];
        // Its end changes most, since that is what the share is known by.
        let digits = number.iter().rev();
        extranonce2.iter_mut().rev().zip(digits).for_each(|(byte, digit)| *byte = *digit);
        let root = order.job.root(&order.extranonce1, &extranonce2);
        let bits = self.dice.u32(..) & order.mask;
        let version = (order.job.header.version & !order.mask) | bits;
        let unit = Unit { root, header: Header { version, ..order.job.header } };
        let first = self.dice.u32(..);
        let (nonce, hash) = Midstate::of(&unit).scan(first, NONCES_MAX, self.target)?;
        if !order.target.is_met_by(&hash) {
            self.book.enter(ticket, at, Fate::Hidden);
            return None;
        }
        let ntime = order.job.header.ntime;
        let order = order.clone();
        let header = unit.bytes(nonce);
        Some(Found { ticket, at, header, nonce, ntime, extranonce2, bits, order })
    }

    pub(super) fn enter(&self, found: &Found) -> Place {
        self.book.enter(found.ticket, found.at, Fate::Submitted)
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }
}

// === impl Found ===

impl Found {
    pub(super) fn coinbase(&self) -> Vec<u8> {
        let job = &self.order.job;
        [&job.coinb1, &*self.order.extranonce1, &self.extranonce2, &job.coinb2].concat()
    }
}
