//! A miner at work: jobs and difficulty.
//!
//! A difficulty holds from the next job on. Real miners mix: some apply it at once. So a share for a job that was sent
//! before a change is judged at the easiest difficulty in force since; one for a later job at the new one only.

use std::time::{Duration, Instant};

use super::{Close, Downstream, Event, Leaving, NoPool, Outbox, Phase, Told, View};
use crate::difficulty::{Assignment, Difficulty};
use crate::extranonce::{Layout, MinerId};
use crate::job::Clean;
use crate::rpc::reply;
use crate::share::SeenShares;
use crate::types::{JobSerial, PrevHash, VersionMask};
use crate::vardiff::Vardiff;
use crate::work::{CleanEpoch, Lane};

/// Former difficulties kept per miner; the jobs that a fifth could matter for are hours old.
const FORMER_MAX: usize = 4;

/// How often a held miner is told that there is no pool; it also keeps firmware from dropping a silent connection.
pub(super) const NO_POOL_NOTICE: Duration = Duration::from_secs(30);

/// What was last told to a miner that has changed its route since. No board gets there.
const NO_EPOCH: CleanEpoch = CleanEpoch(u64::MAX);
const NO_SERIAL: JobSerial = JobSerial(u64::MAX);

#[derive(Debug)]
pub(super) struct Mining {
    pub(super) layout: Layout,
    pub(super) id: MinerId,
    pub(super) assigned: Assigned,
    pub(super) vardiff: Vardiff,
    pub(super) seen: SeenShares,
    /// What the miner was last sent.
    told: Option<(CleanEpoch, JobSerial)>,
    /// The block that the last job builds on.
    block: Option<PrevHash>,
    /// Since when there is no pool, and when the miner was last told.
    pub(super) starved: Option<Starved>,
    /// When to look at the rate again if no share comes.
    pub(super) check_at: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Starved {
    pub(super) since: Instant,
    pub(super) notice_at: Instant,
}

/// The difficulty in force and the former ones that live jobs were sent under.
#[derive(Debug)]
pub(super) struct Assigned {
    current: Assignment,
    since: JobSerial,
    former: Vec<(JobSerial, Assignment)>,
}

// === impl Assigned ===

impl Assigned {
    fn new(difficulty: Difficulty) -> Self {
        Self { current: Assignment::new(difficulty), since: JobSerial(0), former: Vec::new() }
    }

    pub(super) fn difficulty(&self) -> Difficulty {
        self.current.difficulty()
    }

    /// Jobs are counted anew: whatever comes is judged at the current difficulty alone.
    fn rebase(&mut self) {
        self.since = JobSerial(0);
        for (since, _) in &mut self.former {
            *since = JobSerial(0);
        }
    }

    /// What a share for a job of another route is judged at, whose place among the jobs since is not known.
    pub(super) fn easiest(&self) -> Assignment {
        self.former.iter().fold(self.current, |easiest, (_, former)| easiest.easier(*former))
    }

    /// A new difficulty for jobs from `since` on.
    fn change(&mut self, difficulty: Difficulty, since: JobSerial) {
        if self.former.len() >= FORMER_MAX {
            self.former.remove(0);
        }
        self.former.push((self.since, self.current));
        self.current = Assignment::new(difficulty);
        self.since = since;
    }

    /// What a share for job `serial` is judged at.
    pub(super) fn for_job(&self, serial: JobSerial) -> Assignment {
        let mut easiest = self.current;
        let mut since = self.since;
        for (former_since, former) in self.former.iter().rev() {
            if serial >= since {
                break;
            }
            easiest = easiest.easier(*former);
            since = *former_since;
        }
        easiest
    }
}

// === impl Mining ===

impl Mining {
    pub(super) fn new(
        view: &View<'_>,
        layout: Layout,
        id: MinerId,
        wanted: Option<Difficulty>,
    ) -> Self {
        let settings = &view.terms.vardiff;
        let difficulty = wanted.unwrap_or(settings.initial);
        let ceiling = view.current().map_or(difficulty, |lane| lane.job.pool_difficulty);
        let vardiff = Vardiff::new(view.now.instant);
        Self {
            layout,
            id,
            check_at: vardiff.next_check(settings, view.now.instant),
            assigned: Assigned::new(settings.bounded(difficulty, ceiling)),
            vardiff,
            seen: SeenShares::new(),
            told: None,
            block: None,
            starved: None,
        }
    }

    /// The next job is another route's. It is clean, for no epoch is that of another route.
    pub(super) fn moved(&mut self) {
        if let Some((epoch, serial)) = &mut self.told {
            (*epoch, *serial) = (NO_EPOCH, NO_SERIAL);
        }
        self.assigned.rebase();
    }

    /// Tells another difficulty, in force from the next job on.
    fn assign(&mut self, difficulty: Difficulty, next: JobSerial, out: &mut Outbox) {
        self.assigned.change(difficulty, next);
        tell_difficulty(difficulty, out);
    }
}

// === impl Downstream ===

impl Downstream {
    pub(super) fn work_changed(&mut self, view: &View<'_>, out: &mut Outbox) {
        self.resume_subscribe(view, out);
        self.feed(view, out);
    }

