//! A miner at work: jobs and difficulty.
//!
//! A difficulty holds from the next job on. Real miners mix: some apply it at once. So a share for a job that was sent
//! before a change is judged at the easiest difficulty in force since; one for a later job at the new one only.

use std::time::{Duration, Instant};

use super::agreed::{Agreed, Place, Sent};
use super::placing::Placing;
use super::{Close, Downstream, Event, Leaving, Outbox, Peer, Phase, Told, View, Wishes};
use crate::difficulty::{Assignment, Difficulty};
use crate::extranonce::MinerId;
use crate::job::{Clean, JobTable};
use crate::rpc::reply;
use crate::share::SeenShares;
use crate::types::{JobSerial, LaneId, PrevHash, VersionMask};
use crate::vardiff::{Vardiff, VardiffSettings};
use crate::work::{CleanEpoch, Lane};

/// How often a held miner is told that there is no pool; it also keeps firmware from dropping a silent connection.
pub(super) const NO_POOL_NOTICE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Mining {
    /// How its work is to be read.
    pub(super) faces: Agreed<Face>,
    /// Ids that only shares for former jobs still bear, and the last job that can be one of those.
    former_ids: Vec<(JobSerial, MinerId)>,
    pub(super) assigned: Agreed<Assignment>,
    pub(super) sent: Sent,
    pub(super) vardiff: Vardiff,
    pub(super) seen: SeenShares,
    /// The difficulty that its shares have shown to fit it.
    pub(super) proven: Option<Difficulty>,
    /// What the miner was last sent; nothing yet on this connection.
    told: Option<Last>,
    /// The mask that it was told on the connection before.
    pub(super) mask_told: VersionMask,
    /// The block that the last job builds on.
    block: Option<PrevHash>,
    /// Since when there is no pool, and when the miner was last told.
    pub(super) starved: Option<Starved>,
    /// When to look at the rate again if no share comes.
    pub(super) check_at: Instant,
    pub(super) coinbase: CoinbaseWarning,
    pub(super) fit: Fit,
}

/// Whether there was a place for the miner's extranonce when it was last looked for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    NoPlace,
}

/// What makes a miner's share a header, beside its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) id: MinerId,
    /// Version bits that it rolls where the pool does; none if it did not negotiate.
    pub(super) mask: Option<VersionMask>,
}

/// The job that a miner was last sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    lane: LaneId,
    epoch: CleanEpoch,
    serial: JobSerial,
}

/// Whether it was said that the miner's software can hardly hold the coinbase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoinbaseWarning {
    NotGiven,
    Given,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Starved {
    pub(super) since: Instant,
    pub(super) notice_at: Instant,
}

// === impl Agreed ===

impl Agreed<Assignment> {
    pub(super) fn difficulty(&self) -> Difficulty {
        self.current().difficulty()
    }

    /// What a share for the job that was sent at `place` is judged at.
    pub(super) fn easiest(&self, place: Place) -> Assignment {
        self.since(place).fold(self.current(), Assignment::easier)
    }
}

// === impl Mining ===

impl Mining {
    pub(super) fn new(view: &View<'_>, id: MinerId, peer: &Peer) -> Self {
        let settings = peer.range(view.terms);
        let difficulty = peer.initial(view);
        let lane = view.work.lane_for(view.lane, id);
        let ceiling = lane.map_or(difficulty, |lane| lane.job.pool_difficulty);
        let vardiff = Vardiff::new(view.now.instant);
        Self {
            faces: Agreed::new(Face { id, mask: peer.version_mask }),
            former_ids: Vec::new(),
            check_at: vardiff.next_check(&settings, view.now.instant),
            assigned: Agreed::new(Assignment::new(settings.bounded(difficulty, ceiling))),
            sent: Sent::nothing(),
            vardiff,
            seen: SeenShares::new(),
            proven: None,
            told: None,
            mask_told: VersionMask::NONE,
            block: None,
            starved: None,
            coinbase: CoinbaseWarning::NotGiven,
            fit: Fit::Fits,
        }
    }

    pub(super) fn id(&self) -> MinerId {
        self.faces.current().id
    }

