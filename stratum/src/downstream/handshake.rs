//! Configure, subscribe and authorize in every order that firmware speaks them (PROTOCOL: cgminer, bmminer, Whatsminer,
//! VNISH pipelined, authorize-first, …). Each reply is the next line after its request; difficulty and job wait until both
//! subscribe and authorize were answered, or two seconds after subscribe for miners that authorize late.

use std::time::{Duration, Instant};

use super::{Close, Downstream, Event, Mining, Outbox, Phase, View, WORKERS_MAX, answer, refuse};
use crate::extranonce::{Layout, MinerId};
use crate::message::{Configure, Subscribe, subscribe_result};
use crate::rpc::{RejectCode, RequestId};
use crate::types::{VersionMask, WorkerName};

/// How long a subscribed miner may leave authorize out before it is given work all the same.
const LATE_AUTHORIZE: Duration = Duration::from_secs(2);

/// Not subscribed yet; authorize may already have come.
#[derive(Debug)]
pub(super) struct Fresh;

/// Subscribe has come and cannot be answered: no pool has told yet how long its extranonce2 is.
#[derive(Debug)]
pub(super) struct Waiting {
    request: Option<RequestId>,
}

/// Subscribed, authorize not seen.
#[derive(Clone, Debug)]
pub(super) struct Subscribed {
    pub(super) id: MinerId,
    pub(super) layout: Layout,
    pub(super) release_at: Instant,
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
            let of_pool = view.current().map_or(ours, |lane| ours.intersect(lane.job.version_mask));
            // A pool without version rolling may be left for one with it while this miner stays, so the bits are granted
            // and then taken back by mining.set_version_mask before the first job.
            granted = if of_pool.is_none() { ours } else { of_pool };
            self.peer.version_mask = (!ours.is_none()).then_some(ours);
            self.peer.version_mask_told = granted;
        }
        answer(out, id, &configure.result_json(granted));
        if let Some(minimum) = configure.minimum_difficulty {
            self.suggest(view, minimum, out);
        }
    }

    pub(super) fn subscribe(
        &mut self,
        view: &View<'_>,
        id: Option<RequestId>,
        subscribe: &Subscribe<'_>,
        out: &mut Outbox,
    ) {
        if let Some(agent) = &subscribe.user_agent {
            self.peer.user_agent = Some(agent.as_ref().into());
        }
        match self.miner_id() {
            // Asked again on a live connection: the same extranonce1, nothing else changes.
            Some((layout, miner)) => answer(out, id, &subscription(layout, miner)),
            None => self.subscribe_fresh(view, id, out),
        }
    }

    /// Answers a subscribe that had to wait, once the layout is known.
    pub(super) fn resume_subscribe(&mut self, view: &View<'_>, out: &mut Outbox) {
        if view.work.layout.is_none() {
            return;
        }
        if let Phase::Waiting(waiting) = &mut self.phase {
            let id = waiting.request.take();
            // The wait was ours and is not held against the miner.
            self.peer.opened = view.now.instant;
            self.subscribe_fresh(view, id, out);
        }
    }

    fn subscribe_fresh(&mut self, view: &View<'_>, request: Option<RequestId>, out: &mut Outbox) {
        let Some(layout) = view.work.layout else {
            self.phase = Phase::Waiting(Waiting { request });
            return;
        };
        let Some(id) = (view.allocate)(layout) else {
            refuse(out, request, RejectCode::Other, "No extranonce left, try another server");
            out.close = Some(Close::ExtranonceExhausted);
            return;
        };
        answer(out, request, &subscription(layout, id));
        let release_at = view.now.instant + LATE_AUTHORIZE;
        self.phase = Phase::Subscribed(Subscribed { id, layout, release_at });
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
            self.peer.workers.push(worker);
        }
        answer(out, id, "true");
        self.start_mining(view, out);
    }

    /// Gives work to a miner that has subscribed and is not mining yet.
    pub(super) fn start_mining(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Phase::Subscribed(state) = &self.phase else { return };
        let mining = Mining::new(view, state.layout, state.id, self.peer.wanted);
        self.phase = Phase::Mining(Box::new(mining));
        out.events.push(Event::Mining);
        self.feed(view, out);
    }
}

/// The extranonce1 is ours and names the miner; it serves as the session's name as well.
fn subscription(layout: Layout, id: MinerId) -> String {
    subscribe_result(&id.to_string(), &id.bytes(), layout.miner_len())
}
