//! The look at a better server while another one is used.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::traits::{FAILBACK_AFTER, PROBE_EVERY};
use crate::miner::dial::Dial;
use crate::wire::{LineStream, request};

/// Whether the better server has been well for long enough.
pub(super) struct Failback<D> {
    better: Option<D>,
    looking: Pin<Box<dyn Future<Output = bool> + Send>>,
    well_since: Option<Instant>,
}

/// A server that is well answers a subscribe within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

// === impl Failback ===

impl<D: Dial> Failback<D> {
    /// `None` where nothing better is known.
    pub(super) fn to(better: Option<D>) -> Self {
        let looking = match &better {
            Some(dial) => Box::pin(look(dial.clone())) as _,
            None => Box::pin(pending()) as _,
        };
        Self { better, looking, well_since: None }
    }

    /// Ends when it is time to go back. Cancel-safe.
    pub(super) async fn due(&mut self) {
        loop {
            let is_well = self.looking.as_mut().await;
            let now = Instant::now();
            self.well_since = is_well.then(|| self.well_since.unwrap_or(now));
            self.looking = match &self.better {
                Some(dial) => Box::pin(look(dial.clone())),
                None => Box::pin(pending()),
            };
            if self.well_since.is_some_and(|since| now - since >= FAILBACK_AFTER) {
                return;
            }
        }
    }
}

async fn look<D: Dial>(dial: D) -> bool {
    sleep(PROBE_EVERY).await;
    timeout(ANSWER_WITHIN, ask(dial)).await.unwrap_or(false)
}

async fn ask<D: Dial>(dial: D) -> bool {
    let Ok(stream) = dial.dial().await else { return false };
    let mut lines = LineStream::new(stream);
    let subscribe = request(1, "mining.subscribe", &json!(["probe/1"]));
    lines.send(subscribe.as_bytes()).await.is_ok() && matches!(lines.next_line().await, Ok(Some(_)))
}
