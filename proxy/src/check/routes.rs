//! A route: which of its pools are mined on when, who is paid, and how work moves.

use std::io::{self, Write};

use loka_api::runtime_config::{
    Mode, NoPoolPolicy, OnNoPool, Payout, Pool, Rollout, Route, RuntimeConfig, VersionRolling,
    WorkerNames, pool_of,
};

use super::reaching::reaching;
use super::units::duration;
use crate::table::table;

pub(super) fn explain_route(
    route: &Route,
    config: &RuntimeConfig,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\nRoute {} ({}): {}", route.name, used_by(route, config), choice(route))?;
    let pools = route.pools.iter().enumerate();
    let rows: Vec<_> = pools.map(|(index, pool)| row(index, pool, route)).collect();
    table(["#", "POOL", "HOST:PORT", "PRIORITY", "PART", "VERSION ROLLING"], &rows, out)?;
    reaching(route, out)?;
    paid(route, out)?;
    conditions(route, out)?;
    if let Some(rollout) = &route.rollout {
        steps(rollout, out)?;
    }
    let failback = duration(route.failback_after_ms);
    writeln!(out, "  back to a better pool after {failback} of its health; {}", no_pool(route))?;
    writeln!(out, "  a job at least every {}", duration(route.job_keep_alive_ms))?;
    if let Some(layout) = &route.extranonce {
        let (id, miner) = (layout.id_bytes, layout.miner_bytes);
        writeln!(out, "  extranonce: {id} bytes tell miners apart, {miner} are the miner's")?;
    }
    Ok(())
}

/// Who leads miners here.
fn used_by(route: &Route, config: &RuntimeConfig) -> String {
    let listeners = config.listeners.iter().filter(|it| it.route == route.name);
    let listeners: Vec<_> = listeners.map(|it| it.name.as_str()).collect();
    let rules = config.rules.iter().filter(|it| it.route == route.name);
    let rules: Vec<_> = rules.map(|it| it.name.as_str()).collect();
    match (listeners.is_empty(), rules.is_empty()) {
        (true, true) => "used by nobody".to_owned(),
        (false, true) => format!("used by {}", listeners.join(", ")),
        (true, false) => format!("by the rules {}", rules.join(", ")),
        (false, false) => {
            format!("used by {}; by the rules {}", listeners.join(", "), rules.join(", "))
        }
    }
}

/// Which pool is mined on.
fn choice(route: &Route) -> String {
    let is_split = route.pools.iter().any(|pool| pool.weight.is_some());
    let order = match is_split {
        true => "the first priority with a pool that works, its pools by their part",
        false => "the first of these pools that works",
    };
    let choice = match &route.pin {
        Some(pin) => format!("{pin}, pinned, whenever it works; else {order}"),
        None => order.to_owned(),
    };
    match route.mode {
        Mode::Aggregated => choice,
        Mode::Dedicated => format!("{choice}; each miner on a connection of its own"),
    }
}

fn row(index: usize, pool: &Pool, route: &Route) -> [String; 6] {
    [
        (index + 1).to_string(),
        pool.name.clone(),
        format!("{}:{}", pool.endpoint.host, pool.endpoint.port),
        pool.priority.to_string(),
        part(pool, route),
        rolling(pool.version_rolling, route.version_mask).to_owned(),
    ]
}

/// A pool's part of the work of its priority, which the endpoints of one StratumPool have together.
fn part(pool: &Pool, route: &Route) -> String {
    let Some(weight) = pool.weight else { return "all".to_owned() };
    let tier = route.pools.iter().filter(|it| it.priority == pool.priority);
    // The endpoints of a StratumPool stand side by side.
    let tier: Vec<_> = tier.collect();
    let of_each =
        tier.chunk_by(|a, b| pool_of(&a.name) == pool_of(&b.name)).filter_map(|it| it.first());
    let total: u32 = of_each.filter_map(|it| it.weight).sum();
    let percent = 100.0 * f64::from(weight) / f64::from(total.max(1));
    format!("{} %", (percent * 10.0).round() / 10.0)
}

const fn rolling(pool: VersionRolling, mask: u32) -> &'static str {
    match (pool, mask) {
        (_, 0) => "off for the route",
        (VersionRolling::Enabled, _) => "as the pool allows",
        (VersionRolling::Disabled, _) => "off",
    }
}

/// Who is paid is what matters, and accounts are long: they get lines of their own.
fn paid(route: &Route, out: &mut dyn Write) -> io::Result<()> {
    let terms = |pool: &Pool| (pool.account.clone(), pool.user.clone(), pool.worker_names.clone());
    for paid in route.pools.chunk_by(|a, b| terms(a) == terms(b)) {
        let Some(pool) = paid.first() else { continue };
        let names: Vec<_> = paid.iter().map(|pool| pool.name.as_str()).collect();
        writeln!(out, "  account paid by {}: {}", names.join(", "), pool.account)?;
        match &pool.worker_names {
            None => writeln!(out, "    under the login {}", pool.user)?,
            Some(WorkerNames { template, logins_max }) => {
                writeln!(
                    out,
                    "    under {}.{template}, {logins_max} logins at most",
                    pool.account
                )?;
                writeln!(out, "    beyond them under {}", pool.user)?;
            }
        }
    }
    Ok(())
}

/// What a pool must do, or when it may, to be mined on.
fn conditions(route: &Route, out: &mut dyn Write) -> io::Result<()> {
    for pool in &route.pools {
        if !pool.schedule.is_empty() {
            let hours: Vec<_> = pool.schedule.iter().map(ToString::to_string).collect();
            writeln!(out, "  {} only in its hours, UTC: {}", pool.name, hours.join("; "))?;
        }
        if let Some(Payout { address, script_hex: _, min_percent }) = &pool.payout {
            writeln!(out, "  {} only with jobs that pay at least {min_percent} % to", pool.name)?;
            writeln!(out, "    {address}")?;
        }
    }
    Ok(())
}

fn steps(rollout: &Rollout, out: &mut dyn Write) -> io::Result<()> {
    let Rollout { steps, min_acceptance_permille, max_latency_ms, max_job_age_ms } = rollout;
    let steps = steps.iter().map(|it| format!("{} % for {}", it.percent, duration(it.for_ms)));
    let steps: Vec<_> = steps.collect();
    writeln!(out, "  to another pool in steps of the hashrate: {}", steps.join(", "))?;
    let accepted = f64::from(*min_acceptance_permille) / 10.0;
    let (latency, age) = (duration(*max_latency_ms), duration(*max_job_age_ms));
    writeln!(
        out,
        "    taken back if it accepts less than {accepted} %, answers later than {latency}, or its job is older than {age}"
    )
}

fn no_pool(route: &Route) -> String {
    let OnNoPool { policy, after_ms } = &route.on_no_pool;
    match policy {
        NoPoolPolicy::Hold => "without any, miners are held".to_owned(),
        NoPoolPolicy::Close => {
            format!("without any, miners are let go after {}", duration(*after_ms))
        }
    }
}
