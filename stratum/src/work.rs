//! What a route offers its miners at one moment, and how pools' messages change it.
//!
//! [`WorkBoard`] owns the route's jobs: the latest of each pool session, the table of those that miners may still
//! answer, the clean epochs and the extranonce layout. [`Work`] is the immutable picture of it that sessions read, so a
//! session can never pair a new job with an old extranonce. Several pools can be mined on at once, each by a lane; which
//! session works on which lane is told from outside. It chooses no pool and knows no connection.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::extranonce::{Bank, Layout, MinerId, Sharing};
use crate::job::{Job, JobTable, LayoutMisfit, PoolContext};
use crate::message::Notify;
use crate::types::{JobSerial, LaneId, NTime, SourceId, UnixTime};

#[cfg(test)]
mod tests;

/// One reading of the clocks, taken by the driver.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotone time, for timers and rates.
    pub instant: Instant,
    /// Wall-clock time, for nTime.
    pub unix: UnixTime,
}

/// Rises whenever miners must leave what they are hashing: the pool said clean, the old jobs lost their worth, or the
/// route moved to another pool. A session says `clean_jobs = true` exactly when the epoch of its lane is not the one that
/// it last sent, so a skipped notify cannot lose the flag. No two lanes of a board ever have the same one, so a session
/// that changes lanes says it as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CleanEpoch(pub u64);

/// What a route offers its miners at one moment.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The latest epoch of any lane.
    pub epoch: CleanEpoch,
    /// Jobs that shares may name.
    pub jobs: JobTable,
    /// What can be mined on, in the order of preference; nothing while no pool can be.
    pub lanes: Vec<Lane>,
    /// How extranonce2 is split for a miner that subscribes now; none until a pool has told its size.
    pub layout: Option<Layout>,
    /// How many connections to one pool there may be, each of which serves a bank of miners: at least one. Those that are
    /// not open yet are opened when a miner needs them.
    pub banks: Banks,
}

/// How many connections to one pool there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Banks(pub u32);

/// A pool that is mined on, with its job.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Which of the route's pool connections.
    pub id: LaneId,
    /// The first connection to its pool, which is the lane itself but for those that were opened for further miners.
    pub pool: LaneId,
    /// Whether its miners must drop what they have.
    pub epoch: CleanEpoch,
    /// The job to mine on.
    pub job: Arc<Job>,
}

/// The most pool sessions that a board keeps an offer of; the configuration allows fewer.
pub const SOURCES_MAX: usize = 64;

/// How far a job's nTime is moved on at most while its pool sends no other: half of what the narrowest pool lets a miner
/// run ahead, so that as much is left to the miner.
const NTIME_ADVANCE_SECONDS_MAX: u32 = 3_500;

#[derive(Debug)]
struct Offer {
    source: SourceId,
    /// Its clean flag is taken out: what it retires was retired when it came, and must not be again when it is published
    /// a second time.
    notify: Notify,
    context: PoolContext,
    /// When the pool first sent this very work.
    received: Instant,
}

/// The mutable side of a route's [`Work`]; one task owns it.
#[derive(Debug)]
pub struct WorkBoard {
    work: Work,
    /// A layout set by configuration, which is then never changed.
    fixed_layout: Option<Layout>,
    next_serial: u64,
    offers: Vec<Offer>,
    active: Vec<Active>,
    /// Connections that were opened for further miners of a pool.
    further: Vec<Further>,
    sharing: Sharing,
}

/// A connection for further miners of a pool that has another already.
#[derive(Clone, Copy, Debug)]
struct Further {
    lane: LaneId,
    pool: LaneId,
    bank: Bank,
}

/// A session that is mined on.
#[derive(Debug)]
struct Active {
    source: SourceId,
    epoch: CleanEpoch,
    /// What was published last, and when; none while its latest job does not fit.
    published: Option<(Instant, Arc<Job>)>,
}

// === impl Work ===

impl Default for Banks {
    fn default() -> Self {
        Self(1)
    }
}

impl Work {
    /// What a miner that is seated on lane `seat` mines on: that lane, or another connection to the same pool that serves
    /// the miner's bank. None of them may fit the miner: then it is the lane that it was to work on.
    pub fn lane_for(&self, seat: Option<LaneId>, miner: MinerId) -> Option<&Lane> {
        let seated = self.lane(seat)?;
        if seated.job.serves(miner) {
            return Some(seated);
        }
        let mut kin = self.lanes.iter().filter(|lane| lane.pool == seated.pool);
        kin.find(|lane| lane.job.serves(miner)).or(Some(seated))
    }

