//! Whether the process is alive and ready, as its parts say.
//!
//! Ready is what lets a rollout go on and the Service send proxies here: a replica that does not
//! lead is ready too, or there would be none to take over. Alive is what keeps the process from
//! being killed: a part that must show signs of life registers a watchdog. Both are registered
//! before anything runs, so their number is fixed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What the pages `/livez` and `/readyz` show.
#[derive(Debug)]
pub struct Health {
    /// Ticks are counted in milliseconds from here.
    started: Instant,
    checks: Vec<Check>,
    watchdogs: Vec<Watchdog>,
}

/// One thing that must hold for the process to be ready; it does not at first.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    passed: Arc<AtomicBool>,
}

/// One part that must show signs of life.
#[derive(Clone, Debug)]
pub struct Watchdog {
    name: &'static str,
    limit: Duration,
    started: Instant,
    ticked_ms: Arc<AtomicU64>,
}

// === impl Health ===

impl Default for Health {
    fn default() -> Self {
        Self { started: Instant::now(), checks: Vec::new(), watchdogs: Vec::new() }
    }
}

impl Health {
    /// One more thing that must hold for the process to be ready, such as `caches synced`.
    pub fn check(&mut self, name: &'static str) -> Check {
        let check = Check { name, passed: Arc::default() };
        self.checks.push(check.clone());
        check
    }

    /// One more part whose silence for longer than `limit` means that the process must be started
    /// again. Registering counts as a sign of life.
    pub fn watchdog(&mut self, name: &'static str, limit: Duration) -> Watchdog {
        let watchdog = Watchdog { name, limit, started: self.started, ticked_ms: Arc::default() };
        watchdog.tick();
        self.watchdogs.push(watchdog.clone());
        watchdog
    }

    /// Why the process is not ready; nothing if it is.
    pub(super) fn unready(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| !check.passed.load(Ordering::Acquire));
        failed.map(|check| format!("not yet, or no longer: {}", check.name)).collect()
    }

    /// Why the process must be started again; nothing while it lives.
    pub(crate) fn dead(&self) -> Vec<String> {
        self.watchdogs.iter().filter_map(Watchdog::overdue).collect()
    }
}

// === impl Check ===

impl Check {
    /// It holds.
    pub fn pass(&self) {
        self.passed.store(true, Ordering::Release);
    }

    /// It does not hold, or no longer.
    pub fn fail(&self) {
        self.passed.store(false, Ordering::Release);
    }
}

// === impl Watchdog ===

impl Watchdog {
    /// A sign of life.
    pub fn tick(&self) {
        // An older tick that comes late must not undo a newer one.
        self.ticked_ms.fetch_max(self.elapsed_ms(), Ordering::Relaxed);
    }

    fn overdue(&self) -> Option<String> {
        let silent_ms = self.elapsed_ms().saturating_sub(self.ticked_ms.load(Ordering::Relaxed));
        let silent = Duration::from_millis(silent_ms);
        let (name, limit) = (self.name, self.limit.as_secs());
        (silent > self.limit).then(|| {
            format!("{name}: no sign of life for {} s (limit {limit} s)", silent.as_secs())
        })
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
