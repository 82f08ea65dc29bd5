use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use prometheus_client::registry::Registry;

use super::super::reasons::*;
use super::super::{Telemetry, TraceRef};
use super::*;

const PEER: ([u8; 4], u16) = ([10, 0, 0, 7], 40_000);

fn counted<'a>(event: impl Into<Event<'a>>) -> String {
    let telemetry = Telemetry::silent();
    telemetry.emit(event);
    let mut text = String::new();
    telemetry.metrics().encode(&mut text, &Registry::default()).unwrap();
    text
}

/// Emits `event` and asserts that the exposition then holds `line`.
fn check<'a>(event: impl Into<Event<'a>>, line: &str) {
    let text = counted(event);
    assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
}

#[test]
fn events_of_miners_are_counted_by_listener_and_reason() {
    let (listener, peer, trace) = ("v1", SocketAddr::from(PEER), TraceRef::NONE);
    let after = Duration::from_millis(20);
    check(
        MinerEvent::Connected { listener, peer },
        "loka_miner_connections_total{listener=\"v1\"} 1",
    );
    check(
        MinerEvent::Closed { listener, peer, reason: CloseReason::Idle, after, trace },
        "loka_miner_closed_total{listener=\"v1\",reason=\"idle\"} 1",
    );
    check(
        MinerEvent::Refused { listener, peer, reason: RefuseReason::ConnectionLimit },
        "loka_miner_refused_total{listener=\"v1\",reason=\"connection_limit\"} 1",
    );
    let (reason, detail) = (TlsFailure::NotTls, "");
    check(
        MinerEvent::TlsFailed { listener, peer, reason, detail },
        "loka_miner_tls_failed_total{listener=\"v1\",reason=\"not_tls\"} 1",
    );
    let (offence, lasts) = (Offence::LineTooLong, after);
    check(
        MinerEvent::Banned { listener, peer, offence, lasts },
        "loka_miner_bans_total{listener=\"v1\",reason=\"line_too_long\"} 1",
    );
    check(
        MinerEvent::Malformed { listener, peer, what: "not JSON" },
        "loka_miner_malformed_total{listener=\"v1\"} 1",
    );
    let worker = "acct.w";
    check(
        MinerEvent::LoggedIn { listener, peer, worker },
        "loka_miner_logins_total{listener=\"v1\"} 1",
    );
    check(
        MinerEvent::LoginRefused { listener, peer, worker, reason: LoginRefusal::Password },
        "loka_miner_logins_refused_total{listener=\"v1\",reason=\"password\"} 1",
    );
    check(
        MinerEvent::HookAsked { listener, result: HookAnswer::Failed, detail: Some(&"down") },
        "loka_login_hook_answers_total{listener=\"v1\",result=\"failed\"} 1",
    );
    check(
        MinerEvent::DifficultyChanged { listener, peer, difficulty: &512 },
        "loka_miner_difficulty_changes_total{listener=\"v1\"} 1",
    );
    check(
        MinerEvent::CoinbaseTooLong { listener, peer, class: "antminer", len: 800, max: 730 },
        "loka_miner_coinbase_too_long_total{listener=\"v1\",firmware=\"antminer\"} 1",
    );
    check(
        MinerEvent::Renumbered { listener, peer },
        "loka_miner_renumbered_total{listener=\"v1\"} 1",
    );
    check(MinerEvent::Resumed { listener, peer }, "loka_miner_resumed_total{listener=\"v1\"} 1");
    let (worker, user_agent) = ("rig.1", "cgminer/4.12");
    check(
        MinerEvent::HandshakeDone { listener, peer, worker, user_agent, after, trace },
        "loka_miner_handshake_seconds_bucket{le=\"0.025\",listener=\"v1\"} 1",
    );
    check(MinerEvent::JobDelivered { after }, "loka_job_delivery_seconds_bucket{le=\"0.05\"} 1");
}

