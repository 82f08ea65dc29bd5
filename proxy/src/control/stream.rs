//! The stream to the operator: dials, proves itself, says what runs, hands in the snapshots that
//! come and answers each of them, and reports how pools and miners are. Lost, it is dialled again
//! for as long as the process lives, the drain included; mining never waits for it.
//!
//! It decides nothing about snapshots: [`super::FollowSnapshots`] does.

mod dial;
mod session;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loka_api::control::Report;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::session::{Ended, Session};
use super::snapshot::{PushedTo, Running};
use super::{ConfigFeed, Shown};
use crate::clock::Clock;
use crate::policy::backoff::{Backoff, Fault};
use crate::telemetry::{ProcessEvent, Telemetry};

/// A stream that was up for so long is worth dialling again soon.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Redirects in a row that are followed at once. During an election replicas may point to each
/// other.
const REDIRECTS_MAX: u32 = 3;

/// How the pod is, now. Called twice a second, so it must not block.
pub type ReportSource = Arc<dyn Fn() -> Report + Send + Sync>;

/// Where the operator is and how the proxy proves itself.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Host of the operator's Service.
    pub host: String,
    /// Port of the stream.
    pub port: u16,
    /// The name that its certificate must have, whichever replica answers.
    pub name: String,
    /// Certificates that its own is checked against, in PEM.
    pub ca: PathBuf,
    /// The token of the pod's ServiceAccount.
    pub token: PathBuf,
    /// The highest schema that is understood.
    pub schema: u32,
}

/// The stream, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Whether it is up.
    pub is_up: bool,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Who is spoken to.
    pub address: String,
    /// Why it was last lost, or could not be had.
    pub last_error: Option<String>,
}

/// Keeps the stream up.
pub struct ControlStream {
    settings: StreamSettings,
    pushed_to: PushedTo,
    telemetry: Telemetry,
    clock: Clock,
    state: watch::Sender<StreamState>,
    random: fastrand::Rng,
}

/// Where the next dial goes.
#[derive(Clone, Copy, Debug, Default)]
struct Route {
    /// The replica that leads, as another one said.
    leader: Option<SocketAddr>,
    /// Redirects since a stream was up.
    redirects: u32,
}

// === impl ControlStream ===

impl ControlStream {
    /// The stream of a pod, which from now on is shown in `feed`.
    pub fn new(
        settings: StreamSettings,
        pushed_to: PushedTo,
        feed: &mut ConfigFeed,
        telemetry: Telemetry,
        clock: Clock,
    ) -> Self {
        let state = StreamState {
            is_up: false,
            since: unix(clock),
            address: address_of(&settings),
            last_error: None,
        };
        let (state, shown) = watch::channel(state);
        let Shown { refused: _, stream } = &mut feed.shown;
        *stream = Some(shown);
        Self { settings, pushed_to, telemetry, clock, state, random: fastrand::Rng::new() }
    }

    /// Keeps the stream up until `stop`, with `report` for how the pod is.
    pub async fn run(mut self, report: ReportSource, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_up(&report)).await;
    }

    async fn keep_up(&mut self, report: &ReportSource) -> Infallible {
        // A greeting says what runs; before the start is over nobody knows.
        let mut running = self.pushed_to.running.clone();
        drop(running.wait_for(|running| *running != Running::Starting).await);
        let mut backoff = Backoff::operator();
        let mut route = Route::default();
        loop {
            let address = match route.leader {
                Some(leader) => leader.to_string(),
                None => address_of(&self.settings),
            };
            let ended = self.once(&address, route.leader, report).await;
            if ended.up_for.is_some_and(|lasted| lasted >= HEALTHY_AFTER) {
                backoff.reset();
            }
            if ended.up_for.is_some() {
                route.redirects = 0;
            }
            route.leader = ended.leader.filter(|_| route.redirects < REDIRECTS_MAX);
            let delay = match route.leader {
                Some(_) => {
                    route.redirects += 1;
                    Duration::ZERO
                }
                None => backoff.next(Fault::Lost, self.random.f64()),
            };
            self.lost(&address, ended.error, delay);
            sleep(delay).await;
        }
    }

    /// One stream, from its dial to its end.
    async fn once(
        &mut self,
        address: &str,
        leader: Option<SocketAddr>,
        report: &ReportSource,
    ) -> Ended {
        let opened = match Session::open(&self.settings, leader, &self.pushed_to).await {
            Ok(opened) => opened,
            Err(failed) => {
                let leader = failed.leader();
                return Ended { error: failed.to_string(), leader, up_for: None };
            }
        };
        let since = Instant::now();
        self.telemetry.emit(ProcessEvent::StreamOpened { address });
        self.state.send_modify(|state| {
            state.is_up = true;
            state.since = unix(self.clock);
            address.clone_into(&mut state.address);
        });
        let error = opened.run(&self.pushed_to, report, address).await;
        Ended { leader: error.leader(), error: error.to_string(), up_for: Some(since.elapsed()) }
    }

    fn lost(&self, address: &str, error: String, retry_in: Duration) {
        self.telemetry.emit(ProcessEvent::StreamLost { address, error: &error, retry_in });
        self.state.send_modify(|state| {
            if state.is_up {
                state.since = unix(self.clock);
            }
            state.is_up = false;
            state.last_error = Some(error);
            address.clone_into(&mut state.address);
        });
    }
}

impl std::fmt::Debug for ControlStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlStream").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn unix(clock: Clock) -> u64 {
    u64::from(clock.now().unix.0)
}

fn address_of(settings: &StreamSettings) -> String {
    dial::authority(&settings.host, settings.port)
}

#[cfg(test)]
mod tests;
