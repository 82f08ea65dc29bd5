//! The ledger by class of workers. Only what tells a firmware that does badly: under every label of a row, classes would
//! make as many series as all the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use loka_stratum::share::Reject;
use loka_stratum::upstream::PoolReject;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::register;
use crate::sink::ledger::{Counts, LedgerSnapshot};
use crate::telemetry::Labels;
use crate::telemetry::catalogue::{self as names, Metric};

pub(super) fn classes(registry: &mut Registry, ledger: &LedgerSnapshot) {
    let sums = ledger.by_class();
    let family = Family::<Labels<2>, Counter>::default();
    for ((listener, class), counts) in &sums {
        let labels = Labels::new(names::CLASS_SHARES_RECEIVED.labels, [listener, class]);
        family.get_or_create(&labels).inc_by(counts.received);
    }
    register(registry, &names::CLASS_SHARES_RECEIVED, family);
    work(registry, &sums, &names::CLASS_ACCEPTED_DIFFICULTY, |counts| counts.accepted_difficulty);
    work(registry, &sums, &names::CLASS_POOL_ACCEPTED_DIFFICULTY, |counts| {
        counts.pool_accepted_difficulty
    });
    let ours = |counts: &Counts| {
        let count = |why: &Reject| (why.label(), counts.rejected.count(*why));
        Reject::ALL.iter().map(count).collect()
    };
    reasons(registry, &sums, &names::CLASS_SHARES_REJECTED, ours);
    let theirs = |counts: &Counts| {
        let count = |why: &PoolReject| (why.label(), counts.pool_rejected.count(*why));
        PoolReject::ALL.iter().map(count).collect()
    };
    reasons(registry, &sums, &names::CLASS_SHARES_POOL_REJECTED, theirs);
}

type Sums = BTreeMap<(Arc<str>, Arc<str>), Counts>;

fn work(registry: &mut Registry, sums: &Sums, metric: &Metric, of: fn(&Counts) -> f64) {
    let family = Family::<Labels<2>, Counter<f64, AtomicU64>>::default();
    for ((listener, class), counts) in sums {
        let labels = Labels::new(metric.labels, [listener, class]);
        family.get_or_create(&labels).inc_by(of(counts));
    }
    register(registry, metric, family);
}

/// Whatever the listener: a reason is a matter of the firmware.
fn reasons(
    registry: &mut Registry,
    sums: &Sums,
    metric: &Metric,
    of: fn(&Counts) -> Vec<(&'static str, u64)>,
) {
    let family = Family::<Labels<2>, Counter>::default();
    for ((_, class), counts) in sums {
        for (reason, count) in of(counts) {
            let labels = Labels::new(metric.labels, [class, reason]);
            family.get_or_create(&labels).inc_by(count);
        }
    }
    register(registry, metric, family);
}
