//! Where configurations come from while the proxy runs, and how the rest hears of them. Today that
//! is the files that it was started with; the operator's stream will publish on the same feed.
//!
//! A change that is invalid is refused loudly and the last good configuration stays. This module
//! publishes; what applies a configuration is the app.

mod files;

pub use files::{FollowFiles, follow_files};

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::config::{Applied, ConfigError};
use crate::telemetry::traces::{ConfigOutcome, ConfigTrace};
use crate::telemetry::{ProcessEvent, Telemetry};

/// What the rest of the proxy sees of its configuration.
#[derive(Clone, Debug)]
pub struct ConfigFeed {
    /// The configuration to run.
    pub applied: watch::Receiver<Arc<Applied>>,
    /// The change that was refused, as long as its source holds it.
    pub refused: watch::Receiver<Option<Arc<Refusal>>>,
}

/// A change that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// What is wrong with it.
    pub error: ConfigError,
}

/// The other end of a [`ConfigFeed`].
#[derive(Debug)]
pub struct Publisher {
    applied: watch::Sender<Arc<Applied>>,
    refused: watch::Sender<Option<Arc<Refusal>>>,
    telemetry: Telemetry,
}

/// To be called by whoever has put `applied` to use: counts it, logs it, traces it.
pub fn applied(telemetry: &Telemetry, applied: &Applied) {
    let Applied { config, hash, origin, started } = applied;
    let trace = telemetry.traces().config_applied(ConfigTrace {
        origin,
        hash,
        started: *started,
        outcome: ConfigOutcome::Applied,
    });
    let now = tokio::time::Instant::now().into_std();
    telemetry.emit(ProcessEvent::ConfigApplied {
        name: &config.name,
        hash,
        origin,
        after: now.saturating_duration_since(*started),
        trace,
    });
}

// === impl Publisher ===

impl Publisher {
    /// A feed that shows `first` from the start.
    pub fn new(first: Applied, telemetry: Telemetry) -> (Self, ConfigFeed) {
        telemetry.configure(&first.config.observability);
        let (applied, applied_feed) = watch::channel(Arc::new(first));
        let (refused, refused_feed) = watch::channel(None);
        let feed = ConfigFeed { applied: applied_feed, refused: refused_feed };
        (Self { applied, refused, telemetry }, feed)
    }

    /// Shows a valid configuration. One that is in use already wakes nobody.
    pub fn publish(&self, config: Applied) {
        self.refused.send_if_modified(|refused| refused.take().is_some());
        self.telemetry.configure(&config.config.observability);
        self.applied.send_if_modified(|current| {
            let differs = current.hash != config.hash;
            if differs {
                *current = Arc::new(config);
            }
            differs
        });
    }

    /// Shows that a change was refused; the last good configuration stays.
    pub fn refuse(&self, origin: &str, started: std::time::Instant, error: ConfigError) {
        let problems = error.texts();
        let outcome = ConfigOutcome::Refused { problems: problems.len() };
        let trace = ConfigTrace { origin, hash: "", started, outcome };
        let trace = self.telemetry.traces().config_applied(trace);
        self.telemetry.emit(ProcessEvent::ConfigRefused { origin, problems: &problems, trace });
        let refusal = Refusal { at: SystemTime::now(), error };
        self.refused.send_replace(Some(Arc::new(refusal)));
    }
}

#[cfg(test)]
mod tests;
