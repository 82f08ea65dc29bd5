use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::super::catalogue::ALL;
use super::*;

fn text(metrics: &Metrics) -> String {
    let mut text = String::new();
    metrics.encode(&mut text, &Registry::default()).unwrap();
    text
}

impl Metrics {
    /// Counts one of everything: a family without a series is not exposed.
    #[expect(clippy::too_many_lines, reason = "a line for each metric")]
    pub(crate) fn touch(&self) {
        let second = Duration::from_secs(1);
        let Self {
            registry: _,
            admin_acts,
            admin_denied,
            audit_write_failures,
            config_apply,
            job_delivery,
            jobs_received,
            ledger_keep_failures,
            listener_failures,
            login_hook,
            miner_accept_failures,
            miner_bans,
            miner_closed,
            miner_coinbase_too_long,
            miner_connections,
            miner_difficulty_changes,
            miner_handshake,
            miner_logins,
            miner_logins_refused,
            miner_malformed,
            miner_refused,
            miner_renumbered,
            miner_resumed,
            pool_connects,
            pool_down,
            pool_login,
            pool_login_refused,
            pool_messages,
            pool_misbehaved,
            pool_reconnects_asked,
            pool_refused,
            pool_unnamed_shares,
            pool_unverified_jobs,
            pool_suspected,
            pool_verdict,
            route_no_pool,
            route_rollouts,
            route_switches,
            spans_exported,
            miner_tls_failed,
            miner_log: _,
            block_log: _,
            crowd_log: _,
            admin_log: _,
        } = self;
        job_delivery.observe(second.as_secs_f64());
        audit_write_failures.inc();
        ledger_keep_failures.inc();
        for one in [
            admin_denied,
            config_apply,
            listener_failures,
            miner_accept_failures,
            miner_connections,
            miner_difficulty_changes,
            miner_logins,
            miner_malformed,
            pool_refused,
            miner_renumbered,
            miner_resumed,
            route_no_pool,
            spans_exported,
        ] {
            one.inc(["a"]);
        }
        for two in [
            login_hook,
            miner_logins_refused,
            admin_acts,
            miner_bans,
            miner_closed,
            miner_coinbase_too_long,
            miner_refused,
            miner_tls_failed,
            pool_connects,
            pool_login_refused,
            pool_messages,
            pool_misbehaved,
            pool_unverified_jobs,
            route_rollouts,
            route_switches,
        ] {
            two.inc(["a", "b"]);
        }
        for three in
            [jobs_received, pool_down, pool_reconnects_asked, pool_suspected, pool_unnamed_shares]
        {
            three.inc(["a", "b", "c"]);
        }
        miner_handshake.observe(["a"], second);
        pool_login.observe(["a", "b"], second);
        pool_verdict.observe(["a", "b", "c"], second);
    }
}

#[test]
fn every_registered_metric_is_in_the_catalogue_with_its_kind() {
    let metrics = Metrics::new(UNIX_EPOCH);
    metrics.touch();
    let text = text(&metrics);
    let known: BTreeMap<_, _> = ALL.iter().map(|metric| (metric.name, metric.kind)).collect();
    let kinds: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(kinds.len() > 20, "{text}");
    for line in kinds {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(known.get(name).map(|kind| kind.as_str()), Some(kind), "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_counter_is_exposed_with_the_labels_of_the_catalogue() {
    let metrics = Metrics::new(UNIX_EPOCH);
    metrics.miner_closed.inc(["v1", "idle"]);
    metrics.miner_closed.inc(["v1", "idle"]);
    let text = text(&metrics);
    assert!(
        text.contains("loka_miner_closed_total{listener=\"v1\",reason=\"idle\"} 2\n"),
        "{text}"
    );
}

#[test]
fn series_beyond_the_bound_are_counted_under_one_name() {
    let metrics = Metrics::new(UNIX_EPOCH);
    for number in 0..SERIES_MAX + 5 {
        metrics.miner_connections.inc([&format!("listener-{number}")]);
    }
    metrics.miner_connections.inc(["listener-0"]);
    let text = text(&metrics);
    let series = text.lines().filter(|line| line.starts_with("loka_miner_connections_total{"));
    assert_eq!(series.count(), SERIES_MAX + 1);
    assert!(text.contains("loka_miner_connections_total{listener=\"other\"} 5\n"));
    assert!(text.contains("loka_miner_connections_total{listener=\"listener-0\"} 2\n"));
}

#[test]
fn a_name_with_quotes_cannot_break_the_exposition() {
    let metrics = Metrics::new(UNIX_EPOCH);
    metrics.miner_connections.inc(["a\"b\nc"]);
    assert!(text(&metrics).contains("{listener=\"a\\\"b\\nc\"} 1\n"));
}
