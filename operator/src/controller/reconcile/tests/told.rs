//! What a turn is counted as, and which trace a config carries.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// The samples that begin so, without the operator's prefix and sorted; those that are zero left out.
fn counted(world: &World, names: &[&str]) -> Vec<String> {
    let mut text = String::new();
    world.context.telemetry.metrics().encode(&mut text).unwrap();
    let samples = text.lines().filter_map(|line| line.strip_prefix("loka_operator_"));
    let is_wanted = |line: &&str| names.iter().any(|name| line.starts_with(name));
    let is_zero = |line: &&str| line.ends_with(" 0") || line.ends_with(" 0.0");
    let mut all: Vec<_> =
        samples.filter(is_wanted).filter(|line| !is_zero(line)).map(str::to_owned).collect();
    all.sort();
    all
}

fn config(world: &World) -> Vec<String> {
    counted(world, &["config_publish_total", "config_propagation_seconds_count"])
}

fn old() -> Identity {
    Identity { epoch: "uid-1".into(), sequence: 6, hash: "old".into() }
}

fn with_old() -> Arc<Proxy> {
    object(&json!({}), Some(json!({"config": {"sequence": 6, "hash": "old"}})))
}

#[tokio::test]
async fn a_config_is_published_once_and_has_propagated_once_when_the_last_ready_pod_runs_it() {
    let world = world(vec![pod("a"), pod("b")], true);
    let (a, b) = (connect(&world, "a", Some(old())), connect(&world, "b", Some(old())));
    let object = with_old();
    turned(&world, &object).await;
    assert!(config(&world).is_empty(), "the canary has not answered");
    let sent = a.snapshots().borrow().clone().unwrap().identity.clone();
    a.acked(sent.clone());
    turned(&world, &object).await;
    assert_eq!(config(&world), ["config_publish_total{result=\"published\"} 1"]);
    let unchanged = "status_writes_total{result=\"unchanged\"} 1";
    assert!(!counted(&world, &["status_writes_total"]).contains(&unchanged.to_owned()));

    b.acked(sent);
    let once = [
        "config_propagation_seconds_count 1".to_owned(),
        "config_publish_total{result=\"published\"} 1".to_owned(),
    ];
    turned(&world, &object).await;
    assert_eq!(config(&world), once);
    let before = counted(&world, &["status_writes_total{result=\"ok\"}"]);
    turned(&world, &object).await;
    assert_eq!(config(&world), once, "nothing is told twice");
    let writes = counted(&world, &["status_writes_total"]);
    assert!(writes.contains(&unchanged.to_owned()), "{writes:?}");
    assert_eq!(counted(&world, &["status_writes_total{result=\"ok\"}"]), before);
    let reconciles = counted(&world, &["reconcile_total"]);
    assert_eq!(reconciles, ["reconcile_total{kind=\"StratumProxy\",result=\"ok\"} 4"]);
    let durations = counted(&world, &["reconcile_duration_seconds_count"]);
    assert_eq!(durations, ["reconcile_duration_seconds_count{kind=\"StratumProxy\"} 4"]);
}

/// Nobody has to follow: the time until a pod starts says nothing of the way of a config.
#[tokio::test]
async fn a_config_that_is_mounted_before_there_are_pods_is_published_and_not_timed() {
    let world = world(Vec::new(), true);
    turned(&world, &object(&json!({}), None)).await;
    assert_eq!(config(&world), ["config_publish_total{result=\"published\"} 1"]);
}

#[tokio::test]
async fn a_config_that_the_canary_refuses_is_rejected_once_however_often_it_is_looked_at() {
    let world = world(vec![pod("a")], true);
    let a = connect(&world, "a", Some(old()));
    let object = with_old();
    turned(&world, &object).await;
    let sent = a.snapshots().borrow().clone().unwrap();
    a.refused(sent.identity.clone(), Vec::new());
    turned(&world, &object).await;
    turned(&world, &object).await;
    assert_eq!(config(&world), ["config_publish_total{result=\"rejected\"} 1"]);
}

#[tokio::test]
async fn documents_that_cannot_be_had_are_invalid_and_no_failure() {
    let world = world(Vec::new(), false);
    turned(&world, &object(&json!({}), None)).await;
    let reconciles = counted(&world, &["reconcile_total"]);
    assert_eq!(reconciles, ["reconcile_total{kind=\"StratumProxy\",result=\"invalid\"} 1"]);
}

#[tokio::test]
async fn a_replica_that_does_not_lead_counts_nothing() {
    let world = world(Vec::new(), true);
    world.leads.0.store(false, Ordering::SeqCst);
    turned(&world, &object(&json!({}), None)).await;
    assert!(counted(&world, &["reconcile", "config", "status"]).is_empty());
}

#[tokio::test]
async fn what_the_api_server_does_not_take_is_counted_by_why() {
    for (code, status, reconcile) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "failed", "failed"),
        (StatusCode::FORBIDDEN, "failed", "forbidden"),
        // The object is gone when it is read again.
        (StatusCode::CONFLICT, "conflict", "failed"),
    ] {
        let world = world(Vec::new(), true);
        *world.server.refuses_status.lock().unwrap() = Some(code);
        reconcile_fails(&world).await;
        let writes = counted(&world, &["status_writes_total"]);
        assert_eq!(writes, [format!("status_writes_total{{result=\"{status}\"}} 1")]);
        let labels = format!("kind=\"StratumProxy\",result=\"{reconcile}\"");
        let reconciles = counted(&world, &["reconcile_total"]);
        assert_eq!(reconciles, [format!("reconcile_total{{{labels}}} 1")]);
        assert_eq!(config(&world), ["config_publish_total{result=\"failed\"} 1"]);
    }
}

async fn reconcile_fails(world: &World) {
    let object = object(&json!({}), None);
    reconcile(object, Arc::clone(&world.context)).await.unwrap_err();
}

/// The trace context of what the canary is sent.
async fn traceparent() -> String {
    let world = world(vec![pod("a")], true);
    let a = connect(&world, "a", Some(old()));
    turned(&world, &with_old()).await;
    let sent = a.snapshots().borrow().clone().unwrap();
    sent.traceparent.clone()
}

#[tokio::test]
async fn a_config_carries_the_trace_of_its_reconcile_only_where_traces_are_exported() {
    assert_eq!(traceparent().await, "");
    let lines = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::sink));
    let guard = tracing::subscriber::set_default(lines);
    assert_eq!(traceparent().await, "", "spans that are only logged are no trace");
    drop(guard);
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let text = traceparent().await;
    assert!(text.starts_with("00-") && text.ends_with("-01"), "{text}");
}