    /// Sends what the miner has not been sent yet: mask, difficulty, job, in this order.
    pub(super) fn feed(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Mining(mining) = &mut self.phase else { return };
        let Some(lane) = view.current() else {
            let now = view.now.instant;
            mining.starved.get_or_insert(Starved { since: now, notice_at: now });
            return;
        };
        let job = &*lane.job;
        if job.layout != mining.layout {
            self.leave(view, Close::LayoutChanged, self.spread);
            return;
        }
        if let Some(leaving) = self.leaving
            && leaving.reason == Close::LayoutChanged
            && leaving.told == Told::No
        {
            // The route is back at the layout that this miner has.
            self.leaving = None;
        }
        if let Some(starved) = mining.starved.take() {
            // It had nothing to do, so it was neither silent nor slow.
            let idle = view.now.instant.saturating_duration_since(starved.since);
            mining.vardiff.skip(idle);
            mining.check_at += idle;
            self.peer.heard = view.now.instant;
        }
        if mining.told.is_some_and(|(_, serial)| serial == job.serial) {
            return;
        }
        let mask = self.peer.version_mask.map(|mask| mask.intersect(job.version_mask));
        if let Some(mask) = mask
            && mask != self.peer.version_mask_told
        {
            reply::notification(&mut out.wire, "mining.set_version_mask", &format!("[\"{mask}\"]"));
            self.peer.version_mask_told = mask;
        }
        mining.send_job(view, lane, mask.unwrap_or(VersionMask::NONE), out);
    }

    pub(super) fn suggest(&mut self, view: &View<'_>, wanted: Difficulty, out: &mut Outbox) {
        self.peer.wanted = Some(wanted);
        if let Phase::Mining(mining) = &mut self.phase {
            let ceiling = view.current().map_or(wanted, |lane| lane.job.pool_difficulty);
            mining.move_to(view, view.terms.vardiff.bounded(wanted, ceiling), out);
        }
    }

    /// The rate's own word on the difficulty, after a share or in silence.
    pub(super) fn retarget(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Mining(mining) = &mut self.phase else { return };
        let Some(Lane { job, .. }) = view.current() else { return };
        let now = view.now.instant;
        let current = mining.assigned.difficulty();
        let settings = &view.terms.vardiff;
        let next = mining.vardiff.retarget(settings, now, current, job.pool_difficulty);
        mining.check_at = mining.vardiff.next_check(settings, now);
        if let Some(next) = next {
            mining.move_to(view, next, out);
        }
    }

    /// Starts the farewell, `after` from now: the miner is asked to reconnect and closed a grace later.
    pub(super) fn leave(&mut self, view: &View<'_>, reason: Close, after: Duration) {
        let at = view.now.instant + after;
        let leaving = self.leaving.get_or_insert(Leaving { reason, at, told: Told::No });
        if leaving.told == Told::No {
            leaving.at = leaving.at.min(at);
            // The only reason that may pass again, so any other is kept in its place.
            if leaving.reason == Close::LayoutChanged {
                leaving.reason = reason;
            }
        }
    }

    pub(super) fn starve(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Mining(mining) = &mut self.phase else { return };
        let Some(starved) = &mut mining.starved else { return };
        let now = view.now.instant;
        if let NoPool::Close { after } = view.terms.no_pool
            && now >= starved.since + after
        {
            out.close = Some(Close::NoPool);
        } else if now >= starved.notice_at {
            starved.notice_at = now + NO_POOL_NOTICE;
            let text = "[\"no pool can be reached; shares cannot be credited until one is back\"]";
            reply::notification(&mut out.wire, "client.show_message", text);
        }
    }
}

impl Mining {
    fn send_job(&mut self, view: &View<'_>, lane: &Lane, mask: VersionMask, out: &mut Outbox) {
        let job = &*lane.job;
        let first = self.told.is_none();
        let ceiling = view.terms.vardiff.bounded(self.assigned.difficulty(), job.pool_difficulty);
        if ceiling != self.assigned.difficulty() {
            self.assign(ceiling, job.serial, out);
        } else if first {
            tell_difficulty(ceiling, out);
        }
        let clean = self.told.is_none_or(|(epoch, _)| epoch != lane.epoch);
        // Only when nothing that was hashed before can count again: at a voluntary move the earlier jobs still do, and
        // on the same block a pool may send the same work once more.
        let block = job.notify.prev_hash;
        let new_block = self.block.replace(block) != Some(block);
        let only_job = view.work.jobs.live_count() <= 1 && view.former.is_none();
        if clean && new_block && only_job {
            self.seen.age();
        }
        out.wire.extend_from_slice(&job.notify_line(mask, Clean::from(clean)));
        self.told = Some((lane.epoch, job.serial));
    }

    fn move_to(&mut self, view: &View<'_>, difficulty: Difficulty, out: &mut Outbox) {
        if difficulty == self.assigned.difficulty() {
            return;
        }
        match (view.current(), self.told) {
            (Some(lane), Some(_)) => self.assign(difficulty, lane.job.serial.next(), out),
            // Not sent a job yet: the first one will carry it.
            _ => self.assigned = Assigned::new(difficulty),
        }
    }
}

fn tell_difficulty(difficulty: Difficulty, out: &mut Outbox) {
    reply::notification(&mut out.wire, "mining.set_difficulty", &format!("[{difficulty}]"));
    out.events.push(Event::Difficulty(difficulty));
}