    /// All ids that are its own.
    pub(super) fn ids(&self) -> impl Iterator<Item = MinerId> + '_ {
        std::iter::once(self.id()).chain(self.former_ids.iter().map(|(_, id)| *id))
    }

    pub(super) fn was_sent_a_job(&self) -> bool {
        self.told.is_some()
    }

    /// The lane of the last job that it was sent.
    pub(super) fn lane_told(&self) -> Option<LaneId> {
        self.told.map(|last| last.lane)
    }

    /// On a new connection, after `away`: it was neither silent nor slow, and is yet to be sent a job.
    pub(super) fn come_back(&mut self, away: Duration, mask: Option<VersionMask>) {
        self.told = None;
        self.starved = None;
        self.vardiff.skip(away);
        self.check_at += away;
        self.negotiated(mask);
    }

    /// Another mask of the miner's for the jobs from the next on.
    pub(super) fn negotiated(&mut self, mask: Option<VersionMask>) {
        let face = self.faces.current();
        if face.mask != mask {
            self.faces.change(Face { mask, ..face }, self.sent.next());
        }
    }

    /// Another id for the jobs from the next on. The former one stays the miner's until no share can bear it any more.
    pub(super) fn renumber(&mut self, view: &View<'_>, id: MinerId) {
        let face = self.faces.current();
        self.former_ids.push((self.sent.latest(), face.id));
        self.faces.change(Face { id, ..face }, self.sent.next());
        self.fit = Fit::Fits;
        self.give_up_ids(view);
    }

    /// Releases the ids of which every job is worthless.
    pub(super) fn give_up_ids(&mut self, view: &View<'_>) {
        if self.former_ids.is_empty() {
            return;
        }
        let oldest = view.work.jobs.oldest_live();
        let kept = |last: JobSerial| oldest.is_some_and(|oldest| oldest <= last);
        let faces = &self.faces;
        self.former_ids.retain(|(last, id)| {
            // Beyond the bound of what is remembered no share is judged by it.
            let needed = kept(*last) && faces.has(|face| face.id == *id);
            if !needed {
                view.registry.release(*id);
            }
            needed
        });
        let current = self.id();
        let former = &self.former_ids;
        let is_held = |id| id == current || former.iter().any(|(_, held)| *held == id);
        self.faces.retain_former(|face| is_held(face.id));
    }

    /// Tells another difficulty, in force from the next job on.
    fn assign(&mut self, difficulty: Difficulty, out: &mut Outbox) {
        self.assigned.change(Assignment::new(difficulty), self.sent.next());
        tell_difficulty(difficulty, out);
    }
}

// === impl Downstream ===

impl Downstream {
    pub(super) fn work_changed(&mut self, view: &View<'_>, out: &mut Outbox) {
        self.resume_subscribe(view, out);
        self.feed(view, out);
    }

    /// Sends what the miner has not been sent yet: mask, extranonce, difficulty, job, in this order.
    pub(super) fn feed(&mut self, view: &View<'_>, out: &mut Outbox) {
        let placing = self.placing(view);
        let Phase::Mining(mining) = &mut self.phase else { return };
        let (lane, id) = match placing {
            Placing::Nowhere => {
                let now = view.now.instant;
                mining.starved.get_or_insert(Starved { since: now, notice_at: now });
                return;
            }
            Placing::Elsewhere => {
                mining.fit = Fit::NoPlace;
                self.leave(view, Close::LayoutChanged, self.spread);
                return;
            }
            Placing::On(lane) => (lane, None),
            Placing::Renumbered(lane, id) => (lane, Some(id)),
        };
        if let Some(leaving) = self.leaving
            && leaving.reason == Close::LayoutChanged
            && leaving.told == Told::No
        {
            // The route is back at a pool that this miner fits.
            self.leaving = None;
        }
        mining.fit = Fit::Fits;
        if let Some(starved) = mining.starved.take() {
            // It had nothing to do, so it was neither silent nor slow.
            let idle = view.now.instant.saturating_duration_since(starved.since);
            mining.vardiff.skip(idle);
            mining.check_at += idle;
            self.peer.heard = view.now.instant;
        }
        let next = Last { lane: lane.id, epoch: lane.epoch, serial: lane.job.serial };
        if id.is_none() && mining.told == Some(next) {
            return;
        }
        mining.give_up_ids(view);
        mining.negotiated(self.peer.version_mask);
        let mask = self.peer.version_mask.map(|mask| mask.intersect(lane.job.version_mask));
        if let Some(mask) = mask
            && mask != self.peer.version_mask_told
        {
            reply::notification(&mut out.wire, "mining.set_version_mask", &format!("[\"{mask}\"]"));
            self.peer.version_mask_told = mask;
        }
        mining.mask_told = self.peer.version_mask_told;
        if let Some(id) = id {
            mining.renumber(view, id);
            tell_extranonce(id, out);
        }
        self.peer.warn_of_coinbase(mining, lane, out);
        mining.send_job(view, &self.peer.range(view.terms), lane, out);
    }

