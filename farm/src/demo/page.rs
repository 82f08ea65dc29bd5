//! The page: the same as the terminal shows, with a plot over time. On loopback, read only.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::response::{Html, IntoResponse};
use axum::{Router, http::header, routing};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::snapshot::History;

const PAGE: &str = include_str!("page.html");

/// What page and demo share: a short lock, never held across an await.
pub(super) type Shown = Arc<Mutex<History>>;

/// Serves the page until `stop`, and says where.
pub(super) async fn serve(
    address: SocketAddr,
    shown: Shown,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--page {address}: cannot listen; choose another port"))?;
    let address = listener.local_addr()?;
    let data = move || async move {
        let history = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(&*history).unwrap_or_default();
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    };
    let router = Router::new()
        .route("/", routing::get(async || Html(PAGE)))
        .route("/data", routing::get(data));
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    // The demo goes on without its page.
    tasks.spawn(async move { server.await.ok() });
    Ok(address)
}
