//! The status of a StratumProxy: what it is to say (pure, in [`compute()`]), and its writing, only when it says something
//! else and never over a status that another leader wrote.

mod address;
mod available;
mod compute;
mod conditions;
mod programmed;

pub(super) use compute::{Outcome, Sight, compute};
pub(super) use conditions::{Verdict, condition, same_but_times};
pub(super) use programmed::{PROGRAMMED, PROPAGATING};

use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use loka_api::names;
use loka_api::stratum_proxy::{StratumProxy, StratumProxyStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Error, Fence};
use crate::telemetry::reasons::StatusWrite;
use crate::telemetry::{Event, Telemetry};

/// Others write the object as well: its spec, its labels. More than this in a row is a storm, and is left to the queue.
const CONFLICTS_MAX: usize = 3;

/// Writes the status of one object.
pub(super) struct Writer<'a> {
    client: &'a Client,
    fence: &'a Arc<dyn Fence>,
    telemetry: &'a Telemetry,
    target: Target<'a>,
    /// Contended by nobody: it is behind a lock so that it can be written through a shared reference.
    version: Mutex<Option<String>>,
}

/// Whose status.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) kind: &'static str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

impl<'a> Writer<'a> {
    /// For the object as it was last seen.
    pub(super) fn new(
        client: &'a Client,
        fence: &'a Arc<dyn Fence>,
        telemetry: &'a Telemetry,
        target: Target<'a>,
        version: Option<String>,
    ) -> Self {
        Self { client, fence, telemetry, target, version: Mutex::new(version) }
    }

    /// Writes a StratumProxy's status, and returns its new resource version.
    pub(super) async fn write(&self, status: &StratumProxyStatus) -> Result<Option<String>, Error> {
        self.write_as::<StratumProxy>(status).await
    }

    /// Writes the status of an object of this kind.
    pub(super) async fn write_as<K>(&self, status: &impl Serialize) -> Result<Option<String>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let Target { kind, namespace, name, uid } = self.target;
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        for _ in 0..=CONFLICTS_MAX {
            if !self.fence.may_write() {
                return Err(Error::NotLeading);
            }
            // A null is as good as absent: the writer does not know of one yet.
            let metadata = json!({ "name": name, "uid": uid, "resourceVersion": self.version() });
            let patch = json!({
                "apiVersion": names::API_VERSION, "kind": kind, "metadata": metadata, "status": status,
            });
            match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
                Ok(written) => {
                    self.tell(StatusWrite::Ok, None);
                    self.set_version(written.meta().resource_version.clone());
                    return Ok(self.version());
                }
                Err(kube::Error::Api(error)) if error.is_conflict() => {
                    self.tell(StatusWrite::Conflict, Some(&error));
                    let live = api.get(name).await?;
                    if live.meta().uid.as_deref() != Some(uid) {
                        return Err(Error::Replaced);
                    }
                    self.set_version(live.meta().resource_version.clone());
                }
                Err(error) => {
                    self.tell(StatusWrite::Failed, Some(&error));
                    return Err(error.into());
                }
            }
        }
        Err(Error::Contended)
    }

    /// The status says all that is to be said already.
    pub(super) fn leave(&self) {
        self.tell(StatusWrite::Unchanged, None);
    }

    fn tell(&self, result: StatusWrite, error: Option<&dyn Display>) {
        let Target { kind: _, namespace, name, uid: _ } = self.target;
        let object = &format_args!("{namespace}/{name}");
        self.telemetry.emit(&Event::StatusWritten { object, result, error });
    }

    fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_version(&self, version: Option<String>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}

#[cfg(test)]
mod tests;
