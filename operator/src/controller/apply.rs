//! Brings built objects into the cluster by server-side apply, each only if it is not there as it should be. Knows
//! nothing of what they mean. Writes nothing unless this replica leads, and nothing that belongs to somebody else.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt as _};
use loka_api::names;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::build::{Applied, Children, Owner, Prepared};
use super::memory::Memory;
use super::watches::Stores;
use super::{Error, Fence};
use crate::fleet::ProxyKey;

/// Pods of a StratumProxy that says nothing of replicas, at first: one may go without the farm standing still.
pub(super) const REPLICAS_DEFAULT: i32 = 2;

/// What applying needs.
#[derive(Clone, Copy)]
pub(super) struct Applier<'a> {
    pub(super) client: &'a Client,
    pub(super) stores: &'a Stores,
    pub(super) memory: &'a Memory,
    pub(super) fence: &'a Arc<dyn Fence>,
    pub(super) key: &'a ProxyKey,
    pub(super) owner: Owner<'a>,
}

/// The cluster does not take a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Reason of the condition.
    pub(super) reason: &'static str,
    /// For a human.
    pub(super) message: String,
}

impl Applier<'_> {
    /// Applies all, in the order in which they need each other: a pod finds what it mounts.
    pub(super) async fn children(
        &self,
        children: Children<Prepared>,
        replicas: Option<i32>,
    ) -> Result<Children<Applied>, Error> {
        let Children {
            service_account,
            control_config_map,
            service,
            pod_disruption_budget,
            deployment,
            stage: PhantomData,
        } = children;
        let stores = self.stores;
        let seen = stores.service_account(self.key);
        let service_account = self.one(service_account, seen.as_deref()).await?;
        let seen = stores.config_map(self.key);
        let control_config_map = self.one(control_config_map, seen.as_deref()).await?;
        let seen = stores.pod_disruption_budget(self.key);
        let pod_disruption_budget = self.one(pod_disruption_budget, seen.as_deref()).await?;
        let seen = stores.service(self.key);
        let applied = self.one(service, seen.as_deref().map(|it| &it.metadata)).await?;
        let service = newest(applied, seen);
        let seen = stores.deployment(self.key);
        if let Some(seen) = &seen {
            self.replicas(replicas.or_else(|| held_replicas(seen)), seen).await?;
        }
        let applied = self.one(deployment, seen.as_deref().map(|it| &it.metadata)).await?;
        let deployment = newest(applied, seen);
        self.replicas(replicas.or_else(|| first_replicas(&deployment)), &deployment).await?;
        Ok(Children {
            service_account,
            control_config_map,
            service,
            pod_disruption_budget,
            deployment,
            stage: PhantomData,
        })
    }

    /// Applies one, unless it is there.
    pub(super) async fn one<K>(&self, prepared: K, seen: Option<&ObjectMeta>) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let kind = kind_of::<K>();
        let content = content_hash(&prepared)?;
        let identity = (self.key, self.owner.uid);
        if self.memory.is_applied(identity, kind, &content, seen) {
            return Ok(prepared);
        }
        let api = Api::<K>::namespaced(self.client.clone(), self.owner.namespace);
        let name = prepared.name_any();
        let holder = match seen {
            Some(seen) => Some(seen.clone()),
            // Not in the cache: it may be somebody else's, which the cache does not show.
            None => api.get_metadata_opt(&name).await?.map(|found| found.metadata),
        };
        self.is_ours(kind, &name, holder.as_ref())?;
        self.fence()?;
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        let applied = api.patch(&name, &params, &Patch::Apply(&prepared)).await;
        let applied = applied.map_err(|error| Error::of_child(kind, error))?;
        self.memory.applied(identity, kind, content, applied.meta());
        Ok(applied)
    }

    /// Whoever made it first has it; ours are taken by force, since others may only have edited them.
    fn is_ours(
        &self,
        kind: &'static str,
        name: &str,
        found: Option<&ObjectMeta>,
    ) -> Result<(), Error> {
        let Some(found) = found else { return Ok(()) };
        let owners = found.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true));
        if owner.is_some_and(|owner| owner.uid == self.owner.uid) {
            return Ok(());
        }
        if owner.is_some_and(|owner| {
            owner.kind == names::STRATUM_PROXY && owner.name == self.owner.name
        }) {
            // Of a namesake that was deleted: it is about to go.
            return Err(Error::Leftover { kind, name: name.to_owned() });
        }
        let message = format!(
            "{kind} {}/{name} exists and is not this StratumProxy's; rename one of the two",
            self.owner.namespace
        );
        Err(Error::Refused(Refused { reason: "NameTaken", message }))
    }

    /// Sets the replicas, with a field manager of their own: the one of the rest would set them to one by no longer
    /// naming them, whatever an autoscaler had made of them.
    async fn replicas(&self, wanted: Option<i32>, seen: &Deployment) -> Result<(), Error> {
        let Some(wanted) = wanted else { return Ok(()) };
        let current = seen.spec.as_ref().and_then(|spec| spec.replicas);
        let settled = current == Some(wanted)
            && manages_replicas(seen, names::REPLICAS_FIELD_MANAGER)
            && !manages_replicas(seen, names::FIELD_MANAGER);
        if settled {
            return Ok(());
        }
        self.fence()?;
        let patch = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": seen.name_any() },
            "spec": { "replicas": wanted },
        });
        let api = Api::<Deployment>::namespaced(self.client.clone(), self.owner.namespace);
        let params = PatchParams::apply(names::REPLICAS_FIELD_MANAGER).force();
        let applied = api.patch(&seen.name_any(), &params, &Patch::Apply(&patch)).await;
        applied.map(drop).map_err(|error| Error::of_child(kind_of::<Deployment>(), error))
    }

    /// Nothing is written by a replica that does not lead.
    pub(super) fn fence(&self) -> Result<(), Error> {
        if self.fence.may_write() { Ok(()) } else { Err(Error::NotLeading) }
    }
}

