//! The order in which a config is published, decided anew at each step from what can be observed. Pure: the controller
//! does what [`decide`] says and asks again, so a crash between two steps loses nothing.
//!
//! 1. The next sequence is persisted, before anything bears it. It is above all that any pod, the mounted snapshot or
//!    the status ever had, so it never goes back, even if the status was lost.
//! 2. One pod, the canary, is sent the snapshot.
//! 3. Only what a pod runs is mounted: a pod that starts takes the mounted snapshot, and must never meet one that was
//!    refused.
//! 4. The other pods are sent it.
//!
//! Where nothing runs there is no canary and nothing to lose, and step 3 comes at once.

use std::time::{Duration, Instant};

use loka_api::control::Identity;

use crate::fleet::{PodId, PodLink, Refusal};

/// How long a pod may take to answer before another one is asked.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// After this long a config that was refused is offered again: a port may have been freed meanwhile.
pub const OFFER_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Uid of the StratumProxy.
    pub epoch: &'a str,
    /// Hash of the config that is rendered from the resources now.
    pub desired_hash: &'a str,
    /// The identity that the status holds.
    pub persisted: Option<&'a Identity>,
    /// The identity of the mounted snapshot.
    pub mounted: Option<&'a Identity>,
    /// Every pod of the StratumProxy that is not being deleted.
    pub pods: &'a [PodFacts],
    /// Now.
    pub now: Instant,
}

/// A pod, as the API server and its stream show it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    /// Which.
    pub id: PodId,
    /// Its condition.
    pub ready: bool,
    /// Its stream, if it holds one.
    pub link: Option<PodLink>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write this identity into the status, then ask again.
    Persist(Identity),
    /// Send the snapshot to this pod alone; ask again when it answers, or at `again`.
    Canary {
        /// To whom.
        pod: PodId,
        /// What.
        identity: Identity,
        /// When to ask again at the latest.
        again: Instant,
    },
    /// Write the mounted Secret, then ask again.
    WriteMounted(Identity),
    /// Send the snapshot to these pods, and ask again when something changes.
    Push {
        /// To whom: connected pods that run something else and have not been sent this.
        pods: Vec<PodId>,
        /// What.
        identity: Identity,
    },
    /// The canary refused: nothing else is done until the resources change, the pod goes, or `again`.
    Rejected {
        /// Who refused.
        pod: PodId,
        /// What and why.
        refusal: Refusal,
        /// When it is offered again.
        again: Instant,
    },
    /// An answer is awaited, or a pod's stream.
    Wait {
        /// The identity that is under way.
        identity: Identity,
        /// When to ask again at the latest; none: when something changes.
        again: Option<Instant>,
    },
    /// The mounted snapshot and every connected pod have it.
    Done(Identity),
}

/// The next step.
pub fn decide(observed: &Observed<'_>) -> Step {
    let Some(identity) = current(observed) else {
        return Step::Persist(next(observed));
    };
    if observed.mounted == Some(&identity) {
        return spread(observed, identity);
    }
    if observed.links().any(|link| link.running.as_ref() == Some(&identity)) {
        return Step::WriteMounted(identity);
    }
    let runs = observed.pods.iter().any(|pod| pod.ready || pod.link.is_some());
    if !runs {
        return Step::WriteMounted(identity);
    }
    offer(observed, identity)
}

impl Observed<'_> {
    fn links(&self) -> impl Iterator<Item = &PodLink> {
        self.pods.iter().filter_map(|pod| pod.link.as_ref())
    }

    /// Whether `identity` is of the StratumProxy that exists, not of a namesake that was deleted.
    fn is_own(&self, identity: &Identity) -> bool {
        identity.epoch == self.epoch
    }

    /// The highest sequence that anything bears or bore.
    fn highest(&self) -> u64 {
        let said = self.links().flat_map(|link| {
            [link.running.as_ref(), link.refused.as_ref().map(|refusal| &refusal.identity)]
        });
        let all = [self.persisted, self.mounted].into_iter().chain(said).flatten();
        all.filter(|identity| self.is_own(identity)).map(|it| it.sequence).max().unwrap_or(0)
    }
}

