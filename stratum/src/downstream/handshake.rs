//! Configure, subscribe and authorize in every order that firmware speaks them (PROTOCOL: cgminer, bmminer, Whatsminer,
//! VNISH pipelined, authorize-first, …). Each reply is the next line after its request; difficulty and job wait until both
//! subscribe and authorize were answered, or two seconds after subscribe for miners that authorize late.

use std::time::{Duration, Instant};

use super::mining::Fit;
use super::resume::{BUSY_MAX, BUSY_RETRY};
use super::{
    Close, Downstream, Event, ExtranonceChange, Mining, Outbox, Phase, Resumable, Resume, View,
    WORKERS_MAX, Wishes, answer, refuse,
};
use crate::extranonce::MinerId;
use crate::message::{Configure, Subscribe, subscribe_result};
use crate::rpc::{RejectCode, RequestId};
use crate::types::{VersionMask, WorkerName};
use crate::work::Lane;

/// How long a subscribed miner may leave authorize out before it is given work all the same.
const LATE_AUTHORIZE: Duration = Duration::from_secs(2);

/// Not subscribed yet; authorize may already have come.
#[derive(Debug)]
pub(super) struct Fresh;

/// Subscribe has come and cannot be answered: no pool has told yet how long its extranonce2 is, or the former connection
/// of the miner has not given way yet.
#[derive(Debug)]
pub(super) struct Waiting {
    request: Option<RequestId>,
    pub(super) former: Option<Box<Former>>,
}

/// A former connection that is to give way.
#[derive(Debug)]
pub(super) struct Former {
    session: Box<str>,
    pub(super) ask_at: Instant,
    until: Instant,
}

/// Subscribed, authorize not seen.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) id: MinerId,
    pub(super) release_at: Instant,
    /// What it had before it broke off.
    pub(super) resumed: Option<Box<Mining>>,
}

// === impl Downstream ===

impl Downstream {
    pub(super) fn configure(
        &mut self,
        view: &View<'_>,
        id: Option<RequestId>,
        configure: &Configure,
        out: &mut Outbox,
    ) {
        let mut granted = VersionMask::NONE;
        if let Some(rolling) = &configure.version_rolling {
            let ours = rolling.mask.intersect(view.terms.version_mask);
            let lane = self.lane(view);
            let of_pool = lane.map_or(ours, |lane| ours.intersect(lane.job.version_mask));
            // A pool without version rolling may be left for one with it while this miner stays, so the bits are granted
            // and then taken back by mining.set_version_mask before the first job.
            granted = if of_pool.is_none() { ours } else { of_pool };
            self.peer.version_mask = (!ours.is_none()).then_some(ours);
            self.peer.version_mask_told = granted;
        }
        if configure.subscribe_extranonce {
            self.peer.extranonce = ExtranonceChange::Followed;
        }
        answer(out, id, &configure.result_json(granted));
        if let Some(minimum) = configure.minimum_difficulty {
            self.peer.wish(Wishes { floor: Some(minimum), ..self.peer.wishes() });
        }
        self.agree_anew(view, out);
    }

    pub(super) fn subscribe(
        &mut self,
        view: &View<'_>,
        id: Option<RequestId>,
        subscribe: &Subscribe<'_>,
        out: &mut Outbox,
    ) {
        if let Some(agent) = &subscribe.user_agent {
            self.peer.called(Some(agent.as_ref().into()));
        }
        match self.miner_id() {
            // Asked again on a live connection: the same extranonce1, nothing else changes.
            Some(miner) => answer(out, id, &self.subscription(miner)),
            None => {
                let until = view.now.instant + BUSY_MAX;
                let session = subscribe.session.as_deref();
                let former = session.map(|session| {
                    let session = session.into();
                    Box::new(Former { session, ask_at: view.now.instant, until })
                });
                self.subscribe_fresh(view, Waiting { request: id, former }, out);
            }
        }
    }

    /// Answers a subscribe that had to wait, once what it waited for is there.
    pub(super) fn resume_subscribe(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Waiting(waiting) = &self.phase else { return };
        let due = match &waiting.former {
            Some(former) => former.ask_at <= view.now.instant,
            None => view.work.layout.is_some(),
        };
        if due
            && let Phase::Waiting(waiting) = std::mem::replace(&mut self.phase, Phase::Fresh(Fresh))
        {
            // The wait was ours and is not held against the miner.
            self.peer.opened = view.now.instant;
            self.subscribe_fresh(view, waiting, out);
        }
    }

