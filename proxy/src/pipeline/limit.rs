//! How fast one connection may send. It is read no further when it is faster; a share that a pool pays does not count.

use std::time::Instant;

use super::{Conduct, Judgement, Outcome, Phase, Scene};
use crate::policy::rate_limit::TokenBucket;

/// The lines that it may send at once.
#[derive(Debug)]
pub(super) struct State(TokenBucket);

impl Phase for State {
    fn begin(now: Instant, conduct: &Conduct) -> Self {
        Self(TokenBucket::new(now, conduct.pace.burst))
    }

    fn ready(&mut self, scene: &Scene<'_>) -> Result<(), Instant> {
        let pace = scene.conduct.pace;
        self.0.take(scene.now, pace.per_second, pace.burst).map_err(|wait| scene.now + wait)
    }

    fn absent(&mut self) {
        self.0.give_back();
    }

    fn outcome(&mut self, _scene: &Scene<'_>, outcome: Outcome<'_>) -> Judgement {
        // What a pool pays is never slowed down, however low it has set its difficulty.
        if matches!(outcome, Outcome::Due) {
            self.0.give_back();
        }
        Judgement::Fine
    }
}
