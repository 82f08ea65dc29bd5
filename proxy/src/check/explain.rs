//! What a valid configuration means, as tables.

use std::io::{self, Write};

use loka_api::runtime_config::{
    Ban, Listener, ListenerTls, NoPoolPolicy, Observability, OnNoPool, Pool, ProxyProtocol, Route,
    RuntimeConfig, TlsVersion, VersionRolling,
};

use super::origins::origins;
use super::table::table;
use super::units::duration;
use crate::config::Loaded;

pub(super) fn explain(loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let Loaded { config, hash, explained, secrets } = loaded;
    writeln!(out, "StratumProxy {} is valid (configuration {hash}).", config.name)?;
    listeners(&config.listeners, out)?;
    for route in &config.routes {
        explain_route(route, config, out)?;
    }
    rest(config, out)?;
    origins(explained, secrets, out)
}

fn listeners(listeners: &[Listener], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nMiners connect to")?;
    let difficulties: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let range = &listener.difficulty;
            let (port, pace) = (listener.port.to_string(), duration(range.share_interval_ms));
            let bounds = format!("{} to {}", range.min, range.max);
            let pace = format!("a share per {pace}");
            [
                listener.name.clone(),
                port,
                listener.route.clone(),
                range.initial.clone(),
                bounds,
                pace,
                encryption(listener).to_owned(),
            ]
        })
        .collect();
    let header = ["LISTENER", "PORT", "ROUTE", "DIFFICULTY", "WITHIN", "AIM", "TLS"];
    table(header, &difficulties, out)?;
    for Listener { name, proxy_protocol, .. } in listeners {
        if let Some(ProxyProtocol { from }) = proxy_protocol {
            let from = from.join(", ");
            writeln!(
                out,
                "  {name} takes miners from load balancers alone, which say by the PROXY"
            )?;
            writeln!(out, "    protocol where each comes from: {from}")?;
        }
    }

    writeln!(out, "\nEach connection may")?;
    let limits: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let limits = &listener.limits;
            let (rate, burst) = (limits.submits_per_second, limits.submit_burst);
            [
                listener.name.clone(),
                limits.max_connections.to_string(),
                format!("{} bytes", limits.max_line_bytes),
                duration(limits.handshake_timeout_ms),
                duration(limits.idle_timeout_ms),
                format!("{rate} per second, {burst} at once"),
            ]
        })
        .collect();
    table(["LISTENER", "MINERS", "LINE", "HANDSHAKE", "IDLE", "SUBMITS"], &limits, out)?;

    writeln!(out, "\nWho comes is let in within")?;
    let doors: Vec<_> = listeners.iter().map(door).collect();
    table(["LISTENER", "HANDSHAKES", "OF ONE ADDRESS", "BAN", "EXEMPT"], &doors, out)
}

fn door(listener: &Listener) -> [String; 5] {
    let limits = &listener.limits;
    let all = limits.max_connections;
    let handshakes = limits.max_handshakes.unwrap_or(all);
    let miners = limits.max_connections_per_address.unwrap_or(all);
    let of_one = limits.max_handshakes_per_address.unwrap_or(handshakes);
    let pace = limits.connects_per_minute_per_address;
    let pace = pace.map_or("any number".to_owned(), |pace| pace.to_string());
    let ban = limits.ban.map_or("none".to_owned(), |Ban { after, for_ms }| {
        format!("for {} after {after} offences", duration(for_ms))
    });
    let exempt = match limits.exempt.as_slice() {
        [] => "nobody".to_owned(),
        ranges => ranges.join(", "),
    };
    let address = format!("{miners} miners, {of_one} handshakes, {pace} connects a minute");
    [listener.name.clone(), handshakes.to_string(), address, ban, exempt]
}

/// Where the certificate is from stands with the origins.
const fn encryption(listener: &Listener) -> &'static str {
    match &listener.tls {
        None => "no, in the clear",
        Some(ListenerTls { min_version: TlsVersion::Tls12, .. }) => "1.2 or newer",
        Some(ListenerTls { min_version: TlsVersion::Tls13, .. }) => "1.3",
    }
}

fn explain_route(route: &Route, config: &RuntimeConfig, out: &mut dyn Write) -> io::Result<()> {
    let users = config.listeners.iter().filter(|listener| listener.route == route.name);
    let users: Vec<_> = users.map(|listener| listener.name.as_str()).collect();
    let users = if users.is_empty() { "no listener".to_owned() } else { users.join(", ") };
    writeln!(out, "\nRoute {} (used by {users}): the first of these pools that works", route.name)?;
    let rows: Vec<_> =
        route.pools.iter().enumerate().map(|(index, pool)| address(index, pool, route)).collect();
    table(["#", "POOL", "HOST:PORT", "PRIORITY", "VERSION ROLLING"], &rows, out)?;
    // Who is paid is what matters, and accounts are long: they get lines of their own.
    for paid in route.pools.chunk_by(|a, b| (&a.account, &a.user) == (&b.account, &b.user)) {
        let names: Vec<_> = paid.iter().map(|pool| pool.name.as_str()).collect();
        if let Some(pool) = paid.first() {
            writeln!(out, "  account paid by {}: {}", names.join(", "), pool.account)?;
            writeln!(out, "    under the login {}", pool.user)?;
        }
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

fn address(index: usize, pool: &Pool, route: &Route) -> [String; 5] {
    [
        (index + 1).to_string(),
        pool.name.clone(),
        format!("{}:{}", pool.endpoint.host, pool.endpoint.port),
        pool.priority.to_string(),
        rolling(pool.version_rolling, route.version_mask).to_owned(),
    ]
}

const fn rolling(pool: VersionRolling, mask: u32) -> &'static str {
    match (pool, mask) {
        (_, 0) => "off for the route",
        (VersionRolling::Enabled, _) => "as the pool allows",
        (VersionRolling::Disabled, _) => "off",
    }
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

fn rest(config: &RuntimeConfig, out: &mut dyn Write) -> io::Result<()> {
    let Observability { log_level, tracing_sampling_ratio } = &config.observability;
    writeln!(out, "\nThe process")?;
    writeln!(out, "  at the end, miners are let go within {}", duration(config.drain.timeout_ms))?;
    let level = log_level.as_deref().unwrap_or("info");
    let ratio = tracing_sampling_ratio.as_deref().unwrap_or("0.01");
    let unless = "unless a flag or the environment says otherwise";
    writeln!(out, "  log level {level}, and of all traces {ratio} are kept, {unless}")
}
