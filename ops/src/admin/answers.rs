//! Answers that every program gives alike.

use std::fmt;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// As the OpenMetrics specification has it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// 200 if there is no problem; else 503 and each problem on a line.
pub fn verdict(problems: &[String]) -> Response {
    if problems.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n").into_response()
}

/// What `encode` writes, as OpenMetrics.
pub fn open_metrics(encode: impl FnOnce(&mut String) -> fmt::Result) -> Response {
    let mut text = String::new();
    match encode(&mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
