//! Moves the bytes of one connection between its stream and the pool's core.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use crate::wire::LineStream;

use super::Shared;
use super::core::Admission;
use super::peer::Ending;

/// How long a write may wait for a peer that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves a connection to its end. `reset` is how this kind of stream is ended with a reset.
pub(super) async fn serve<S>(shared: Arc<Shared>, stream: S, reset: fn(S))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(admission) = shared.core().open() else { return reset(stream) };
    let mut lines = LineStream::new(stream);
    let ending = converse(&shared, &mut lines, &admission).await;
    shared.core().close(admission.id);
    match ending {
        Ending::Close | Ending::CloseOnceSent => drop(lines),
        Ending::Reset => reset(lines.into_stream()),
    }
}

async fn converse<S>(shared: &Shared, lines: &mut LineStream<S>, admission: &Admission) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let due = shared.core().take_due(admission.id, Instant::now());
        if let Some(ending) = due.ending {
            return ending;
        }
        if !due.bytes.is_empty() && !sent(lines, &due.bytes, admission).await {
            return ended(shared, admission);
        }
        tokio::select! {
            biased;
            () = admission.ended.cancelled() => return ended(shared, admission),
            () = admission.wake.notified() => {}
            () = reached(due.next) => {}
            line = lines.next_line() => match line {
                Ok(Some(line)) => shared.core().receive(admission.id, &line, Instant::now()),
                Ok(None) | Err(_) => return Ending::Close,
            },
        }
    }
}

async fn sent<S>(lines: &mut LineStream<S>, bytes: &[u8], admission: &Admission) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        () = admission.ended.cancelled() => false,
        outcome = timeout(WRITE_TIMEOUT, lines.send(bytes)) => matches!(outcome, Ok(Ok(()))),
    }
}

/// The ending that the core has decided, or a plain close when the whole pool stops.
fn ended(shared: &Shared, admission: &Admission) -> Ending {
    shared.core().take_due(admission.id, Instant::now()).ending.unwrap_or(Ending::Close)
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