    /// The banks that a miner of this layout may be of: those that a connection serves, or that one would be opened for.
    pub fn banks_of(&self, layout: Layout) -> Range<u32> {
        let served = |lane: &Lane| lane.job.bank.of_layout(layout, lane.job.extranonce2_size).end;
        let served = self.lanes.iter().map(served).max().unwrap_or(0);
        0..served.max(self.banks.0)
    }

    /// What a session that is seated on lane `seat` mines on: the first lane when it has no seat or its lane is gone.
    pub fn lane(&self, seat: Option<LaneId>) -> Option<&Lane> {
        let seated = seat.and_then(|seat| self.lanes.iter().find(|lane| lane.id == seat));
        seated.or_else(|| self.lanes.first())
    }
}

// === impl WorkBoard ===

impl WorkBoard {
    /// An empty board. `first_serial` must not repeat within what miners may remember of an earlier run.
    pub fn new(first_serial: JobSerial, fixed_layout: Option<Layout>) -> Self {
        Self {
            work: Work { layout: fixed_layout, ..Work::default() },
            fixed_layout,
            next_serial: first_serial.0,
            offers: Vec::new(),
            active: Vec::new(),
            further: Vec::new(),
            sharing: Sharing::Shared,
        }
    }

    /// The picture to publish.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// The pool sessions whose jobs are handed out, in the order of preference.
    pub fn active(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.active.iter().map(|active| active.source)
    }

    /// How many connections to one pool may be opened, the first included.
    pub fn allow_banks(&mut self, banks: Banks) {
        self.work.banks = Banks(banks.0.max(1));
    }

    /// Says whether several miners work on each connection to a pool. What is mined on is handed out anew if that changes.
    pub fn share(&mut self, now: Now, sharing: Sharing) {
        if std::mem::replace(&mut self.sharing, sharing) == sharing {
            return;
        }
        let active: Vec<SourceId> = self.active().collect();
        for source in active {
            self.raise_epoch(source);
            if self.publish_offer(now, source).is_err() {
                self.unpublish(source);
            }
        }
        self.picture();
    }

    /// Makes `lane` a further connection to the pool of lane `pool`, for the miners of this bank. To be said before its
    /// first job; the jobs of a lane of which nothing is said are for bank 0.
    pub fn serve_bank(&mut self, lane: LaneId, pool: LaneId, bank: Bank) {
        self.further.retain(|further| further.lane != lane);
        if self.further.len() >= SOURCES_MAX {
            self.further.remove(0);
        }
        self.further.push(Further { lane, pool, bank });
    }

    /// Settles the layout while no pool has told its extranonce2 size, so that miners can be answered.
    pub fn assume_layout(&mut self, layout: Layout) {
        self.work.layout.get_or_insert(layout);
    }

    /// A pool session sent a job. A clean one retires the session's earlier jobs; the work changes if the session is the
    /// active one.
    ///
    /// # Errors
    /// [`LayoutMisfit`] when the active session's extranonce2 is too small for the layout. The job before it stays then,
    /// unless it has just lost its worth.
    pub fn offer(
        &mut self,
        now: Now,
        source: SourceId,
        mut notify: Notify,
        context: PoolContext,
    ) -> Result<(), LayoutMisfit> {
        let clean = std::mem::take(&mut notify.clean);
        let live = self.work.jobs.live_count();
        if clean {
            self.work.jobs = self.work.jobs.outdate(source, now.instant);
        }
        self.keep_offer(now, source, notify, context);
        self.make_room(&context);
        let retired = self.work.jobs.live_count() < live;
        if !self.is_active(source) {
            return Ok(());
        }
        if retired {
            self.raise_epoch(source);
        }
        let published = self.publish_offer(now, source);
        if retired && published.is_err() {
            self.unpublish(source);
        }
        self.picture();
        published
    }

    /// Whether `source` has a job to mine on.
    pub fn has_offer(&self, source: SourceId) -> bool {
        self.offers.iter().any(|offer| offer.source == source)
    }

    /// Moves the route to `source` alone.
    ///
    /// # Errors
    /// [`LayoutMisfit`] when a configured layout does not fit; the route stays where it is.
    pub fn activate(&mut self, now: Now, source: SourceId) -> Result<(), LayoutMisfit> {
        if !self.has_offer(source) {
            return Ok(());
        }
        if !self.is_active(source) {
            self.begin(now, source)?;
        }
        self.set_active(now, &[source]);
        Ok(())
    }

