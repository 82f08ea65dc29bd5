//! Carries out what [`publish::decide`] says, step by step, each fenced by leadership: a replica that leads no more
//! writes and sends nothing. Everything that a step changes can be observed again, so that a crash between two steps
//! loses nothing.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::control::{Identity, Snapshot};
use loka_api::stratum_proxy::StratumProxyStatus;

use super::Error;
use super::apply::Applier;
use super::build::config_secret;
use super::facts::Pods;
use super::memory::Milestone;
use super::update_status::{PROGRAMMED, PROPAGATING, Writer, condition};
use super::validate::Validated;
use crate::fleet::{Fleet, PodId, PodLink, Refusal};
use crate::publish::{self, Observed, Step};
use crate::telemetry::reasons::Publish;
use crate::telemetry::{Event, Telemetry, context};

/// More steps than the longest way from a change to its end: persist, canary, mounted, push, wait.
const STEPS_MAX: usize = 8;

/// The environment variable of [`AbortAfter`].
pub const ABORT_AFTER_VARIABLE: &str = "STRATUM_OPERATOR_ABORT_AFTER";

/// An aid of tests: the process ends without a word after this step, as if it had been killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortAfter {
    /// The next sequence was persisted.
    Persist,
    /// The canary runs the snapshot, which is not mounted yet.
    Canary,
    /// The mounted Secret was written.
    Mounted,
    /// The other pods were sent the snapshot.
    Push,
}

/// What publishing needs.
pub(super) struct Publisher<'a> {
    pub(super) applier: Applier<'a>,
    pub(super) fleet: &'a Fleet,
    pub(super) telemetry: &'a Telemetry,
    pub(super) writer: &'a Writer<'a>,
    pub(super) generation: i64,
    pub(super) abort_after: Option<AbortAfter>,
}

/// How far it got.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// Nothing more can be done now.
    pub(super) step: Step,
    /// What the mounted Secret holds.
    pub(super) mounted: Option<Identity>,
    /// The identity of the desired config.
    pub(super) persisted: Option<Identity>,
}

impl AbortAfter {
    /// As the environment names it: `persist`, `canary`, `mounted` or `push`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "persist" => Some(Self::Persist),
            "canary" => Some(Self::Canary),
            "mounted" => Some(Self::Mounted),
            "push" => Some(Self::Push),
            _ => None,
        }
    }
}

