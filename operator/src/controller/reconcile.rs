//! One turn of one StratumProxy, from what is read to what is said. Owns the order; each step is its own module's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt as _};
use loka_api::conditions::ConditionStatus;
use loka_api::control::Identity;
use loka_api::names;
use loka_api::stratum_proxy::{StratumProxy, StratumProxyStatus};
use tracing::Instrument as _;

use super::apply::{Applier, Refused};
use super::build::{
    Applied, Children, Owner, Plan, Port, config_secret, control_config_map, ports_of,
};
use super::dereference::dereference;
use super::ended::{self, Ended};
use super::events::happenings;
use super::facts::Pods;
use super::memory::Milestone;
use super::publishing::{Published, Publisher};
use super::update_status::{Outcome, PROGRAMMED, Sight, Target, Writer, compute, same_but_times};
use super::validate::{Validated, validate};
use super::watches::{Proxy, key_of};
use super::{Context, Error, RECONCILE_MAX};
use crate::fleet::ProxyKey;
use crate::publish::Step;
use crate::telemetry::Event;
use crate::telemetry::reasons::Reconciled;

/// What is under way is looked at again after so long, to say that it is late.
const LOOK_AGAIN: Duration = Duration::from_secs(61);

/// One StratumProxy, in one turn.
struct Turn<'a> {
    context: &'a Context,
    key: &'a ProxyKey,
    owner: Owner<'a>,
    object: &'a Proxy,
    before: StratumProxyStatus,
    writer: Writer<'a>,
}

pub(super) async fn reconcile(object: Arc<Proxy>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.fence.may_write() || object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let key = key_of(object.as_ref());
    let span = tracing::info_span!(
        "reconcile",
        k8s.namespace.name = key.namespace,
        loka.proxy.name = key.name,
        loka.config.hash = tracing::field::Empty,
        loka.config.sequence = tracing::field::Empty,
    );
    let turn = async {
        context.wait_until_ready().await?;
        Box::pin(turn(&object, &key, &context)).await
    };
    let began = Instant::now();
    let done = tokio::time::timeout(RECONCILE_MAX, turn.instrument(span.clone())).await;
    let done = done.unwrap_or(Err(Error::TimedOut));
    let what = (Reconciled::StratumProxy, &key);
    span.in_scope(|| ended::tell(&context.telemetry, what, began, &done));
    let Ended { action, .. } = done?;
    context.notes.memory.went_well(&key, &object.uid().unwrap_or_default());
    Ok(action)
}

async fn turn(object: &Proxy, key: &ProxyKey, context: &Context) -> Result<Ended, Error> {
    let uid = object.uid().unwrap_or_default();
    let owner = Owner { namespace: &key.namespace, name: &key.name, uid: &uid };
    let target = Target {
        kind: names::STRATUM_PROXY,
        namespace: &key.namespace,
        name: &key.name,
        uid: &uid,
    };
    let seen = object.0.as_ref().ok().and_then(|proxy| proxy.status.as_ref());
    let (before, version) = context.notes.memory.status(key, &uid, (seen, object.meta()));
    let Context { client, fence, telemetry, .. } = context;
    let writer = Writer::new(client, fence, telemetry, target, version);
    let turn = Turn { context, key, owner, object, before, writer };
    match &object.0 {
        Ok(proxy) => Box::pin(turn.run(proxy)).await,
        Err(invalid) => {
            let why = invalid.to_string();
            let before = turn.raw_status().await?;
            turn.say(&before, Outcome::Unreadable(&why)).await?;
            Ok(Ended::invalid(Action::await_change(), why))
        }
    }
}

