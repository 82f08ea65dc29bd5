//! What the programs of a cluster are told, and where they log.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Pods that are not modest in what they want are refused, as a careful cluster refuses them; only the cluster's own may.
pub(super) const ADMISSION: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: restricted, enforce-version: latest, warn: restricted, warn-version: latest}
    exemptions: {namespaces: [kube-system]}
"#;

/// Names whose logs are of this run.
static OURS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Where logs of this name go. They are kept until the next run, even if this one starts another of the same name: the
/// first may have seen a test fail.
pub(super) fn logs(name: &str) -> PathBuf {
    let all = env::var_os("LOKA_LOGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/k8s-logs"),
        PathBuf::from,
    );
    let logs = all.join(name);
    let old = OURS.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    if old && logs.exists() {
        fs::remove_dir_all(&logs).expect("old logs can be removed");
    }
    fs::create_dir_all(&logs).expect("a directory for logs");
    // kubelet takes no path with `..` in it.
    logs.canonicalize().expect("a path")
}

/// Writes a file, and says where.
pub(super) fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// What one machine is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) directory: &'a Path,
    pub(super) logs: &'a Path,
    pub(super) authority: &'a Path,
    /// The root of the file system with the runtime.
    pub(super) root: &'a Path,
    pub(super) pods: &'a str,
    pub(super) group: &'a str,
    pub(super) pause: &'a str,
}

/// The cluster's name server (tests/tools/coredns.yaml).
pub(super) const DNS: &str = "10.96.0.10";

// === impl Node ===

impl Node<'_> {
    /// `containerd.toml`, for `containerd --version`. The plugins have other names since version 2.
    pub(super) fn containerd(&self, version: &str) -> String {
        let Self { directory, root, pause, .. } = *self;
        let (directory, network) = (directory.display(), directory.join("cni"));
        let network = network.display();
        let plugins = plugins(root);
        let plugins = plugins.display();
        let new = version
            .split_whitespace()
            .any(|word| word.starts_with("2.") || word.starts_with("v2."));
        let (number, runtime, images) = if new {
            (
                "3",
                "io.containerd.cri.v1.runtime",
                "[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox",
            )
        } else {
            (
                "2",
                "io.containerd.grpc.v1.cri",
                "[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image",
            )
        };
        let directories = if new {
            format!("bin_dirs = ['{plugins}']")
        } else {
            format!("bin_dir = '{plugins}'")
        };
        // Keys of one table have to stand together in version 2, where the image of the pause is one of them.
        let (before, after) = if new {
            (format!("[plugins.'{runtime}']"), format!("{images} = '{pause}'"))
        } else {
            (format!("{images} = '{pause}'"), String::new())
        };
        format!(
            "version = {number}
root = '{directory}/containerd'
state = '/run/containerd'
[grpc]
address = '/run/containerd/containerd.sock'
[plugins.'io.containerd.internal.v1.opt']
path = '{directory}/containerd/opt'
{before}
# Where root lacks CAP_SYS_RESOURCE, a score below the machine's own cannot be set.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins.'{runtime}'.cni]
{directories}
conf_dir = '{network}'
[plugins.'{runtime}'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'{runtime}'.containerd.runtimes.runc.options]
SystemdCgroup = false
{after}
"
        )
    }

    /// `cni/10-test.conflist`: a bridge for the pods of this machine; the way to others' pods is a route.
    pub(super) fn network(&self) -> String {
        let pods = self.pods;
        format!(
            r#"{{"cniVersion": "1.0.0", "name": "test", "plugins": [{{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{pods}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}
}}]}}
"#
        )
    }

    /// `kubelet.yaml`. Nothing is evicted for want of the disk, which is not the machine's own; a machine that is cut off is
    /// noticed in seconds.
    pub(super) fn kubelet(&self) -> String {
        let Self { name, directory, logs, authority, group, .. } = *self;
        let (directory, logs, authority) =
            (directory.display(), logs.display(), authority.display());
        format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {authority}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {authority}/{name}-server.crt
tlsPrivateKeyFile: {authority}/{name}-server.key
cgroupDriver: cgroupfs
cgroupRoot: /{group}
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
podLogsDir: {logs}/pods
clusterDNS: [{DNS}]
clusterDomain: cluster.local
resolvConf: {directory}/resolv.conf
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {{nodefs.available: '0%', nodefs.inodesFree: '0%', imagefs.available: '0%', memory.available: 50Mi}}
enforceNodeAllocatable: [pods]
localStorageCapacityIsolation: false
syncFrequency: 5s
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 8
"
        )
    }

    /// `kube-proxy.yaml`.
    pub(super) fn kube_proxy(&self) -> String {
        kube_proxy(self.name, &self.directory.join("kube-proxy.kubeconfig"))
    }
}

/// How Services are translated to pods, seen from `node`. Values of the kernel that all machines share are left alone.
pub(super) fn kube_proxy(node: &str, kubeconfig: &Path) -> String {
    let kubeconfig = kubeconfig.display();
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: {node}
clusterCIDR: 10.244.0.0/16
clientConnection: {{kubeconfig: {kubeconfig}}}
conntrack: {{maxPerCore: 0, min: 0}}
nftables: {{minSyncPeriod: 100ms}}
"
    )
}

/// Where distributions put the plugins for the pods' network.
fn plugins(root: &Path) -> PathBuf {
    let places = ["usr/lib/cni", "opt/cni/bin", "usr/libexec/cni"].map(|place| root.join(place));
    let [first, ..] = &places;
    places.iter().find(|place| place.join("bridge").exists()).unwrap_or(first).clone()
}

/// CoreDNS as pods of the cluster.
pub(super) fn dns(image: &str) -> String {
    include_str!("../../tools/coredns.yaml").replace("IMAGE", image)
}
