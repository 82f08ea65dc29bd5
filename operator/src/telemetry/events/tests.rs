use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;

use super::super::Telemetry;
use super::*;

const PEER: ([u8; 4], u16) = ([10, 0, 0, 7], 40_000);

fn exposed(telemetry: &Telemetry) -> String {
    let mut text = String::new();
    telemetry.metrics().encode(&mut text).unwrap();
    text
}

/// Emits `event` and asserts that the exposition then holds `line`.
#[track_caller]
fn check(event: &Event<'_>, line: &str) {
    let telemetry = Telemetry::silent();
    telemetry.emit(event);
    let text = exposed(&telemetry);
    assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
}

#[test]
fn what_happens_to_objects_is_counted() {
    let (object, after) = (&"mining/farm", Duration::from_millis(20));
    check(
        &Event::Reconciled {
            kind: Reconciled::StratumProxy,
            object,
            result: ReconcileResult::TimedOut,
            after,
            error: Some(&"30 s"),
        },
        "loka_operator_reconcile_total{kind=\"StratumProxy\",result=\"timed_out\"} 1",
    );
    check(
        &Event::StatusWritten { object, result: StatusWrite::Unchanged, error: None },
        "loka_operator_status_writes_total{result=\"unchanged\"} 1",
    );
    check(
        &Event::WatchFailed { kind: Watch::Secret, error: &"403", remedy: None, repeated: None },
        "loka_operator_watch_errors_total{kind=\"Secret\"} 1",
    );
    let (sequence, hash, detail) = (7, "3f2a", "listeners[0].port: in use");
    check(
        &Event::Published { object, sequence, hash, result: Publish::Rejected, detail },
        "loka_operator_config_publish_total{result=\"rejected\"} 1",
    );
    check(
        &Event::Answered { object, pod: "farm-1", sequence, answer: Answer::Nack, detail },
        "loka_operator_config_acks_total{result=\"nack\"} 1",
    );
    check(
        &Event::Propagated { object, sequence, pods: 3, after },
        "loka_operator_config_propagation_seconds_bucket{le=\"0.025\"} 1",
    );
}

#[test]
fn streams_are_a_gauge_and_refusals_are_counted_by_reason() {
    let telemetry = Telemetry::silent();
    let object = &"mining/farm";
    telemetry.emit(&Event::StreamOpened { object, pod: "farm-1", version: "0.1.0" });
    telemetry.emit(&Event::StreamOpened { object, pod: "farm-2", version: "0.1.0" });
    let why = &"closed";
    telemetry.emit(&Event::StreamClosed { object, pod: "farm-1", why });
    assert!(exposed(&telemetry).contains("\nloka_operator_config_streams 1\n"));
    for reason in StreamRefusal::ALL {
        check(
            &Event::StreamRefused { peer: Some(PEER.into()), reason: *reason, detail: "" },
            &format!("loka_operator_streams_refused_total{{reason=\"{reason}\"}} 1"),
        );
    }
}

#[test]
fn leading_is_a_gauge_and_its_changes_are_counted() {
    let telemetry = Telemetry::silent();
    let shown = |leader: &str, transitions: &str| {
        let text = exposed(&telemetry);
        let leader = format!("\nloka_operator_leader {leader}\n");
        let transitions = format!("\nloka_operator_lease_transitions_total {transitions}\n");
        assert!(text.contains(&leader) && text.contains(&transitions), "{text}");
    };
    telemetry.emit(&Event::LeaseFollowed { holder: "op-1", address: None });
    shown("0", "0");
    telemetry.emit(&Event::LeaseTaken { identity: "op-2" });
    shown("1", "1");
    telemetry.emit(&Event::LeaseLost { why: &"taken" });
    shown("0", "2");
    telemetry.emit(&Event::LeaseTaken { identity: "op-2" });
    telemetry.emit(&Event::LeaseReleased);
    shown("0", "4");
    telemetry.emit(&Event::LeaseFailed { error: &"503" });
    assert!(exposed(&telemetry).contains("\nloka_operator_lease_errors_total 1\n"));
}

#[test]
fn what_a_peer_says_never_becomes_a_label() {
    let telemetry = Telemetry::silent();
    let detail = "SECRET-MARK";
    let reason = StreamRefusal::Malformed;
    telemetry.emit(&Event::StreamRefused { peer: Some(PEER.into()), reason, detail });
    let text = exposed(&telemetry);
    assert!(!text.contains("SECRET-MARK") && !text.contains("10.0.0.7"));
}

#[test]
fn a_traced_reconcile_leaves_its_trace_beside_its_duration() {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let telemetry = Telemetry::silent();
    let event = Event::Reconciled {
        kind: Reconciled::StratumPool,
        object: &"mining/primary",
        result: ReconcileResult::Ok,
        after: Duration::from_millis(3),
        error: None,
    };
    telemetry.emit(&event);
    assert!(!exposed(&telemetry).contains("trace_id"));
    let id = tracing::subscriber::with_default(subscriber, || {
        let _inside = tracing::info_span!("reconcile").entered();
        telemetry.emit(&event);
        context::sampled_trace_id().unwrap()
    });
    let begin =
        "loka_operator_reconcile_duration_seconds_bucket{le=\"0.005\",kind=\"StratumPool\"} 2";
    let wanted = format!("{begin} # {{trace_id=\"{id}\"}} 0.003 ");
    let text = exposed(&telemetry);
    assert!(text.lines().any(|line| line.starts_with(&wanted)), "{wanted}\n{text}");
}