    fn subscribe_fresh(&mut self, view: &View<'_>, waiting: Waiting, out: &mut Outbox) {
        let now = view.now.instant;
        let Waiting { request, former } = waiting;
        if let Some(mut former) = former {
            match view.registry.resume(&former.session) {
                Resume::Ready(resumable) => return self.resume(view, request, *resumable, out),
                Resume::Busy if now < former.until => {
                    former.ask_at = now + BUSY_RETRY;
                    self.phase = Phase::Waiting(Waiting { request, former: Some(former) });
                    return;
                }
                Resume::Busy | Resume::Unknown => {}
            }
        }
        let Some(layout) = view.work.layout else {
            self.phase = Phase::Waiting(Waiting { request, former: None });
            return;
        };
        let layout = self.peer.profile.layout(layout);
        let Some(id) = view.registry.allocate(layout, view.work.banks_of(layout)) else {
            refuse(out, request, RejectCode::Other, "No extranonce left, try another server");
            out.close = Some(Close::ExtranonceExhausted);
            return;
        };
        answer(out, request, &self.subscription(id));
        self.subscribed(view, id, None, out);
    }

    /// Gives the miner back what it had. Where its extranonce does not fit what there is to mine on, it is told another
    /// with the reply, and shares for what it was sent before are judged by the former.
    fn resume(
        &mut self,
        view: &View<'_>,
        request: Option<RequestId>,
        resumable: Resumable,
        out: &mut Outbox,
    ) {
        let Resumable { token, version_mask, mut mining, ended } = resumable;
        self.token = token;
        if self.peer.version_mask.is_none() {
            self.peer.version_mask = version_mask;
            self.peer.version_mask_told = mining.mask_told;
        }
        mining.come_back(view.now.instant.saturating_duration_since(ended), self.peer.version_mask);
        let serves = |lane: &Lane| lane.job.serves(mining.id());
        let no_lane = !view.work.lanes.is_empty() && !view.work.lanes.iter().any(serves);
        if let Some(layout) = view.work.layout
            && (mining.fit == Fit::NoPlace || no_lane)
        {
            let layout = self.peer.profile.layout(layout);
            if let Some(id) = view.registry.allocate(layout, view.work.banks_of(layout)) {
                mining.renumber(view, id);
            }
        }
        out.events.push(Event::Resumed);
        let id = mining.id();
        answer(out, request, &self.subscription(id));
        self.subscribed(view, id, Some(mining), out);
    }

    fn subscribed(
        &mut self,
        view: &View<'_>,
        id: MinerId,
        resumed: Option<Box<Mining>>,
        out: &mut Outbox,
    ) {
        let release_at = view.now.instant + LATE_AUTHORIZE;
        self.phase = Phase::Subscribed(Subscribed { id, release_at, resumed });
        if !self.peer.workers.is_empty() {
            self.start_mining(view, out);
        }
    }

    pub(super) fn authorize(
        &mut self,
        view: &View<'_>,
        id: Option<RequestId>,
        worker: WorkerName,
        out: &mut Outbox,
    ) {
        let known = self.peer.workers.contains(&worker);
        if !known && self.peer.workers.len() >= WORKERS_MAX {
            refuse(out, id, RejectCode::Unauthorized, "Too many worker names on one connection");
            return;
        }
        if !known {
            out.events.push(Event::Authorized(worker.clone()));
            self.peer.workers.push(worker);
        }
        answer(out, id, "true");
        self.start_mining(view, out);
    }

    /// Gives work to a miner that has subscribed and is not mining yet.
    pub(super) fn start_mining(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Subscribed(state) = &mut self.phase else { return };
        let mining = match state.resumed.take() {
            Some(mining) => mining,
            None => Box::new(Mining::new(view, state.id, &self.peer)),
        };
        self.phase = Phase::Mining(mining);
        out.events.push(Event::Mining);
        self.feed(view, out);
    }

    fn subscription(&self, id: MinerId) -> String {
        subscribe_result(&self.token.to_string(), &id.bytes(), id.layout().miner_len())
    }
}
