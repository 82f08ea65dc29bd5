//! The state of the process as status pages and probes see it.

use std::sync::PoisonError;
use std::time::{Instant, UNIX_EPOCH};

use loka_stratum::job::PoolContext;

use super::{App, ListenerView, Shared};
use crate::admin::status::{
    ConfigStatus, ListenerStatus, PoolStatus, RefusedStatus, RouteStatus, Status, StatusSource,
};
use crate::config::Applied;
use crate::fleet::{PoolView, RouteOutput};
use crate::sink::ledger::LedgerSnapshot;

/// A reader of the running proxy's state.
#[derive(Clone, Debug)]
pub struct StatusReader(std::sync::Arc<Shared>);

// === impl App ===

impl App {
    /// Reads the state of the proxy, for the admin server.
    pub fn status(&self) -> StatusReader {
        StatusReader(std::sync::Arc::clone(&self.shared))
    }
}

// === impl StatusReader ===

impl StatusSource for StatusReader {
    fn status(&self) -> Status {
        let view = self.0.view.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now().instant;
        Status {
            name: view
                .applied
                .as_ref()
                .map(|applied| applied.config.name.clone())
                .unwrap_or_default(),
            config: self.config(view.applied.as_deref(), view.applied_unix),
            listeners: view.listeners.iter().map(listener_status).collect(),
            routes: view.routes.iter().map(|(name, out)| route_status(name, out, now)).collect(),
            draining: view.draining.map(str::to_owned),
        }
    }

    fn ledger(&self) -> LedgerSnapshot {
        self.0.ledger.snapshot()
    }
}

impl StatusReader {
    fn config(&self, applied: Option<&Applied>, applied_at: u64) -> ConfigStatus {
        let refused = self.0.feed.refused.borrow().as_ref().map(|refusal| RefusedStatus {
            at: refusal.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            problems: refusal.error.texts(),
        });
        let Some(applied) = applied else {
            return ConfigStatus { refused, ..ConfigStatus::default() };
        };
        ConfigStatus {
            hash: applied.hash.to_string(),
            origin: applied.origin.to_string(),
            applied_at,
            refused,
        }
    }
}

fn listener_status(view: &ListenerView) -> ListenerStatus {
    ListenerStatus {
        name: view.name.clone(),
        address: view.bound.as_ref().ok().copied(),
        error: view.bound.as_ref().err().cloned(),
        miners: view.miners.as_ref().map_or(0, |miners| miners.now() as u64),
    }
}

fn route_status(name: &str, output: &RouteOutput, now: Instant) -> RouteStatus {
    let view = output.view.borrow();
    RouteStatus {
        name: name.to_owned(),
        active_pool: view.active.as_deref().map(str::to_owned),
        epoch: view.epoch.0,
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
        difficulty: pool.terms.as_ref().map(|terms| terms.difficulty.as_f64()),
        extranonce1_bytes: learnt(|terms| u8::try_from(terms.extranonce1.len()).unwrap_or(u8::MAX)),
        extranonce2_bytes: learnt(|terms| terms.extranonce2_size),
        version_mask: pool.terms.as_ref().map(|terms| terms.version_mask.to_string()),
        job_age_seconds: pool.last_job.map(|at| now.saturating_duration_since(at).as_secs_f64()),
        last_error: pool.last_error.clone(),
    }
}
