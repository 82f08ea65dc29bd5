//! What is watched, each with a back-off of its own, and the caches that come of it. A watch that fails is told
//! and tried again, and holds up none of the others.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{PredicateConfig, WatchStreamExt as _, predicates};
use kube::{Client, Resource, ResourceExt as _};
use loka_api::names;
use loka_api::stratum_pool::StratumPool;
use loka_api::stratum_proxy::StratumProxy;
use serde::de::DeserializeOwned;

use super::index::Index;
use super::memory::Memory;
use super::queue::Queue;
use super::repeats::Repeats;
use crate::fleet::ProxyKey;
use crate::telemetry::reasons::Watch;
use crate::telemetry::{self, Telemetry};

/// A StratumProxy that may be unreadable: one that is must not stop the others.
pub(super) type Proxy = DeserializeGuard<StratumProxy>;
/// The same of a StratumPool.
pub(super) type Pool = DeserializeGuard<StratumPool>;
/// A name in a namespace.
pub(super) type Named = (String, String);
/// A stream of objects that changed, without errors.
type Changed<K> = std::pin::Pin<Box<dyn Stream<Item = Result<K, watcher::Error>> + Send>>;

/// A connection that is silent for so long is dead. The API server ends watches by itself before that.
const WATCH_SECONDS: u32 = 120;

/// What to do about a kind of ours that the API server does not know.
const NOT_INSTALLED: &str = "the resource definitions are not installed: kubectl apply --server-side -f crds/, or \
                             install the chart with crds.enabled=true";

/// The pods that are watched, for whoever looks one up: none before the watches begin.
#[derive(Clone, Default)]
pub struct PodCache(Arc<OnceLock<Vec<Store<Pod>>>>);

/// The caches.
#[derive(Clone)]
pub(super) struct Stores {
    pub(super) proxies: Store<Proxy>,
    pub(super) pools: Store<Pool>,
    secrets: Store<PartialObjectMeta<Secret>>,
    pods: Store<Pod>,
    deployments: Store<Deployment>,
    services: Store<Service>,
    service_accounts: Store<PartialObjectMeta<ServiceAccount>>,
    config_maps: Store<PartialObjectMeta<ConfigMap>>,
    pod_disruption_budgets: Store<PartialObjectMeta<PodDisruptionBudget>>,
}

/// What feeds the caches and, each object, the queue of the StratumProxies. They must be polled.
pub(super) struct Streams {
    pub(super) proxies: Changed<Proxy>,
    pub(super) pools: Changed<Pool>,
    pub(super) secrets: Changed<PartialObjectMeta<Secret>>,
    pub(super) pods: Changed<Pod>,
    pub(super) deployments: Changed<Deployment>,
    pub(super) services: Changed<Service>,
    pub(super) service_accounts: Changed<PartialObjectMeta<ServiceAccount>>,
    pub(super) config_maps: Changed<PartialObjectMeta<ConfigMap>>,
    pub(super) pod_disruption_budgets: Changed<PartialObjectMeta<PodDisruptionBudget>>,
}

/// Where watches leave what they see, on the way to the queue.
#[derive(Clone)]
pub(super) struct Notes {
    pub(super) index: Arc<Index>,
    pub(super) memory: Arc<Memory>,
    pub(super) pools: Queue<Named>,
}

/// Watches a namespace, or all of them.
pub(super) fn watch(
    client: &Client,
    namespace: Option<&str>,
    notes: &Notes,
    telemetry: &Telemetry,
) -> (Stores, Streams) {
    let ours = || {
        watcher::Config::default().labels(&format!(
            "{}={}",
            names::MANAGED_BY_LABEL,
            names::MANAGED_BY
        ))
    };
    let all = watcher::Config::default;
    let scope = Scope { client, namespace, telemetry };
    let (proxies, proxy_stream) = scope.proxies(notes.clone());
    let (pools, pool_stream) = scope.pools(notes.clone());
    let (secrets, secret_stream) = scope.objects(Watch::Secret, all(), prune_partial);
    let (pods, pod_stream) = scope.objects(Watch::Pod, ours(), prune_pod);
    let (deployments, deployment_stream) = scope.objects(Watch::Deployment, ours(), |_| ());
    let (services, service_stream) = scope.objects(Watch::Service, ours(), prune);
    let (service_accounts, service_account_stream) =
        scope.objects(Watch::ServiceAccount, ours(), prune_partial);
    let (config_maps, config_map_stream) = scope.objects(Watch::ConfigMap, ours(), prune_partial);
    let (pod_disruption_budgets, budget_stream) =
        scope.objects(Watch::PodDisruptionBudget, ours(), prune_partial);
    let stores = Stores {
        proxies,
        pools,
        secrets,
        pods,
        deployments,
        services,
        service_accounts,
        config_maps,
        pod_disruption_budgets,
    };
    let streams = Streams {
        proxies: proxy_stream,
        pools: pool_stream,
        secrets: secret_stream,
        pods: pod_stream,
        deployments: deployment_stream,
        services: service_stream,
        service_accounts: service_account_stream,
        config_maps: config_map_stream,
        pod_disruption_budgets: budget_stream,
    };
    (stores, streams)
}

