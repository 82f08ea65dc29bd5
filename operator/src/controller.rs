//! The controller: reads a StratumProxy and what it refers to, judges it, builds its children, publishes its config,
//! applies, and says in the status how that stands.
//!
//! ```text
//! dereference (I/O) → validate (pure) → publish (I/O) → build (pure) → apply (I/O) → update_status (pure, then I/O)
//! ```
//!
//! All that changes anything of a StratumProxy wakes one queue, and no StratumProxy is reconciled twice at once. Only
//! the replica that leads writes; the others keep their caches warm.

mod apply;
mod build;
mod dereference;
mod ended;
mod events;
mod facts;
mod index;
mod memory;
mod pools;
mod publishing;
mod queue;
mod reconcile;
mod repeats;
mod update_status;
mod validate;
mod watches;

pub use publishing::{ABORT_AFTER_VARIABLE, AbortAfter};
pub use watches::PodCache;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _, future, stream};
use kube::Client;
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use loka_api::names;
use loka_api::stratum_proxy::ImagePullPolicy;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use self::apply::Refused;
use self::dereference::Secrets;
use self::queue::Queue;
use self::watches::{Notes, Pool, Proxy, Stores, Streams, key_of, proxy_of_pod, proxy_ref};
use crate::admin::Watchdog;
use crate::fleet::{Changes, Fleet, ProxyKey};
use crate::telemetry::Telemetry;

/// StratumProxies that are reconciled at once.
const CONCURRENCY: u16 = 8;
/// What changes in one go, such as an edit and the events of its children, is looked at once. It is a part of the time
/// from a write to a pod's answer.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Longest that a reconcile may take. The client repeats what fails, and would go on for minutes.
const RECONCILE_MAX: Duration = Duration::from_secs(30);
/// Every so often all is looked at, whether or not a watch has told of a change.
const RESYNC: Duration = Duration::from_mins(10);
/// How long after this replica began to lead its pods may take to dial it.
const TAKEOVER: Duration = Duration::from_secs(30);
/// Waits between attempts double from here, and from there on stay.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_mins(5);
/// Signs of life of the queues, whether or not there is something to reconcile.
const BEAT: Duration = Duration::from_secs(5);
/// Doublings between the two.
const BACKOFF_DOUBLINGS_MAX: u32 = 10;

/// What the operator was started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the operator, and of its Service.
    pub operator_name: String,
    /// Its namespace.
    pub operator_namespace: String,
    /// Name of this replica's pod, which events are reported by.
    pub pod_name: String,
    /// Port of the control stream at the Service.
    pub control_port: u16,
    /// Namespaces that are watched. None: all.
    pub watched: Vec<String>,
    /// What proxies run, unless their StratumProxy says. Pinned: a change rolls every farm.
    pub proxy_image: String,
    /// When nodes pull it.
    pub proxy_image_pull_policy: ImagePullPolicy,
    /// Where proxies send traces to.
    pub proxy_otlp_endpoint: Option<String>,
    /// ConfigMap with the allow-list, in the namespace of each StratumProxy; proxies do not run without it.
    pub proxy_allow_list: Option<String>,
    /// An aid of tests.
    pub abort_after: Option<AbortAfter>,
}

/// Whether this replica leads. Asked before each write, so that one which was paused beyond its term writes nothing.
pub trait Fence: Debug + Send + Sync + 'static {
    /// Leads now, and its term is not over.
    fn may_write(&self) -> bool;
}

