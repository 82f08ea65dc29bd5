//! What each path answers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use loka_ops::admin::{open_metrics, verdict};

use super::scrape;
use super::status::StatusSource;
use crate::telemetry::Telemetry;

const INDEX: &str = "\
stratum-proxy

/livez    200 while the process answers
/readyz   200 if configured, listening and not draining; else 503 and why
/metrics  OpenMetrics: the share ledger, miners, pools, configuration
/ledger   JSON: every share since the start, by listener, route, pool and account
/status   JSON: configuration, listeners, routes and their pools
";

#[derive(Clone)]
struct Shown {
    source: Arc<dyn StatusSource>,
    telemetry: Telemetry,
}

/// What each path answers, from what `source` and `telemetry` say at that moment.
pub fn router(source: Arc<dyn StatusSource>, telemetry: Telemetry) -> Router {
    Router::new()
        .route("/", routing::get(async || INDEX))
        .route("/livez", routing::get(async || "ok\n"))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .route("/ledger", routing::get(ledger))
        .route("/status", routing::get(status))
        .fallback(async || (StatusCode::NOT_FOUND, INDEX))
        .with_state(Shown { source, telemetry })
}

async fn readyz(State(shown): State<Shown>) -> Response {
    verdict(&shown.source.status().unready())
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let scraped = scrape::scraped(&shown.source.status(), &shown.source.ledger());
    open_metrics(|text| shown.telemetry.metrics().encode(text, &scraped))
}

async fn ledger(State(shown): State<Shown>) -> Response {
    Json(shown.source.ledger()).into_response()
}

async fn status(State(shown): State<Shown>) -> Response {
    Json(shown.source.status()).into_response()
}