    pub(super) fn suggest(&mut self, view: &View<'_>, wanted: Difficulty, out: &mut Outbox) {
        self.peer.wish(Wishes { wanted: Some(wanted), ..self.peer.wishes() });
        let ceiling = self.lane(view).map_or(wanted, |lane| lane.job.pool_difficulty);
        if let Phase::Mining(mining) = &mut self.phase {
            mining.move_to(self.peer.range(view.terms).bounded(wanted, ceiling), out);
        }
    }

    /// What a miner at work has just negotiated holds at once: bits for the job at hand, a least difficulty from the next on.
    pub(super) fn agree_anew(&mut self, view: &View<'_>, out: &mut Outbox) {
        let ceiling = self.lane(view).map(|lane| lane.job.pool_difficulty);
        let Phase::Mining(mining) = &mut self.phase else { return };
        mining.negotiated(self.peer.version_mask);
        let current = mining.assigned.difficulty();
        let bounded = self.peer.range(view.terms).bounded(current, ceiling.unwrap_or(current));
        mining.move_to(bounded, out);
    }

    /// The rate's own word on the difficulty, after a share or in silence.
    pub(super) fn retarget(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Some(Lane { job, .. }) = self.lane(view) else { return };
        let Phase::Mining(mining) = &mut self.phase else { return };
        let now = view.now.instant;
        let current = mining.assigned.difficulty();
        let settings = self.peer.range(view.terms);
        let next = mining.vardiff.retarget(&settings, now, current, job.pool_difficulty);
        mining.check_at = mining.vardiff.next_check(&settings, now);
        if let Some(next) = next {
            mining.move_to(next, out);
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
        if view.terms.no_pool.closes_at(starved.since).is_some_and(|at| at <= now) {
            out.close = Some(Close::NoPool);
        } else if now >= starved.notice_at {
            starved.notice_at = now + NO_POOL_NOTICE;
            let text = "[\"no pool can be reached; shares cannot be credited until one is back\"]";
            reply::notification(&mut out.wire, "client.show_message", text);
        }
    }
}

impl Mining {
    fn send_job(
        &mut self,
        view: &View<'_>,
        settings: &VardiffSettings,
        lane: &Lane,
        out: &mut Outbox,
    ) {
        let job = &*lane.job;
        let ceiling = settings.bounded(self.assigned.difficulty(), job.pool_difficulty);
        if ceiling != self.assigned.difficulty() {
            self.assign(ceiling, out);
        } else if self.told.is_none() {
            tell_difficulty(ceiling, out);
        }
        // Lanes of two routes may have the same epoch.
        let clean = self.told.is_none_or(|last| last.lane != lane.id || last.epoch != lane.epoch);
        let block = job.notify.prev_hash;
        if self.block.replace(block) != Some(block) {
            let is_live = |jobs: &JobTable, block| jobs.has_live_on(block);
            self.seen.age(|block| {
                is_live(&view.work.jobs, block)
                    || view.former.is_some_and(|jobs| is_live(jobs, block))
            });
        }
        let face = self.faces.current();
        let mask = face.mask.unwrap_or(VersionMask::NONE);
        out.wire.extend_from_slice(&job.notify_line(mask, Clean::from(clean), face.id));
        self.sent.push(job.serial);
        self.told = Some(Last { lane: lane.id, epoch: lane.epoch, serial: job.serial });
    }

    fn move_to(&mut self, difficulty: Difficulty, out: &mut Outbox) {
        if difficulty == self.assigned.difficulty() {
            return;
        }
        if self.told.is_some() {
            self.assign(difficulty, out);
        } else {
            // Not sent a job on this connection yet: the first one will carry it.
            self.assigned.change(Assignment::new(difficulty), self.sent.next());
        }
    }
}

fn tell_difficulty(difficulty: Difficulty, out: &mut Outbox) {
    reply::notification(&mut out.wire, "mining.set_difficulty", &format!("[{difficulty}]"));
    out.events.push(Event::Difficulty(difficulty));
}

fn tell_extranonce(id: MinerId, out: &mut Outbox) {
    let params = format!("[\"{id}\",{}]", id.layout().miner_len());
    reply::notification(&mut out.wire, "mining.set_extranonce", &params);
    out.events.push(Event::Renumbered);
}
