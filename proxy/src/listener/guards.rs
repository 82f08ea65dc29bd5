//! What a listener keeps of its miners' names from one order to the next: who lets them in, and what each of them does. Both
//! stay as they are for as long as the configuration says the same of them.

use std::sync::Arc;

use loka_api::runtime_config::{Authentication, Listener};

use super::ListenerSeams;
use crate::logins::{Gate, GateSeams};
use crate::tallies::{Tallies, WorkerBounds};

/// What looks at names.
#[derive(Clone, Debug, Default)]
pub(super) struct Guards {
    pub(super) tallies: Option<Arc<Tallies>>,
    pub(super) gate: Option<Arc<Gate>>,
    /// What the gate was made of.
    pub(super) of: Option<Authentication>,
}

// === impl Guards ===

impl Guards {
    /// Those of this configuration; those that were, where it says the same.
    pub(super) fn follow(
        &mut self,
        config: &Listener,
        listener: &Arc<str>,
        seams: &mut ListenerSeams,
    ) {
        let bounds = WorkerBounds {
            connections_max: config.limits.max_connections_per_worker,
            submits_per_minute: config.limits.submits_per_minute_per_worker,
        };
        let bounds_before = self.tallies.as_ref().map(|tallies| tallies.bounds());
        if bounds_before.unwrap_or_default() != bounds {
            self.tallies = Tallies::new(bounds);
        }
        if self.of != config.authentication {
            self.of.clone_from(&config.authentication);
            let ListenerSeams { clock, telemetry, dial, tasks, workers, random, .. } = seams;
            self.gate = self.of.as_ref().map(|wanted| {
                let clock = *clock;
                let seams = GateSeams { listener, clock, telemetry, dial, tasks, workers, random };
                Arc::new(Gate::new(wanted, seams))
            });
        }
    }
}
