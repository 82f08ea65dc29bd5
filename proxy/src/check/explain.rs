//! What a valid configuration means, as tables.

use std::io::{self, Write};

use loka_api::runtime_config::{
    Authentication, Ban, Listener, ListenerTls, Observability, OnHookFailure, ProxyProtocol,
    RuntimeConfig, TlsVersion, Webhook,
};
use loka_api::values::login_entries;

use super::origins::origins;
use super::routes::explain_route;
use super::rules::{firmware, rules};
use super::units::duration;
use crate::config::Loaded;
use crate::table::table;

pub(super) fn explain(loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let Loaded { config, hash, explained, secrets } = loaded;
    writeln!(out, "StratumProxy {} is valid (configuration {hash}).", config.name)?;
    listeners(&config.listeners, out)?;
    rules(&config.rules, out)?;
    firmware(&config.firmware, out)?;
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
    listeners.iter().try_for_each(|listener| names(listener, out))?;

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

/// Whom it lets in by name, and what one name may do.
fn names(listener: &Listener, out: &mut dyn Write) -> io::Result<()> {
    let name = &listener.name;
    match &listener.authentication {
        None => {}
        Some(Authentication::List { entries }) => {
            let entries = login_entries(entries.expose()).count();
            writeln!(out, "  {name} lets in by name and password: a list of {entries} entries")?;
        }
        Some(Authentication::Pool) => {
            writeln!(
                out,
                "  {name} lets in whom its pool lets in, asked with the miner's own password"
            )?;
        }
        Some(Authentication::Webhook(hook)) => {
            let Webhook { endpoint, path, tls, stale_for_ms, on_failure, .. } = hook;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let (host, port, stale) = (&endpoint.host, endpoint.port, duration(*stale_for_ms));
            let rest = match on_failure {
                OnHookFailure::Allow => "everybody",
                OnHookFailure::Refuse => "nobody else",
            };
            writeln!(
                out,
                "  {name} lets in whom {scheme}://{host}:{port}{path} lets in; while it"
            )?;
            writeln!(out, "    fails, whom it let in within {stale}, and {rest}")?;
        }
    }
    let limits = &listener.limits;
    if let Some(max) = limits.max_connections_per_worker {
        writeln!(out, "  {name} has {max} miners of one name at most")?;
    }
    if let Some(max) = limits.submits_per_minute_per_worker {
        writeln!(
            out,
            "  {name} takes {max} submits of one name a minute, beside those that a pool pays"
        )?;
    }
    Ok(())
}

fn door(listener: &Listener) -> [String; 5] {
    let limits = &listener.limits;
    let all = limits.max_connections;
    let handshakes = limits.max_handshakes.unwrap_or(all);
    let miners = limits.max_connections_per_address.unwrap_or(all);
    let of_one = limits.max_handshakes_per_address.unwrap_or(handshakes);
    let pace = limits.connects_per_minute_per_address;
    let pace = pace.map_or_else(|| "any number".to_owned(), |pace| pace.to_string());
    let ban = limits.ban.map_or_else(
        || "none".to_owned(),
        |Ban { after, for_ms }| format!("for {} after {after} offences", duration(for_ms)),
    );
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

fn rest(config: &RuntimeConfig, out: &mut dyn Write) -> io::Result<()> {
    let Observability { log_level, tracing_sampling_ratio } = &config.observability;
    writeln!(out, "\nThe process")?;
    writeln!(out, "  at the end, miners are let go within {}", duration(config.drain.timeout_ms))?;
    let level = log_level.as_deref().unwrap_or("info");
    let ratio = tracing_sampling_ratio.as_deref().unwrap_or("0.01");
    let unless = "unless a flag or the environment says otherwise";
    writeln!(out, "  log level {level}, and of all traces {ratio} are kept, {unless}")
}
