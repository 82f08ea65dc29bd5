//! Who waits for what a pool says of a share, apart from the ledger: a miner whose answer is the pool's, a block.

use loka_stratum::downstream::HandOver;
use loka_stratum::upstream::PoolReject;
use tokio::sync::oneshot;

use crate::sink::blocks::BlockOnItsWay;

/// What follows from a verdict. If it is dropped without one, whoever waits is told by that.
#[derive(Debug, Default)]
pub(crate) struct Sequel {
    /// A miner that is answered by the pool's verdict, and not by the share's being written.
    pub(crate) verdict: Option<oneshot::Sender<HandOver>>,
    /// The block that the share is.
    pub(crate) block: Option<BlockOnItsWay>,
}

// === impl Sequel ===

impl Sequel {
    /// The pool has judged; returns the block that it was, if it was one.
    pub(super) fn judged(self, verdict: Result<(), PoolReject>) -> Option<BlockOnItsWay> {
        let Self { verdict: waiting, block } = self;
        if let Some(waiting) = waiting {
            let answer = match verdict {
                Ok(()) => HandOver::Written,
                Err(reason) => HandOver::Refused(reason),
            };
            // A session that is gone needs no answer.
            waiting.send(answer).ok();
        }
        if let Some(block) = &block {
            block.judged(verdict);
        }
        block
    }

    /// It was written, and there will be no verdict in time.
    pub(super) fn unanswered(&mut self) {
        if let Some(waiting) = self.verdict.take() {
            waiting.send(HandOver::Unanswered).ok();
        }
    }
}
