//! What the controller remembers between two reconciles of a StratumProxy, beyond what the caches say: what it
//! wrote and the caches may not show yet, and what pods said before their stream broke. All of it can be lost; a
//! restart begins empty.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use loka_api::control::Identity;
use loka_api::stratum_proxy::StratumProxyStatus;

use super::build::config_secret;
use crate::fleet::ProxyKey;
use crate::publish::PodFacts;

/// A cache that shows nothing of a write after so long shows that it was undone.
const CACHE_LAG_MAX: Duration = Duration::from_secs(5);
/// A pod whose stream broke is taken to run what it ran for so long: it is about to dial again.
const STREAM_GAP_MAX: Duration = Duration::from_secs(60);
/// Pods of one StratumProxy that are remembered.
const PODS_MAX: usize = 2048;

/// By StratumProxy. Entries go with their StratumProxy, so there are no more than those that exist.
#[derive(Debug, Default)]
pub(super) struct Memory(DashMap<ProxyKey, Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    uid: String,
    persisted: Option<Identity>,
    mounted: Option<(Identity, Version, Instant)>,
    applied: HashMap<&'static str, (String, Version)>,
    running: HashMap<String, (Identity, Instant)>,
    attempts: u32,
    pools: BTreeSet<String>,
    status: Option<(StratumProxyStatus, Version)>,
    underway: Option<Underway>,
}

/// A config that this replica publishes.
#[derive(Debug)]
struct Underway {
    identity: Identity,
    since: Instant,
    reached: BTreeSet<Milestone>,
}

/// What is told of a config, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Milestone {
    /// The canary refused it.
    Rejected,
    /// It is mounted.
    Published,
    /// Every ready pod runs it.
    Propagated,
}

/// A resource version. They are numbers that rise, by the API conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64);

impl Version {
    /// Of an object.
    pub(super) fn of(metadata: &ObjectMeta) -> Option<Self> {
        metadata.resource_version.as_ref()?.parse().ok().map(Self)
    }
}

impl Memory {
    /// A StratumProxy is gone.
    pub(super) fn forget(&self, key: &ProxyKey) {
        self.0.remove(key);
    }

    fn of<T>(&self, key: &ProxyKey, uid: &str, f: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut remembered = self.0.entry(key.clone()).or_default();
        if remembered.uid != uid {
            *remembered = Remembered { uid: uid.to_owned(), ..Default::default() };
        }
        f(&mut remembered)
    }

    /// The identity that was persisted last: as the status says, or later.
    pub(super) fn persisted(
        &self,
        key: &ProxyKey,
        uid: &str,
        seen: Option<Identity>,
    ) -> Option<Identity> {
        self.of(key, uid, |it| {
            let later = it.persisted.clone().into_iter().chain(seen);
            it.persisted = later.max_by_key(|identity| identity.sequence);
            it.persisted.clone()
        })
    }

    /// The status and the resource version with it: as the cache has them, or as they were just written. What is said is
    /// compared with it, and an old one would hide that the opposite was said meanwhile.
    pub(super) fn status(
        &self,
        key: &ProxyKey,
        uid: &str,
        (seen, metadata): (Option<&StratumProxyStatus>, &ObjectMeta),
    ) -> (StratumProxyStatus, Option<String>) {
        self.of(key, uid, |it| match &it.status {
            Some((written, version))
                if Version::of(metadata).is_some_and(|seen| seen < *version) =>
            {
                (written.clone(), Some(version.0.to_string()))
            }
            Some(_) | None => {
                it.status = None;
                (seen.cloned().unwrap_or_default(), metadata.resource_version.clone())
            }
        })
    }

    /// The status was written.
    pub(super) fn wrote_status(
        &self,
        key: &ProxyKey,
        uid: &str,
        status: &StratumProxyStatus,
        version: Option<&str>,
    ) {
        let Some(version) = version.and_then(|it| it.parse().ok()).map(Version) else { return };
        self.of(key, uid, |it| it.status = Some((status.clone(), version)));
    }

    /// The identity of the mounted Secret: as its metadata say, or as it was just written.
    pub(super) fn mounted(
        &self,
        key: &ProxyKey,
        uid: &str,
        seen: Option<&ObjectMeta>,
        now: Instant,
    ) -> Option<Identity> {
        self.of(key, uid, |it| {
            let cached = seen.and_then(config_secret::identity);
            let Some((written, version, at)) = &it.mounted else { return cached };
            let lags = match seen.and_then(Version::of) {
                Some(seen) => seen < *version,
                None => now < *at + CACHE_LAG_MAX,
            };
            if lags { Some(written.clone()) } else { cached }
        })
    }

