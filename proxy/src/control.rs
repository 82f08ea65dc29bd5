//! Where configurations come from while the proxy runs, and how the rest hears of them: the files
//! that it was started with, or, as a pod of the operator, a mounted snapshot and the operator's
//! stream.
//!
//! A change that is invalid is refused loudly and what runs, runs on. This module offers; what
//! applies a configuration, or refuses it because it cannot, is the app, which answers each offer.

mod allow_list;
mod changes;
mod files;
mod snapshot;
mod stream;

pub use crate::policy::allow_list::AllowedPools;
pub use allow_list::{FollowAllowList, follow_allow_list};
pub use files::{FollowFiles, follow_files};
pub use snapshot::{FollowSnapshots, PushedTo, SnapshotSettings, follow_snapshots};
pub use stream::{ControlStream, ReportSource, StreamSettings, StreamState};

use std::sync::Arc;
use std::time::SystemTime;

use loka_api::Problem;
use loka_api::control::Identity;
use loka_api::runtime_config::RuntimeConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Applied, ConfigError};
use crate::telemetry::reasons::ConfigSource;
use crate::telemetry::traces::{ConfigOutcome, ConfigTrace};
use crate::telemetry::{ProcessEvent, Telemetry, TraceRef};

/// Offers that wait for the app. Each source waits for its answer, so there is no more than one.
const OFFERS_MAX: usize = 1;

/// The app's end of the configuration.
#[derive(Debug)]
pub struct ConfigFeed {
    /// What to start with, if it is known by then.
    pub first: Option<Offered>,
    /// What to run next. Each is to be answered.
    pub offers: mpsc::Receiver<Offer>,
    /// What status pages show of the sources.
    pub shown: Shown,
    /// What may be mined on.
    pub allowed: AllowedPools,
}

/// What status pages show of the sources.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The change that was refused, as long as its source holds it.
    pub refused: watch::Receiver<Option<Arc<Refusal>>>,
    /// The operator's stream, if there is to be one.
    pub stream: Option<watch::Receiver<StreamState>>,
}

/// A configuration that waits for its answer.
#[derive(Debug)]
pub struct Offer {
    /// What is to run.
    pub offered: Offered,
    /// What became of it.
    pub answer: oneshot::Sender<Answer>,
}

/// In use, with the trace of that; or what is wrong with it, and then nothing has changed.
pub type Answer = Result<TraceRef, Vec<Problem>>;

/// A configuration that is valid as far as can be seen from its text.
#[derive(Clone, Debug)]
pub struct Offered {
    /// What is to run.
    pub applied: Arc<Applied>,
    /// Where it came from.
    pub provenance: Provenance,
    /// What a port that cannot be had means.
    pub ports: Ports,
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What kind of place.
    pub source: ConfigSource,
    /// Of a snapshot: its name.
    pub identity: Option<Identity>,
    /// Of a snapshot: the W3C trace context of what published it.
    pub published: String,
}

/// What a port that cannot be had means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The whole change is refused.
    AllOrNothing,
    /// The rest runs, and the port is tried again.
    Retry,
}

/// A change that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// What is wrong with it.
    pub error: ConfigError,
}

/// A change that was refused, for the log and the trace.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) origin: &'a str,
    pub(crate) provenance: &'a Provenance,
    pub(crate) started: std::time::Instant,
    pub(crate) error: ConfigError,
}

/// The other end of a [`ConfigFeed`].
#[derive(Debug)]
pub struct Publisher {
    offers: mpsc::Sender<Offer>,
    refused: watch::Sender<Option<Arc<Refusal>>>,
    telemetry: Telemetry,
    /// Hash and name of what was taken last.
    taken: Option<(Box<str>, Option<Identity>)>,
}

/// To be called by whoever has put a configuration to use, in place of `before`: counts it, logs it, traces it.
pub fn applied(
    telemetry: &Telemetry,
    before: Option<&RuntimeConfig>,
    offered: &Offered,
) -> TraceRef {
    let Offered { applied, provenance, ports: _ } = offered;
    let Applied { config, hash, origin, started } = &**applied;
    let sequence = provenance.identity.as_ref().map(|identity| identity.sequence);
    let trace = telemetry.traces().config_applied(ConfigTrace {
        origin,
        hash,
        source: provenance.source,
        sequence,
        published: &provenance.published,
        started: *started,
        outcome: ConfigOutcome::Applied,
    });
    let now = tokio::time::Instant::now().into_std();
    let after = now.saturating_duration_since(*started);
    let (name, change) = (&config.name, &changes::between(before, config));
    telemetry.emit(ProcessEvent::ConfigApplied {
        name,
        hash,
        sequence,
        change,
        origin,
        after,
        trace,
    });
    trace
}

