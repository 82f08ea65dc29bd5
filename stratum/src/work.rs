//! What a route offers its miners at one moment, and how pools' messages change it.
//!
//! [`WorkBoard`] owns the route's jobs: the latest of each pool session, the table of those that miners may still
//! answer, the clean epoch and the extranonce layout. [`Work`] is the immutable picture of it that sessions read, so a
//! session can never pair a new job with an old extranonce. It chooses no pool and knows no connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::extranonce::Layout;
use crate::job::{Job, JobTable, LayoutMisfit, PoolContext};
use crate::message::Notify;
use crate::types::{JobSerial, NTime, SourceId, UnixTime};

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
/// route moved to another pool. A session says `clean_jobs = true` exactly when the epoch is not the one that it last
/// sent, so a skipped notify cannot lose the flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CleanEpoch(pub u64);

/// What a route offers its miners at one moment.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Whether miners must drop what they have.
    pub epoch: CleanEpoch,
    /// Jobs that shares may name.
    pub jobs: JobTable,
    /// The job to mine on; none while no pool can be mined on.
    pub current: Option<Arc<Job>>,
    /// How extranonce2 is split for a miner that subscribes now; none until a pool has told its size.
    pub layout: Option<Layout>,
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
    active: Option<SourceId>,
    published: Option<Instant>,
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
            active: None,
            published: None,
        }
    }

    /// The picture to publish.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// The pool session whose jobs are handed out.
    pub fn active(&self) -> Option<SourceId> {
        self.active
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
            self.work.jobs = self.work.jobs.retire(source);
        }
        self.keep_offer(now, source, notify, context);
        let retired = self.work.jobs.live_count() < live;
        if self.active != Some(source) {
            return Ok(());
        }
        if retired {
            self.raise_epoch();
        }
        let published = self.publish_offer(now, source);
        if retired && published.is_err() {
            self.work.current = None;
        }
        published
    }

    /// Whether `source` has a job to mine on.
    pub fn has_offer(&self, source: SourceId) -> bool {
        self.offers.iter().any(|offer| offer.source == source)
    }

    /// Moves the route to `source`. The jobs of the session that it leaves stay answerable: what is found for them
    /// belongs to that session, and nothing is lost.
    ///
    /// # Errors
    /// [`LayoutMisfit`] when a configured layout does not fit; the route stays where it is.
    pub fn activate(&mut self, now: Now, source: SourceId) -> Result<(), LayoutMisfit> {
        if self.active == Some(source) || !self.has_offer(source) {
            return Ok(());
        }
        self.publish_offer(now, source)?;
        self.active = Some(source);
        self.raise_epoch();
        Ok(())
    }

    /// A pool session has ended for good: its jobs are worth nothing. If the route has moved on, miners were told to
    /// leave those jobs then.
    pub fn withdraw(&mut self, source: SourceId) {
        self.offers.retain(|offer| offer.source != source);
        self.work.jobs = self.work.jobs.retire(source);
        if self.active == Some(source) {
            self.active = None;
            self.work.current = None;
        }
    }

    /// A layout set by configuration, or none any more. Holds from the next job on: a miner that subscribes before must
    /// fit the job that there is.
    pub fn fix_layout(&mut self, layout: Option<Layout>) {
        self.fixed_layout = layout;
        if self.work.current.is_none() {
            self.work.layout = layout.or(self.work.layout);
        }
    }

    /// Sends the current job anew, with a fresh id and nTime, when miners heard nothing for `period`: firmware drops a
    /// silent pool after 60 to 120 seconds. True when it did.
    pub fn keep_alive(&mut self, now: Now, period: Duration) -> bool {
        let due =
            self.published.is_some_and(|at| now.instant.saturating_duration_since(at) >= period);
        if due {
            self.republish(now);
        }
        due && self.work.current.is_some()
    }

    /// When [`Self::keep_alive`] has something to do.
    pub fn keep_alive_at(&self, period: Duration) -> Option<Instant> {
        self.work.current.as_ref()?;
        self.published.map(|at| at + period)
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
            && let Some(oldest) =
                self.offers.iter().position(|offer| Some(offer.source) != self.active)
        {
            self.offers.remove(oldest);
        }
        self.offers.push(Offer { source, notify, context, received });
    }

    fn publish_offer(&mut self, now: Now, source: SourceId) -> Result<(), LayoutMisfit> {
        let Some(offer) = self.offers.iter().find(|offer| offer.source == source) else {
            return Ok(());
        };
        let layout = self.layout_for(offer.context.extranonce2_size)?;
        let serial = JobSerial(self.next_serial);
        let mut job = Job::new(serial, source, offer.notify.clone(), &offer.context, layout)?;
        // Work that was handed out before, or might have been, is not handed out again as it was: miners would start
        // over on the very headers that they have hashed.
        job.notify.ntime = offer.ntime_at(now);
        self.next_serial += 1;
        self.work.layout = Some(layout);
        self.publish(now, job);
        Ok(())
    }

    /// The layout in use where it fits, else the best one for all sessions known. Miners of another layout are asked to
    /// reconnect by their session.
    fn layout_for(&self, extranonce2_size: u8) -> Result<Layout, LayoutMisfit> {
        match self.fixed_layout.or(self.work.layout) {
            Some(layout) if layout.fits(extranonce2_size) => Ok(layout),
            Some(layout) if self.fixed_layout.is_some() => {
                Err(LayoutMisfit { needed: layout.total(), given: extranonce2_size })
            }
            layout => {
                let sizes = self.offers.iter().map(|offer| offer.context.extranonce2_size);
                sizes
                    .filter_map(Layout::for_pool_size)
                    .filter(|layout| layout.fits(extranonce2_size))
                    .min_by_key(|layout| layout.total())
                    .ok_or_else(|| LayoutMisfit {
                        needed: layout.unwrap_or(Layout::CONSERVATIVE).total(),
                        given: extranonce2_size,
                    })
            }
        }
    }

    fn republish(&mut self, now: Now) {
        let Some(job) = self.work.current.clone() else { return };
        let offer = self.offers.iter().find(|offer| offer.source == job.source);
        let ntime = offer.map_or(job.notify.ntime, |offer| offer.ntime_at(now));
        let serial = JobSerial(self.next_serial);
        self.next_serial += 1;
        self.publish(now, job.keep_alive(serial, ntime));
    }

    fn publish(&mut self, now: Now, job: Job) {
        let job = Arc::new(job);
        self.work.jobs = self.work.jobs.with_job(Arc::clone(&job));
        self.work.current = Some(job);
        self.published = Some(now.instant);
    }

    fn raise_epoch(&mut self) {
        self.work.epoch = CleanEpoch(self.work.epoch.0 + 1);
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