/// What the controller works with.
pub struct Wiring {
    /// The API server.
    pub client: Client,
    /// What the operator was started with.
    pub settings: Settings,
    /// Connected pods.
    pub fleet: Arc<Fleet>,
    /// StratumProxies of whose pods something is new.
    pub changes: Changes,
    /// Whether this replica leads.
    pub fence: Arc<dyn Fence>,
    /// The same, as what wakes the queue: true when it begins to lead.
    pub leading: watch::Receiver<bool>,
    /// Certificates by which proxies know the operator, in PEM. Empty until there are any.
    pub certificates: watch::Receiver<String>,
    /// Set when every cache was filled once.
    pub synced: watch::Sender<bool>,
    /// Told what happens.
    pub telemetry: Telemetry,
    /// Is to hold the pods that are watched.
    pub pods: PodCache,
    /// Told that the queues get their turns.
    pub life: Watchdog,
    /// Ends it.
    pub stop: CancellationToken,
}

/// What reconciles share.
struct Context {
    client: Client,
    settings: Settings,
    fleet: Arc<Fleet>,
    fence: Arc<dyn Fence>,
    certificates: watch::Receiver<String>,
    stores: Stores,
    notes: Notes,
    secrets: Secrets,
    recorder: Recorder,
    telemetry: Telemetry,
    leads_since: Arc<Mutex<Instant>>,
}

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The API server.
    #[error("the API server: {0}")]
    Api(#[from] Box<kube::Error>),
    /// It does not take a child, and will not take it again.
    #[error("{}: {}", .0.reason, .0.message)]
    Refused(Refused),
    /// A child of a namesake that was deleted.
    #[error(
        "{kind} {name} is of a StratumProxy of the same name that was deleted, and has to go first"
    )]
    Leftover { kind: &'static str, name: String },
    /// Another replica leads.
    #[error("this replica does not lead")]
    NotLeading,
    /// The resource was deleted and made again meanwhile.
    #[error("the resource was replaced by a namesake")]
    Replaced,
    /// Others write the same object all the time.
    #[error("the status is written by others faster than it can be read")]
    Contended,
    /// A fault of the program.
    #[error("publishing goes round in a circle")]
    NeverSettles,
    /// The caches are not filled.
    #[error("the watches have ended")]
    Unwatched,
    /// The operator has no certificates yet.
    #[error("the operator has no certificates yet")]
    NoCertificates,
    /// An object that is no JSON: a fault of the program.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It took too long.
    #[error("it took longer than {RECONCILE_MAX:?}")]
    TimedOut,
}

/// Runs the controllers until it is stopped: one for each namespace that is watched, or one for all.
pub async fn run(wiring: Wiring) {
    let Wiring {
        client,
        settings,
        fleet,
        changes,
        fence,
        leading,
        certificates,
        synced,
        telemetry,
        pods,
        life,
        stop,
    } = wiring;
    let recorder = Recorder::new(client.clone(), settings.reporter());
    let leads_since = Arc::new(Mutex::new(Instant::now()));
    let mut running = Vec::new();
    let mut routes = Vec::new();
    let mut stores = Vec::new();
    for scope in settings.scopes() {
        let notes = Notes { index: Arc::default(), memory: Arc::default(), pools: Queue::new() };
        let (cached, streams) = watches::watch(&client, scope.as_deref(), &notes, &telemetry);
        stores.push(cached.clone());
        let heard = Queue::new();
        routes.push((scope, heard.clone()));
        let context = Arc::new(Context {
            client: client.clone(),
            settings: settings.clone(),
            fleet: Arc::clone(&fleet),
            fence: Arc::clone(&fence),
            certificates: certificates.clone(),
            stores: cached,
            notes,
            secrets: Secrets::default(),
            recorder: recorder.clone(),
            telemetry: telemetry.clone(),
            leads_since: Arc::clone(&leads_since),
        });
        let wakes = Wakes { heard, leading: leading.clone(), certificates: certificates.clone() };
        running.push(future::join(
            proxies(Arc::clone(&context), streams, wakes, &stop),
            pool_statuses(context, leading.clone(), &stop),
        ));
    }
    pods.fill(&stores);
    let besides = future::join4(
        dispatch(changes, routes),
        note_terms(leading, leads_since),
        say_once_filled(stores, synced),
        beat(life),
    );
    let controllers = future::join_all(running);
    // The controllers see to the end what is under way when they are stopped, and then end. What is besides never does
    // before them.
    drop(future::select(Box::pin(controllers), Box::pin(besides)).await);
}

