//! What a miner was told, and when in relation to its jobs.
//!
//! A miner is told a difficulty, an extranonce or a mask before the first job that it holds for. Shares for jobs that it
//! was sent before are judged by what held then. Several pools' jobs reach a miner in another order than they were
//! published in, so what counts is the order in which they were sent.

use crate::types::JobSerial;

/// Former values kept per miner; the jobs that a fifth could matter for are hours old.
pub(super) const FORMER_MAX: usize = 4;

/// Jobs whose place in the order is known: minutes of them, and nearly all shares are for the last two.
const SENT_MAX: usize = 16;

/// When in a session a job was sent: the jobs before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

/// The jobs that a miner was sent last.
#[derive(Debug)]
pub(super) struct Sent {
    serials: [u64; SENT_MAX],
    count: u32,
    latest: JobSerial,
}

/// A value that holds from one job on, and the former ones.
#[derive(Debug)]
pub(super) struct Agreed<T> {
    current: T,
    since: Place,
    former: Vec<(Place, T)>,
}

// === impl Sent ===

impl Sent {
    pub(super) fn nothing() -> Self {
        Self { serials: [0; SENT_MAX], count: 0, latest: JobSerial(0) }
    }

    /// Where the next job will stand.
    pub(super) fn next(&self) -> Place {
        Place(self.count)
    }

    pub(super) fn push(&mut self, serial: JobSerial) {
        let slot = self.count as usize % SENT_MAX;
        if let Some(slot) = self.serials.get_mut(slot) {
            *slot = serial.0;
        }
        self.count = self.count.saturating_add(1);
        self.latest = self.latest.max(serial);
    }

    /// The job published last of all that were sent.
    pub(super) fn latest(&self) -> JobSerial {
        self.latest
    }

    /// Where a job stands: the first time, if it was sent again. One that is not known stands before all others.
    pub(super) fn place(&self, serial: JobSerial) -> Place {
        let known = u32::try_from(SENT_MAX).unwrap_or(u32::MAX).min(self.count);
        let first = (self.count - known..self.count).find(|place| {
            self.serials.get(*place as usize % SENT_MAX).is_some_and(|sent| *sent == serial.0)
        });
        Place(first.unwrap_or(0))
    }
}

// === impl Agreed ===

impl<T: Copy> Agreed<T> {
    pub(super) fn new(value: T) -> Self {
        Self { current: value, since: Place(0), former: Vec::new() }
    }

    pub(super) fn current(&self) -> T {
        self.current
    }

    /// Another value for the jobs from `since` on.
    pub(super) fn change(&mut self, value: T, since: Place) {
        if self.former.len() >= FORMER_MAX {
            self.former.remove(0);
        }
        self.former.push((self.since, self.current));
        self.current = value;
        self.since = since;
    }

    /// What has held since the job at `place` was sent, the latest first.
    pub(super) fn since(&self, place: Place) -> impl Iterator<Item = T> + '_ {
        let changes =
            std::iter::once(self.since).chain(self.former.iter().rev().map(|(at, _)| *at));
        let before = self.former.iter().rev().map(|(_, value)| *value);
        let before = changes.zip(before).take_while(move |(changed, _)| place < *changed);
        std::iter::once(self.current).chain(before.map(|(_, value)| value))
    }

    /// Whether any value that is still known is as asked.
    pub(super) fn has(&self, asked: impl Fn(T) -> bool) -> bool {
        asked(self.current) || self.former.iter().any(|(_, value)| asked(*value))
    }

    /// Forgets the former values that are not to be kept.
    pub(super) fn retain_former(&mut self, keep: impl Fn(T) -> bool) {
        self.former.retain(|(_, value)| keep(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(agreed: &Agreed<u32>, place: u32) -> Vec<u32> {
        agreed.since(Place(place)).collect()
    }

    #[test]
    fn what_held_when_a_job_was_sent_and_since_is_known() {
        let mut agreed = Agreed::new(1);
        agreed.change(2, Place(3));
        agreed.change(3, Place(5));
        assert_eq!(held(&agreed, 0), [3, 2, 1]);
        assert_eq!(held(&agreed, 2), [3, 2, 1]);
        assert_eq!(held(&agreed, 3), [3, 2]);
        assert_eq!(held(&agreed, 4), [3, 2]);
        assert_eq!(held(&agreed, 5), [3]);
    }

    #[test]
    fn a_value_that_no_job_was_sent_under_counts_for_those_who_take_it_at_once() {
        let mut agreed = Agreed::new(1);
        agreed.change(2, Place(3));
        agreed.change(3, Place(3));
        assert_eq!((held(&agreed, 0), held(&agreed, 3)), (vec![3, 2, 1], vec![3]));
    }

    #[test]
    fn former_values_are_bounded() {
        let mut agreed = Agreed::new(0);
        for value in 1..100 {
            agreed.change(value, Place(value));
        }
        assert_eq!(held(&agreed, 0), [99, 98, 97, 96, 95]);
        agreed.retain_former(|value| value != 97);
        assert_eq!(held(&agreed, 0), [99, 98, 96, 95]);
    }

    #[test]
    fn the_order_of_sending_counts_and_not_that_of_the_serials() {
        let mut sent = Sent::nothing();
        for serial in [20, 15, 21, 15] {
            sent.push(JobSerial(serial));
        }
        assert_eq!(sent.next(), Place(4));
        assert_eq!([20, 15, 21, 7].map(|serial| sent.place(JobSerial(serial)).0), [0, 1, 2, 0]);
        for serial in 100..200 {
            sent.push(JobSerial(serial));
        }
        assert_eq!(sent.place(JobSerial(199)), Place(103));
        assert_eq!(sent.place(JobSerial(184)), Place(88));
        assert_eq!(sent.place(JobSerial(183)), Place(0), "forgotten");
    }
}