/// The persisted identity, if it is of the desired config and nothing is ahead of it.
fn current(observed: &Observed<'_>) -> Option<Identity> {
    let persisted = observed.persisted.filter(|identity| observed.is_own(identity))?;
    let same = persisted.hash == observed.desired_hash;
    // Something bears a higher sequence, or the same for another config: the status was lost or written by hand.
    let ahead = persisted.sequence < observed.highest();
    let clash =
        |other: &Identity| other.sequence == persisted.sequence && other.hash != persisted.hash;
    let clashes = observed
        .links()
        .filter_map(|link| link.running.as_ref())
        .chain(observed.mounted)
        .any(|other| observed.is_own(other) && clash(other));
    (same && !ahead && !clashes).then(|| persisted.clone())
}

fn next(observed: &Observed<'_>) -> Identity {
    Identity {
        epoch: observed.epoch.to_owned(),
        sequence: observed.highest() + 1,
        hash: observed.desired_hash.to_owned(),
    }
}

/// The snapshot is mounted: every connected pod gets it.
fn spread(observed: &Observed<'_>, identity: Identity) -> Step {
    let behind: Vec<&PodLink> =
        observed.links().filter(|link| link.running.as_ref() != Some(&identity)).collect();
    let due = |link: &&&PodLink| match refusal_of(link, &identity) {
        Some(refusal) => observed.now >= refusal.at + OFFER_AGAIN_AFTER,
        None => link.sent.as_ref() != Some(&identity),
    };
    let pods: Vec<PodId> = behind.iter().filter(due).map(|link| link.pod.clone()).collect();
    if !pods.is_empty() {
        return Step::Push { pods, identity };
    }
    let refusals = behind.iter().filter_map(|link| refusal_of(link, &identity));
    let again = refusals.map(|refusal| refusal.at + OFFER_AGAIN_AFTER).min();
    if behind.is_empty() { Step::Done(identity) } else { Step::Wait { identity, again } }
}

/// The snapshot is not mounted yet: one pod must run it first.
fn offer(observed: &Observed<'_>, identity: Identity) -> Step {
    let refused = observed.links().find_map(|link| {
        let refusal = refusal_of(link, &identity)?;
        let again = refusal.at + OFFER_AGAIN_AFTER;
        (observed.now < again).then(|| (link.pod.clone(), refusal.clone(), again))
    });
    if let Some((pod, refusal, again)) = refused {
        return Step::Rejected { pod, refusal, again };
    }
    let asked = observed.links().find_map(|link| {
        let again =
            (link.sent.as_ref() == Some(&identity)).then_some(link.sent_at)?? + ANSWER_WITHIN;
        (refusal_of(link, &identity).is_none() && observed.now < again).then_some(again)
    });
    if let Some(again) = asked {
        return Step::Wait { identity, again: Some(again) };
    }
    match canary(observed, &identity) {
        Some(pod) => {
            let again = observed.now + ANSWER_WITHIN;
            Step::Canary { pod, identity, again }
        }
        // Pods are ready, but none holds its stream: they mine, and will dial.
        None => Step::Wait { identity, again: None },
    }
}

/// The pod that is asked first: one that was not asked in vain, ready rather than not, and the same at every turn.
fn canary(observed: &Observed<'_>, identity: &Identity) -> Option<PodId> {
    let connected = observed.pods.iter().filter_map(|pod| Some((pod, pod.link.as_ref()?)));
    connected
        .min_by_key(|(pod, link)| {
            let in_vain = link.sent.as_ref() == Some(identity);
            (in_vain, !pod.ready, pod.id.clone())
        })
        .map(|(pod, _)| pod.id.clone())
}

fn refusal_of<'l>(link: &'l PodLink, identity: &Identity) -> Option<&'l Refusal> {
    link.refused.as_ref().filter(|refusal| refusal.identity == *identity)
}

#[cfg(test)]
mod tests;
