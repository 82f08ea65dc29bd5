//! What a new configuration changes, in short, for the audit log: names, and who is paid.

use std::collections::BTreeSet;

use loka_api::runtime_config::{Endpoint, Listener, Pool, Route, RuntimeConfig};

use crate::telemetry::audit::{Changed, ConfigChange};

/// From what ran before, if anything did.
pub(super) fn between(before: Option<&RuntimeConfig>, after: &RuntimeConfig) -> ConfigChange {
    let nothing = RuntimeConfig {
        schema: after.schema,
        name: after.name.clone(),
        listeners: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        firmware: Vec::new(),
        drain: after.drain.clone(),
        observability: after.observability.clone(),
    };
    let before = before.unwrap_or(&nothing);
    ConfigChange {
        listeners: Changed::between(&listeners(before), &listeners(after), |a, b| a == b),
        routes: Changed::between(&routes(before), &routes(after), is_same_but_for_pools),
        pools: Changed::between(&pools(before), &pools(after), |a, b| a == b),
        others: others(before, after),
        ..ConfigChange::default()
    }
    .paying(&paid(before), &paid(after))
}

fn listeners(config: &RuntimeConfig) -> Vec<(String, &Listener)> {
    config.listeners.iter().map(|listener| (listener.name.clone(), listener)).collect()
}

fn routes(config: &RuntimeConfig) -> Vec<(String, &Route)> {
    config.routes.iter().map(|route| (route.name.clone(), route)).collect()
}

fn pools(config: &RuntimeConfig) -> Vec<(String, &Pool)> {
    let of = |route: &'_ Route, pool: &Pool| format!("{}/{}", route.name, pool.name);
    let routes = config.routes.iter();
    routes.flat_map(|route| route.pools.iter().map(move |pool| (of(route, pool), pool))).collect()
}

fn paid(config: &RuntimeConfig) -> BTreeSet<String> {
    let pools = config.routes.iter().flat_map(|route| &route.pools);
    pools
        .map(|Pool { account, endpoint: Endpoint { host, port }, .. }| {
            format!("{account} at {host}:{port}")
        })
        .collect()
}

fn is_same_but_for_pools(before: &&Route, after: &&Route) -> bool {
    let Route {
        name: _,
        pools,
        on_no_pool,
        failback_after_ms,
        job_keep_alive_ms,
        extranonce,
        version_mask,
        mode,
        pin,
        rollout,
    } = after;
    let order = |pools: &[Pool]| pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>();
    order(pools) == order(&before.pools)
        && *on_no_pool == before.on_no_pool
        && *failback_after_ms == before.failback_after_ms
        && *job_keep_alive_ms == before.job_keep_alive_ms
        && *extranonce == before.extranonce
        && *version_mask == before.version_mask
        && *mode == before.mode
        && *pin == before.pin
        && *rollout == before.rollout
}

/// Without `..`: a new part of a configuration must say whether its change is told.
fn others(before: &RuntimeConfig, after: &RuntimeConfig) -> Vec<&'static str> {
    let RuntimeConfig {
        schema: _,
        name,
        listeners: _,
        routes: _,
        rules,
        firmware,
        drain,
        observability,
    } = after;
    [
        ("name", *name != before.name),
        ("rules", *rules != before.rules),
        ("firmware", *firmware != before.firmware),
        ("drain", *drain != before.drain),
        ("observability", *observability != before.observability),
    ]
    .into_iter()
    .filter_map(|(part, is_other)| is_other.then_some(part))
    .collect()
}
