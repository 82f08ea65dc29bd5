//! Carries out what [`Facts::decide`] says, against a store, until it is told to stop or has lost.

use std::future::Future;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::decide::{Decision, Facts, Lease, Seen, Timing};
use super::leadership::{Leadership, Loss, State};
use super::record::{self, Candidate};
use super::store::{LeaseStore, StoreError};
use crate::telemetry::{Event, Telemetry};

/// Attempts to give the Lease up: the second is for a renewal that was under way.
const RELEASE_ATTEMPTS: u32 = 2;

/// Part of the pause between two looks that is left to chance, so that candidates do not come all
/// at once.
const JITTER: f64 = 0.2;

/// One candidate.
#[derive(Debug)]
pub(super) struct Driver<S> {
    store: S,
    me: Candidate,
    timing: Timing,
    telemetry: Telemetry,
    state: watch::Sender<State>,
    chance: fastrand::Rng,
    known: Known,
    leads_until: Option<Instant>,
    /// The holder that was last told of, so that each is told once.
    told: Option<Box<str>>,
}

/// The Lease as far as it is known.
#[derive(Debug)]
enum Known {
    Nothing,
    Gone {
        since: Instant,
    },
    Object {
        object: Box<LeaseObject>,
        since: Instant,
    },
    /// As above, but the last write had no clear answer: it must be read before it is written.
    Unsure {
        object: Box<LeaseObject>,
        since: Instant,
    },
}

// === impl Driver ===

impl<S: LeaseStore> Driver<S> {
    pub(super) fn new(
        store: S,
        me: Candidate,
        timing: Timing,
        telemetry: Telemetry,
    ) -> (Self, Leadership) {
        let (state, leadership) = Leadership::new();
        let driver = Self {
            store,
            me,
            timing,
            telemetry,
            state,
            chance: fastrand::Rng::new(),
            known: Known::Nothing,
            leads_until: None,
            told: None,
        };
        (driver, leadership)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        if let Some(loss) = stop.run_until_cancelled(self.compete()).await {
            self.state.send_replace(State::Lost(loss));
            self.telemetry.emit(&Event::LeaseLost { why: &loss });
            return;
        }
        // Before the Lease is given up: the next may take it at once.
        self.state.send_replace(State::Stopped);
        if self.leads_until.is_some() {
            self.release().await;
        }
    }

    /// Returns only when this process led and does not any more.
    async fn compete(&mut self) -> Loss {
        loop {
            match self.step().await {
                Ok(next) => sleep_until(next).await,
                Err(loss) => return loss,
            }
        }
    }

    /// One look and what follows from it; then when to look again.
    async fn step(&mut self) -> Result<Instant, Loss> {
        let is_current = self.leads_until.is_some() && matches!(self.known, Known::Object { .. });
        if !is_current && let Err(error) = self.look().await {
            self.failed(&error);
            self.check_deadline()?;
            return Ok(self.after_failure());
        }
        let now = Timestamp::now();
        match self.facts().decide(Instant::now()) {
            Decision::Create => {
                let lease = self.me.create(now);
                self.write(async |store| store.create(&lease).await).await?;
            }
            Decision::Acquire => {
                let lease = self.me.acquire(self.object(), now);
                self.write(async |store| store.replace(&lease).await).await?;
            }
            Decision::Renew => {
                let lease = self.me.renew(self.object(), now);
                self.write(async |store| store.replace(&lease).await).await?;
            }
            Decision::Wait { until } => return Ok(self.later().min(self.shortly_after(until))),
            Decision::Lose(loss) => return Err(loss),
        }
        let is_certain = matches!(self.known, Known::Object { .. });
        Ok(if is_certain { self.later() } else { self.after_failure() })
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let found = bounded(self.patience(), self.store.read()).await?;
        self.saw(found);
        Ok(())
    }

    /// Takes note of the Lease as it is now, and of who holds it.
    fn saw(&mut self, found: Option<LeaseObject>) {
        // After the answer, not before the question: the later, the longer a holder is respected.
        let now = Instant::now();
        let known = std::mem::replace(&mut self.known, Known::Nothing);
        self.known = match (known, found) {
            (Known::Nothing, None) => Known::Nothing,
            (Known::Gone { since }, None) => Known::Gone { since },
            (Known::Object { .. } | Known::Unsure { .. }, None) => Known::Gone { since: now },
            (
                Known::Object { object: before, since } | Known::Unsure { object: before, since },
                Some(object),
            ) => {
                let since = if record::is_unchanged(&before, &object) { since } else { now };
                Known::Object { object: Box::new(object), since }
            }
            (Known::Nothing | Known::Gone { .. }, Some(object)) => {
                Known::Object { object: Box::new(object), since: now }
            }
        };
        if self.leads_until.is_none() {
            self.follow();
        }
    }

