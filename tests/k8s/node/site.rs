//! A site of its own in the shared cluster: a namespace under Pod Security `restricted`, an operator for it alone, two
//! practice pools outside of the cluster's pod network, and what a person would do with kubectl.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use loka_api::control::Identity;
use loka_api::names;
use loka_api::stratum_proxy::StratumProxy;
use loka_farm::http::fetch;
use loka_tests::books::Ledger;
use loka_tests::cluster::{Cluster, Image, Kubeconfig, Namespace, eventually};
use loka_tests::rig::{Pools, alpha, beta};
use serde_json::{Value, json};

/// Far longer than anything takes on a busy machine of two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The StratumProxy of every site.
pub(crate) const FARM: &str = "farm";

/// Port that its miners connect to.
pub(crate) const PORT: u16 = 3333;

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/loka-stratum");

const ADMIN_PORT: u16 = 9090;

/// The release, whose operator is called `stratum-operator`.
const RELEASE: &str = "stratum";
pub(crate) const OPERATOR: &str = "stratum-operator";

/// Documents are applied as a person would.
const MANAGER: &str = "somebody";

/// A namespace with an operator, and pools.
pub(crate) struct Site {
    pub(crate) cluster: Kubeconfig,
    pub(crate) namespace: Namespace,
    pub(crate) client: kube::Client,
    pub(crate) pools: Pools,
}

/// A condition: status, reason, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) generation: Option<i64>,
}

// === impl Site ===

impl Site {
    /// A namespace with an operator that looks after it alone; further `--set` of the chart as `KEY=VALUE`.
    pub(crate) async fn install(cluster: &Cluster, name: &str, settings: &[&str]) -> Option<Self> {
        let host = cluster.host_address()?;
        define(cluster).await;
        cluster.load(&Image::proxy()).await;
        cluster.load(&Image::operator()).await;
        let namespace = cluster.namespace(name).await;
        restrict(cluster, &namespace).await;
        let client = cluster.client().await;
        let pools = Pools::of_at([alpha(), beta()], host).await;
        let site = Self { cluster: (**cluster).clone(), namespace, client, pools };
        site.helm("install", settings).await;
        Some(site)
    }

    /// `helm install` or `helm upgrade` of our chart with our images.
    pub(crate) async fn helm(&self, verb: &str, settings: &[&str]) {
        let watch = format!("watchNamespaces={{{}}}", &*self.namespace);
        let mut all = vec![watch, "crds.enabled=false".to_owned()];
        all.extend(image_settings("image", &Image::operator()));
        all.extend(image_settings("proxy.image", &Image::proxy()));
        all.extend(settings.iter().map(|&setting| setting.to_owned()));
        let mut arguments = vec![verb, RELEASE, CHART, "--namespace", &self.namespace];
        arguments.extend(["--wait", "--timeout", "120s"]);
        for setting in &all {
            arguments.extend(["--set", setting]);
        }
        self.cluster.helm(&arguments).await;
    }

