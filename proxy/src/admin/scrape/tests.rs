#![expect(clippy::float_cmp, reason = "counts and sums of whole numbers are exact")]

use std::collections::BTreeSet;

use prometheus_client::encoding::text;

use super::*;
use crate::admin::exposition::Exposition;
use crate::admin::status::{
    AuditStatus, ConfigStatus, DedicatedStatus, DescriptorStatus, ListenerStatus, MemoryAccounts,
    MemoryStatus, RefusedStatus, RoomStatus, StreamStatus,
};
use crate::sink::ledger::Ledger;
use crate::sink::time::{Work, WorkSnapshot};
use crate::telemetry::catalogue::ALL;

fn key(pool: &str) -> RowKey {
    let (listener, route, account) = ("v1".into(), "main".into(), "acme".into());
    RowKey { listener, route, pool: pool.into(), account, class: "other".into() }
}

/// A share for each way in which one can end, or not yet have ended.
fn every_outcome(ledger: &Ledger) -> Vec<crate::sink::ledger::DueShare> {
    let row = ledger.row(&key("primary"));
    row.rejected(Reject::Stale);
    row.rejected(Reject::Duplicate);
    row.below_pool_difficulty(2.0);
    let held = row.due(4.0, 8.0);
    let mut outstanding = row.due(4.0, 8.0);
    outstanding.written();
    let mut accepted = row.due(4.0, 8.0);
    accepted.written();
    accepted.pool_accepted();
    let mut refused = row.due(4.0, 8.0);
    refused.written();
    refused.pool_rejected(PoolReject::Stale);
    let mut unanswered = row.due(4.0, 8.0);
    unanswered.written();
    unanswered.abandoned(Unanswered::TimedOut, Lost::Backlog);
    row.due(4.0, 8.0).abandoned(Unanswered::TimedOut, Lost::Backlog);
    ledger.row(&key("backup")).below_pool_difficulty(1.0);
    vec![held, outstanding]
}

fn pool(name: &str, state: PoolState) -> PoolStatus {
    PoolStatus {
        name: name.to_owned(),
        endpoint: "pool.example.com:3333".to_owned(),
        account: "acme".to_owned(),
        state,
        active: false,
        hashrate_part: 0.0,
        suspicion: None,
        schedule_closed: false,
        pinned: false,
        difficulty: None,
        extranonce1_bytes: None,
        extranonce2_bytes: None,
        version_mask: None,
        job_age_seconds: None,
        last_error: None,
    }
}

fn audit() -> AuditStatus {
    AuditStatus {
        to: "audit.jsonl".to_owned(),
        written: 5,
        summarised: 4,
        lost: 3,
        queued: 2,
        error: Some("No space left".to_owned()),
    }
}

fn room() -> RoomStatus {
    RoomStatus {
        memory: MemoryStatus {
            budget_bytes: Some(1000),
            resident_bytes: 900,
            accounted_bytes: MemoryAccounts {
                sessions: 1,
                jobs: 2,
                queues: 3,
                tables: 4,
                audit: 5,
            },
        },
        descriptors: DescriptorStatus { limit: Some(1024), open: 33, reserved: 128 },
        refusing_for: Some(RefuseReason::Memory),
    }
}

fn route(active: PoolStatus) -> RouteStatus {
    RouteStatus {
        name: "main".to_owned(),
        active_pool: Some("primary".to_owned()),
        epoch: 9,
        pinned_by_hand: None,
        rollout_percent: None,
        rolled_back: None,
        dedicated: Some(DedicatedStatus { miners: 3, up: 2 }),
        pools: vec![active, pool("backup", PoolState::Down)],
    }
}

