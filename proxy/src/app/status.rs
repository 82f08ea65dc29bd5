//! The state of the process as status pages and probes see it.

use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use loka_api::control::{self, Report};
use loka_stratum::job::PoolContext;

use super::acts::{ByHand, Pin, has};
use super::{App, ListenerView, Shared};
use crate::admin::status::{
    AuditStatus, ConfigStatus, DedicatedStatus, DescriptorStatus, LedgerStatus, ListenerStatus,
    MemoryAccounts, MemoryStatus, PinStatus, PoolStatus, RefusedStatus, RoomStatus, RouteStatus,
    Status, StatusSource, StreamStatus,
};
use crate::audit::Audited;
use crate::books::Kept;
use crate::control::{Offered, Shown, StreamState};
use crate::fleet::{PoolView, RouteOutput};
use crate::listener::MinerCount;
use crate::room::{Lack, MemoryUse, RoomView};
use crate::sink::ledger::LedgerSnapshot;
use crate::telemetry::audit::AuditCounts;
use crate::telemetry::reasons::{PoolState, RefuseReason};

/// A reader of the running proxy's state.
#[derive(Clone, Debug)]
pub struct StatusReader(Arc<Shared>);

// === impl App ===

impl App {
    /// Reads the state of the proxy, for the admin server.
    pub fn status(&self) -> StatusReader {
        StatusReader(Arc::clone(&self.shared))
    }
}

// === impl StatusReader ===

impl StatusReader {
    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl StatusSource for StatusReader {
    fn status(&self) -> Status {
        // Before the view is locked, which it looks at as well.
        let room = self.room();
        let view = self.0.view.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now().instant;
        Status {
            name: view
                .applied
                .as_ref()
                .map(|offered| offered.applied.config.name.clone())
                .unwrap_or_default(),
            config: self.config(view.applied.as_ref(), view.applied_unix),
            listeners: view.listeners.iter().map(|view| listener_status(view, now)).collect(),
            routes: view
                .routes
                .iter()
                .map(|(name, out)| RouteStatus {
                    pinned_by_hand: pin_status(&view.by_hand, view.applied.as_ref(), name),
                    ..route_status(name, out, now)
                })
                .collect(),
            work: self.0.ledger.time().snapshot(now),
            blocks: self.0.ledger.blocks().last(),
            ledger: self.0.kept.as_ref().map(|kept| ledger_status(&kept.borrow(), now)),
            audit: self.0.audit.as_ref().map(audit_status),
            room,
            draining: view.draining.map(str::to_owned),
        }
    }

    fn ledger(&self) -> LedgerSnapshot {
        self.0.ledger.snapshot()
    }
}

impl StatusReader {
    fn config(&self, offered: Option<&Offered>, applied_at: u64) -> ConfigStatus {
        let Shown { refused, stream } = &self.0.shown;
        let refused = refused
            .borrow()
            .as_ref()
            .map(|refusal| RefusedStatus { at: unix(refusal.at), problems: refusal.error.texts() });
        let stream = stream.as_ref().map(|stream| stream_status(&stream.borrow()));
        let Some(Offered { applied, provenance, ports: _ }) = offered else {
            return ConfigStatus { refused, stream, ..ConfigStatus::default() };
        };
        let identity = provenance.identity.as_ref();
        ConfigStatus {
            hash: applied.hash.to_string(),
            epoch: identity.map(|identity| identity.epoch.clone()),
            sequence: identity.map(|identity| identity.sequence),
            source: Some(provenance.source),
            origin: applied.origin.to_string(),
            applied_at,
            refused,
            stream,
        }
    }

    fn room(&self) -> RoomStatus {
        let RoomView { memory, descriptors, resident, open, reserved, lack } = self.0.room.view();
        let MemoryUse { sessions, jobs, queues, tables, audit } = self.memory();
        let accounted = MemoryAccounts { sessions, jobs, queues, tables, audit };
        RoomStatus {
            memory: MemoryStatus {
                budget_bytes: memory,
                resident_bytes: resident,
                accounted_bytes: accounted,
            },
            descriptors: DescriptorStatus { limit: descriptors, open, reserved },
            refusing_for: lack.map(|lack| match lack {
                Lack::Descriptors => RefuseReason::Descriptors,
                Lack::Memory => RefuseReason::Memory,
            }),
        }
    }

