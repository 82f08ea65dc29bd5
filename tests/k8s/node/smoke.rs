//! The harness itself: pods run, are found by name and address, and nothing is left of a cluster that has ended.

use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use loka_tests::cluster::{Cluster, Image, Kubeconfig, Machines, eventually};

/// An image may have to be imported and a pod to be started, on a busy machine.
const RUNS_WITHIN: Duration = Duration::from_secs(60);

/// Longest answer of a pod.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What the cluster adds to short names.
const DOMAIN: &str = "svc.cluster.local";

const PORT: u16 = 7000;

/// As many pods that say their names as there are `replicas`, spread over the nodes, behind a Service.
fn documents(image: &str, replicas: usize) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: web
        image: {image}
        args: [serve, "{PORT}"]
        ports: [{{name: web, containerPort: {PORT}}}]
        readinessProbe: {{tcpSocket: {{port: web}}, periodSeconds: 1}}
        resources: {{limits: {{memory: 16Mi}}}}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {{drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: web}}]}}
"#
    )
}

async fn service_address(cluster: &Kubeconfig, namespace: &str) -> SocketAddr {
    let query = ["get", "service", "web", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}"];
    let address: IpAddr = cluster.kubectl(&query).await.parse().expect("an address");
    SocketAddr::new(address, 80)
}

/// Which pod answers.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    let mut name = String::new();
    stream.read_to_string(&mut name)?;
    Ok(name.trim().to_owned())
}

async fn deploy(cluster: &Cluster, namespace: &str, replicas: usize) {
    let image = cluster.load(&Image::pod()).await;
    cluster.apply_in(namespace, &documents(&image, replicas)).await;
    let rollout = ["rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s"];
    cluster.kubectl(&rollout).await;
}

#[tokio::test]
async fn a_pod_is_reached_through_its_service_and_found_by_name() {
    let Some(cluster) = Cluster::shared().await else { return };
    if cluster.host_address().is_none() {
        return;
    }
    let namespace = cluster.namespace("web").await;
    deploy(&cluster, &namespace, 2).await;
    let pods = cluster.kubectl(&["get", "pods", "-n", &namespace, "-o", "name"]).await;
    let address = service_address(&cluster, &namespace).await;
    for pod in pods.lines() {
        let name = pod.trim_start_matches("pod/");
        eventually(&format!("{name} answers"), RUNS_WITHIN, async || match ask(address) {
            Ok(answer) if answer == name => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    let name = format!("web.{}.{DOMAIN}", &*namespace);
    let resolve = ["exec", "-n", &namespace, "deployment/web", "--", "/loka-pod", "resolve"];
    for name in [format!("{name}:80"), "web:80".to_owned()] {
        let resolve = [resolve.as_slice(), &[&name]].concat();
        let found =
            eventually("DNS answers", RUNS_WITHIN, async || cluster.try_kubectl(&resolve).await)
                .await;
        assert_eq!(found.trim(), address.to_string());
    }
    let unknown = [resolve.as_slice(), &["example.com:80"]].concat();
    assert!(cluster.try_kubectl(&unknown).await.is_err(), "a way out of the fabric");
}

#[tokio::test]
async fn pods_survive_what_happens_to_machines() {
    let Some(mut cluster) = Cluster::exclusive().await else { return };
    let namespace = cluster.namespace("harm").await;
    let count = match cluster.machines() {
        Some(machines) => machines.count(),
        None => return,
    };
    deploy(&cluster, &namespace, count).await;
    let address = service_address(&cluster, &namespace).await;
    let everyone = |seen: usize| eventually_seen(address, seen);
    everyone(count).await;

    let machines = cluster.machines().expect("machines");
    machines.stop_api_server();
    everyone(count).await;
    let refused = cluster.try_kubectl(&["get", "nodes"]).await;
    assert!(refused.is_err(), "{refused:?}");
    let machines = cluster.machines().expect("machines");
    machines.resume_api_server().await;

    machines.cut(1);
    machines.kill(2);
    for number in [1, 2] {
        ready(&cluster, number, "Unknown").await;
    }
    let machines = cluster.machines().expect("machines");
    machines.heal(1);
    machines.boot(2).await;
    for number in [1, 2] {
        ready(&cluster, number, "True").await;
    }
    everyone(count).await;
}

/// Waits until this many pods have answered.
async fn eventually_seen(address: SocketAddr, wanted: usize) {
    let mut seen = std::collections::BTreeSet::new();
    eventually(&format!("{wanted} pods answer"), RUNS_WITHIN, async || {
        seen.extend(ask(address));
        if seen.len() >= wanted { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

async fn ready(cluster: &Kubeconfig, number: usize, status: &str) {
    let name = Machines::name(number);
    let query = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    eventually(&format!("{name} is Ready={status}"), RUNS_WITHIN, async || {
        let found = cluster.try_kubectl(&["get", "node", &name, "-o", query]).await?;
        if found == status { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster_that_has_ended() {
    let Some(mut cluster) = Cluster::exclusive().await else { return };
    let namespace = cluster.namespace("gone").await;
    deploy(&cluster, &namespace, 1).await;
    let Some(machines) = cluster.machines() else { return };
    let family: Vec<u32> = machines.first_processes().into_iter().flat_map(descendants).collect();
    assert!(family.len() > 10, "{family:?}");
    let fabric = std::env::var("LOKA_FABRIC").expect("a fabric");
    let group = Path::new(&fabric).file_name().expect("a name").to_string_lossy().into_owned();
    assert!(!groups(&group).is_empty());

    drop(namespace);
    cluster.end();

    let alive: Vec<u32> =
        family.into_iter().filter(|one| Path::new(&format!("/proc/{one}")).exists()).collect();
    assert!(alive.is_empty(), "{alive:?}");
    assert_eq!(groups(&group), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let ours = mounts.lines().filter(|line| line.contains(&fabric)).collect::<Vec<_>>();
    assert!(ours.is_empty(), "{ours:?}");
    // The kernel takes network spaces apart a moment later.
    eventually("no cable is left", RUNS_WITHIN, async || {
        let links = fs::read_dir("/sys/class/net").map_err(|error| error.to_string())?;
        let names = links.flatten().map(|link| link.file_name().to_string_lossy().into_owned());
        let cables: Vec<String> = names.filter(|name| name.starts_with("cable-")).collect();
        if cables.is_empty() { Ok(()) } else { Err(format!("{cables:?}")) }
    })
    .await;
    let left = fs::read_dir(&fabric).expect("the fabric").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name != "images" && name != "kube-proxy.yaml").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A process and everything below it.
fn descendants(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all.extend(
            children.split_whitespace().filter_map(|one| one.parse().ok()).flat_map(descendants),
        );
    }
    all
}

/// Control groups of this name, in every hierarchy.
fn groups(name: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(root).expect("control groups").flatten().map(|entry| entry.path());
    let all = std::iter::once(root.to_owned()).chain(below).map(|root| root.join(name));
    all.filter(|group| group.exists()).map(|group| group.display().to_string()).collect()
}