    /// The mounted Secret was written.
    pub(super) fn wrote(
        &self,
        key: &ProxyKey,
        uid: &str,
        identity: Identity,
        written: &ObjectMeta,
    ) {
        let Some(version) = Version::of(written) else { return };
        let at = Instant::now();
        self.of(key, uid, |it| it.mounted = Some((identity, version, at)));
    }

    /// The resource version that the mounted Secret has, as far as is known.
    pub(super) fn version(&self, key: &ProxyKey, uid: &str, seen: &ObjectMeta) -> Option<String> {
        let written = self.of(key, uid, |it| it.mounted.as_ref().map(|(_, version, _)| *version));
        let newest = Version::of(seen).into_iter().chain(written).max()?;
        Some(newest.0.to_string())
    }

    /// Whether a child is in the cluster as it was applied last: the same content, and nobody has touched it since.
    pub(super) fn is_applied(
        &self,
        (key, uid): (&ProxyKey, &str),
        kind: &'static str,
        content: &str,
        seen: Option<&ObjectMeta>,
    ) -> bool {
        self.of(key, uid, |it| {
            let Some((applied, version)) = it.applied.get(kind) else { return false };
            let untouched = seen.and_then(Version::of).is_some_and(|seen| seen <= *version);
            untouched && applied == content
        })
    }

    /// A child was applied.
    pub(super) fn applied(
        &self,
        (key, uid): (&ProxyKey, &str),
        kind: &'static str,
        content: String,
        written: &ObjectMeta,
    ) {
        let Some(version) = Version::of(written) else { return };
        self.of(key, uid, |it| it.applied.insert(kind, (content, version)));
    }

    /// What each ready pod runs: as it says, or as it said before its stream broke.
    pub(super) fn running(
        &self,
        key: &ProxyKey,
        uid: &str,
        pods: &[PodFacts],
        now: Instant,
    ) -> HashMap<String, Identity> {
        self.of(key, uid, |it| {
            for pod in pods.iter().take(PODS_MAX) {
                if let Some(running) = pod.link.as_ref().and_then(|link| link.running.clone()) {
                    it.running.insert(pod.id.uid.clone(), (running, now));
                }
            }
            let exists = |uid: &String| pods.iter().any(|pod| pod.id.uid == *uid);
            it.running.retain(|uid, (_, at)| exists(uid) && now < *at + STREAM_GAP_MAX);
            it.running.iter().map(|(uid, (identity, _))| (uid.clone(), identity.clone())).collect()
        })
    }

    /// A config is about to be published, from now on unless it was under way already.
    pub(super) fn begins(&self, key: &ProxyKey, uid: &str, identity: &Identity, now: Instant) {
        self.of(key, uid, |it| {
            if it.underway.as_ref().is_none_or(|underway| underway.identity != *identity) {
                let identity = identity.clone();
                it.underway = Some(Underway { identity, since: now, reached: BTreeSet::new() });
            }
        });
    }

    /// A config has come so far. Says since when it was under way, if that is news and this replica began it.
    pub(super) fn reached(
        &self,
        key: &ProxyKey,
        uid: &str,
        identity: &Identity,
        milestone: Milestone,
    ) -> Option<Instant> {
        self.of(key, uid, |it| {
            let underway = it.underway.as_mut().filter(|it| it.identity == *identity)?;
            underway.reached.insert(milestone).then_some(underway.since)
        })
    }

    /// A reconcile failed: how often in a row by now.
    pub(super) fn failed(&self, key: &ProxyKey) -> u32 {
        let mut remembered = self.0.entry(key.clone()).or_default();
        remembered.attempts = remembered.attempts.saturating_add(1);
        remembered.attempts
    }

    /// A reconcile went well.
    pub(super) fn went_well(&self, key: &ProxyKey, uid: &str) {
        self.of(key, uid, |it| it.attempts = 0);
    }

    /// What the pods say of the pools, in words that differ when it differs. Says whether it does.
    pub(super) fn pools_changed(&self, key: &ProxyKey, uid: &str, said: BTreeSet<String>) -> bool {
        self.of(key, uid, |it| std::mem::replace(&mut it.pools, said.clone()) != said)
    }
}

#[cfg(test)]
mod tests;