    /// Tells of the leader that is another.
    fn follow(&mut self) {
        let object = self.known.object();
        let holder = object.and_then(record::holder).filter(|holder| *holder != self.me.identity());
        let address = object.and_then(record::control_address).filter(|_| holder.is_some());
        if holder != self.told.as_deref() {
            if let Some(holder) = holder {
                self.telemetry.emit(&Event::LeaseFollowed { holder, address });
            }
            self.told = holder.map(Box::from);
        }
        let now = State::Following { leader: address };
        self.state.send_if_modified(|state| std::mem::replace(state, now) != now);
    }

    /// Writes the Lease with this process as its holder.
    async fn write(
        &mut self,
        request: impl AsyncFnOnce(&S) -> Result<LeaseObject, StoreError>,
    ) -> Result<(), Loss> {
        // Before the request leaves: whoever sees what it wrote sees it later than this.
        let asked = Instant::now();
        let written = bounded(self.patience(), request(&self.store)).await;
        match written {
            Ok(object) => {
                self.known = Known::Object { object: Box::new(object), since: Instant::now() };
                self.hold(asked + self.timing.renew_deadline())
            }
            Err(error) => {
                self.known.doubt();
                self.failed(&error);
                self.check_deadline()
            }
        }
    }

    /// Leads until `until`, which a write that was just answered allows.
    fn hold(&mut self, until: Instant) -> Result<(), Loss> {
        // Once the old deadline has passed somebody may have been told that we lost.
        self.check_deadline()?;
        if Instant::now() >= until {
            // The answer took too long to be of use. The next look decides.
            return Ok(());
        }
        let taken = self.leads_until.replace(until).is_none();
        self.state.send_replace(State::Leading { until, address: self.me.control() });
        if taken {
            self.telemetry.emit(&Event::LeaseTaken { identity: self.me.identity() });
        }
        Ok(())
    }

    fn check_deadline(&self) -> Result<(), Loss> {
        match self.leads_until {
            Some(until) if Instant::now() >= until => Err(Loss::DeadlineMissed),
            Some(_) | None => Ok(()),
        }
    }

    async fn release(&mut self) {
        for _ in 0..RELEASE_ATTEMPTS {
            let patience = self.timing.retry();
            let by = Instant::now() + patience;
            // What was under way when we were stopped may have been carried out.
            let Ok(Some(object)) = bounded(by, self.store.read()).await else { continue };
            if record::holder(&object) != Some(self.me.identity()) {
                return;
            }
            let lease = self.me.release(object, Timestamp::now());
            match bounded(by, self.store.replace(&lease)).await {
                Ok(_released) => return self.telemetry.emit(&Event::LeaseReleased),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&self, error: &StoreError) {
        match error {
            // The ordinary end of a competition.
            StoreError::Conflict => {}
            StoreError::Timeout | StoreError::Api(_) => {
                self.telemetry.emit(&Event::LeaseFailed { error });
            }
        }
    }

    fn facts(&self) -> Facts<'_> {
        let lease = match &self.known {
            Known::Nothing => Lease::Absent,
            Known::Gone { since } => Lease::Gone { since: *since },
            Known::Object { object, since } | Known::Unsure { object, since } => {
                let (holder, lease) = (record::holder(object), record::duration(object));
                Lease::Present(Seen { holder, lease, since: *since })
            }
        };
        let (me, timing, leads_until) = (self.me.identity(), self.timing, self.leads_until);
        Facts { me, timing, leads_until, lease }
    }

    fn object(&self) -> LeaseObject {
        self.known.object().cloned().unwrap_or_default()
    }

    /// How long a request may take; for a leader, not past its deadline.
    fn patience(&self) -> Instant {
        let by = Instant::now() + self.timing.patience();
        self.leads_until.map_or(by, |until| until.min(by))
    }

    /// The next look. A leader is not late for its deadline.
    fn later(&mut self) -> Instant {
        let part = 1.0 + JITTER * (2.0 * self.chance.f64() - 1.0);
        let next = Instant::now() + self.timing.retry().mul_f64(part);
        self.leads_until.map_or(next, |until| until.min(next))
    }

    /// The next look after a failure: a leader has not many.
    fn after_failure(&mut self) -> Instant {
        let later = self.later();
        match self.leads_until {
            Some(until) => until.min(Instant::now() + self.timing.retry_after_failure()),
            None => later,
        }
    }

    fn shortly_after(&mut self, until: Instant) -> Instant {
        until + self.timing.retry().mul_f64(JITTER * self.chance.f64())
    }
}

// === impl Known ===

impl Known {
    fn object(&self) -> Option<&LeaseObject> {
        match self {
            Self::Nothing | Self::Gone { .. } => None,
            Self::Object { object, since: _ } | Self::Unsure { object, since: _ } => Some(object),
        }
    }

    fn doubt(&mut self) {
        let known = std::mem::replace(self, Self::Nothing);
        *self = match known {
            Self::Object { object, since } => Self::Unsure { object, since },
            Self::Nothing | Self::Gone { .. } | Self::Unsure { .. } => known,
        };
    }
}

async fn bounded<T>(
    by: Instant,
    request: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout_at(by, request).await.unwrap_or(Err(StoreError::Timeout))
}
