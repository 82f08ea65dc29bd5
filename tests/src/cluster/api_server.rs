//! The control plane as processes of this machine: etcd, kube-apiserver and, where wanted, the controllers and the scheduler.
//!
//! Alone, on loopback, it needs no rights at all and is there in seconds: no pod runs, but everything that an API server
//! decides is decided by the real one. A cluster of machines has the same at an address that they reach.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use loka_farm::ports::free_port;
use tokio::sync::OnceCell;

use super::commands::Kubeconfig;
use super::pki::{ADMIN, Authority, Subject, api_server_names};
use super::supervised::{Supervised, supervise};
use super::{Asset, are_there, eventually, files};

/// Five seconds alone; a busy machine needs a multiple.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Another program may take a port between our look and our use of it.
const START_TRIES: usize = 3;

/// Services' own addresses, and the first of them: the API server's.
const SERVICES: &str = "10.96.0.0/16";
const API_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A real API server. It ends when this is dropped, and with the test process.
#[derive(Debug)]
pub struct ApiServer {
    // In the order in which they are to end.
    scheduler: Option<Supervised>,
    controllers: Option<Supervised>,
    api: Option<Supervised>,
    etcd: Supervised,
    authority: Authority,
    kubeconfig: Kubeconfig,
    place: Place,
    etcd_address: SocketAddr,
    address: SocketAddr,
}

/// Where a control plane is and what it keeps where.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: IpAddr,
    /// Data and certificates: removed with it.
    pub(super) directory: PathBuf,
    pub(super) logs: PathBuf,
}

// === impl ApiServer ===

impl ApiServer {
    /// The one of this test binary, for tests that leave it running; `None`, and a line that says so, where there are no
    /// programs for it.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        if !are_there(&[Asset::KubeBin]) {
            return None;
        }
        Some(SHARED.get_or_init(|| Self::on_loopback("shared")).await)
    }

    /// One for this test alone, which may stop it. `name` is that of its logs.
    pub async fn start(name: &str) -> Option<Self> {
        if !are_there(&[Asset::KubeBin]) {
            return None;
        }
        Some(Self::on_loopback(name).await)
    }

    /// One for this test alone, with the controllers: what is owned goes with its owner, Deployments have ReplicaSets.
    pub async fn start_with_controllers(name: &str) -> Option<Self> {
        if !are_there(&[Asset::KubeBin]) || !has_controllers() {
            return None;
        }
        let mut server = Self::on_loopback(name).await;
        server.start_controllers();
        Some(server)
    }

    async fn on_loopback(name: &str) -> Self {
        let directory =
            tempfile::Builder::new().prefix("loka-api-").tempdir().expect("a directory");
        // Its supervisor removes it, so that it goes even if this process is killed.
        let directory = directory.keep();
        let logs = files::logs(&format!("api-{name}"));
        Self::start_at(Place { address: LOOPBACK, directory, logs }).await
    }

    pub(super) async fn start_at(place: Place) -> Self {
        for _ in 1..START_TRIES {
            if let Ok(server) = Self::try_start(place.clone()).await {
                return server;
            }
        }
        Self::try_start(place).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_start(place: Place) -> Result<Self, String> {
        fs::create_dir_all(&place.directory).expect("a directory");
        let [etcd_address, peers, address] = free_addresses(place.address);
        let authority = Authority::new(place.directory.join("pki"));
        authority.server("apiserver", &api_server_names(&[place.address, LOOPBACK, API_SERVICE]));
        let url = format!("https://{address}");
        let kubeconfig = Kubeconfig::new(authority.client("admin", ADMIN, &url));
        // The API server's own certificate as a client of kubelets.
        authority.client("apiserver-kubelet", ADMIN, &url);
        files::write(&place.directory, "admission.yaml", files::ADMISSION);
        let etcd = start_etcd(&place, etcd_address, peers);
        let mut server = Self {
            scheduler: None,
            controllers: None,
            api: None,
            etcd,
            authority,
            kubeconfig,
            place,
            etcd_address,
            address,
        };
        server.spawn_api();
        server.ready().await?;
        Ok(server)
    }

    /// Ends the API server as a power cut does. What it has stored stays stored; whoever talks to it is cut off.
    pub fn stop(&mut self) {
        self.api = None;
    }

    /// Starts it again, at the same address and with everything that it had stored.
    pub async fn resume(&mut self) {
        self.spawn_api();
        self.ready().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.api.is_none()
    }

    /// Makes a namespace that no other test has, and says its name.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{:05x}", fastrand::u32(..0x10_0000));
        self.kubeconfig.kubectl(&["create", "namespace", &name]).await;
        name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The kubeconfig of a component.
    pub(super) fn kubeconfig_of(&self, name: &str, subject: Subject<'_>) -> PathBuf {
        self.authority.client(name, subject, &format!("https://{}", self.address))
    }

    pub(super) fn start_controllers(&mut self) {
        let subject = Subject { user: "system:kube-controller-manager", group: None };
        let mut command = self.component("kube-controller-manager", subject);
        command.arg("--use-service-account-credentials=true");
        command.arg(flag("--service-account-private-key-file=", &self.authority.path("sa.key")));
        command.arg(flag("--root-ca-file=", &self.authority.path("ca.crt")));
        // Nodes that are cut off are to be seen in seconds, not in a minute.
        command.args(["--node-monitor-period=1s", "--node-monitor-grace-period=12s"]);
        self.controllers = Some(Supervised::spawn("kube-controller-manager", &mut command));
    }

    pub(super) fn start_scheduler(&mut self) {
        let subject = Subject { user: "system:kube-scheduler", group: None };
        let mut command = self.component("kube-scheduler", subject);
        self.scheduler = Some(Supervised::spawn("kube-scheduler", &mut command));
    }

    fn component(&self, name: &str, subject: Subject<'_>) -> Command {
        let config = self.kubeconfig_of(name, subject);
        let mut command = supervise(component_program(name).as_os_str(), &self.log(name));
        for flag_name in
            ["--kubeconfig=", "--authentication-kubeconfig=", "--authorization-kubeconfig="]
        {
            command.arg(flag(flag_name, &config));
        }
        // Nobody asks it, and any number of them run on a machine: no fixed port. One alone need not be elected.
        command.args(["--bind-address=127.0.0.1", "--secure-port=0", "--leader-elect=false"]);
        command.args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        command
    }

    fn spawn_api(&mut self) {
        let pki = |file: &str| self.authority.path(file);
        let program = Asset::KubeBin.path().join("kube-apiserver");
        let mut command = supervise(program.as_os_str(), &self.log("kube-apiserver"));
        let address = self.address.ip();
        command.args([
            format!("--etcd-servers=http://{}", self.etcd_address),
            format!("--bind-address={address}"),
            format!("--secure-port={}", self.address.port()),
            format!("--service-cluster-ip-range={SERVICES}"),
        ]);
        // Pods reach it at the address of the cluster's network; on loopback there are none.
        if address == LOOPBACK {
            command.arg("--endpoint-reconciler-type=none");
        }
        command.arg(format!("--advertise-address={address}"));
        command.args([
            flag("--client-ca-file=", &pki("ca.crt")),
            flag("--tls-cert-file=", &pki("apiserver.crt")),
            flag("--tls-private-key-file=", &pki("apiserver.key")),
            flag("--service-account-key-file=", &pki("sa.pub")),
            flag("--service-account-signing-key-file=", &pki("sa.key")),
            flag("--kubelet-client-certificate=", &pki("apiserver-kubelet.crt")),
            flag("--kubelet-client-key=", &pki("apiserver-kubelet.key")),
            flag("--kubelet-certificate-authority=", &pki("ca.crt")),
            flag("--admission-control-config-file=", &self.place.directory.join("admission.yaml")),
        ]);
        command.args([
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
        ]);
        self.api = Some(Supervised::spawn("kube-apiserver", &mut command));
    }

    async fn ready(&mut self) -> Result<(), String> {
        let kubeconfig = self.kubeconfig.clone();
        let (api, etcd, logs) = (&mut self.api, &mut self.etcd, self.place.logs.clone());
        eventually("the API server is ready", READY_WITHIN, async || {
            let ended = api.as_mut().and_then(Supervised::ended).or_else(|| etcd.ended());
            if let Some(ended) = ended {
                return Ok(Err(format!("{ended}; its log is in {}", logs.display())));
            }
            kubeconfig.try_kubectl(&["get", "--raw", "/readyz"]).await.map(|_| Ok(()))
        })
        .await
    }

    fn log(&self, name: &str) -> PathBuf {
        self.place.logs.join(format!("{name}.log"))
    }
}

