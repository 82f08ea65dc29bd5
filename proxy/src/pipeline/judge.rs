//! Who only wastes our time: invalid shares, one after the other, and no valid one between them.

use std::time::Instant;

use loka_stratum::downstream::Event;

use super::{Conduct, Judgement, Outcome, Phase, Scene};
use crate::telemetry::blame::{Blame, of_share};
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
            Outcome::Event(Event::Refused(reject, _))
                if of_share(*reject).blame == Blame::Miner =>
            {
                self.0 += 1;
            }
            Outcome::Event(_) => {}
        }
        if self.0 < INVALID_MAX {
            return Judgement::Fine;
        }
        self.0 = 0;
        Judgement::Blame(Offence::InvalidShares)
    }
}
