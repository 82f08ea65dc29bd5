//! What each path answers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};

use super::scrape;
use super::status::StatusSource;
use crate::telemetry::Telemetry;

/// As the OpenMetrics specification has it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

pub(super) fn router(source: Arc<dyn StatusSource>, telemetry: Telemetry) -> Router {
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
    let unready = shown.source.status().unready();
    if unready.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, unready.join("\n") + "\n").into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let scraped = scrape::scraped(&shown.source.status(), &shown.source.ledger());
    let mut text = String::new();
    match shown.telemetry.metrics().encode(&mut text, &scraped) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ledger(State(shown): State<Shown>) -> Response {
    Json(shown.source.ledger()).into_response()
}

async fn status(State(shown): State<Shown>) -> Response {
    Json(shown.source.status()).into_response()
}
