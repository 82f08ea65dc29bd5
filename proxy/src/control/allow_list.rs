//! Follows the allow-list's file, and holds configurations against the list.
//!
//! A list that cannot be read any more, or is invalid, changes nothing: the last good one holds. It is read by contents, as
//! the files of a run are, and counts once it reads the same twice.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loka_api::Problem;
use loka_api::allow_list::AllowList;
use loka_api::runtime_config::RuntimeConfig;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, load_allow_list, parse_allow_list, read_allow_list};
use crate::policy::allow_list::AllowedPools;
use crate::telemetry::{PoolEvent, ProcessEvent, Telemetry};

/// How often the file is read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What a file held, or why it could not be read.
type Reading = Result<String, (io::ErrorKind, String)>;

/// Reads the list as it changes.
#[derive(Debug)]
pub struct FollowAllowList {
    path: PathBuf,
    telemetry: Telemetry,
    list: watch::Sender<Arc<AllowList>>,
    /// What was read last, and whether that has been taken, or refused.
    seen: Option<(Reading, Standing)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It may be half of what is being written.
    Fresh,
    Judged,
}

/// Reads the list for the first time. Blocks.
///
/// # Errors
/// Everything that is wrong with it: there is no last good one to fall back on yet.
pub fn follow_allow_list(
    path: PathBuf,
    telemetry: Telemetry,
) -> Result<(FollowAllowList, AllowedPools), ConfigError> {
    let first = load_allow_list(&path)?;
    telemetry.emit(ProcessEvent::AllowListTaken { path: &path, pools: first.pools.len() });
    let (list, list_out) = watch::channel(Arc::new(first));
    Ok((FollowAllowList { path, telemetry, list, seen: None }, AllowedPools::by(list_out)))
}

/// What of a configuration the list does not allow, told, counted and as problems of the documents.
pub(super) fn not_allowed(
    allowed: &AllowedPools,
    config: &RuntimeConfig,
    telemetry: &Telemetry,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for refused in allowed.refused(config) {
        telemetry.emit(PoolEvent::NotAllowed {
            route: refused.route,
            pool: &refused.pool.name,
            endpoint: &format!("{}:{}", refused.pool.endpoint.host, refused.pool.endpoint.port),
            account: &refused.pool.account,
            reason: refused.reason.into(),
        });
        let problem = refused.problem();
        // A pool that stands in two routes is one mistake.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

// === impl FollowAllowList ===

impl FollowAllowList {
    /// Follows the file until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut poll = interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _tick = poll.tick() => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let path = self.path.clone();
        // The runtime is going down: nothing new to be seen.
        let Ok(read) = tokio::task::spawn_blocking(move || read_allow_list(&path)).await else {
            return;
        };
        let reading = read.map_err(|error| (error.kind(), error.to_string()));
        match &self.seen {
            Some((seen, Standing::Judged)) if *seen == reading => {}
            Some((seen, Standing::Fresh)) if *seen == reading => {
                self.judge(&reading);
                self.seen = Some((reading, Standing::Judged));
            }
            Some(_) | None => self.seen = Some((reading, Standing::Fresh)),
        }
    }

    fn judge(&self, reading: &Reading) {
        let parsed = match reading {
            Ok(text) => parse_allow_list(&self.path, text).map_err(|error| error.texts()),
            Err((_, error)) => Err(vec![format!("cannot be read: {error}")]),
        };
        match parsed {
            Ok(list) => {
                let pools = list.pools.len();
                let is_news = self.list.send_if_modified(|held| {
                    let is_news = **held != list;
                    if is_news {
                        *held = Arc::new(list);
                    }
                    is_news
                });
                if is_news {
                    self.telemetry.emit(ProcessEvent::AllowListTaken { path: &self.path, pools });
                }
            }
            Err(problems) => {
                let (path, problems) = (&*self.path, &*problems);
                self.telemetry.emit(ProcessEvent::AllowListRefused { path, problems });
            }
        }
    }
}

#[cfg(test)]
mod tests;
