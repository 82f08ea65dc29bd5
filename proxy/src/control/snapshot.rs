//! The configuration of a pod: from the mounted snapshot and the last known good one at the start,
//! then from the mounted file as it changes and from whatever the operator's stream brings. The one
//! owner of which snapshot runs: both ways go through [`FollowSnapshots`], and it never goes back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::Problem;
use loka_api::control::{Identity, Snapshot, SnapshotError, wire};
use loka_api::names::SNAPSHOT_FILE;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::allow_list::not_allowed;
use super::{AllowedPools, Answer, ConfigFeed, Offered, Ports, Provenance, Publisher, Refused};
use crate::config::{Applied, Blame, ConfigError, check_values};
use crate::disk::{self, Outlives};
use crate::policy::backoff::SNAPSHOT_AGAIN;
use crate::telemetry::reasons::ConfigSource;
use crate::telemetry::{ProcessEvent, Telemetry, TraceRef};

/// How often the mounted file is read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The last known good snapshot, in the directory that is given as `--state`.
const LAST_GOOD_FILE: &str = "last-good.json";

/// Bytes of a snapshot: four times what an API server takes for the Secret that carries it.
pub(super) const SNAPSHOT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Snapshots of the stream that wait. It sends the next one when it has the answer.
const PUSHED_MAX: usize = 1;

/// Where a pod's configuration is.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// The directory that the operator's Secret is mounted at.
    pub mounted: PathBuf,
    /// The directory where the last known good snapshot is kept.
    pub state: PathBuf,
    /// The highest schema that is understood.
    pub schema: u32,
    /// What may be mined on.
    pub allowed: AllowedPools,
}

/// Offers snapshots from all places, in order.
pub struct FollowSnapshots {
    mounted: PathBuf,
    state: PathBuf,
    schema: u32,
    allowed: AllowedPools,
    publisher: Publisher,
    telemetry: Telemetry,
    running: watch::Sender<Running>,
    pushed: mpsc::Receiver<Pushed>,
    /// What the mounted file held when it was last looked at.
    seen: Option<Reading>,
    /// The snapshot that it held when it last held one: a file that is away for a moment has not changed.
    mounted_last: Option<Identity>,
    /// When it is looked at again although it has not changed.
    again_at: Option<Instant>,
    /// Where the change came from that is shown as refused.
    refused: Option<ConfigSource>,
}

/// The stream's way to [`FollowSnapshots`].
#[derive(Clone, Debug)]
pub struct PushedTo {
    pub(super) pushed: mpsc::Sender<Pushed>,
    pub(super) running: watch::Receiver<Running>,
}

/// Which snapshot runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// The start is not over.
    Starting,
    /// None.
    Nothing,
    /// This one.
    This(Identity),
}

/// What the stream brought. It holds passwords: no `Debug`.
pub(super) struct Pushed {
    pub(super) snapshot: wire::Snapshot,
    /// Whom it came from, for messages.
    pub(super) origin: String,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A file's text, or why it cannot be read. The text holds passwords: no `Debug`.
#[derive(Clone, PartialEq)]
struct Reading(Result<String, (io::ErrorKind, String)>);

/// A snapshot on its way.
struct Candidate {
    snapshot: Snapshot,
    source: ConfigSource,
    origin: String,
    started: Instant,
    ports: Ports,
}

/// What is to be done with a snapshot, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    /// It is what runs.
    Same,
    /// It has the content of what runs, and a newer name.
    Adopt,
    /// It is newer.
    Apply,
    /// It is older than what runs, or claims its place with another content.
    Older,
}

/// Everything for a pod: what follows, what the app reads, and where the stream hands in.
pub fn follow_snapshots(
    settings: SnapshotSettings,
    telemetry: Telemetry,
) -> (FollowSnapshots, ConfigFeed, PushedTo) {
    let SnapshotSettings { mounted, state, schema, allowed } = settings;
    let (publisher, feed) = Publisher::within(allowed.clone(), None, telemetry.clone());
    let (running, running_out) = watch::channel(Running::Starting);
    let (pushed, pushed_out) = mpsc::channel(PUSHED_MAX);
    let follow = FollowSnapshots {
        mounted: mounted.join(SNAPSHOT_FILE),
        state,
        schema,
        allowed,
        publisher,
        telemetry,
        running,
        pushed: pushed_out,
        seen: None,
        mounted_last: None,
        again_at: None,
        refused: None,
    };
    (follow, feed, PushedTo { pushed, running: running_out })
}

// === impl FollowSnapshots ===