async fn say_once_filled(stores: Vec<Stores>, synced: watch::Sender<bool>) {
    let ready = future::join_all(stores.iter().map(Stores::ready)).await;
    if ready.into_iter().all(|ready| ready) {
        synced.send_replace(true);
    }
}

/// Shows that the task of the queues gets its turns, in which every reconcile runs. It ends with them. Nothing that
/// the API server does or does not do stops it: starting the process again would not help.
async fn beat(life: Watchdog) {
    let mut beats = tokio::time::interval(BEAT);
    loop {
        beats.tick().await;
        life.tick();
    }
}

/// What wakes StratumProxies beside the watches.
struct Wakes {
    heard: Queue<ProxyKey>,
    leading: watch::Receiver<bool>,
    certificates: watch::Receiver<String>,
}

/// The queue of the StratumProxies.
fn proxies(
    context: Arc<Context>,
    streams: Streams,
    wakes: Wakes,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let Streams {
        proxies,
        pools,
        secrets,
        pods,
        deployments,
        services,
        service_accounts,
        config_maps,
        pod_disruption_budgets,
    } = streams;
    let Wakes { heard, leading, certificates } = wakes;
    let (of_pool, of_secret) = (context.notes.clone(), context.notes.clone());
    let begins = WatchStream::new(leading).filter(|leads| future::ready(*leads)).map(drop);
    let renewed = WatchStream::from_changes(certificates).map(drop);
    Controller::for_stream(proxies, context.stores.proxies.clone())
        .owns_stream(deployments)
        .owns_stream(services)
        .owns_stream(service_accounts)
        .owns_stream(config_maps)
        .owns_stream(pod_disruption_budgets)
        .watches_stream(pods, |pod| proxy_of_pod(&pod).as_ref().map(proxy_ref))
        .watches_stream(pools, move |pool| of_pool.users_of_pool(&pool))
        .watches_stream(secrets, move |secret| of_secret.users_of_secret(&secret))
        .reconcile_on(heard.taken().map(|key| proxy_ref(&key)))
        .reconcile_all_on(begins)
        .reconcile_all_on(renewed)
        .with_config(controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile::reconcile, retry_proxy, context)
        .for_each(|_| future::ready(()))
}

