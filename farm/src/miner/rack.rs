//! Many miners with one switch.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::dial::Dial;
use super::ticket::TicketSink;
use super::{Miner, MinerSetup, MinerStatus, SetupError};

/// Miners that are powered on.
#[derive(Debug)]
pub struct Rack {
    tasks: JoinSet<(usize, MinerStatus)>,
    statuses: Vec<watch::Receiver<MinerStatus>>,
    power_off: CancellationToken,
}

// === impl Rack ===

impl Rack {
    /// Starts a task for each; each gets its own clone of the dial, by its place in the rack.
    pub fn power_on<D: Dial>(
        setups: Vec<MinerSetup>,
        dial: impl Fn(usize) -> D,
        sink: &Arc<dyn TicketSink>,
    ) -> Result<Self, SetupError> {
        let power_off = CancellationToken::new();
        let mut rack = Self { tasks: JoinSet::new(), statuses: Vec::new(), power_off };
        for (place, setup) in setups.into_iter().enumerate() {
            let miner = Miner::new(setup, dial(place), Arc::clone(sink))?;
            rack.statuses.push(miner.status());
            let power_off = rack.power_off.clone();
            rack.tasks.spawn(async move { (place, miner.run(power_off).await) });
        }
        Ok(rack)
    }

    /// As of now, in the order in which they were set up.
    #[must_use]
    pub fn statuses(&self) -> Vec<MinerStatus> {
        self.statuses.iter().map(|status| status.borrow().clone()).collect()
    }

    /// Switches all off, waits for outstanding answers, and returns their last words. A miner that
    /// panicked is not among them.
    pub async fn power_off(mut self) -> Vec<MinerStatus> {
        self.power_off.cancel();
        let mut last = Vec::new();
        while let Some(joined) = self.tasks.join_next().await {
            last.extend(joined.ok());
        }
        last.sort_by_key(|(place, _)| *place);
        last.into_iter().map(|(_, status)| status).collect()
    }
}
