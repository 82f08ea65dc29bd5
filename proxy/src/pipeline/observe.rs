//! What is told of messages that have passed: each name that a miner may mine under. What shares come to is told where they
//! are booked.

use std::time::Instant;

use loka_stratum::downstream::Event;

use super::{Conduct, Judgement, Outcome, Phase, Scene};
use crate::telemetry::MinerEvent;

/// Nothing is kept.
#[derive(Debug)]
pub(super) struct State;

impl Phase for State {
    fn begin(_now: Instant, _conduct: &Conduct) -> Self {
        Self
    }

    fn outcome(&mut self, scene: &Scene<'_>, outcome: Outcome<'_>) -> Judgement {
        if let Outcome::Event(Event::Authorized(worker)) = outcome {
            scene.telemetry.emit(MinerEvent::LoggedIn {
                listener: scene.listener,
                peer: scene.peer,
                worker: worker.as_str(),
            });
        }
        Judgement::Fine
    }
}