/// To be called by whoever has found that a configuration is in use already, under another name.
pub fn adopted(telemetry: &Telemetry, offered: &Offered) {
    let Offered { applied, provenance, ports: _ } = offered;
    telemetry.emit(ProcessEvent::ConfigAdopted {
        hash: &applied.hash,
        sequence: provenance.identity.as_ref().map(|identity| identity.sequence),
        origin: &applied.origin,
    });
}

// === impl Provenance ===

impl Provenance {
    /// The documents that the process was started with.
    pub fn files() -> Self {
        Self { source: ConfigSource::Files, identity: None, published: String::new() }
    }
}

// === impl Offered ===

impl Offered {
    /// A configuration from documents: a port in use does not stop the rest of it.
    pub fn from_files(applied: Applied) -> Self {
        let applied = Arc::new(applied);
        Self { applied, provenance: Provenance::files(), ports: Ports::Retry }
    }
}

// === impl Publisher ===

impl Publisher {
    /// A feed that starts with `first`, if that is known by then.
    pub fn new(first: Option<Offered>, telemetry: Telemetry) -> (Self, ConfigFeed) {
        Self::within(AllowedPools::default(), first, telemetry)
    }

    /// The same, for a process that may not mine on everything.
    pub(crate) fn within(
        allowed: AllowedPools,
        first: Option<Offered>,
        telemetry: Telemetry,
    ) -> (Self, ConfigFeed) {
        let (offers, offers_out) = mpsc::channel(OFFERS_MAX);
        let (refused, refused_out) = watch::channel(None);
        let taken = first.as_ref().map(name);
        let shown = Shown { refused: refused_out, stream: None };
        let feed = ConfigFeed { first, offers: offers_out, shown, allowed };
        (Self { offers, refused, telemetry, taken }, feed)
    }

    /// Has a valid configuration put to use. One that is in use already troubles nobody.
    ///
    /// # Errors
    /// Why it cannot be used; nothing has changed then.
    pub async fn publish(&mut self, offered: Offered) -> Answer {
        let wanted = name(&offered);
        let answer = if self.taken.as_ref() == Some(&wanted) {
            Ok(TraceRef::NONE)
        } else {
            self.offer(offered).await
        };
        if answer.is_ok() {
            self.taken = Some(wanted);
            self.clear();
        }
        answer
    }

    async fn offer(&self, offered: Offered) -> Answer {
        let origin = offered.applied.origin.clone();
        let (answer, answered) = oneshot::channel();
        let ending = |_| {
            let remedy = "nothing: another pod takes over";
            vec![Problem::of(&origin, "the proxy is draining, and takes no changes", remedy)]
        };
        let sent = self.offers.send(Offer { offered, answer }).await;
        sent.map_err(|_| ()).map_err(ending)?;
        answered.await.map_err(|_| ()).map_err(ending)?
    }

    /// Shows that a change was refused; what runs, runs on.
    pub(crate) fn refuse(&self, refused: Refused<'_>) {
        let Refused { origin, provenance, started, error } = refused;
        let problems = error.texts();
        let identity = provenance.identity.as_ref();
        let trace = self.telemetry.traces().config_applied(ConfigTrace {
            origin,
            hash: identity.map_or("", |identity| identity.hash.as_str()),
            source: provenance.source,
            sequence: identity.map(|identity| identity.sequence),
            published: &provenance.published,
            started,
            outcome: ConfigOutcome::Refused { problems: problems.len() },
        });
        self.telemetry.emit(ProcessEvent::ConfigRefused { origin, problems: &problems, trace });
        let refusal = Refusal { at: SystemTime::now(), error };
        self.refused.send_replace(Some(Arc::new(refusal)));
    }

    /// Shows that no source holds a change that was refused.
    fn clear(&self) {
        self.refused.send_if_modified(|refused| refused.take().is_some());
    }
}

fn name(offered: &Offered) -> (Box<str>, Option<Identity>) {
    (offered.applied.hash.clone(), offered.provenance.identity.clone())
}

#[cfg(test)]
mod tests;
