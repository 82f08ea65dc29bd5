//! Follows the files of a run: by contents, each second and on request, so that it does not matter
//! whether an editor renames, a mounted ConfigMap swaps its `..data` link, or somebody writes in
//! place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::allow_list::not_allowed;
use super::{AllowedPools, ConfigFeed, Offered, Provenance, Publisher, Refused};
use loka_ops::environment::Environment;

use crate::config::{Applied, Blame, ConfigError, Contents, Inputs, load};
use crate::telemetry::Telemetry;

/// How often the files are read. They are small, and there are few.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A change counts once the files read the same twice at this distance: a file that is being
/// written may be valid half-way, with pools missing from it.
const SETTLE: Duration = Duration::from_millis(250);

/// Readings that may differ in a row before the last one is taken as it is: something that writes
/// all the time must not keep its errors to itself.
const SETTLE_READINGS_MAX: usize = 20;

/// What was read last, good or bad.
#[derive(Clone, Debug, PartialEq)]
struct Reading(Result<Contents, ConfigError>);

/// Publishes what the files say.
#[derive(Debug)]
pub struct FollowFiles {
    inputs: Inputs,
    environment: Arc<Environment>,
    allowed: AllowedPools,
    telemetry: Telemetry,
    publisher: Publisher,
    seen: Reading,
}

/// Reads the files for the first time.
///
/// # Errors
/// Everything that is wrong with them: there is no last good configuration to fall back on yet.
pub fn follow_files(
    inputs: Inputs,
    environment: Environment,
    allowed: AllowedPools,
    telemetry: Telemetry,
) -> Result<(FollowFiles, ConfigFeed), ConfigError> {
    let started = now();
    let contents = inputs.read()?;
    let first = apply(&inputs, &contents, &environment, started)?;
    within(&allowed, &first, &telemetry)?;
    let first = Some(Offered::from_files(first));
    let (publisher, feed) = Publisher::within(allowed.clone(), first, telemetry.clone());
    let (environment, seen) = (Arc::new(environment), Reading(Ok(contents)));
    Ok((FollowFiles { inputs, environment, allowed, telemetry, publisher, seen }, feed))
}

// === impl FollowFiles ===

impl FollowFiles {
    /// Follows the files until `stop`. `reload` has them read at once.
    pub async fn run(mut self, reload: Arc<Notify>, stop: CancellationToken) {
        let mut poll = interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _tick = poll.tick() => self.look().await,
                () = reload.notified() => {
                    tracing::info!("reading the configuration again, as asked");
                    self.look().await;
                }
                // What was refused may be allowed now, and the other way round.
                () = self.allowed.changed() => self.take(now()).await,
            }
        }
    }

    async fn look(&mut self) {
        let started = now();
        let mut reading = self.read().await;
        if reading == self.seen {
            return;
        }
        for _reading in 0..SETTLE_READINGS_MAX {
            sleep(SETTLE).await;
            let again = self.read().await;
            let settled = again == reading;
            reading = again;
            if settled {
                break;
            }
        }
        if reading != self.seen {
            self.seen = reading;
            self.take(started).await;
        }
    }

    async fn take(&mut self, started: Instant) {
        let loaded = match &self.seen.0 {
            Ok(contents) => {
                // Apart from this thread, which is the pools' as well: a document of hundreds of routes takes most of a
                // second.
                let (inputs, contents) = (self.inputs.clone(), contents.clone());
                let environment = Arc::clone(&self.environment);
                let applied = move || apply(&inputs, &contents, &environment, started);
                match tokio::task::spawn_blocking(applied).await {
                    Ok(loaded) => loaded,
                    // The runtime is going down.
                    Err(_cancelled) => return,
                }
            }
            Err(error) => Err(error.clone()),
        };
        let loaded = loaded
            .and_then(|applied| within(&self.allowed, &applied, &self.telemetry).map(|()| applied));
        match loaded {
            // Ports are tried again, so that it is refused only when the proxy drains.
            Ok(applied) => drop(self.publisher.publish(Offered::from_files(applied)).await),
            Err(error) => {
                let (origin, provenance) = (self.inputs.origin(), Provenance::files());
                let origin = origin.as_str();
                let refused = Refused { origin, provenance: &provenance, started, error };
                self.publisher.refuse(refused);
            }
        }
    }

    async fn read(&self) -> Reading {
        let inputs = self.inputs.clone();
        match tokio::task::spawn_blocking(move || inputs.read()).await {
            Ok(contents) => Reading(contents),
            // The runtime is going down: nothing new to be seen.
            Err(_cancelled) => self.seen.clone(),
        }
    }
}

fn apply(
    inputs: &Inputs,
    contents: &Contents,
    environment: &Environment,
    started: Instant,
) -> Result<Applied, ConfigError> {
    let loaded = load(inputs, contents, environment)?;
    Ok(Applied {
        config: Arc::new(loaded.config),
        hash: loaded.hash.into_boxed_str(),
        origin: inputs.origin().into_boxed_str(),
        started,
    })
}

/// The whole configuration, or what of it may not be mined on.
fn within(
    allowed: &AllowedPools,
    applied: &Applied,
    telemetry: &Telemetry,
) -> Result<(), ConfigError> {
    let problems = not_allowed(allowed, &applied.config, telemetry);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ConfigError { blame: Blame::Documents, problems }),
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