#[test]
fn what_is_done_by_hand_is_counted_by_kind_and_result() {
    let from = [10, 0, 0, 7].into();
    let acted = AdminEvent::Acted {
        who: "token",
        from,
        act: AdminAct::Kick,
        on: "session 7",
        result: ActResult::Refused,
        detail: "",
    };
    check(acted, "loka_admin_acts_total{kind=\"kick\",result=\"refused\"} 1");
    let denied = AdminEvent::Denied { from, reason: AdminDenied::WrongToken };
    check(denied, "loka_admin_denied_total{reason=\"wrong_token\"} 1");
}

#[test]
fn events_of_pools_are_counted_by_route_pool_and_reason() {
    let (route, pool, after) = ("main", "primary", Duration::from_millis(80));
    let at = |rest: &str| format!("{{route=\"main\",pool=\"primary\"{rest}}}");
    let (endpoint, none) = ("pool.example:3333", at(""));
    check(
        PoolEvent::Connecting { route, pool, endpoint },
        &format!("loka_pool_connects_total{none} 1"),
    );
    let (reason, detail, retry_in) = (PoolDownReason::JobSilence, "", Some(after));
    check(
        PoolEvent::Down { route, pool, reason, detail, retry_in },
        &format!("loka_pool_down_total{} 1", at(",reason=\"job_silence\"")),
    );
    check(
        PoolEvent::JobReceived { route, pool, clean: Clean::Clean },
        &format!("loka_jobs_received_total{} 1", at(",kind=\"clean\"")),
    );
    check(
        PoolEvent::LoginRefused { route, pool, user: "acct", message: "who?" },
        &format!("loka_pool_login_refused_total{none} 1"),
    );
    check(
        PoolEvent::Message { route, pool, text: "maintenance" },
        &format!("loka_pool_messages_total{none} 1"),
    );
    check(
        PoolEvent::Misbehaved { route, pool, what: "notify too long" },
        &format!("loka_pool_misbehaved_total{none} 1"),
    );
    check(
        PoolEvent::NotAllowed {
            route,
            pool,
            endpoint: "evil:1",
            account: "mallory",
            reason: RefusedPool::Account,
        },
        "loka_proxy_pool_refused_total{reason=\"account\"} 1",
    );
    check(
        PoolEvent::ReconnectAsked { route, pool, to: "evil:1", wait: after, obeyed: Obeyed::No },
        &format!("loka_pool_reconnects_asked_total{} 1", at(",obeyed=\"no\"")),
    );
    check(PoolEvent::Up { route, pool, after }, &format!("loka_pool_login_seconds_sum{none} 0.08"));
    check(
        PoolEvent::Verdict { route, pool, verdict: Verdict::Rejected, after },
        &format!("loka_pool_verdict_seconds_count{} 1", at(",result=\"rejected\"")),
    );
}

#[test]
fn events_of_routes_and_of_the_process_are_counted() {
    let (route, after) = ("main", Duration::ZERO);
    check(
        RouteEvent::Switched { route, from: None, to: "backup", cause: SwitchCause::Failover },
        "loka_route_switches_total{route=\"main\",reason=\"failover\"} 1",
    );
    check(
        RouteEvent::NoPool { route, action: NoPoolAction::Hold, after },
        "loka_route_no_pool_total{route=\"main\"} 1",
    );
    let problems = ["farm.yaml: spec: nonsense".to_owned()];
    check(
        ProcessEvent::ConfigRefused {
            origin: "farm.yaml",
            problems: &problems,
            trace: TraceRef::NONE,
        },
        "loka_proxy_config_apply_total{result=\"refused\"} 1",
    );
    let error = io::Error::from(io::ErrorKind::AddrInUse);
    check(
        ProcessEvent::ListenerFailed { listener: "v1", address: PEER.into(), error: &error },
        "loka_listener_failures_total{listener=\"v1\"} 1",
    );
}

#[test]
fn what_a_peer_says_never_becomes_a_label() {
    let text =
        counted(MinerEvent::Malformed { listener: "v1", peer: PEER.into(), what: "SECRET-MARK" });
    assert!(!text.contains("SECRET-MARK") && !text.contains("10.0.0.7"));
}

#[test]
fn a_port_in_use_is_answered_with_what_to_do() {
    let remedy = listen_remedy(&io::Error::from(io::ErrorKind::AddrInUse));
    assert!(remedy.contains("ss -ltnp") && remedy.contains("another port"));
}
