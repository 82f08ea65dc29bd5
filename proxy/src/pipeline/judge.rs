//! Who only wastes our time: invalid shares, one after the other, and no valid one between them.

use std::time::Instant;

use loka_stratum::downstream::Event;
use loka_stratum::share::Reject;

use super::{Conduct, Judgement, Outcome, Phase, Scene};
use crate::telemetry::reasons::Offence;

/// So many invalid shares and no valid one between them are no miner's: nothing is lost with its connection.
const INVALID_MAX: u8 = 200;

/// Invalid shares since the last valid one.
#[derive(Debug)]
pub(super) struct State(u8);

impl Phase for State {
    fn begin(_now: Instant, _conduct: &Conduct) -> Self {
        Self(0)
    }

    fn outcome(&mut self, _scene: &Scene<'_>, outcome: Outcome<'_>) -> Judgement {
        match outcome {
            Outcome::Due | Outcome::Event(Event::BelowPool(_)) => self.0 = 0,
            Outcome::Event(Event::Refused(reject, _)) if is_its_own(*reject) => self.0 += 1,
            Outcome::Event(_) => {}
        }
        if self.0 < INVALID_MAX {
            return Judgement::Fine;
        }
        self.0 = 0;
        Judgement::Blame(Offence::InvalidShares)
    }
}

/// Whether a share is refused for what its miner did, and not for what pools, the network or we did.
const fn is_its_own(reject: Reject) -> bool {
    match reject {
        Reject::Malformed
        | Reject::NotSubscribed
        | Reject::Unauthorized
        | Reject::UnknownJob
        | Reject::Extranonce2Size
        | Reject::NTimeOutOfRange
        | Reject::VersionBits
        | Reject::LowDifficulty
        | Reject::Duplicate => true,
        Reject::RateLimited | Reject::Stale | Reject::NoPool | Reject::PoolLost => false,
    }
}