impl FollowSnapshots {
    /// Starts from the newest valid snapshot and follows all sources until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        self.start().await;
        let mut poll = interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The stream first: it is never behind the mounted file.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(pushed) = self.pushed.recv() => self.pushed(pushed).await,
                _tick = poll.tick() => self.look().await,
                // A mounted snapshot that was refused may be allowed now.
                () = self.allowed.changed() => self.again_at = Some(now()),
            }
        }
    }

    /// Takes the newest of the mounted snapshot and the last known good one that can be run.
    async fn start(&mut self) {
        let started = now();
        let kept = self.state.join(LAST_GOOD_FILE);
        let mounted_reading = self.read(&self.mounted).await;
        let (mounted, kept_reading) = (self.mounted.clone(), self.read(&kept).await);
        let mut problems = Vec::new();
        let mut candidate = |reading: &Reading, path: &Path, source| {
            let snapshot = snapshot_of(reading, path, self.schema);
            let snapshot = snapshot.map_err(|problem| problems.push(problem)).ok()?;
            let (origin, ports) = (path.display().to_string(), Ports::Retry);
            Some(Candidate { snapshot, source, origin, started, ports })
        };
        let first = candidate(&mounted_reading, &mounted, ConfigSource::Mounted);
        let second = match &kept_reading.0 {
            // As at the first start of every pod.
            Err((io::ErrorKind::NotFound, _)) => None,
            Ok(_) | Err(_) => candidate(&kept_reading, &kept, ConfigSource::LastGood),
        };
        self.mounted_last = first.as_ref().map(|first| first.snapshot.identity.clone());
        self.seen = Some(mounted_reading);
        for candidate in newest_first(first, second) {
            if self.running() == Running::Starting
                && let Err(wrong) = self.offer(&candidate).await
            {
                problems.extend(wrong);
            }
        }
        if self.running() == Running::Starting {
            self.running.send_replace(Running::Nothing);
        }
        if !problems.is_empty() {
            let origin = mounted.display().to_string();
            self.show(&origin, &unnamed(ConfigSource::Mounted), started, problems);
            if self.mounted_last.is_some() && matches!(self.running(), Running::This(_)) {
                // The last known good one was bad, and is overwritten by now.
                self.clear(ConfigSource::Mounted);
            }
        }
    }

    /// Looks at the mounted file, and takes it if it has changed and is newer than what runs.
    async fn look(&mut self) {
        let started = now();
        let reading = self.read(&self.mounted).await;
        let is_due = self.again_at.is_some_and(|at| started >= at);
        if self.seen.as_ref() == Some(&reading) && !is_due {
            return;
        }
        self.again_at = None;
        let origin = self.mounted.display().to_string();
        let source = ConfigSource::Mounted;
        match snapshot_of(&reading, &self.mounted, self.schema) {
            Err(problem) => self.show(&origin, &unnamed(source), started, vec![problem]),
            Ok(snapshot) if self.mounted_last.as_ref() == Some(&snapshot.identity) && !is_due => {
                self.clear(source);
            }
            Ok(snapshot) => match order(&snapshot.identity, &self.running()) {
                // Behind the stream, as it usually is.
                Order::Same | Order::Older => {
                    self.mounted_last = Some(snapshot.identity);
                    self.clear(source);
                }
                Order::Adopt | Order::Apply => {
                    let ports = self.ports();
                    self.mounted_last = Some(snapshot.identity.clone());
                    let candidate = Candidate { snapshot, source, origin, started, ports };
                    if self.take(&candidate).await.is_err() {
                        self.again_at = Some(now() + SNAPSHOT_AGAIN);
                    }
                }
            },
        }
        self.seen = Some(reading);
    }

    /// At the very start the listeners that can be had are better than none.
    fn ports(&self) -> Ports {
        match self.running() {
            Running::Starting | Running::Nothing => Ports::Retry,
            Running::This(_) => Ports::AllOrNothing,
        }
    }

    async fn pushed(&mut self, pushed: Pushed) {
        let Pushed { snapshot, origin, answer } = pushed;
        let started = now();
        let source = ConfigSource::Stream;
        let provenance = Provenance {
            source,
            identity: snapshot.identity.clone().map(Identity::from),
            published: snapshot.traceparent.clone(),
        };
        let answered = match Snapshot::from_wire(snapshot, self.schema) {
            Ok(snapshot) => {
                let ports = Ports::AllOrNothing;
                self.take(&Candidate { snapshot, source, origin, started, ports }).await
            }
            Err(error) => {
                let problems = vec![malformed(&origin, &error)];
                self.show(&origin, &provenance, started, problems.clone());
                Err(problems)
            }
        };
        // A stream that is gone has no use for it.
        drop(answer.send(answered));
    }

    /// Applies a snapshot as a whole, or shows why not.
    async fn take(&mut self, candidate: &Candidate) -> Answer {
        let answer = match order(&candidate.snapshot.identity, &self.running()) {
            Order::Same => Ok(TraceRef::NONE),
            Order::Adopt | Order::Apply => self.offer(candidate).await,
            Order::Older => Err(vec![older(candidate, &self.running())]),
        };
        match &answer {
            Ok(_) => self.clear(candidate.source),
            Err(problems) => {
                let (origin, provenance) = (&candidate.origin, candidate.provenance());
                self.show(origin, &provenance, candidate.started, problems.clone());
            }
        }
        answer
    }

    async fn offer(&mut self, candidate: &Candidate) -> Answer {
        let Candidate { snapshot, source: _, origin, started, ports } = candidate;
        let mut problems = check_values(&snapshot.config, origin);
        problems.extend(not_allowed(&self.allowed, &snapshot.config, &self.telemetry));
        if !problems.is_empty() {
            return Err(problems);
        }
        let applied = Arc::new(Applied {
            config: Arc::new(snapshot.config.clone()),
            hash: snapshot.identity.hash.as_str().into(),
            origin: origin.as_str().into(),
            started: *started,
        });
        let provenance = candidate.provenance();
        let trace = self.publisher.publish(Offered { applied, provenance, ports: *ports }).await?;
        self.refused = None;
        self.running.send_replace(Running::This(snapshot.identity.clone()));
        if candidate.source != ConfigSource::LastGood {
            self.keep(snapshot.to_file()).await;
        }
        Ok(trace)
    }

    /// Keeps what runs for the next start. Without that it runs all the same.
    async fn keep(&self, text: String) {
        let state = self.state.clone();
        let keep = move || disk::replace(&state, LAST_GOOD_FILE, &text, Outlives::Power);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(keep).await {
            let path = self.state.join(LAST_GOOD_FILE);
            self.telemetry.emit(ProcessEvent::ConfigNotKept { path: &path, error: &error });
        }
    }

    fn running(&self) -> Running {
        self.running.borrow().clone()
    }

    fn show(
        &mut self,
        origin: &str,
        provenance: &Provenance,
        started: Instant,
        problems: Vec<Problem>,
    ) {
        self.refused = Some(provenance.source);
        let error = ConfigError { blame: Blame::Documents, problems };
        self.publisher.refuse(Refused { origin, provenance, started, error });
    }

    /// The source holds nothing any more that is refused.
    fn clear(&mut self, source: ConfigSource) {
        if self.refused == Some(source) {
            self.refused = None;
            self.publisher.clear();
        }
    }

    async fn read(&self, path: &Path) -> Reading {
        let path = path.to_owned();
        match tokio::task::spawn_blocking(move || disk::read(&path, SNAPSHOT_BYTES_MAX)).await {
            Ok(text) => Reading(text.map_err(|error| (error.kind(), error.to_string()))),
            // The runtime is going down: nothing new to be seen.
            Err(_cancelled) => self.seen.clone().unwrap_or(Reading(Ok(String::new()))),
        }
    }
}

