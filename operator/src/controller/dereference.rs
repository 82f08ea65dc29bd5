//! Reads all that a StratumProxy refers to: StratumPools from the cache, Secrets by name. Judges nothing.

use std::sync::Arc;

use dashmap::DashMap;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use loka_api::stratum_proxy::StratumProxy;

use super::Error;
use super::index::{pools_of, secrets_of, secrets_of_pool};
use super::memory::Version;
use super::validate::{ClusterSecrets, Dereferenced};
use super::watches::{Named, Stores};

/// Secrets that are kept. Beyond it all are read anew, which costs time and no correctness.
const SECRETS_KEPT_MAX: usize = 4096;

/// Secrets that are referred to, read by name and kept for as long as their metadata stay the same. Nothing lists
/// or watches the values of Secrets.
#[derive(Default)]
pub(super) struct Secrets(DashMap<Named, (Version, Arc<Secret>)>);

/// Reads it all.
pub(super) async fn dereference(
    client: &Client,
    stores: &Stores,
    secrets: &Secrets,
    proxy: &StratumProxy,
) -> Result<Dereferenced, Error> {
    let namespace = proxy.metadata.namespace.clone().unwrap_or_default();
    let found = pools_of(&proxy.spec).into_iter().filter_map(|name| stores.pool(&namespace, name));
    // One that cannot be read is as good as none, and its own status says so.
    let pools: Vec<_> = found.filter_map(|pool| pool.0.as_ref().ok().cloned()).collect();
    let mut wanted = secrets_of(&proxy.spec);
    wanted.extend(pools.iter().flat_map(|pool| secrets_of_pool(&pool.spec)));
    let mut read = ClusterSecrets::default();
    for name in wanted {
        if let Some(secret) = secrets.read(client, stores, &namespace, &name).await? {
            read.add(&namespace, &name, secret);
        }
    }
    let mut proxy = proxy.clone();
    proxy.metadata.managed_fields = None;
    Ok(Dereferenced { proxy, pools, secrets: read })
}

impl Secrets {
    /// Reads one.
    pub(super) async fn read(
        &self,
        client: &Client,
        stores: &Stores,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Secret>>, Error> {
        let id = (namespace.to_owned(), name.to_owned());
        let seen = stores.secret(namespace, name).as_ref().and_then(Version::of);
        let kept = self.0.get(&id).map(|kept| (kept.0, Arc::clone(&kept.1)));
        if let (Some(seen), Some((version, secret))) = (seen, kept)
            && seen <= version
        {
            return Ok(Some(secret));
        }
        let found = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await?;
        let Some(secret) = found.map(Arc::new) else {
            self.0.remove(&id);
            return Ok(None);
        };
        if let Some(version) = Version::of(&secret.metadata) {
            if self.0.len() >= SECRETS_KEPT_MAX {
                self.0.clear();
            }
            self.0.insert(id, (version, Arc::clone(&secret)));
        }
        Ok(Some(secret))
    }
}
