//! The numbers that are read off the proxy's state at scrape time: gauges of its status, counters
//! of the share ledger. Each is read once, so what must add up does so within one scrape.

use std::sync::atomic::AtomicU64;

use loka_stratum::share::Reject;
use loka_stratum::upstream::PoolReject;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric as Registered, Registry};

use super::status::{
    AuditStatus, ConfigStatus, DedicatedStatus, DescriptorStatus, LedgerStatus, MemoryAccounts,
    MemoryStatus, PoolStatus, RoomStatus, RouteStatus, Status,
};
use crate::sink::ledger::{Counts, LedgerSnapshot, Lost, RowKey, Unanswered};
use crate::sink::time::{WorkSnapshot, WorkState};
use crate::telemetry::Labels;
use crate::telemetry::catalogue::{self as names, Metric};
use crate::telemetry::reasons::{AuditResult, ConfigSource, MemoryKind, PoolState, RefuseReason};

mod classes;

use self::classes::classes;

/// A registry of what `status` and `ledger` hold.
pub(super) fn scraped(status: &Status, ledger: &LedgerSnapshot) -> Registry {
    let mut registry = Registry::default();
    process(&mut registry, status);
    listeners(&mut registry, status);
    pools(&mut registry, &status.routes);
    states(&mut registry, status);
    classes(&mut registry, ledger);
    let whole = LedgerSnapshot { rows: ledger.without_classes(), total: Counts::default() };
    shares(&mut registry, &whole);
    work(&mut registry, &whole);
    registry
}

fn process(registry: &mut Registry, status: &Status) {
    let labels = vec![("name", status.name.clone()), ("hash", status.config.hash.clone())];
    register(registry, &names::CONFIG, Info::new(labels));
    #[expect(
        clippy::cast_precision_loss,
        reason = "Unix seconds fit for the next 285 million years"
    )]
    let applied_at = status.config.applied_at as f64;
    register(registry, &names::CONFIG_APPLIED_AT, ConstGauge::new(applied_at));
    let refused = i64::from(status.config.refused.is_some());
    register(registry, &names::CONFIG_REFUSED, ConstGauge::new(refused));
    configuration(registry, &status.config);
    audit(registry, status.audit.as_ref());
    room(registry, &status.room);
    let draining = i64::from(status.draining.is_some());
    register(registry, &names::DRAINING, ConstGauge::new(draining));
    if let Some(LedgerStatus { path: _, begun, kept_age_seconds, error: _ }) = &status.ledger {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Unix seconds fit for the next 285 million years"
        )]
        let begun = *begun as f64;
        register(registry, &names::LEDGER_BEGUN, ConstGauge::new(begun));
        register(registry, &names::LEDGER_KEPT_AGE, ConstGauge::new(*kept_age_seconds));
    }
}

fn audit(registry: &mut Registry, audit: Option<&AuditStatus>) {
    let Some(AuditStatus { to: _, written, summarised, lost, queued, error }) = audit else {
        return;
    };
    let records = Family::<Labels<1>, Counter>::default();
    let results = [written, summarised, lost];
    for (result, count) in AuditResult::ALL.iter().zip(results) {
        let labels = Labels::new(names::AUDIT_RECORDS.labels, [result.label()]);
        records.get_or_create(&labels).inc_by(*count);
    }
    register(registry, &names::AUDIT_RECORDS, records);
    let queued = i64::try_from(*queued).unwrap_or(i64::MAX);
    register(registry, &names::AUDIT_QUEUED, ConstGauge::new(queued));
    register(registry, &names::AUDIT_FAILED, ConstGauge::new(i64::from(error.is_some())));
}