    /// `kubectl` in the namespace.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let namespaced: Vec<&str> = ["--namespace", &*self.namespace]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.cluster.kubectl(&namespaced).await
    }

    /// The same, where it may fail.
    pub(crate) async fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let namespaced: Vec<&str> = ["--namespace", &*self.namespace]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.cluster.try_kubectl(&namespaced).await
    }

    /// Applies a document: server-side, like `kubectl apply --server-side`.
    pub(crate) async fn apply(&self, document: &Value) {
        let text = |pointer| document.pointer(pointer).and_then(Value::as_str).expect("a text");
        let (group, version) =
            text("/apiVersion").split_once('/').unwrap_or_else(|| ("", text("/apiVersion")));
        let kind = GroupVersionKind::gvk(group, version, text("/kind"));
        let resource = match text("/kind") {
            names::STRATUM_PROXY => ApiResource::from_gvk_with_plural(&kind, "stratumproxies"),
            _ => ApiResource::from_gvk(&kind),
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(text("/metadata/name"), &parameters, &Patch::Apply(document))
            .await
            .unwrap_or_else(|error| panic!("{document:#}: {error}"));
    }

    /// Pools alpha and beta, their password, and the StratumProxy before them.
    pub(crate) async fn farm(&self, replicas: i32) {
        self.apply(&password("hunter2")).await;
        self.apply(&pool("alpha", self.pools.addresses[0])).await;
        self.apply(&pool("beta", self.pools.addresses[1])).await;
        self.apply(&proxy(&json!({ "replicas": replicas }))).await;
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The StratumProxy.
    pub(crate) async fn proxy(&self) -> StratumProxy {
        self.api().get(FARM).await.expect("the StratumProxy")
    }

    /// A condition of the StratumProxy.
    pub(crate) async fn condition(&self, kind: &str) -> Option<Said> {
        let status = self.proxy().await.status?;
        let found = status.conditions.into_iter().find(|condition| condition.type_ == kind)?;
        Some(Said {
            status: format!("{:?}", found.status),
            reason: found.reason,
            message: found.message,
            generation: found.observed_generation,
        })
    }

    /// Waits for a condition of the StratumProxy, of its present generation, with this status and reason.
    pub(crate) async fn says(&self, kind: &str, status: &str, reason: &str) -> Said {
        eventually(&format!("{kind}={status} {reason}"), PATIENCE, async || {
            let generation = self.proxy().await.metadata.generation;
            let said = self.condition(kind).await;
            let fits = said.as_ref().is_some_and(|said| {
                said.status == status && said.reason == reason && said.generation == generation
            });
            if fits { Ok(said.expect("looked at")) } else { Err(format!("{said:?}")) }
        })
        .await
    }

    /// Waits until every Ready pod runs what the present generation says, and all is well.
    pub(crate) async fn ready(&self) {
        self.says("Programmed", "True", "AllPodsSynced").await;
        eventually("Ready=True", PATIENCE, async || {
            let said = self.condition("Ready").await;
            let ready = said.as_ref().is_some_and(|said| said.status == "True");
            if ready { Ok(()) } else { Err(format!("{said:?}")) }
        })
        .await;
    }

    /// Its pods that are not on their way out, by name.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let selector = format!("app.kubernetes.io/instance={FARM}");
        let pods: Api<Pod> = self.api();
        let listed = pods.list(&ListParams::default().labels(&selector)).await.expect("a list");
        let living = listed.items.into_iter();
        living.filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
    }

    /// Waits for so many pods, all Ready.
    pub(crate) async fn ready_pods(&self, count: usize) -> Vec<Pod> {
        eventually(&format!("{count} ready pods"), PATIENCE, async || {
            let pods = self.pods().await;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            if pods.len() == count && ready == count {
                Ok(pods)
            } else {
                Err(format!("{ready} ready of {}", pods.len()))
            }
        })
        .await
    }

    /// The mounted snapshot's identity, and the version of the Secret that holds it.
    pub(crate) async fn mounted(&self) -> (Identity, String) {
        let name = format!("{FARM}-config");
        let secret: Secret = self.api().get(&name).await.expect("the mounted Secret");
        let data = secret.data.expect("data");
        let text = String::from_utf8(data["snapshot.json"].0.clone()).expect("UTF-8");
        let file: Value = serde_json::from_str(&text).expect("a snapshot");
        let identity = serde_json::from_value(file["identity"].clone()).expect("an identity");
        (identity, secret.metadata.resource_version.expect("a version"))
    }

    /// Where miners inside and outside connect: the Service's address.
    pub(crate) async fn service(&self) -> SocketAddr {
        let service: Service = self.api().get(FARM).await.expect("the Service");
        let ip = service.spec.and_then(|spec| spec.cluster_ip).expect("an address");
        SocketAddr::new(ip.parse().expect("an address"), PORT)
    }

    /// What all its pods' ledgers hold together.
    pub(crate) async fn ledgers(&self) -> BTreeMap<String, Ledger> {
        let mut all = BTreeMap::new();
        for pod in self.pods().await {
            let ledger = page(&pod, "/ledger").await.expect("the pod answers");
            all.insert(name_of(&pod), serde_json::from_value(ledger).expect("a ledger"));
        }
        all
    }

    /// Waits until a pool has accepted `more` shares more than now.
    pub(crate) async fn pays(&self, pool: usize, more: u64) {
        let before = self.pools.accepted()[pool];
        eventually(&format!("pool {pool} pays {more} more shares"), PATIENCE, async || {
            let since = self.pools.accepted()[pool] - before;
            if since >= more { Ok(()) } else { Err(since) }
        })
        .await;
    }
}

