use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use tokio::time::advance;
use tower::ServiceExt as _;

use super::*;
use crate::telemetry::Telemetry;

/// The pages of an operator.
struct Pages(Router);

impl Pages {
    fn showing(health: Health) -> Self {
        Self(router(Arc::new(health), Telemetry::silent()))
    }

    /// Status, kind of content, and the body.
    async fn ask(&self, method: Method, path: &str) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
        let kind = kind.unwrap_or_default().to_owned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (code, kind, String::from_utf8(body.into()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(Method::GET, path).await
    }

    #[track_caller]
    fn is(answer: &(u16, String, String), code: u16, body: &str) {
        assert_eq!((answer.0, &*answer.2), (code, body));
    }
}

#[tokio::test]
async fn ready_is_what_every_check_says_and_it_can_be_taken_back() {
    let mut health = Health::default();
    let (caches, streams) = (health.check("caches synced"), health.check("streams served"));
    let pages = Pages::showing(health);
    let both = "not yet, or no longer: caches synced\nnot yet, or no longer: streams served\n";
    Pages::is(&pages.get("/readyz").await, 503, both);
    streams.pass();
    Pages::is(&pages.get("/readyz").await, 503, "not yet, or no longer: caches synced\n");
    caches.pass();
    Pages::is(&pages.get("/readyz").await, 200, "ok\n");
    streams.fail();
    Pages::is(&pages.get("/readyz").await, 503, "not yet, or no longer: streams served\n");
    Pages::is(&pages.get("/livez").await, 200, "ok\n");
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_that_is_silent_for_too_long_is_named_and_one_tick_revives_it() {
    let mut health = Health::default();
    let limit = Duration::from_secs(300);
    let watch = health.watchdog("watch of StratumProxy", limit);
    let other = health.watchdog("watch of Secret", limit);
    advance(limit).await;
    assert!(health.dead().is_empty(), "the limit itself is still in time");
    other.tick();
    advance(Duration::from_secs(12)).await;
    let wanted = "watch of StratumProxy: no sign of life for 312 s (limit 300 s)\n";
    let pages = Pages::showing(health);
    Pages::is(&pages.get("/livez").await, 503, wanted);
    watch.tick();
    Pages::is(&pages.get("/livez").await, 200, "ok\n");
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let pages = Pages::showing(Health::default());
    let (code, kind, body) = pages.get("/metrics").await;
    let wanted = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((code, &*kind), (200, wanted));
    assert!(body.contains("\nloka_operator_leader 0\n") && body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let pages = Pages::showing(Health::default());
    let (code, _, body) = pages.get("/metric").await;
    assert_eq!(code, 404);
    assert!(body.contains("/metrics"), "{body}");
    assert_eq!(pages.get("/").await.0, 200);
    assert_eq!(pages.ask(Method::POST, "/metrics").await.0, 405);
}