fn room(registry: &mut Registry, room: &RoomStatus) {
    let RoomStatus { memory, descriptors, refusing_for } = room;
    let MemoryStatus { budget_bytes, resident_bytes, accounted_bytes } = memory;
    // Without `..`: memory that is accounted is shown.
    let MemoryAccounts { sessions, jobs, queues, tables, audit } = *accounted_bytes;
    let bytes = Gauges::register(registry, &names::MEMORY);
    let accounts = [sessions, jobs, queues, tables, audit];
    for (kind, value) in MemoryKind::ALL.iter().zip(accounts) {
        bytes.set([kind.label()], float(value));
    }
    let DescriptorStatus { limit, open, reserved: _ } = descriptors;
    for (metric, value) in [
        (&names::MEMORY_RESIDENT, Some(resident_bytes)),
        (&names::MEMORY_BUDGET, budget_bytes.as_ref()),
        (&names::DESCRIPTORS_OPEN, Some(open)),
        (&names::DESCRIPTORS_LIMIT, limit.as_ref()),
    ] {
        if let Some(value) = value {
            register(registry, metric, ConstGauge::new(float(*value)));
        }
    }
    let refusing = Gauges::register(registry, &names::REFUSING);
    for reason in [RefuseReason::Descriptors, RefuseReason::Memory] {
        let is_it = *refusing_for == Some(reason);
        refusing.set([reason.label()], f64::from(u8::from(is_it)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer bytes than 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

fn configuration(registry: &mut Registry, config: &ConfigStatus) {
    let sources = Gauges::register(registry, &names::CONFIG_SOURCE);
    for source in ConfigSource::ALL {
        sources.set([source.label()], f64::from(u8::from(config.source == Some(*source))));
    }
    if let Some(sequence) = config.sequence {
        #[expect(clippy::cast_precision_loss, reason = "far fewer changes than 2^53")]
        let sequence = sequence as f64;
        register(registry, &names::CONFIG_SEQUENCE, ConstGauge::new(sequence));
    }
    if let Some(stream) = &config.stream {
        let connected = i64::from(stream.connected);
        register(registry, &names::CONFIG_STREAM_CONNECTED, ConstGauge::new(connected));
    }
}

fn listeners(registry: &mut Registry, status: &Status) {
    let up = Gauges::register(registry, &names::LISTENER_UP);
    let miners = Gauges::register(registry, &names::MINERS_CONNECTED);
    let handshakes = Gauges::register(registry, &names::MINER_HANDSHAKES);
    let banned = Gauges::register(registry, &names::MINERS_BANNED);
    for listener in &status.listeners {
        let name = [listener.name.as_str()];
        up.set(name, f64::from(u8::from(listener.address.is_some())));
        for (gauge, count) in [
            (&miners, listener.miners),
            (&handshakes, listener.handshakes),
            (&banned, listener.banned_addresses),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "far fewer miners than 2^53")]
            gauge.set(name, count as f64);
        }
    }
}

fn pools(registry: &mut Registry, routes: &[RouteStatus]) {
    let epoch = Gauges::register(registry, &names::ROUTE_EPOCH);
    let rolled_back = Gauges::register(registry, &names::ROUTE_ROLLED_BACK);
    let dedicated = Gauges::register(registry, &names::ROUTE_DEDICATED);
    let dedicated_up = Gauges::register(registry, &names::ROUTE_DEDICATED_UP);
    let states = Gauges::register(registry, &names::POOL_STATE);
    let active = Gauges::register(registry, &names::POOL_ACTIVE);
    let part = Gauges::register(registry, &names::POOL_PART);
    let difficulty = Gauges::register(registry, &names::POOL_DIFFICULTY);
    let job_age = Gauges::register(registry, &names::POOL_JOB_AGE);
    for route in routes {
        #[expect(clippy::cast_precision_loss, reason = "an epoch per job for 2^53 jobs")]
        epoch.set([route.name.as_str()], route.epoch as f64);
        let is_back = f64::from(u8::from(route.rolled_back.is_some()));
        rolled_back.set([route.name.as_str()], is_back);
        if let Some(DedicatedStatus { miners, up }) = route.dedicated {
            #[expect(clippy::cast_precision_loss, reason = "far fewer miners than 2^53")]
            let (miners, up) = (miners as f64, up as f64);
            dedicated.set([route.name.as_str()], miners);
            dedicated_up.set([route.name.as_str()], up);
        }
        for (place, pool) in route.pools.iter().enumerate() {
            let of_its_name = |other: &&PoolStatus| other.name == pool.name;
            // One that is on its way out stands behind its successor of the same name: it may be mined on still.
            if route.pools.iter().take(place).any(|before| of_its_name(&before)) {
                continue;
            }
            let both = || route.pools.iter().filter(of_its_name);
            let at = [route.name.as_str(), pool.name.as_str()];
            state(&states, at, pool);
            active.set(at, f64::from(u8::from(both().any(|pool| pool.active))));
            part.set(at, both().map(|pool| pool.hashrate_part).sum());
            if let Some(value) = pool.difficulty {
                difficulty.set(at, value);
            }
            if let Some(value) = pool.job_age_seconds {
                job_age.set(at, value);
            }
        }
    }
}

fn state(states: &Gauges<3>, at: [&str; 2], pool: &PoolStatus) {
    let [route, name] = at;
    for state in PoolState::ALL {
        let is_in = f64::from(u8::from(*state == pool.state));
        states.set([route, name, state.label()], is_in);
    }
}

fn states(registry: &mut Registry, status: &Status) {
    let family = Family::<Labels<3>, Counter<f64, AtomicU64>>::default();
    for WorkSnapshot { listener, route, work } in &status.work {
        for state in WorkState::ALL {
            let labels = Labels::new(names::WORK.labels, [listener, route, state.label()]);
            family.get_or_create(&labels).inc_by(work.of(state));
        }
    }
    register(registry, &names::WORK, family);
}

fn shares(registry: &mut Registry, ledger: &LedgerSnapshot) {
    let gauge = |registry: &mut Registry, metric: &Metric, of: fn(&Counts) -> u64| {
        let family = Gauges::register(registry, metric);
        for row in &ledger.rows {
            #[expect(clippy::cast_precision_loss, reason = "far fewer shares under way than 2^53")]
            family.set(key(&row.key), of(&row.counts) as f64);
        }
    };
    gauge(registry, &names::SHARES_HELD, |counts| counts.held);
    gauge(registry, &names::SHARES_OUTSTANDING, |counts| counts.outstanding);
    count(registry, ledger, &names::SHARES_RECEIVED, |counts| counts.received);
    count(registry, ledger, &names::SHARES_ACCEPTED, |counts| counts.accepted);
    count(registry, ledger, &names::SHARES_BELOW_POOL_DIFFICULTY, |c| c.below_pool_difficulty);
    count(registry, ledger, &names::SHARES_DUE, |counts| counts.due);
    count(registry, ledger, &names::SHARES_POOL_ACCEPTED, |counts| counts.pool_accepted);
    count(registry, ledger, &names::BLOCK_CANDIDATES, |counts| counts.block_candidates);
    // Every reason, counted or not: a rate needs a series that begins at zero.
    reasons(registry, ledger, &names::SHARES_REJECTED, |c| {
        Reject::ALL.iter().map(|why| (why.label(), c.rejected.count(*why))).collect()
    });
    reasons(registry, ledger, &names::SHARES_POOL_REJECTED, |c| {
        PoolReject::ALL.iter().map(|why| (why.label(), c.pool_rejected.count(*why))).collect()
    });
    reasons(registry, ledger, &names::SHARES_UNANSWERED, |c| {
        Unanswered::ALL.iter().map(|why| (why.label(), c.unanswered.count(*why))).collect()
    });
    reasons(registry, ledger, &names::SHARES_LOST, |c| {
        Lost::ALL.iter().map(|why| (why.label(), c.lost.count(*why))).collect()
    });
}

fn work(registry: &mut Registry, ledger: &LedgerSnapshot) {
    let mut sum = |metric: &Metric, of: fn(&Counts) -> f64| {
        let family = Family::<Labels<4>, Counter<f64, AtomicU64>>::default();
        for row in &ledger.rows {
            let labels = Labels::new(metric.labels, key(&row.key));
            family.get_or_create(&labels).inc_by(of(&row.counts));
        }
        register(registry, metric, family);
    };
    sum(&names::ACCEPTED_DIFFICULTY, |counts| counts.accepted_difficulty);
    sum(&names::DUE_DIFFICULTY, |counts| counts.due_difficulty);
    sum(&names::POOL_ACCEPTED_DIFFICULTY, |counts| counts.pool_accepted_difficulty);
}

fn count(
    registry: &mut Registry,
    ledger: &LedgerSnapshot,
    metric: &Metric,
    of: fn(&Counts) -> u64,
) {
    let family = Family::<Labels<4>, Counter>::default();
    for row in &ledger.rows {
        let labels = Labels::new(metric.labels, key(&row.key));
        family.get_or_create(&labels).inc_by(of(&row.counts));
    }
    register(registry, metric, family);
}

fn reasons(
    registry: &mut Registry,
    ledger: &LedgerSnapshot,
    metric: &Metric,
    of: fn(&Counts) -> Vec<(&'static str, u64)>,
) {
    let family = Family::<Labels<5>, Counter>::default();
    for row in &ledger.rows {
        let [listener, route, pool, account] = key(&row.key);
        for (reason, count) in of(&row.counts) {
            let labels = Labels::new(metric.labels, [listener, route, pool, account, reason]);
            family.get_or_create(&labels).inc_by(count);
        }
    }
    register(registry, metric, family);
}

fn key(key: &RowKey) -> [&str; 4] {
    // Without `..`: a new part of the key must become a label or be summed over, as classes are, or rows would collide.
    let RowKey { listener, route, pool, account, class: _ } = key;
    [listener.as_ref(), route.as_ref(), pool.as_ref(), account.as_ref()]
}

/// A gauge per combination of `N` labels.
struct Gauges<const N: usize> {
    keys: &'static [&'static str],
    family: Family<Labels<N>, Gauge<f64, AtomicU64>>,
}

// === impl Gauges ===

impl<const N: usize> Gauges<N> {
    fn register(registry: &mut Registry, metric: &Metric) -> Self {
        let family = Family::default();
        register(registry, metric, family.clone());
        Self { keys: metric.labels, family }
    }

    fn set(&self, values: [&str; N], value: f64) {
        self.family.get_or_create(&Labels::new(self.keys, values)).set(value);
    }
}

fn register(registry: &mut Registry, metric: &Metric, value: impl Registered) {
    registry.register(metric.name, metric.help, value);
}

#[cfg(test)]
mod tests;