/// The resource definitions, as the chart has them, for the whole cluster. They belong to the release of the quick start,
/// which takes them over when it is installed.
pub(crate) async fn define(cluster: &Cluster) {
    let definitions = ["stratumproxies", "stratumpools"];
    let files = definitions.map(|it| format!("templates/crds/{it}.stratum.loka.dev.yaml"));
    let only = files.iter().flat_map(|file| ["--show-only", file.as_str()]);
    let arguments: Vec<&str> = ["template", RELEASE, CHART].into_iter().chain(only).collect();
    let rendered = cluster.helm(&arguments).await;
    let owner = format!(
        "\n  annotations:\n    meta.helm.sh/release-name: {RELEASE}\n    meta.helm.sh/release-namespace: {RELEASE}\n"
    );
    cluster.apply(&rendered.replace("\n  annotations:\n", &owner)).await;
}

/// The strictest of the Pod Security Standards, enforced.
async fn restrict(cluster: &Cluster, namespace: &str) {
    let label = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl(&["label", "namespace", namespace, label, "--overwrite"]).await;
}

/// What the chart is told of an image that is on the nodes already.
pub(crate) fn image_settings(at: &str, image: &Image) -> [String; 3] {
    [
        format!("{at}.repository={}", image.repository()),
        format!("{at}.tag={}", image.tag()),
        format!("{at}.pullPolicy=Never"),
    ]
}

/// A page of a pod's admin server.
pub(crate) async fn page(pod: &Pod, path: &str) -> Result<Value, String> {
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    let ip: IpAddr = ip.and_then(|ip| ip.parse().ok()).ok_or("no address yet")?;
    let (code, body) =
        fetch(SocketAddr::new(ip, ADMIN_PORT), path).await.map_err(|error| error.to_string())?;
    serde_json::from_str(&body).map_err(|error| format!("{code} {body}: {error}"))
}

pub(crate) fn name_of(pod: &Pod) -> String {
    pod.metadata.name.clone().expect("a name")
}

pub(crate) fn uid_of(pod: &Pod) -> String {
    pod.metadata.uid.clone().expect("a uid")
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// How often the pod's containers were restarted.
pub(crate) fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).sum()
}

/// The Secret with the pools' password.
pub(crate) fn password(text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "credentials" },
        "stringData": { "password": text },
    })
}

/// A StratumPool at an address.
pub(crate) fn pool(name: &str, address: SocketAddr) -> Value {
    json!({
        "apiVersion": "stratum.loka.dev/v1alpha1",
        "kind": "StratumPool",
        "metadata": { "name": name },
        "spec": {
            "endpoints": [{ "url": format!("stratum+tcp://{address}") }],
            "account": "acct",
            "passwordSecretRef": { "name": "credentials" },
        },
    })
}

/// The StratumProxy, on pools alpha and then beta, with more of a spec merged in.
pub(crate) fn proxy(more: &Value) -> Value {
    let mut document = json!({
        "apiVersion": "stratum.loka.dev/v1alpha1",
        "kind": "StratumProxy",
        "metadata": { "name": FARM },
        "spec": {
            "listeners": [listener("v1", PORT)],
            "routes": [route(&["alpha", "beta"])],
            "drain": { "timeout": "10s" },
        },
    });
    let spec = document["spec"].as_object_mut().expect("an object");
    spec.extend(more.as_object().expect("an object").clone());
    document
}

/// A listener whose shares are as hard as the pools ask for.
pub(crate) fn listener(name: &str, port: u16) -> Value {
    let difficulty = json!({ "initial": "0.0004m", "min": "0.0001m", "max": "1" });
    json!({ "name": name, "port": port, "difficulty": difficulty })
}

/// A route over these pools, in this order.
pub(crate) fn route(pools: &[&str]) -> Value {
    let pools: Vec<Value> = pools
        .iter()
        .enumerate()
        .map(|(place, pool)| json!({ "poolRef": { "name": pool }, "priority": place * 10 }))
        .collect();
    json!({ "name": "main", "pools": pools, "failback": { "after": "1s" } })
}
