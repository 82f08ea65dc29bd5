//! Accepts connections for the admin routes and bounds each of them. It knows no path.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::Peer;

/// Connections at a time: a few probes and scrapers. More wait in the backlog of the operating
/// system.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// Bytes of a request's head. A body that is read is the program's to bound.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request.
pub(super) const HEADERS_MAX: usize = 64;

/// Longest wait for the head of a request, the first or a later one.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest life of a connection, whatever it does: a peer that does not read must not keep its
/// place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);

/// Pause after a failed accept, which is a lack of file descriptors and does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for running requests at the end.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let router = router.clone().layer(Extension(Peer(peer)));
                let stop = stop.clone();
                connections.spawn(async move {
                    connection(stream, router, stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                let remedy = "raise the limit of open files (ulimit -n)";
                warn!(%error, remedy, "admin server cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    if timeout(STOP_TIMEOUT, connections.wait()).await.is_err() {
        debug!("admin connections were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let served = timeout(CONNECTION_TIMEOUT, async {
        tokio::select! {
            biased;
            served = connection.as_mut() => return served,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    });
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "admin connection ended"),
        Err(_elapsed) => debug!("admin connection lived too long"),
    }
}