/// What was just written, or what the cache shows of what was not.
fn newest<K: Resource<DynamicType = ()> + Clone>(applied: K, seen: Option<Arc<K>>) -> K {
    match seen {
        // What was built has no resource version: it was there already.
        Some(seen) if applied.meta().resource_version.is_none() => Arc::unwrap_or_clone(seen),
        Some(_) | None => applied,
    }
}

/// The replicas of a Deployment, if our main field manager holds their number: it must be handed on before the rest is
/// applied without it.
fn held_replicas(deployment: &Deployment) -> Option<i32> {
    let held = manages_replicas(deployment, names::FIELD_MANAGER);
    held.then(|| deployment.spec.as_ref().and_then(|spec| spec.replicas)).flatten()
}

/// The default, as long as nobody ever said how many there are to be.
fn first_replicas(deployment: &Deployment) -> Option<i32> {
    holders_of_replicas(deployment).next().is_none().then_some(REPLICAS_DEFAULT)
}

fn manages_replicas(deployment: &Deployment, manager: &str) -> bool {
    holders_of_replicas(deployment).any(|it| it == manager)
}

/// Who holds the number of replicas. A number that the API server put in has no holder.
fn holders_of_replicas(deployment: &Deployment) -> impl Iterator<Item = &str> {
    let all = deployment.metadata.managed_fields.as_deref().unwrap_or_default();
    let names_them = |fields: &Value| fields.pointer("/f:spec/f:replicas").is_some();
    all.iter()
        .filter(move |entry| entry.fields_v1.as_ref().is_some_and(|it| names_them(&it.0)))
        .filter_map(|entry| entry.manager.as_deref())
}

fn kind_of<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()) {
        std::borrow::Cow::Borrowed(kind) => kind,
        std::borrow::Cow::Owned(_) => "object",
    }
}

fn content_hash(object: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(object)?;
    Ok(Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