    /// Makes `sources`, in this order, what the route mines on. Those without a job are left out, and so are those that do
    /// not fit a configured layout, which are returned. The jobs of sessions that are left stay answerable: what is found
    /// for them belongs to those sessions, and nothing is lost.
    pub fn set_active(&mut self, now: Now, sources: &[SourceId]) -> Vec<(SourceId, LayoutMisfit)> {
        let mut misfits = Vec::new();
        for source in sources {
            if self.has_offer(*source)
                && !self.is_active(*source)
                && let Err(misfit) = self.begin(now, *source)
            {
                misfits.push((*source, misfit));
            }
        }
        let place = |active: &Active| sources.iter().position(|source| *source == active.source);
        self.active.retain(|active| place(active).is_some());
        self.active.sort_by_key(place);
        self.picture();
        misfits
    }

    /// A pool session has ended for good: its jobs are worth nothing. If the route has moved on, miners were told to
    /// leave those jobs then.
    pub fn withdraw(&mut self, source: SourceId) {
        self.offers.retain(|offer| offer.source != source);
        self.work.jobs = self.work.jobs.retire(source);
        self.active.retain(|active| active.source != source);
        self.picture();
    }

    /// A layout set by configuration, or none any more. Holds from the next job on: a miner that subscribes before must
    /// fit the job that there is.
    pub fn fix_layout(&mut self, layout: Option<Layout>) {
        self.fixed_layout = layout;
        if self.work.lanes.is_empty() {
            self.work.layout = layout.or(self.work.layout);
        }
    }

    /// Sends the job of each lane anew, with a fresh id and nTime, where miners heard nothing for `period`: firmware drops a
    /// silent pool after 60 to 120 seconds. True when it did.
    pub fn keep_alive(&mut self, now: Now, period: Duration) -> bool {
        let is_due = |at: Instant| now.instant.saturating_duration_since(at) >= period;
        let due: Vec<Arc<Job>> = self
            .active
            .iter()
            .filter_map(|active| active.published.as_ref())
            .filter(|(at, _)| is_due(*at))
            .map(|(_, job)| Arc::clone(job))
            .collect();
        for job in &due {
            self.republish(now, job);
        }
        if !due.is_empty() {
            self.picture();
        }
        !due.is_empty()
    }

    /// When [`Self::keep_alive`] has something to do.
    pub fn keep_alive_at(&self, period: Duration) -> Option<Instant> {
        let published = self.active.iter().filter_map(|active| active.published.as_ref());
        published.map(|(at, _)| *at + period).min()
    }

    fn is_active(&self, source: SourceId) -> bool {
        self.active.iter().any(|active| active.source == source)
    }

    /// Mines on `source` as well, as the last.
    fn begin(&mut self, now: Now, source: SourceId) -> Result<(), LayoutMisfit> {
        self.active.push(Active { source, epoch: CleanEpoch::default(), published: None });
        let published = self.publish_offer(now, source);
        match published {
            Ok(()) => self.raise_epoch(source),
            Err(_) => self.active.retain(|active| active.source != source),
        }
        published
    }

    /// Makes the picture say what is mined on.
    fn picture(&mut self) {
        let lanes = self.active.iter().filter_map(|active| self.lane_of(active));
        self.work.lanes = lanes.collect();
    }

    fn keep_offer(&mut self, now: Now, source: SourceId, notify: Notify, context: PoolContext) {
        let former = self.offers.iter().position(|offer| offer.source == source);
        let former = former.map(|index| self.offers.remove(index));
        let same = former.filter(|former| {
            former.notify == notify
                && former.context.extranonce1 == context.extranonce1
                && former.context.extranonce2_size == context.extranonce2_size
        });
        if same.is_none() {
            self.work.jobs = self.work.jobs.retire_id(source, &notify.job_id);
        }
        let received = same.map_or(now.instant, |same| same.received);
        if self.offers.len() >= SOURCES_MAX
            && let Some(oldest) = self.offers.iter().position(|offer| !self.is_active(offer.source))
        {
            self.offers.remove(oldest);
        }
        self.offers.push(Offer { source, notify, context, received });
    }

    fn publish_offer(&mut self, now: Now, source: SourceId) -> Result<(), LayoutMisfit> {
        let Some(offer) = self.offers.iter().find(|offer| offer.source == source) else {
            return Ok(());
        };
        let layout = self.layout_for(&offer.context)?;
        let serial = JobSerial(self.next_serial);
        let bank = self.further(source.lane()).map_or(Bank(0), |further| further.bank);
        let mut job = Job::new(serial, source, offer.notify.clone(), &offer.context, bank);
        // Work that was handed out before, or might have been, is not handed out again as it was: miners would start
        // over on the very headers that they have hashed.
        job.notify.ntime = offer.ntime_at(now);
        job.sharing = self.sharing;
        self.next_serial += 1;
        self.work.layout = Some(layout);
        self.publish(now, job);
        Ok(())
    }