impl std::fmt::Debug for FollowSnapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowSnapshots").field("mounted", &self.mounted).finish_non_exhaustive()
    }
}

// === impl Candidate ===

impl Candidate {
    fn provenance(&self) -> Provenance {
        Provenance {
            source: self.source,
            identity: Some(self.snapshot.identity.clone()),
            published: self.snapshot.traceparent.clone(),
        }
    }
}

/// The mounted snapshot goes first, unless the last known good one is newer within the same epoch: of two epochs the
/// mounted one is that of the StratumProxy that exists.
fn newest_first(mounted: Option<Candidate>, kept: Option<Candidate>) -> Vec<Candidate> {
    let is_newer = |kept: &Candidate, mounted: &Candidate| {
        let (kept, mounted) = (&kept.snapshot.identity, &mounted.snapshot.identity);
        kept.epoch == mounted.epoch && kept.is_newer_than(mounted)
    };
    match (mounted, kept) {
        (Some(mounted), Some(kept)) if is_newer(&kept, &mounted) => vec![kept, mounted],
        (mounted, kept) => mounted.into_iter().chain(kept).collect(),
    }
}

fn order(identity: &Identity, running: &Running) -> Order {
    match running {
        Running::Starting | Running::Nothing => Order::Apply,
        Running::This(running) if running == identity => Order::Same,
        Running::This(running) if !identity.is_newer_than(running) => Order::Older,
        Running::This(running) if running.hash == identity.hash => Order::Adopt,
        Running::This(_) => Order::Apply,
    }
}

fn older(candidate: &Candidate, running: &Running) -> Problem {
    let Identity { sequence, .. } = &candidate.snapshot.identity;
    let runs = match running {
        Running::Starting | Running::Nothing => String::new(),
        Running::This(running) => format!(" (sequence {})", running.sequence),
    };
    let message = format!("sequence {sequence} is older than what runs{runs}, or has its place");
    let remedy = "publish it with a higher sequence: a proxy never goes back";
    Problem::of(&candidate.origin, &message, remedy)
}

fn snapshot_of(reading: &Reading, path: &Path, schema: u32) -> Result<Snapshot, Problem> {
    match &reading.0 {
        Ok(text) => Snapshot::from_file(text, schema)
            .map_err(|error| malformed(&path.display().to_string(), &error)),
        Err((_, error)) => {
            let remedy = "mount the Secret that the operator writes at this directory";
            Err(Problem::of(&path.display(), &format!("cannot be read: {error}"), remedy))
        }
    }
}

fn malformed(origin: &str, error: &SnapshotError) -> Problem {
    let remedy = match error {
        SnapshotError::Schema { .. } => "update the proxy's image",
        SnapshotError::Malformed(_) | SnapshotError::Hash { .. } => {
            "let the operator write it anew; nobody else should"
        }
    };
    Problem::of(&origin, &error.to_string(), remedy)
}

/// Of what cannot be read, no more is known than its place.
fn unnamed(source: ConfigSource) -> Provenance {
    Provenance { source, identity: None, published: String::new() }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
