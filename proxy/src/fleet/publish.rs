//! What a route's task publishes: the work for sessions, and the view of itself for status pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Mode, NoPoolPolicy, Route};
use loka_stratum::downstream::NoPool;
use loka_stratum::extranonce::{Layout, Sharing};
use loka_stratum::types::VersionMask;

use super::crowd_staging::CrowdChange;
use super::route::RouteTask;
use super::slot::{PoolView, Slot};
use super::{RouteState, RouteView};
use crate::telemetry::RouteEvent;
use crate::telemetry::reasons::NoPoolAction;
use crate::upstream::PoolId;

// === impl RouteTask ===

impl RouteTask {
    /// Publishes what is offered now; sessions are woken only if something of it matters to them.
    pub(super) fn publish(&mut self) {
        self.starved_since = match self.board.work().lanes.is_empty() {
            true => self.starved_since.or_else(|| Some(self.now().instant)),
            false => None,
        };
        let state = RouteState {
            name: Arc::clone(&self.name),
            work: self.board.work().clone(),
            seats: Arc::clone(self.seating.seats()),
            seating: self.seating.version(),
            pools: self.slots.iter().map(|slot| Arc::clone(&slot.handle)).collect(),
            no_pool: no_pool(&self.config, self.starved_since),
            version_mask: VersionMask(self.config.version_mask),
        };
        self.publish_view(&state);
        let is_starved = state.work.lanes.is_empty() && self.slots.iter().all(Slot::has_reported);
        if is_starved && !std::mem::replace(&mut self.is_starved, is_starved) {
            self.starved(&state);
        }
        self.is_starved = is_starved;
        let is_changed = self.state.send_if_modified(|published| {
            let changed = !published.says_the_same_as(&state);
            if changed {
                *published = Arc::new(state);
            }
            changed
        });
        if is_changed {
            self.weight.set(self.board.work().jobs.bytes());
        }
    }

    fn publish_view(&self, state: &RouteState) {
        let first = self.active_pools().first().and_then(|first| self.slot(*first));
        let active: Vec<PoolId> = self.board.active().map(PoolId::of).collect();
        let (now, change) = (self.now(), self.change.as_ref());
        let pools = self.slots.iter().map(|slot| PoolView {
            is_active: active.contains(&slot.handle.id),
            part: self.seating.part(slot.handle.id),
            ..slot.view(now)
        });
        self.view.send_replace(Arc::new(RouteView {
            active: self.crowd_pool().or_else(|| first.map(|slot| Arc::clone(&slot.handle.name))),
            epoch: state.work.epoch,
            pools: pools.collect(),
            rollout_percent: change
                .map_or_else(|| self.staging.percent(), CrowdChange::shown_percent),
            rolled_back: change.map_or_else(|| self.staging.refusal(), CrowdChange::refusal),
            rate: self.seating.rate(),
            sight: self.seen(),
            config: Some(Arc::clone(&self.config)),
        }));
    }

    /// What most of the miners with connections of their own mine on, while they change in steps.
    fn crowd_pool(&self) -> Option<Arc<str>> {
        let change = self.change.as_ref().filter(|change| change.percent() <= 50)?;
        Some(change.from().into())
    }

    fn starved(&self, state: &RouteState) {
        let (action, after) = match state.no_pool {
            NoPool::Hold | NoPool::Wait => (NoPoolAction::Hold, Duration::ZERO),
            NoPool::Close { after, since: _ } => (NoPoolAction::Close, after),
        };
        self.parts.seams.telemetry.emit(RouteEvent::NoPool { route: &self.name, action, after });
    }
}

/// What becomes of miners that have had nothing to mine on `since` then.
pub(super) fn no_pool(config: &Route, since: Option<Instant>) -> NoPool {
    match config.on_no_pool.policy {
        NoPoolPolicy::Hold => NoPool::Hold,
        NoPoolPolicy::Close => {
            NoPool::Close { after: Duration::from_millis(config.on_no_pool.after_ms), since }
        }
    }
}

/// Whether several miners work on each connection to a pool.
pub(super) fn sharing(config: &Route) -> Sharing {
    match config.mode {
        Mode::Aggregated => Sharing::Shared,
        Mode::Dedicated => Sharing::Alone,
    }
}

pub(super) fn fixed_layout(config: &Route) -> Option<Layout> {
    config.extranonce.as_ref().and_then(|layout| Layout::new(layout.id_bytes, layout.miner_bytes))
}