impl Turn<'_> {
    async fn run(&self, proxy: &StratumProxy) -> Result<Ended, Error> {
        let Context { client, stores, secrets, .. } = self.context;
        let read = dereference(client, stores, secrets, proxy).await?;
        let mut status = self.before.clone();
        let certificates = self.context.certificates.borrow().clone();
        let validated = match validate(&read) {
            Ok(validated) => validated,
            Err(unfit) => {
                // What runs is left alone: children, Secret and pods.
                self.say(&status, Outcome::Unfit(&unfit)).await?;
                self.renew(&certificates).await?;
                let action = Action::requeue(self.context.resync());
                return Ok(Ended::invalid(action, unfit.to_string()));
            }
        };
        if certificates.is_empty() {
            return Err(Error::NoCertificates);
        }
        let published = self.publish(&validated, &mut status).await?;
        let ports = self.ports(&validated, &published).await?;
        let plan = Plan {
            owner: self.owner,
            spec: &validated.spec,
            pod: &validated.pod,
            drain: validated.drain,
            ports: &ports,
            certificates: &certificates,
            settings: &self.context.settings,
        };
        let applier = self.applier();
        let applied = Box::pin(applier.children(plan.build(), validated.spec.replicas)).await;
        let applied = match applied {
            Ok(children) => Ok(children),
            Err(Error::Refused(refused)) => Err(refused),
            Err(error) => return Err(error),
        };
        self.finish(&status, &validated, &published, applied.as_ref()).await
    }

    /// The status of a resource that cannot be read otherwise: the sequence in it must not be lost.
    async fn raw_status(&self) -> Result<StratumProxyStatus, Error> {
        let resource = ApiResource::erase::<StratumProxy>(&());
        let client = self.context.client.clone();
        let api = Api::<DynamicObject>::namespaced_with(client, self.owner.namespace, &resource);
        let mut raw = api.get(self.owner.name).await?;
        let status = raw.data.get_mut("status").map(serde_json::Value::take);
        Ok(status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default())
    }

    /// Whatever is wrong with the resource, its pods must know their operator when its certificates are renewed.
    async fn renew(&self, certificates: &str) -> Result<(), Error> {
        let Some(seen) = self.context.stores.config_map(self.key) else { return Ok(()) };
        if !certificates.is_empty() {
            let built = control_config_map::build(&self.owner, certificates);
            self.applier().one(built, Some(&seen)).await?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        validated: &Validated,
        status: &mut StratumProxyStatus,
    ) -> Result<Published, Error> {
        let publisher = Publisher {
            applier: self.applier(),
            fleet: &self.context.fleet,
            telemetry: &self.context.telemetry,
            writer: &self.writer,
            generation: self.object.meta().generation.unwrap_or_default(),
            abort_after: self.context.settings.abort_after,
        };
        let published = publisher.publish(validated, status).await?;
        if let Some(Identity { hash, sequence, .. }) = &published.persisted {
            let span = tracing::Span::current();
            span.record("loka.config.hash", hash).record("loka.config.sequence", sequence);
        }
        Ok(published)
    }

    async fn finish(
        &self,
        status: &StratumProxyStatus,
        validated: &Validated,
        published: &Published,
        applied: Result<&Children<Applied>, &Refused>,
    ) -> Result<Ended, Error> {
        let said = self.say(status, Outcome::Carried { validated, published, applied }).await?;
        self.note_propagation(published, &said);
        let resync = self.context.resync();
        let now = Instant::now();
        let again = match &published.step {
            Step::Rejected { again, .. } | Step::Wait { again: Some(again), .. } => {
                again.saturating_duration_since(now)
            }
            Step::Wait { again: None, .. } => LOOK_AGAIN,
            // Publishing ends with one of these alone; the others are carried out within it.
            Step::Done(_)
            | Step::Persist(_)
            | Step::Canary { .. }
            | Step::WriteMounted(_)
            | Step::Push { .. } => resync,
        };
        let is_settled = |status: &StratumProxyStatus| {
            status.conditions.iter().all(|it| it.status != ConditionStatus::Unknown)
        };
        let again = if is_settled(&said) { again } else { again.min(LOOK_AGAIN) };
        let action = Action::requeue(again.min(resync));
        Ok(applied
            .map_or_else(|it| Ended::refused(action.clone(), it), |_| Ended::well(action.clone())))
    }

    /// Told once for each config. Where no pod was ready when it was mounted, none had to follow.
    fn note_propagation(&self, published: &Published, said: &StratumProxyStatus) {
        let Published { step: _, mounted, persisted } = published;
        let Some(identity) = persisted.as_ref().filter(|it| mounted.as_ref() == Some(*it)) else {
            return;
        };
        let Some(pods) = said.config.as_ref().map(|config| &config.pods) else { return };
        if pods.synced < pods.total {
            return;
        }
        let (memory, uid) = (&self.context.notes.memory, self.owner.uid);
        let since = memory.reached(self.key, uid, identity, Milestone::Propagated);
        let (Some(since), Ok(pods @ 1..)) = (since, usize::try_from(pods.total)) else { return };
        let (object, sequence, after) = (self.key, identity.sequence, since.elapsed());
        self.context.telemetry.emit(&Event::Propagated { object, sequence, pods, after });
    }

    /// The ports of what runs: of the desired config once it is mounted, and until then of the one that is.
    async fn ports(
        &self,
        validated: &Validated,
        published: &Published,
    ) -> Result<Vec<Port>, Error> {
        let desired = ports_of(&validated.config);
        let is_mounted =
            published.mounted.as_ref().is_none_or(|mounted| mounted.hash == validated.hash);
        if is_mounted {
            return Ok(desired);
        }
        let api = Api::<Secret>::namespaced(self.context.client.clone(), self.owner.namespace);
        let secret = api.get_opt(&names::config_secret(self.owner.name)).await?;
        let snapshot = secret.as_ref().and_then(config_secret::snapshot);
        Ok(snapshot.map_or(desired, |snapshot| ports_of(&snapshot.config)))
    }

    /// Writes the status, if it says something else, and tells what is new of it. Returns it.
    async fn say(
        &self,
        persisted: &StratumProxyStatus,
        outcome: Outcome<'_>,
    ) -> Result<StratumProxyStatus, Error> {
        let Context { fleet, stores, notes, .. } = self.context;
        let cached = stores.pods(self.key);
        let pods = Pods::join(cached.iter().map(AsRef::as_ref), fleet.links(self.key));
        let mut running =
            notes.memory.running(self.key, self.owner.uid, &pods.facts, Instant::now());
        if self.context.is_new_leader() {
            self.presume(&pods, &mut running);
        }
        let after = compute(&Sight {
            uid: self.owner.uid,
            generation: self.object.meta().generation,
            before: persisted,
            selector: &self.owner.selector_text(),
            pods: &pods,
            running: &running,
            outcome,
            now: Timestamp::now(),
        });
        if same_but_times(persisted, &after) {
            self.writer.leave();
        } else {
            let version = self.writer.write(&after).await?;
            notes.memory.wrote_status(self.key, self.owner.uid, &after, version.as_deref());
        }
        self.tell(&after).await;
        let said = after
            .pools
            .iter()
            .map(|pool| format!("{} {:?} {}", pool.name, pool.state, pool.pods_up));
        if notes.memory.pools_changed(self.key, self.owner.uid, said.collect()) {
            for pool in &after.pools {
                notes.pools.add((self.key.namespace.clone(), pool.name.clone()));
            }
        }
        Ok(after)
    }

    /// Pods that have not dialled this replica yet run what the last leader said of them.
    fn presume(&self, pods: &Pods, running: &mut std::collections::HashMap<String, Identity>) {
        let was_synced = self
            .before
            .conditions
            .iter()
            .any(|it| it.type_ == PROGRAMMED && it.status == ConditionStatus::True);
        let persisted = super::publishing::persisted(&self.before, self.owner.uid);
        let Some(persisted) = persisted.filter(|_| was_synced) else { return };
        for pod in pods.ready().filter(|pod| pod.link.is_none()) {
            running.entry(pod.id.uid.clone()).or_insert_with(|| persisted.clone());
        }
    }

    /// An event that is lost is no reason to do it all again.
    async fn tell(&self, after: &StratumProxyStatus) {
        let reference = self.object.object_ref(&());
        for happening in happenings(&self.before, after) {
            let told = self.context.recorder.publish(&(&happening).into(), &reference).await;
            if let Err(error) = told {
                tracing::warn!(key = %self.key, %error, reason = happening.reason, "an event was not taken");
            }
        }
    }

    fn applier(&self) -> Applier<'_> {
        Applier {
            client: &self.context.client,
            stores: &self.context.stores,
            memory: &self.context.notes.memory,
            fence: &self.context.fence,
            key: self.key,
            owner: self.owner,
        }
    }
}

#[cfg(test)]
mod tests;
