//! The queue: bounded by rank and by kinds a second, in the order of what happened.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{AuditCounts, AuditEntry, AuditKind, AuditOutcome, AuditRecord, Rank};

/// Records of each rank that wait. Of acts as many as a day of changes by hand has; of the rest a minute's allowance.
/// A record has about 300 bytes, the largest of a configuration 40 KiB.
const WAITING_MAX: [usize; RANKS] = [1024, 2048, 4096];
const RANKS: usize = 3;

/// Records of one kind in a second: enough to see each of a farm that comes back in an orderly way, and of a storm the
/// beginning; what is beyond is counted. So a disk sees 5 million records a day of a kind at the worst.
const PER_SECOND_MAX: u32 = 60;

#[derive(Debug, Default)]
pub(super) struct Queue {
    seq: u64,
    waiting: [VecDeque<AuditRecord>; RANKS],
    /// What each record takes that was taken to be written, and is not in the file yet.
    in_hand: VecDeque<usize>,
    /// Of both.
    bytes: usize,
    /// One for each kind.
    allowances: [Allowance; KINDS],
    /// Since that was last told.
    lost: u64,
    lost_total: u64,
    summarised_total: u64,
    written_total: u64,
}

const KINDS: usize = AuditKind::ALL.len();

#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    second: u64,
    admitted: u32,
    /// Beyond it, since that was last told.
    beyond: u64,
}

// === impl Queue ===

impl Queue {
    pub(super) fn push(&mut self, at: SystemTime, entry: AuditEntry) {
        let (kind, rank) = (entry.kind(), entry.kind().rank());
        if rank != Rank::Act
            && let Some(allowance) = self.allowances.get_mut(kind as usize)
            && !allowance.admit(second(at))
        {
            self.summarised_total += 1;
            return;
        }
        self.admit(at, entry);
    }

    /// In order, however long each has waited in its rank.
    pub(super) fn take(&mut self, now: SystemTime, records_max: usize) -> Vec<AuditRecord> {
        self.tell(now);
        let mut taken = Vec::new();
        while taken.len() < records_max {
            let fronts = self.waiting.iter().enumerate();
            let first =
                fronts.filter_map(|(rank, records)| Some((records.front()?.seq, rank))).min();
            let record = first.and_then(|(_, rank)| self.waiting.get_mut(rank)?.pop_front());
            let Some(record) = record else { break };
            self.in_hand.push_back(record.entry.bytes());
            taken.push(record);
        }
        taken
    }

    /// So many of those that were taken, in order.
    pub(super) fn written(&mut self, records: usize) {
        let written = self.in_hand.drain(..records.min(self.in_hand.len()));
        self.bytes = self.bytes.saturating_sub(written.sum());
        self.written_total += records as u64;
    }

    pub(super) fn counts(&self) -> AuditCounts {
        AuditCounts {
            written: self.written_total,
            summarised: self.summarised_total,
            lost: self.lost_total,
            queued: (self.in_hand.len() + self.waiting.iter().map(VecDeque::len).sum::<usize>())
                as u64,
            queued_bytes: self.bytes as u64,
        }
    }

    fn admit(&mut self, at: SystemTime, entry: AuditEntry) {
        let rank = entry.kind().rank() as usize;
        let room = WAITING_MAX.get(rank).copied().unwrap_or_default();
        self.seq += 1;
        let Some(waiting) = self.waiting.get_mut(rank).filter(|waiting| waiting.len() < room)
        else {
            self.lost += 1;
            self.lost_total += 1;
            return;
        };
        self.bytes += entry.bytes();
        waiting.push_back(AuditRecord { at, seq: self.seq, entry });
    }

    /// Makes records of what was only counted: of a kind once a second, of what was lost when there is room again.
    fn tell(&mut self, now: SystemTime) {
        for (kind, place) in AuditKind::ALL.iter().zip(0..) {
            let allowance: Option<&mut Allowance> = self.allowances.get_mut::<usize>(place);
            let beyond = allowance.map_or(0, |allowance| allowance.over(second(now)));
            if beyond > 0 {
                let entry = AuditEntry::new(AuditKind::Summary, AuditOutcome::Counted);
                self.admit(now, entry.reason(kind.label()).count(beyond));
            }
        }
        let acts = self.waiting.first().map_or(0, VecDeque::len);
        if self.lost > 0 && WAITING_MAX.first().is_some_and(|room| acts < *room) {
            let lost = std::mem::take(&mut self.lost);
            self.admit(now, AuditEntry::new(AuditKind::Lost, AuditOutcome::Counted).count(lost));
        }
    }
}