/// The queue of the StratumPools' statuses.
fn pool_statuses(
    context: Arc<Context>,
    leading: watch::Receiver<bool>,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let reference =
        |(namespace, name): watches::Named| ObjectRef::<Pool>::new(&name).within(&namespace);
    let begins = WatchStream::new(leading).filter(|leads| future::ready(*leads)).map(drop);
    let woken = context.notes.pools.taken().map(reference);
    // The other queue's watch fills the cache.
    Controller::for_stream(stream::pending(), context.stores.pools.clone())
        .reconcile_on(woken)
        .reconcile_all_on(begins)
        .with_config(controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(pools::reconcile, retry_pool, context)
        .for_each(|_| future::ready(()))
}

/// Brings what the fleet says to the queue whose namespace it is.
async fn dispatch(
    mut changes: impl Stream<Item = ProxyKey> + Unpin,
    routes: Vec<(Option<String>, Queue<ProxyKey>)>,
) {
    while let Some(key) = changes.next().await {
        let is_of = |scope: &Option<String>| scope.as_ref().is_none_or(|it| *it == key.namespace);
        for (_, queue) in routes.iter().filter(|(scope, _)| is_of(scope)) {
            queue.add(key.clone());
        }
    }
}

/// Notes when this replica began to lead.
async fn note_terms(leading: watch::Receiver<bool>, since: Arc<Mutex<Instant>>) {
    let mut terms = WatchStream::new(leading);
    while let Some(leads) = terms.next().await {
        if leads {
            *since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

fn retry_proxy(object: Arc<Proxy>, error: &Error, context: Arc<Context>) -> Action {
    let key = key_of(object.as_ref());
    retry(&key, error, context.notes.memory.failed(&key))
}

fn retry_pool(object: Arc<Pool>, error: &Error, _: Arc<Context>) -> Action {
    retry(&key_of(object.as_ref()), error, BACKOFF_DOUBLINGS_MAX / 2)
}

/// When it is tried again: later each time, and spread, so that what failed together does not come back together.
fn retry(key: &ProxyKey, error: &Error, attempts: u32) -> Action {
    if matches!(error, Error::NotLeading | Error::Replaced) {
        return Action::await_change();
    }
    let doublings = attempts.saturating_sub(1).min(BACKOFF_DOUBLINGS_MAX);
    let delay = (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX);
    let delay = delay.mul_f64(0.5 + fastrand::f64() / 2.0);
    // How it failed has been told.
    tracing::debug!(%key, attempts, ?delay, "a reconcile is tried again");
    Action::requeue(delay)
}

// === impl Settings ===

impl Settings {
    /// Namespaces to watch, or all in one.
    fn scopes(&self) -> Vec<Option<String>> {
        match self.watched.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        }
    }

    /// Who reports events.
    fn reporter(&self) -> Reporter {
        Reporter { controller: self.operator_name.clone(), instance: Some(self.pod_name.clone()) }
    }
}

// === impl Context ===

impl Context {
    /// Waits for the caches.
    async fn wait_until_ready(&self) -> Result<(), Error> {
        if self.stores.ready().await { Ok(()) } else { Err(Error::Unwatched) }
    }

    /// Whether pods may still be on their way to this replica.
    fn is_new_leader(&self) -> bool {
        let since = *self.leads_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.elapsed() < TAKEOVER
    }

    /// Not all at the same time.
    fn resync(&self) -> Duration {
        RESYNC.mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

// === impl Notes ===

impl Notes {
    fn users_of_pool(&self, pool: &Pool) -> Vec<ObjectRef<Proxy>> {
        let ProxyKey { namespace, name } = key_of(pool);
        self.index.users_of_pool(&namespace, &name).iter().map(proxy_ref).collect()
    }

    /// Whoever reads the Secret; and of one of ours, its owner: the mounted one must not be lost.
    fn users_of_secret(
        &self,
        secret: &kube::core::PartialObjectMeta<k8s_openapi::api::core::v1::Secret>,
    ) -> Vec<ObjectRef<Proxy>> {
        let ProxyKey { namespace, name } = key_of(secret);
        for pool in self.index.pools_of_secret(&namespace, &name) {
            self.pools.add(pool);
        }
        let labels = secret.metadata.labels.as_ref();
        let is_ours = labels
            .and_then(|labels| labels.get(names::MANAGED_BY_LABEL))
            .is_some_and(|by| by == names::MANAGED_BY);
        let owner = labels.and_then(|labels| labels.get(names::INSTANCE_LABEL)).filter(|_| is_ours);
        let owner = owner.map(|owner| ProxyKey::new(&namespace, owner));
        let users = self.index.users_of_secret(&namespace, &name);
        users.into_iter().chain(owner).map(|key| proxy_ref(&key)).collect()
    }
}

// === impl Error ===

impl Error {
    /// What the API server says of a child. What it will never take is told in the status instead of tried for ever.
    fn of_child(kind: &'static str, error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else { return error.into() };
        let reason = match (kind, status.is_invalid(), status.is_forbidden()) {
            ("Deployment", true, _) => "InvalidPod",
            ("Service", true, _) => "InvalidService",
            (_, true, _) => "Invalid",
            (_, false, true) => "Forbidden",
            (_, false, false) => return error.into(),
        };
        let message = format!("the API server does not take the {kind}: {}", status.message);
        Self::Refused(Refused { reason, message })
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

#[cfg(test)]
mod tests;