    /// What a miner that subscribes from now on is given: the layout in use where it fits, else the best one for all
    /// sessions known. Miners have the layout that they were given; those that do not fit this pool keep off it, or are
    /// given another.
    fn layout_for(&self, context: &PoolContext) -> Result<Layout, LayoutMisfit> {
        let given = context.extranonce2_size;
        if let Some(layout) = self.fixed_layout {
            let needed = layout.total();
            return layout
                .fits(given)
                .then_some(layout)
                .ok_or(LayoutMisfit::Layout { needed, given });
        }
        let in_use = self.work.layout.filter(|layout| layout.fits(given) && self.is_kept(*layout));
        let sizes = || self.offers.iter().map(|offer| offer.context.extranonce2_size);
        let best = || {
            let layouts = sizes().filter_map(Layout::for_pool_size);
            layouts.filter(|layout| layout.fits(given)).min_by_key(|layout| layout.total())
        };
        match in_use.or_else(best) {
            Some(layout) => Ok(layout),
            None => self.narrow_layout(context),
        }
    }

    /// Whether a layout that is in use stays: a narrow one, which not all firmware takes, only while it is needed.
    fn is_kept(&self, layout: Layout) -> bool {
        let needs_it = |offer: &Offer| {
            self.is_active(offer.source)
                && Layout::for_pool_size(offer.context.extranonce2_size).is_none()
        };
        !layout.is_narrow() || self.offers.iter().any(needs_it)
    }

    fn narrow_layout(&self, context: &PoolContext) -> Result<Layout, LayoutMisfit> {
        let given = context.extranonce2_size;
        let bits = context.version_mask.0.count_ones();
        let Some(layout) = Layout::narrow(given, self.sharing) else {
            return Err(LayoutMisfit::Sharing { given });
        };
        match layout.version_bits_needed() {
            needed if bits < needed => Err(LayoutMisfit::Space { given, bits, needed }),
            _ => Ok(layout),
        }
    }

    /// A pool that may be moved to later: who subscribes from now on shall fit it as well, unless that costs the firmware
    /// that takes no narrow layout the pools that there are.
    fn make_room(&mut self, context: &PoolContext) {
        let smaller = self.layout_for(context).ok().filter(|layout| !layout.is_narrow());
        if self.work.layout.is_some() {
            self.work.layout = smaller.or(self.work.layout);
        }
    }

    fn further(&self, lane: LaneId) -> Option<&Further> {
        self.further.iter().find(|further| further.lane == lane)
    }

    fn lane_of(&self, active: &Active) -> Option<Lane> {
        let (_, job) = active.published.as_ref()?;
        let id = active.source.lane();
        let pool = self.further(id).map_or(id, |further| further.pool);
        Some(Lane { id, pool, epoch: active.epoch, job: Arc::clone(job) })
    }

    fn republish(&mut self, now: Now, job: &Job) {
        let offer = self.offers.iter().find(|offer| offer.source == job.source);
        let ntime = offer.map_or(job.notify.ntime, |offer| offer.ntime_at(now));
        let serial = JobSerial(self.next_serial);
        self.next_serial += 1;
        self.publish(now, job.keep_alive(serial, ntime));
    }

    fn publish(&mut self, now: Now, job: Job) {
        let job = Arc::new(job);
        self.work.jobs = self.work.jobs.with_job(Arc::clone(&job));
        if let Some(active) = self.active_mut(job.source) {
            active.published = Some((now.instant, job));
        }
    }

    fn unpublish(&mut self, source: SourceId) {
        if let Some(active) = self.active_mut(source) {
            active.published = None;
        }
    }

    fn active_mut(&mut self, source: SourceId) -> Option<&mut Active> {
        self.active.iter_mut().find(|active| active.source == source)
    }

    fn raise_epoch(&mut self, source: SourceId) {
        let epoch = CleanEpoch(self.work.epoch.0 + 1);
        self.work.epoch = epoch;
        if let Some(active) = self.active_mut(source) {
            active.epoch = epoch;
        }
    }
}

// === impl Offer ===

impl Offer {
    /// The pool's nTime moved on by as much time as has passed since it sent the job.
    fn ntime_at(&self, now: Now) -> NTime {
        let elapsed = now.instant.saturating_duration_since(self.received).as_secs();
        let elapsed = u32::try_from(elapsed).unwrap_or(u32::MAX);
        self.notify.ntime.plus(elapsed.min(NTIME_ADVANCE_SECONDS_MAX))
    }
}
