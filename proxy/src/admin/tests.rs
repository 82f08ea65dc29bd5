#![expect(clippy::float_cmp, reason = "counts and sums of whole numbers are exact")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use serde_json::Value;
use tower::ServiceExt as _;

use super::exposition::Exposition;
use super::status::{ConfigStatus, ListenerStatus};
use super::*;
use crate::sink::ledger::{Ledger, LedgerSnapshot, RowKey};
use crate::telemetry::Telemetry;

/// A proxy's state that a test may change.
#[derive(Default)]
struct State {
    status: Mutex<Status>,
    ledger: Ledger,
}

impl StatusSource for State {
    fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }

    fn ledger(&self) -> LedgerSnapshot {
        self.ledger.snapshot()
    }
}

/// What the pages show of a proxy.
struct Pages {
    state: Arc<State>,
    router: Router,
}

impl Pages {
    fn of_a_ready_proxy() -> Self {
        let state = Arc::<State>::default();
        *state.status.lock().unwrap() = ready();
        let router = router(Arc::<State>::clone(&state), Telemetry::silent());
        Self { state, router }
    }

    /// Status, kind of content, and the body.
    async fn ask(&self, method: Method, path: &str) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
        let kind = kind.unwrap_or_default().to_owned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (code, kind, String::from_utf8(body.into()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(Method::GET, path).await
    }

    async fn json(&self, path: &str) -> Value {
        let (code, kind, body) = self.get(path).await;
        assert_eq!((code, &*kind), (200, "application/json"));
        serde_json::from_str(&body).unwrap()
    }
}

fn ready() -> Status {
    Status {
        name: "mining/farm".to_owned(),
        config: ConfigStatus { hash: "3f2a".to_owned(), ..ConfigStatus::default() },
        listeners: vec![ListenerStatus {
            name: "v1".to_owned(),
            address: Some(([127, 0, 0, 1], 3333).into()),
            error: None,
            miners: 2,
            handshakes: 1,
            banned_addresses: 0,
        }],
        ..Status::default()
    }
}

#[tokio::test]
async fn a_process_that_answers_is_alive_and_ready_once_it_can_serve() {
    let pages = Pages::of_a_ready_proxy();
    assert_eq!(pages.get("/livez").await.0, 200);
    assert_eq!(pages.get("/readyz").await.0, 200);
    {
        let mut status = pages.state.status.lock().unwrap();
        status.draining = Some("signal".to_owned());
        status.listeners[0].address = None;
        status.listeners[0].error = Some("address in use".to_owned());
    }
    let (code, _, body) = pages.get("/readyz").await;
    assert_eq!((code, &*body), (503, "draining: signal\nlistener v1: address in use\n"));
    assert_eq!(pages.get("/livez").await.0, 200, "draining is no reason to be killed");
}

#[tokio::test]
async fn metrics_are_open_metrics_and_hold_the_ledger() {
    let pages = Pages::of_a_ready_proxy();
    let parts = ["v1", "main", "primary", "ac\"me"].map(Arc::<str>::from);
    let [listener, route, pool, account] = parts;
    let key = RowKey { listener, route, pool, account, class: "other".into() };
    pages.state.ledger.row(&key).below_pool_difficulty(2.0);
    let (code, kind, body) = pages.get("/metrics").await;
    let wanted = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((code, &*kind), (200, wanted));
    let seen = Exposition::parse(&body);
    let labels = r#"{listener="v1",route="main",pool="primary",account="ac\"me"}"#;
    assert_eq!(seen.value(&format!("loka_shares_received_total{labels}")), 1.0);
    assert_eq!(seen.value(&format!("loka_shares_below_pool_difficulty_total{labels}")), 1.0);
    assert_eq!(seen.value("loka_miners_connected{listener=\"v1\"}"), 2.0);
}

#[tokio::test]
async fn ledger_and_status_are_json() {
    let pages = Pages::of_a_ready_proxy();
    let parts = ["v1", "main", "primary", "acme"].map(Arc::<str>::from);
    let [listener, route, pool, account] = parts;
    let key = RowKey { listener, route, pool, account, class: "other".into() };
    pages.state.ledger.row(&key).below_pool_difficulty(2.0);
    let ledger = pages.json("/ledger").await;
    assert_eq!(ledger["rows"][0]["account"], "acme");
    assert_eq!(ledger["total"]["below_pool_difficulty"], 1);
    let status = pages.json("/status").await;
    assert_eq!(status["name"], "mining/farm");
    assert_eq!(status["listeners"][0]["address"], "127.0.0.1:3333");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let pages = Pages::of_a_ready_proxy();
    let (code, _, body) = pages.get("/metric").await;
    assert_eq!(code, 404);
    assert!(body.contains("/metrics"), "{body}");
    assert_eq!(pages.get("/").await.0, 200);
    assert_eq!(pages.ask(Method::POST, "/metrics").await.0, 405);
}