impl Publisher<'_> {
    /// Goes on until there is nothing to do but wait. `status` is the last one that was written, and is kept so.
    pub(super) async fn publish(
        &self,
        validated: &Validated,
        status: &mut StratumProxyStatus,
    ) -> Result<Published, Error> {
        let mut snapshot: Option<Arc<Snapshot>> = None;
        for _ in 0..STEPS_MAX {
            let (step, mounted, persisted) = self.decide(validated, status);
            match &step {
                Step::Persist(identity) => {
                    self.begins(identity);
                    let done = self.persist(identity, status).await;
                    self.unless_failed(identity, done)?;
                    self.abort_if(AbortAfter::Persist);
                }
                Step::Canary { pod, identity, again: _ } => {
                    self.applier.fence()?;
                    self.begins(identity);
                    let snapshot = named(&mut snapshot, validated, identity);
                    tracing::info!(pod = pod.name, config = %identity, "the canary is sent the config");
                    self.fleet.send(self.applier.key, &pod.uid, snapshot);
                }
                Step::WriteMounted(identity) => {
                    if self.fleet.links(self.applier.key).iter().any(|link| runs(link, identity)) {
                        self.abort_if(AbortAfter::Canary);
                    }
                    let snapshot = named(&mut snapshot, validated, identity);
                    self.begins(identity);
                    let done = self.mount(snapshot).await;
                    self.unless_failed(identity, done)?;
                    self.published(identity);
                    self.abort_if(AbortAfter::Mounted);
                }
                Step::Push { pods, identity } => {
                    self.applier.fence()?;
                    let snapshot = named(&mut snapshot, validated, identity);
                    tracing::info!(pods = pods.len(), config = %identity, "pods are sent the config");
                    for pod in pods {
                        self.fleet.send(self.applier.key, &pod.uid, snapshot);
                    }
                    self.abort_if(AbortAfter::Push);
                }
                Step::Rejected { .. } | Step::Wait { .. } | Step::Done(_) => {
                    if let Step::Rejected { pod, refusal, again: _ } = &step {
                        self.rejected(pod, refusal);
                    }
                    return Ok(Published { step, mounted, persisted });
                }
            }
        }
        Err(Error::NeverSettles)
    }

    fn decide(
        &self,
        validated: &Validated,
        status: &StratumProxyStatus,
    ) -> (Step, Option<Identity>, Option<Identity>) {
        let Applier { stores, memory, key, owner, .. } = self.applier;
        let now = Instant::now();
        let persisted = memory.persisted(key, owner.uid, persisted(status, owner.uid));
        let seen = stores.config_secret(key);
        let mounted = memory.mounted(key, owner.uid, seen.as_ref(), now);
        let cached = stores.pods(key);
        let pods = Pods::join(cached.iter().map(AsRef::as_ref), self.fleet.links(key));
        let step = publish::decide(&Observed {
            epoch: owner.uid,
            desired_hash: &validated.hash,
            persisted: persisted.as_ref(),
            mounted: mounted.as_ref(),
            pods: &pods.facts,
            now,
        });
        (step, mounted, persisted)
    }

    async fn persist(
        &self,
        identity: &Identity,
        status: &mut StratumProxyStatus,
    ) -> Result<(), Error> {
        let mut next = status.clone();
        let config = next.config.get_or_insert_default();
        config.sequence = i64::try_from(identity.sequence).unwrap_or(i64::MAX);
        config.hash.clone_from(&identity.hash);
        config.generation = self.generation;
        config.summary = format!("0/{}", config.pods.total);
        unsay(&mut next.conditions, self.generation);
        let version = self.writer.write(&next).await?;
        let Applier { memory, key, owner, .. } = self.applier;
        memory.wrote_status(key, owner.uid, &next, version.as_deref());
        *status = next;
        memory.persisted(key, owner.uid, Some(identity.clone()));
        tracing::info!(config = %identity, "a config is to be published");
        Ok(())
    }

    async fn mount(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let Applier { stores, memory, key, owner, .. } = self.applier;
        let mut secret = config_secret::build(&owner, snapshot);
        let seen = stores.config_secret(key);
        // Not over one that somebody wrote since it was seen: that would be another leader.
        secret.metadata.resource_version =
            seen.as_ref().and_then(|seen| memory.version(key, owner.uid, seen));
        let written = self.applier.one(secret, seen.as_ref()).await?;
        memory.wrote(key, owner.uid, snapshot.identity.clone(), &written.metadata);
        Ok(())
    }

    fn begins(&self, identity: &Identity) {
        let Applier { memory, key, owner, .. } = self.applier;
        memory.begins(key, owner.uid, identity, Instant::now());
    }

    fn is_news(&self, identity: &Identity, milestone: Milestone) -> bool {
        let Applier { memory, key, owner, .. } = self.applier;
        memory.reached(key, owner.uid, identity, milestone).is_some()
    }

    /// Once for each config: a Secret that was lost and is written again is no other config.
    fn published(&self, identity: &Identity) {
        if self.is_news(identity, Milestone::Published) {
            self.tell(identity, Publish::Published, "");
        }
    }

    /// Once for each config, however often it is offered again.
    fn rejected(&self, pod: &PodId, refusal: &Refusal) {
        let Refusal { identity, problems, at: _ } = refusal;
        if self.is_news(identity, Milestone::Rejected) {
            let first = problems.first();
            let why = first.map_or_else(String::new, |it| format!("{}: {}", it.path, it.message));
            self.tell(identity, Publish::Rejected, &format!("pod {}: {why}", pod.name));
        }
    }

    fn unless_failed(&self, identity: &Identity, done: Result<(), Error>) -> Result<(), Error> {
        match &done {
            // It is another replica's to publish, or another object's.
            Ok(()) | Err(Error::NotLeading | Error::Replaced) => {}
            Err(error) => self.tell(identity, Publish::Failed, &error.to_string()),
        }
        done
    }

    fn tell(&self, identity: &Identity, result: Publish, detail: &str) {
        let Identity { epoch: _, sequence, hash } = identity;
        let (object, sequence) = (self.applier.key, *sequence);
        self.telemetry.emit(&Event::Published { object, sequence, hash, result, detail });
    }

    fn abort_if(&self, step: AbortAfter) {
        if self.abort_after == Some(step) {
            tracing::error!(?step, "aborted, as {ABORT_AFTER_VARIABLE} asks");
            std::process::abort();
        }
    }
}

fn runs(link: &PodLink, identity: &Identity) -> bool {
    link.running.as_ref() == Some(identity)
}

/// No pod runs what was just persisted. Said in the same write: a leader that takes over right after it must not read that
/// all is programmed, and presume it of the new config.
fn unsay(conditions: &mut Vec<Condition>, generation: i64) {
    let message = "a config is to be published";
    let verdict = condition(PROGRAMMED, ConditionStatus::Unknown, PROPAGATING, message);
    let said = verdict.since(conditions, Some(generation), Timestamp::now());
    conditions.retain(|condition| condition.type_ != PROGRAMMED);
    conditions.push(said);
}

/// The identity that a status holds.
pub(super) fn persisted(status: &StratumProxyStatus, uid: &str) -> Option<Identity> {
    let config = status.config.as_ref().filter(|config| !config.hash.is_empty())?;
    Some(Identity {
        epoch: uid.to_owned(),
        sequence: u64::try_from(config.sequence).ok()?,
        hash: config.hash.clone(),
    })
}

/// The snapshot of an identity, made once.
fn named<'s>(
    snapshot: &'s mut Option<Arc<Snapshot>>,
    validated: &Validated,
    identity: &Identity,
) -> &'s Arc<Snapshot> {
    let made = snapshot.take().filter(|made| made.identity == *identity);
    snapshot.insert(made.unwrap_or_else(|| {
        let config = validated.config.clone();
        let made = Snapshot::new(&identity.epoch, identity.sequence, config);
        Arc::new(made.traced(&context::traceparent()))
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_without_a_config_persists_nothing() {
        let status = StratumProxyStatus::default();
        assert_eq!(persisted(&status, "u"), None);
        let status: StratumProxyStatus =
            serde_json::from_value(json!({"config": {"sequence": 7, "hash": "h"}})).unwrap();
        let identity = Identity { epoch: "u".into(), sequence: 7, hash: "h".into() };
        assert_eq!(persisted(&status, "u"), Some(identity));
    }

    #[test]
    fn the_steps_to_abort_after_are_named_in_lower_case() {
        assert_eq!(AbortAfter::parse("mounted"), Some(AbortAfter::Mounted));
        assert_eq!(AbortAfter::parse("Mounted"), None);
    }
}