/// The StratumProxy that a pod belongs to, by its labels.
pub(super) fn proxy_of_pod(pod: &Pod) -> Option<ProxyKey> {
    let name = pod.labels().get(names::INSTANCE_LABEL)?;
    Some(ProxyKey::new(pod.namespace()?, name))
}

/// In the queue's words.
pub(super) fn proxy_ref(key: &ProxyKey) -> ObjectRef<Proxy> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

/// By namespace and name.
pub(super) fn key_of<K: Resource>(object: &K) -> ProxyKey {
    let metadata = object.meta();
    ProxyKey::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

struct Scope<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    telemetry: &'a Telemetry,
}

impl Scope<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn objects<K>(
        &self,
        kind: Watch,
        config: watcher::Config,
        prune: fn(&mut K),
    ) -> (Store<K>, Changed<K>)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (reader, writer) = store();
        let stream = watcher(self.api::<K>(), config.timeout(WATCH_SECONDS))
            .default_backoff()
            .modify(prune)
            .reflect(writer)
            .touched_objects();
        (reader, told(kind, self.telemetry, stream))
    }

    fn proxies(&self, notes: Notes) -> (Store<Proxy>, Changed<Proxy>) {
        let (reader, writer) = store();
        let mut listed = BTreeSet::new();
        let stream =
            watcher(self.api::<Proxy>(), watcher::Config::default().timeout(WATCH_SECONDS))
                .default_backoff()
                .modify(prune)
                .inspect_ok(move |event| notes.proxy(event, &mut listed))
                .reflect(writer)
                .applied_objects()
                // Our own writes of the status are no news.
                .predicate_filter(predicates::generation, PredicateConfig::default());
        (reader, told(Watch::StratumProxy, self.telemetry, stream))
    }

    fn pools(&self, notes: Notes) -> (Store<Pool>, Changed<Pool>) {
        let (reader, writer) = store();
        let stream = watcher(self.api::<Pool>(), watcher::Config::default().timeout(WATCH_SECONDS))
            .default_backoff()
            .modify(prune)
            .inspect_ok(move |event| notes.pool(event))
            .reflect(writer)
            .touched_objects();
        (reader, told(Watch::StratumPool, self.telemetry, stream))
    }
}

/// Errors end here: the controller would hold up all watches for one.
fn told<K: Send + 'static>(
    kind: Watch,
    telemetry: &Telemetry,
    stream: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
) -> Changed<K> {
    let telemetry = telemetry.clone();
    let mut repeats = Repeats::default();
    let quiet = stream.filter_map(move |item| {
        match &item {
            Ok(_) => repeats.worked(),
            Err(error) => {
                let remedy = remedy(kind, error);
                let repeated = repeats.failed(error.to_string(), Instant::now());
                telemetry.emit(&telemetry::Event::WatchFailed { kind, error, remedy, repeated });
            }
        }
        std::future::ready(item.ok().map(Ok))
    });
    Box::pin(quiet)
}

fn remedy(kind: Watch, error: &watcher::Error) -> Option<&'static str> {
    let is_missing = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.is_not_found(),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => false,
    };
    let is_ours = matches!(kind, Watch::StratumProxy | Watch::StratumPool);
    (is_missing && is_ours).then_some(NOT_INSTALLED)
}

// === impl PodCache ===

impl PodCache {
    /// A pod, if it is watched and seen.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.0.get()?.iter().find_map(|store| store.get(&reference))
    }

    /// Once.
    pub(super) fn fill<'s>(&self, stores: impl IntoIterator<Item = &'s Stores>) {
        // Whoever began first has them.
        drop(self.0.set(stores.into_iter().map(|stores| stores.pods.clone()).collect()));
    }
}

// === impl Notes ===

impl Notes {
    /// `listed` are the StratumProxies of the list that is under way: those that are not in it are gone.
    fn proxy(&self, event: &Event<Proxy>, listed: &mut BTreeSet<ProxyKey>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(proxy) => {
                listed.insert(key_of(proxy));
                self.put(proxy);
            }
            Event::InitDone => {
                for gone in self.index.other_proxies(listed) {
                    self.gone(&gone);
                }
                listed.clear();
            }
            Event::Apply(proxy) => self.put(proxy),
            Event::Delete(proxy) => self.gone(&key_of(proxy)),
        }
    }

    /// One that cannot be read keeps the references that it had: what runs still has them.
    fn put(&self, proxy: &Proxy) {
        let Ok(readable) = &proxy.0 else { return };
        for pool in self.index.put_proxy(&key_of(proxy), Some(&readable.spec)) {
            self.pools.add(pool);
        }
    }

    fn gone(&self, key: &ProxyKey) {
        self.memory.forget(key);
        for pool in self.index.put_proxy(key, None) {
            self.pools.add(pool);
        }
    }

    /// The reference of a StratumPool that goes while its watch is down is kept until its namesake comes: it costs a
    /// needless look at one StratumProxy.
    fn pool(&self, event: &Event<Pool>) {
        let (pool, spec) = match event {
            Event::Apply(pool) | Event::InitApply(pool) => {
                (pool, pool.0.as_ref().ok().map(|readable| &readable.spec))
            }
            Event::Delete(pool) => (pool, None),
            Event::Init | Event::InitDone => return,
        };
        let ProxyKey { namespace, name } = key_of(pool);
        self.index.put_pool(&namespace, &name, spec);
        self.pools.add((namespace, name));
    }
}