impl Deref for ApiServer {
    type Target = Kubeconfig;

    fn deref(&self) -> &Kubeconfig {
        &self.kubeconfig
    }
}

/// A component of the control plane, in whichever directory it is.
fn component_program(name: &str) -> PathBuf {
    let places = [Asset::KubeBin, Asset::NodeBin].into_iter().filter_map(Asset::find);
    let found = places.map(|place| place.join(name)).find(|program| program.exists());
    found.unwrap_or_else(|| panic!("{name} is in none of the directories with programs"))
}

/// An API server by others' custom comes without them.
#[expect(clippy::print_stdout, reason = "the way that `cargo xtask test` counts")]
fn has_controllers() -> bool {
    let places = [Asset::KubeBin, Asset::NodeBin].into_iter().filter_map(Asset::find);
    let there = places.map(|place| place.join("kube-controller-manager")).any(|one| one.exists());
    if !there {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test of controllers");
        println!("SKIPPED: {test}: no kube-controller-manager; unset KUBEBUILDER_ASSETS");
    }
    there
}

fn start_etcd(place: &Place, address: SocketAddr, peers: SocketAddr) -> Supervised {
    let program = Asset::KubeBin.path().join("etcd");
    let mut command = supervise(program.as_os_str(), &place.logs.join("etcd.log"));
    let (clients, peers) = (format!("http://{address}"), format!("http://{peers}"));
    command.arg("--data-dir").arg(place.directory.join("etcd"));
    // What a power cut would lose is of no use after one.
    command.arg("--unsafe-no-fsync");
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.arg(format!("--initial-cluster=default={peers}"));
    command.env("REMOVE", &place.directory);
    Supervised::spawn("etcd", &mut command)
}

pub(super) fn flag(name: &str, value: &Path) -> String {
    format!("{name}{}", value.display())
}

/// Each another.
fn free_addresses<const N: usize>(address: IpAddr) -> [SocketAddr; N] {
    [(); N].map(|()| SocketAddr::new(address, free_port(address).expect("a free port")))
}
