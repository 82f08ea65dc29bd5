use futures_util::stream;
use kube::core::Status;
use serde_json::json;

use super::*;

fn not_found() -> watcher::Error {
    let status = Status::failure("the server could not find it", "NotFound").with_code(404);
    watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
}

#[tokio::test]
async fn a_watch_that_fails_is_counted_each_time_and_goes_on() {
    let telemetry = Telemetry::silent();
    let items = [Err(not_found()), Err(not_found()), Ok(7), Err(not_found())];
    let seen: Vec<_> = told(Watch::StratumProxy, &telemetry, stream::iter(items)).collect().await;
    assert!(matches!(seen.as_slice(), [Ok(7)]), "{seen:?}");
    let mut text = String::new();
    telemetry.metrics().encode(&mut text).unwrap();
    let line = "loka_operator_watch_errors_total{kind=\"StratumProxy\"} 3";
    assert!(text.lines().any(|it| it == line), "{text}");
}

#[test]
fn a_kind_of_ours_that_is_not_known_is_to_be_installed() {
    for kind in [Watch::StratumProxy, Watch::StratumPool] {
        let remedy = remedy(kind, &not_found()).unwrap();
        assert!(remedy.contains("kubectl apply --server-side -f crds/"), "{remedy}");
    }
    assert_eq!(remedy(Watch::Pod, &not_found()), None);
    assert_eq!(remedy(Watch::StratumProxy, &watcher::Error::NoResourceVersion), None);
}

#[test]
fn a_pod_is_found_once_the_watches_have_begun() {
    let value = json!({"metadata": {"name": "a", "namespace": "mining", "uid": "u"}});
    let pod: Pod = serde_json::from_value(value).unwrap();
    let cache = PodCache::default();
    assert_eq!(cache.find("mining", "a"), None);
    cache.fill([&Stores::filled(Vec::new(), Vec::new(), vec![pod.clone()], Vec::new())]);
    assert_eq!(cache.find("mining", "a").as_deref(), Some(&pod));
    assert_eq!((cache.find("other", "a"), cache.find("mining", "b")), (None, None));
}