// === impl Stores ===

impl Stores {
    /// Every cache has been filled once. A reconcile on half of them would take what it does not see for gone.
    pub(super) async fn ready(&self) -> bool {
        let Self {
            proxies,
            pools,
            secrets,
            pods,
            deployments,
            services,
            service_accounts,
            config_maps,
            pod_disruption_budgets,
        } = self;
        proxies.wait_until_ready().await.is_ok()
            && pools.wait_until_ready().await.is_ok()
            && secrets.wait_until_ready().await.is_ok()
            && pods.wait_until_ready().await.is_ok()
            && deployments.wait_until_ready().await.is_ok()
            && services.wait_until_ready().await.is_ok()
            && service_accounts.wait_until_ready().await.is_ok()
            && config_maps.wait_until_ready().await.is_ok()
            && pod_disruption_budgets.wait_until_ready().await.is_ok()
    }

    pub(super) fn pool(&self, namespace: &str, name: &str) -> Option<Arc<Pool>> {
        self.pools.get(&ObjectRef::new(name).within(namespace))
    }

    /// Metadata of any Secret.
    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<ObjectMeta> {
        let found = self.secrets.get(&ObjectRef::new(name).within(namespace))?;
        Some(found.metadata.clone())
    }

    pub(super) fn config_secret(&self, key: &ProxyKey) -> Option<ObjectMeta> {
        self.secret(&key.namespace, &names::config_secret(&key.name))
    }

    pub(super) fn pods(&self, key: &ProxyKey) -> Vec<Arc<Pod>> {
        self.pods.state_filter(|pod| proxy_of_pod(pod).as_ref() == Some(key))
    }

    pub(super) fn deployment(&self, key: &ProxyKey) -> Option<Arc<Deployment>> {
        self.deployments.get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    pub(super) fn service(&self, key: &ProxyKey) -> Option<Arc<Service>> {
        self.services.get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    pub(super) fn service_account(&self, key: &ProxyKey) -> Option<Box<ObjectMeta>> {
        metadata(&self.service_accounts, key, &key.name)
    }

    pub(super) fn config_map(&self, key: &ProxyKey) -> Option<Box<ObjectMeta>> {
        metadata(&self.config_maps, key, &names::control_config_map(&key.name))
    }

    pub(super) fn pod_disruption_budget(&self, key: &ProxyKey) -> Option<Box<ObjectMeta>> {
        metadata(&self.pod_disruption_budgets, key, &key.name)
    }
}

#[cfg(test)]
impl Stores {
    /// Caches that hold these and have been filled.
    pub(super) fn filled(
        pools: Vec<Pool>,
        secrets: Vec<PartialObjectMeta<Secret>>,
        pods: Vec<Pod>,
        deployments: Vec<Deployment>,
    ) -> Self {
        Self {
            proxies: filled(Vec::new()),
            pools: filled(pools),
            secrets: filled(secrets),
            pods: filled(pods),
            deployments: filled(deployments),
            services: filled(Vec::new()),
            service_accounts: filled(Vec::new()),
            config_maps: filled(Vec::new()),
            pod_disruption_budgets: filled(Vec::new()),
        }
    }
}

#[cfg(test)]
fn filled<K>(objects: Vec<K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (reader, mut writer) = store();
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    // The reader answers as long as there is a writer.
    std::mem::forget(writer);
    reader
}

fn metadata<K>(
    store: &Store<PartialObjectMeta<K>>,
    key: &ProxyKey,
    name: &str,
) -> Option<Box<ObjectMeta>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + 'static,
{
    let found = store.get(&ObjectRef::new(name).within(&key.namespace))?;
    Some(Box::new(found.metadata.clone()))
}

fn prune<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

fn prune_partial<K>(object: &mut PartialObjectMeta<K>) {
    object.metadata.managed_fields = None;
}

/// Of a pod's spec only the images are looked at: thousands are kept.
fn prune_pod(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        for container in &mut spec.containers {
            container.env = None;
            container.volume_mounts = None;
            container.args = None;
        }
    }
}

#[cfg(test)]
mod tests;