fn status() -> Status {
    let active = pool("primary", PoolState::Up);
    let active = PoolStatus {
        difficulty: Some(4096.5),
        job_age_seconds: Some(1.5),
        active: true,
        hashrate_part: 1.0,
        ..active
    };
    Status {
        name: "mining/farm".to_owned(),
        config: ConfigStatus {
            hash: "3f2a".to_owned(),
            epoch: Some("0b5e".to_owned()),
            sequence: Some(7),
            source: Some(ConfigSource::Stream),
            origin: "operator:8443".to_owned(),
            applied_at: 1_700_000_000,
            stream: Some(StreamStatus { connected: true, ..StreamStatus::default() }),
            refused: Some(RefusedStatus { at: 1, problems: vec!["x".to_owned()] }),
        },
        listeners: vec![ListenerStatus {
            name: "v1".to_owned(),
            address: None,
            error: Some("address in use".to_owned()),
            miners: 17,
            handshakes: 5,
            banned_addresses: 3,
        }],
        routes: vec![route(active)],
        work: vec![WorkSnapshot {
            listener: "v1".into(),
            route: "main".into(),
            work: Work { paid: 7.5, ..Work::default() },
        }],
        blocks: Vec::new(),
        ledger: Some(LedgerStatus {
            path: "state/ledger.json".to_owned(),
            begun: 1_600_000_000,
            kept_age_seconds: 0.5,
            error: None,
        }),
        audit: Some(audit()),
        room: room(),
        draining: None,
    }
}

fn exposed(status: &Status, ledger: &Ledger) -> Exposition {
    let mut out = String::new();
    text::encode(&mut out, &scraped(status, &ledger.snapshot())).unwrap();
    Exposition::parse(&out)
}

#[test]
fn the_ledger_adds_up_in_what_is_exposed() {
    let ledger = Ledger::default();
    let open = every_outcome(&ledger);
    let seen = exposed(&status(), &ledger);
    let sum = |name: &str| seen.sum(&format!("loka_shares_{name}"));
    assert_eq!(sum("received_total"), 10.0);
    assert_eq!(sum("received_total"), sum("rejected_total") + sum("accepted_total"));
    assert_eq!(sum("accepted_total"), sum("below_pool_difficulty_total") + sum("due_total"));
    let ends = ["pool_accepted_total", "pool_rejected_total", "unanswered_total", "lost_total"];
    let (held, outstanding) = (sum("held"), sum("outstanding"));
    assert_eq!((held, outstanding), (1.0, 1.0));
    assert_eq!(sum("due_total"), held + outstanding + ends.map(sum).iter().sum::<f64>());
    assert!(ends.iter().all(|name| sum(name) == 1.0), "{:#?}", seen.series);
    drop(open);
}

#[test]
fn shares_and_work_stand_under_listener_route_pool_account_and_reason() {
    let ledger = Ledger::default();
    let open = every_outcome(&ledger);
    let seen = exposed(&status(), &ledger);
    let at = |name: &str, reason: &str| {
        let key = "listener=\"v1\",route=\"main\",pool=\"primary\",account=\"acme\"";
        seen.value(&format!("loka_shares_{name}{{{key}{reason}}}"))
    };
    assert_eq!(at("rejected_total", ",reason=\"stale\""), 1.0);
    assert_eq!(at("pool_rejected_total", ",reason=\"stale\""), 1.0);
    assert_eq!(at("unanswered_total", ",reason=\"timed_out\""), 1.0);
    assert_eq!(at("lost_total", ",reason=\"backlog\""), 1.0);
    assert_eq!(at("lost_total", ",reason=\"dropped\""), 0.0, "rates need a beginning");
    assert_eq!(at("accepted_difficulty_total", ""), 26.0);
    assert_eq!(at("due_difficulty_total", ""), 48.0);
    assert_eq!(at("pool_accepted_difficulty_total", ""), 8.0);
    drop(open);
}