    /// How the pod is, for the operator.
    pub fn report(&self) -> Report {
        let (routes, miners) = {
            let view = self.0.view.lock().unwrap_or_else(PoisonError::into_inner);
            let miners = view.listeners.iter().filter_map(|listener| listener.miners.as_ref());
            (view.routes.clone(), miners.map(MinerCount::now).sum::<usize>())
        };
        let pools = routes.iter().flat_map(|(route, output)| pool_states(route, output)).collect();
        Report { pools, miners: u32::try_from(miners).unwrap_or(u32::MAX) }
    }
}

fn pool_states(route: &str, output: &RouteOutput) -> Vec<control::PoolState> {
    let view = Arc::clone(&output.view.borrow());
    let state = |pool: &PoolView| control::PoolState {
        route: route.to_owned(),
        pool: pool.name.to_string(),
        up: pool.state == PoolState::Up,
        active: pool.is_active,
        last_error: pool.last_error.clone().unwrap_or_default(),
    };
    // The operator knows pools and not how many connections each takes.
    view.pools.iter().filter(|pool| pool.connection == 1).map(state).collect()
}

fn ledger_status(kept: &Kept, now: Instant) -> LedgerStatus {
    let Kept { path, begun, at, error } = kept;
    LedgerStatus {
        path: path.display().to_string(),
        begun: *begun,
        kept_age_seconds: now.saturating_duration_since(*at).as_secs_f64(),
        error: error.clone(),
    }
}

fn audit_status(audit: &Audited) -> AuditStatus {
    let AuditCounts { written, summarised, lost, queued, queued_bytes: _ } = audit.counts();
    AuditStatus {
        to: audit.to().to_owned(),
        written,
        summarised,
        lost,
        queued,
        error: audit.error(),
    }
}

fn stream_status(state: &StreamState) -> StreamStatus {
    let StreamState { is_up, since, address, last_error } = state;
    StreamStatus {
        connected: *is_up,
        since: *since,
        address: address.clone(),
        last_error: last_error.clone(),
    }
}

fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn listener_status(view: &ListenerView, now: Instant) -> ListenerStatus {
    let miners = view.miners.as_ref();
    ListenerStatus {
        name: view.name.clone(),
        address: view.bound.as_ref().ok().copied(),
        error: view.bound.as_ref().err().cloned(),
        miners: miners.map_or(0, |miners| miners.now() as u64),
        handshakes: miners.map_or(0, |miners| miners.handshakes().into()),
        banned_addresses: miners.map_or(0, |miners| miners.banned_addresses(now) as u64),
    }
}

/// A pin by hand, and whether the configuration has its pool.
fn pin_status(by_hand: &ByHand, offered: Option<&Offered>, route: &str) -> Option<PinStatus> {
    let Pin { pool, since } = by_hand.pins.get(route)?;
    let routes = offered.map(|offered| &offered.applied.config.routes);
    let config = routes.into_iter().flatten().find(|known| known.name == route);
    let is_missing = !config.is_some_and(|route| has(route, pool));
    Some(PinStatus { pool: pool.clone(), since: *since, is_missing })
}

fn route_status(name: &str, output: &RouteOutput, now: Instant) -> RouteStatus {
    let view = output.view.borrow();
    let (miners, up) = output.crowd.count();
    RouteStatus {
        name: name.to_owned(),
        active_pool: view.active.as_deref().map(str::to_owned),
        epoch: view.epoch.0,
        pinned_by_hand: None,
        rollout_percent: view.rollout_percent,
        rolled_back: view.rolled_back,
        dedicated: (miners > 0).then_some(DedicatedStatus { miners: miners as u64, up: up as u64 }),
        pools: view.pools.iter().map(|pool| pool_status(pool, now)).collect(),
    }
}

fn pool_status(pool: &PoolView, now: Instant) -> PoolStatus {
    let learnt = |read: fn(&PoolContext) -> u8| pool.terms.as_ref().map(read);
    PoolStatus {
        name: pool.name.to_string(),
        endpoint: pool.endpoint.clone(),
        account: pool.account.to_string(),
        state: pool.state,
        active: pool.is_active,
        hashrate_part: pool.part,
        suspicion: pool.suspicion,
        schedule_closed: !pool.is_open,
        pinned: pool.is_pinned,
        difficulty: pool.terms.as_ref().map(|terms| terms.difficulty.as_f64()),
        extranonce1_bytes: learnt(|terms| u8::try_from(terms.extranonce1.len()).unwrap_or(u8::MAX)),
        extranonce2_bytes: learnt(|terms| terms.extranonce2_size),
        version_mask: pool.terms.as_ref().map(|terms| terms.version_mask.to_string()),
        job_age_seconds: pool.last_job.map(|at| now.saturating_duration_since(at).as_secs_f64()),
        last_error: pool.last_error.clone(),
    }
}
