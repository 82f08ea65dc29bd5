//! What each path answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing;

use super::health::Health;
use crate::telemetry::Telemetry;

/// As the OpenMetrics specification has it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const INDEX: &str = "\
stratum-operator

/livez    200 while every part shows signs of life; else 503 and which does not
/readyz   200 if caches are synced and the control stream is served; else 503 and why
/metrics  OpenMetrics: reconciles, configurations, streams, the Lease
";

#[derive(Clone)]
struct Shown {
    health: Arc<Health>,
    telemetry: Telemetry,
}

pub(super) fn router(health: Arc<Health>, telemetry: Telemetry) -> Router {
    Router::new()
        .route("/", routing::get(async || INDEX))
        .route("/livez", routing::get(livez))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, INDEX))
        .with_state(Shown { health, telemetry })
}

async fn livez(State(shown): State<Shown>) -> Response {
    verdict(&shown.health.dead())
}

async fn readyz(State(shown): State<Shown>) -> Response {
    verdict(&shown.health.unready())
}

fn verdict(problems: &[String]) -> Response {
    if problems.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n").into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let mut text = String::new();
    match shown.telemetry.metrics().encode(&mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