fn second(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Allowance ===

impl Allowance {
    fn admit(&mut self, second: u64) -> bool {
        if self.second != second {
            (self.second, self.admitted) = (second, 0);
        }
        if self.admitted < PER_SECOND_MAX {
            self.admitted += 1;
            return true;
        }
        self.beyond += 1;
        false
    }

    /// How many were beyond it in a second that is over.
    fn over(&mut self, now: u64) -> u64 {
        match self.second == now {
            true => 0,
            false => std::mem::take(&mut self.beyond),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_000_000) + Duration::from_millis(millis)
    }

    fn of(kind: AuditKind) -> AuditEntry {
        AuditEntry::new(kind, AuditOutcome::Accepted)
    }

    fn kinds(records: &[AuditRecord]) -> Vec<AuditKind> {
        records.iter().map(|record| record.entry.kind()).collect()
    }

    #[test]
    fn a_storm_of_logins_is_bounded_and_its_rest_is_told_as_a_number() {
        let mut queue = Queue::default();
        for login in 0..10_000 {
            queue.push(at(login / 10), of(AuditKind::Login));
        }
        queue.push(at(1_000), of(AuditKind::Config));
        let records = queue.take(at(1_000), usize::MAX);
        assert_eq!(records.len(), PER_SECOND_MAX as usize + 2);
        let last = &records[records.len() - 2..];
        assert_eq!(kinds(last), [AuditKind::Config, AuditKind::Summary]);
        let summary = serde_json::to_string(&last[1].entry).unwrap();
        assert_eq!(
            summary,
            r#"{"kind":"summary","outcome":"counted","reason":"login","count":9940}"#
        );
        assert_eq!(queue.counts().summarised, 9_940);
        // Told once.
        assert_eq!(queue.take(at(5_000), usize::MAX), []);
    }

    #[test]
    fn acts_are_kept_when_there_is_no_room_for_miners_and_what_is_lost_is_told() {
        let mut queue = Queue::default();
        let enough =
            (WAITING_MAX[2] as u64 / u64::from(PER_SECOND_MAX) + 2) * u64::from(PER_SECOND_MAX);
        for login in 0..enough {
            queue.push(at(login * 1000 / u64::from(PER_SECOND_MAX)), of(AuditKind::Login));
        }
        let late = enough * 1000;
        let lost = enough - WAITING_MAX[2] as u64;
        assert_eq!(queue.counts().lost, lost);
        for _ in 0..100 {
            queue.push(at(late), of(AuditKind::Admin));
        }
        assert_eq!(queue.counts().lost, lost, "no act is lost to logins");
        let records = queue.take(at(late), usize::MAX);
        let acts = kinds(&records).iter().filter(|kind| **kind == AuditKind::Admin).count();
        assert_eq!(acts, 100);
        let last = records.last().unwrap();
        assert_eq!((last.entry.kind(), last.entry.count), (AuditKind::Lost, Some(lost)));
        assert!(records.is_sorted_by_key(|record| record.seq));
    }

    #[test]
    fn what_was_taken_is_queued_until_it_is_written() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.push(at(0), of(AuditKind::Config));
        }
        let bytes = queue.counts().queued_bytes;
        assert!(bytes > 0, "{:?}", queue.counts());
        assert_eq!(queue.take(at(1), 2).len(), 2);
        assert_eq!((queue.counts().queued, queue.counts().queued_bytes), (3, bytes));
        queue.written(1);
        assert_eq!((queue.counts().queued, queue.counts().queued_bytes), (2, bytes / 3 * 2));
        assert_eq!(queue.take(at(1), 2).len(), 1);
        queue.written(2);
        let AuditCounts { written, queued, queued_bytes, .. } = queue.counts();
        assert_eq!((written, queued, queued_bytes), (3, 0, 0));
    }

    #[test]
    fn acts_have_a_bound_as_well_and_no_allowance() {
        let mut queue = Queue::default();
        for _ in 0..WAITING_MAX[0] + 5 {
            queue.push(at(0), of(AuditKind::Config));
        }
        assert_eq!((queue.counts().queued, queue.counts().lost), (WAITING_MAX[0] as u64, 5));
        // What was lost is told once there is room for it.
        let records = queue.take(at(1), 10);
        assert_eq!(kinds(&records), [AuditKind::Config; 10]);
        let records = queue.take(at(2), usize::MAX);
        assert_eq!(records.last().unwrap().entry.count, Some(5));
    }
}