#[test]
fn the_state_of_the_proxy_is_exposed() {
    let seen = exposed(&status(), &Ledger::default());
    for (series, value) in [
        ("loka_proxy_config_info{name=\"mining/farm\",hash=\"3f2a\"}", 1.0),
        ("loka_proxy_config_last_applied_timestamp_seconds", 1_700_000_000.0),
        ("loka_proxy_config_refused", 1.0),
        ("loka_proxy_config_sequence", 7.0),
        ("loka_proxy_config_source{source=\"stream\"}", 1.0),
        ("loka_proxy_config_source{source=\"files\"}", 0.0),
        ("loka_proxy_config_stream_connected", 1.0),
        ("loka_proxy_draining", 0.0),
        ("loka_ledger_begun_timestamp_seconds", 1_600_000_000.0),
        ("loka_ledger_kept_age_seconds", 0.5),
        ("loka_audit_records_total{result=\"written\"}", 5.0),
        ("loka_audit_records_total{result=\"summarised\"}", 4.0),
        ("loka_audit_records_total{result=\"lost\"}", 3.0),
        ("loka_memory_bytes{kind=\"sessions\"}", 1.0),
        ("loka_memory_bytes{kind=\"audit\"}", 5.0),
        ("loka_memory_resident_bytes", 900.0),
        ("loka_memory_budget_bytes", 1000.0),
        ("loka_descriptors_open", 33.0),
        ("loka_descriptors_limit", 1024.0),
        ("loka_refusing{reason=\"memory\"}", 1.0),
        ("loka_refusing{reason=\"descriptors\"}", 0.0),
        ("loka_audit_queued", 2.0),
        ("loka_audit_failed", 1.0),
        ("loka_listener_up{listener=\"v1\"}", 0.0),
        ("loka_miners_connected{listener=\"v1\"}", 17.0),
        ("loka_route_epoch{route=\"main\"}", 9.0),
        ("loka_pool_active{route=\"main\",pool=\"primary\"}", 1.0),
        ("loka_pool_active{route=\"main\",pool=\"backup\"}", 0.0),
        ("loka_pool_state{route=\"main\",pool=\"primary\",state=\"up\"}", 1.0),
        ("loka_pool_state{route=\"main\",pool=\"backup\",state=\"up\"}", 0.0),
        ("loka_pool_state{route=\"main\",pool=\"backup\",state=\"down\"}", 1.0),
        ("loka_pool_difficulty{route=\"main\",pool=\"primary\"}", 4096.5),
        ("loka_pool_job_age_seconds{route=\"main\",pool=\"primary\"}", 1.5),
    ] {
        assert_eq!(seen.value(series), value, "{series}");
    }
    let unknown = "loka_pool_difficulty{route=\"main\",pool=\"backup\"}";
    assert!(!seen.series.contains_key(unknown), "a pool that has not spoken has no difficulty");
}

#[test]
fn a_pool_that_is_mined_on_while_its_successor_logs_in_is_active_and_not_up() {
    let mut status = status();
    let successor = pool("primary", PoolState::Connecting);
    status.routes[0].pools.insert(0, successor);
    status.routes[0].pools[1].hashrate_part = 0.75;
    let seen = exposed(&status, &Ledger::default());
    for (series, value) in [
        ("loka_pool_active{route=\"main\",pool=\"primary\"}", 1.0),
        ("loka_pool_hashrate_part{route=\"main\",pool=\"primary\"}", 0.75),
        ("loka_pool_state{route=\"main\",pool=\"primary\",state=\"up\"}", 0.0),
        ("loka_pool_state{route=\"main\",pool=\"primary\",state=\"connecting\"}", 1.0),
        ("loka_pool_active{route=\"main\",pool=\"backup\"}", 0.0),
    ] {
        assert_eq!(seen.value(series), value, "{series}");
    }
}

#[test]
fn a_scrape_and_the_counters_together_are_the_catalogue() {
    let ledger = Ledger::default();
    let open = every_outcome(&ledger);
    let telemetry = crate::telemetry::Telemetry::silent();
    telemetry.metrics().touch();
    let mut out = String::new();
    telemetry.metrics().encode(&mut out, &scraped(&status(), &ledger.snapshot())).unwrap();
    drop(open);
    let seen = Exposition::parse(&out);
    let exposed: BTreeSet<_> =
        seen.families.iter().map(|(n, k)| (n.as_str(), k.as_str())).collect();
    let documented: BTreeSet<_> =
        ALL.iter().map(|metric| (metric.name, metric.kind.as_str())).collect();
    assert_eq!(exposed, documented);
}
