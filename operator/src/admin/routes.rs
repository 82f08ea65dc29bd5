//! What each path answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing;
use loka_ops::admin::{open_metrics, verdict};

use super::health::Health;
use crate::telemetry::Telemetry;

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

/// The pages, to be served by [`loka_ops::admin::Admin`].
pub fn router(health: Arc<Health>, telemetry: Telemetry) -> Router {
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

async fn metrics(State(shown): State<Shown>) -> Response {
    open_metrics(|text| shown.telemetry.metrics().encode(text))
}
