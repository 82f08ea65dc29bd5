//! Machines in name spaces of their own, and the control plane that they join.
//!
//! This process is in the network that joins them (`tests/tools/fabric.sh` has made it): a cable goes from its bridge to
//! each machine. What runs on a machine is started by its first process, `tests/tools/node-init.sh`. So a machine is
//! cut off by taking its cable down, and goes off as if for want of power by killing that process.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::api_server::{ApiServer, Place};
use super::commands::Kubeconfig;
use super::files::{self, Node};
use super::image::Image;
use super::pki::Subject;
use super::supervised::{Supervised, supervise};
use super::{Asset, eventually};

/// This side of the network: where pools and collectors of a test listen for pods.
pub(super) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 44, 0, 1));

/// A machine's first process is there at once.
const BORN_WITHIN: Duration = Duration::from_secs(20);

/// Ten seconds on two idle cores.
const JOINED_WITHIN: Duration = Duration::from_secs(180);

/// Enough for every test so far, and each has an address.
const MACHINES_MAX: usize = 9;

/// The machines of a cluster and its control plane, and what can happen to them.
#[derive(Debug)]
pub struct Machines {
    // In the order in which they are to end.
    translator: Option<Supervised>,
    machines: Vec<Machine>,
    api: ApiServer,
    fabric: PathBuf,
    /// Whether something was done to them that may not be over yet.
    pub(super) disturbed: bool,
}

#[derive(Debug)]
struct Machine {
    number: usize,
    directory: PathBuf,
    logs: PathBuf,
    running: Option<Running>,
    cut: bool,
}

#[derive(Debug)]
struct Running {
    /// The first process, as this process space numbers it.
    first: u32,
    process: Supervised,
}

// === impl Machines ===

impl Machines {
    /// Boots a control plane and this many machines, and waits until all of them are ready.
    #[expect(clippy::print_stdout, reason = "what a start costs is worth knowing")]
    pub(super) async fn start(count: usize) -> Self {
        assert!((1..=MACHINES_MAX).contains(&count), "there are addresses for {MACHINES_MAX}");
        let started = Instant::now();
        let fabric = Asset::Fabric.path();
        let logs = files::logs("node");
        let images = boot_images(&fabric);
        let all = 0..count;
        let mut machines: Vec<Machine> =
            all.map(|number| Machine::new(number, &fabric, &logs)).collect();
        for machine in &mut machines {
            machine.boot(count, &fabric, &images).await;
        }
        let directory = fabric.join("control");
        let mut api =
            ApiServer::start_at(Place { address: HOST, directory, logs: logs.clone() }).await;
        api.start_controllers();
        api.start_scheduler();
        for machine in &machines {
            machine.write_credentials(&api);
        }
        fs::write(join(&fabric), "").expect("a file");
        let mut machines = Self { translator: None, machines, api, fabric, disturbed: false };
        machines.translate();
        machines.api.apply(&files::dns(&Image::coredns().reference())).await;
        machines.settled().await;
        println!("{count} machines are ready after {:.1} s", started.elapsed().as_secs_f64());
        machines
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// The name of a machine as a node.
    pub fn name(number: usize) -> String {
        format!("node-{number}")
    }

    /// Takes a machine's cable out. It runs on, and nobody reaches it.
    pub fn cut(&mut self, number: usize) {
        self.machine(number).cable("down");
    }

    /// Puts it back.
    pub fn heal(&mut self, number: usize) {
        self.machine(number).cable("up");
    }

    /// Switches a machine off, as a power cut does.
    pub fn kill(&mut self, number: usize) {
        self.machine(number).kill();
    }

    /// Switches it on again: what was on its disk is there still.
    pub async fn boot(&mut self, number: usize) {
        let (count, fabric) = (self.count(), self.fabric.clone());
        self.machine(number).boot(count, &fabric, &[]).await;
    }

    /// Ends the API server as a power cut does; pods run on.
    pub fn stop_api_server(&mut self) {
        self.api.stop();
    }

    /// Starts it again, with everything that it had stored.
    pub async fn resume_api_server(&mut self) {
        self.api.resume().await;
    }

    /// Undoes whatever was done, and waits until all machines are ready.
    pub(super) async fn repair(&mut self) {
        if self.api.is_stopped() {
            self.resume_api_server().await;
        }
        for number in 0..self.count() {
            if self.machine(number).running.is_none() {
                self.boot(number).await;
            }
            if self.machine(number).cut {
                self.heal(number);
            }
        }
        self.settled().await;
        self.disturbed = false;
    }

    /// Gives an image to every machine that runs.
    pub(super) async fn import(&self, image: &Image) {
        let archive = self.fabric.join("images").join(format!("{}.tar", file_name(image)));
        image.write(&archive);
        let mut imports = tokio::task::JoinSet::new();
        for running in self.machines.iter().filter_map(|machine| machine.running.as_ref()) {
            let mut command = tokio::process::Command::new("nsenter");
            command.args(["--target", &running.first.to_string(), "--mount", "--net", "--pid"]);
            command.arg("sh").arg(script("import-image.sh")).arg(&archive);
            command.envs(runtime_environment()).kill_on_drop(true);
            imports.spawn(async move { command.output().await });
        }
        for output in imports.join_all().await {
            let output = output.expect("nsenter, of util-linux");
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {text}", image.reference());
        }
        fs::remove_file(archive).expect("the archive");
    }

    pub(super) fn kubeconfig(&self) -> &Kubeconfig {
        &self.api
    }

    pub(super) fn logs(&self) -> &Path {
        let [first, ..] = self.machines.as_slice() else { return &self.fabric };
        first.logs.parent().unwrap_or(&first.logs)
    }

    /// The process numbers of everything on the machines, for tests that look for leftovers.
    pub fn first_processes(&self) -> Vec<u32> {
        self.machines.iter().filter_map(|one| Some(one.running.as_ref()?.first)).collect()
    }

    fn machine(&mut self, number: usize) -> &mut Machine {
        self.disturbed = true;
        self.machines.get_mut(number).unwrap_or_else(|| panic!("there is no machine {number}"))
    }

    /// Translates Services to pods for this side, so that a test reaches them whichever machine is off.
    fn translate(&mut self) {
        let kubeconfig = self.api.kubeconfig_of("fabric-proxy", PROXY);
        // It has to be some node's; which one, matters for ports of nodes alone.
        let config = files::kube_proxy(&Self::name(0), &kubeconfig);
        let config = files::write(&self.fabric, "kube-proxy.yaml", &config);
        let log = self.logs().join("kube-proxy-of-the-test.log");
        let mut command = supervise(Asset::NodeBin.path().join("kube-proxy").as_os_str(), &log);
        command.arg("--config").arg(config).envs(runtime_environment());
        self.translator = Some(Supervised::spawn("kube-proxy", &mut command));
    }

    async fn settled(&mut self) {
        let (count, logs) = (self.count(), self.logs().display().to_string());
        let Self { machines, api, .. } = self;
        let outcome = eventually("all machines are ready", JOINED_WITHIN, async || {
            let running = machines.iter_mut().filter_map(|machine| machine.running.as_mut());
            if let Some(ended) = running.filter_map(|running| running.process.ended()).next() {
                return Ok(Err(format!("{ended}; logs are in {logs}")));
            }
            let nodes = api.json(&["get", "nodes"]).await?;
            let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
            let ready = nodes.iter().filter(|node| is_true(node, "Ready")).count();
            let pods = api.json(&["get", "-n", "kube-system", "daemonset", "coredns"]).await?;
            let names = pods["status"]["numberReady"].as_u64().unwrap_or_default();
            if ready == count && names == count as u64 {
                return Ok(Ok(()));
            }
            Err(format!("{ready} of {count} ready, and {names} name servers; logs are in {logs}"))
        })
        .await;
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.translator = None;
        for machine in &mut self.machines {
            machine.kill();
            // The directory goes with the fabric if it does not go now.
            let _left = fs::remove_dir_all(&machine.directory);
        }
        let _joined = fs::remove_file(join(&self.fabric));
        for root in hierarchies() {
            remove_group(&root.join(file_name_of(&self.fabric)));
        }
    }
}

// === impl Machine ===

impl Machine {
    fn new(number: usize, fabric: &Path, logs: &Path) -> Self {
        let name = Machines::name(number);
        let (directory, logs) = (fabric.join(&name), logs.join(&name));
        Self { number, directory, logs, running: None, cut: false }
    }

    /// Starts its first process and plugs its cable in.
    async fn boot(&mut self, count: usize, fabric: &Path, images: &[PathBuf]) {
        self.write_configs(fabric);
        let others = (0..count).filter(|other| *other != self.number);
        let routes: Vec<String> =
            others.map(|other| format!("{}@{}", pods(other), address(other))).collect();
        let images: Vec<String> = images.iter().map(|image| image.display().to_string()).collect();
        let mut command = supervise("unshare".as_ref(), &self.logs.join("machine.log"));
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]);
        command
            .args(["--mount-proc", "--propagation", "private", "sh"])
            .arg(script("node-init.sh"));
        command.envs(runtime_environment());
        command.env("NODE", Machines::name(self.number)).env("DIRECTORY", &self.directory);
        command.env("LOGS", &self.logs).env("CGROUP", group(fabric, self.number));
        command.env("ADDRESS", address(self.number).to_string()).env("GATEWAY", HOST.to_string());
        command
            .env("ROUTES", routes.join(" "))
            .env("IMAGES", images.join(" "))
            .env("JOIN", join(fabric));
        let process = Supervised::spawn(&Machines::name(self.number), &mut command);
        let first = eventually("its first process", BORN_WITHIN, async || {
            first_process(process.id()).ok_or("none yet")
        })
        .await;
        self.running = Some(Running { first, process });
        self.plug_in(first);
    }

    fn plug_in(&mut self, first: u32) {
        let (end, first) = (self.cable_end(), first.to_string());
        // That of an earlier boot may be on its way out still.
        let _gone = Command::new("ip").args(["link", "delete", &end]).output();
        ip(&["link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &first]);
        ip(&["link", "set", &end, "master", "br0", "up"]);
        ip(&["route", "replace", &pods(self.number), "via", &address(self.number).to_string()]);
        self.cut = false;
    }

    fn cable(&mut self, state: &str) {
        ip(&["link", "set", &self.cable_end(), state]);
        self.cut = state == "down";
    }

    /// The kernel ends everything on it before the first process counts as ended.
    fn kill(&mut self) {
        if let Some(Running { first, process }) = self.running.take() {
            // If it has died by itself, all the better.
            let _killed = Command::new("kill").args(["-KILL", &first.to_string()]).output();
            process.wait();
        }
    }

    fn cable_end(&self) -> String {
        format!("cable-{}", self.number)
    }

    fn write_configs(&self, fabric: &Path) {
        fs::create_dir_all(self.directory.join("cni")).expect("a directory");
        fs::create_dir_all(&self.logs).expect("a directory");
        let group = group(fabric, self.number);
        let (pods, pause) = (pods(self.number), Image::pod().reference());
        let node = Node {
            name: &Machines::name(self.number),
            directory: &self.directory,
            logs: &self.logs,
            authority: &fabric.join("control/pki"),
            root: &Asset::NodeRoot.path(),
            pods: &pods,
            group: &group,
            pause: &pause,
        };
        let write = |name: &str, text: &str| files::write(&self.directory, name, text);
        write("containerd.toml", &node.containerd(&containerd_version()));
        write("cni/10-test.conflist", &node.network());
        write("kubelet.yaml", &node.kubelet());
        write("kube-proxy.yaml", &node.kube_proxy());
        write("resolv.conf", &format!("nameserver {}\n", files::DNS));
    }

    fn write_credentials(&self, api: &ApiServer) {
        let name = Machines::name(self.number);
        let names = [name.clone(), address(self.number).to_string()];
        api.authority().server(&format!("{name}-server"), &names);
        let user = format!("system:node:{name}");
        let node = Subject { user: &user, group: Some("system:nodes") };
        let kubelet = api.kubeconfig_of(&name, node);
        let proxy = api.kubeconfig_of(&format!("{name}-proxy"), PROXY);
        for (from, to) in [(kubelet, "kubelet.kubeconfig"), (proxy, "kube-proxy.kubeconfig")] {
            fs::copy(from, self.directory.join(to)).expect("a copy");
        }
    }
}

/// As whom kube-proxy asks for Services.
const PROXY: Subject<'static> = Subject { user: "system:kube-proxy", group: None };

fn address(number: usize) -> IpAddr {
    let number = u8::try_from(number).expect("few machines");
    IpAddr::V4(Ipv4Addr::new(10, 44, 0, 10 + number))
}

/// The addresses of the pods of a machine.
fn pods(number: usize) -> String {
    format!("10.244.{number}.0/24")
}

/// The file whose being there tells machines that the API server is.
fn join(fabric: &Path) -> PathBuf {
    fabric.join("join")
}

fn group(fabric: &Path, number: usize) -> String {
    format!("{}/{}", file_name_of(fabric), Machines::name(number))
}

fn file_name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn file_name(image: &Image) -> String {
    image.reference().replace(['/', ':'], "_")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name)
}

/// The images without which no pod runs.
fn boot_images(fabric: &Path) -> Vec<PathBuf> {
    let directory = fabric.join("images");
    fs::create_dir_all(&directory).expect("a directory");
    let write = |image: Image| {
        let archive = directory.join(format!("{}.tar", file_name(&image)));
        image.write(&archive);
        archive
    };
    vec![write(Image::pod()), write(Image::coredns())]
}

/// How the programs of a machine find one another, and their libraries.
fn runtime_environment() -> [(&'static str, String); 2] {
    let root = Asset::NodeRoot.path();
    let machine = std::env::var("PATH").unwrap_or_default();
    let mut programs = vec![Asset::NodeBin.path(), Asset::KubeBin.path()];
    programs.extend(["usr/bin", "usr/sbin", "sbin"].map(|place| root.join(place)));
    let programs: Vec<String> = programs.iter().map(|path| path.display().to_string()).collect();
    let path = format!("{}:{machine}:/usr/sbin:/sbin", programs.join(":"));
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let libraries =
        ["usr/lib", "lib"].map(|place| root.join(place).join(&triple).display().to_string());
    [("PATH", path), ("LD_LIBRARY_PATH", libraries.join(":"))]
}

fn containerd_version() -> String {
    let output = Command::new("containerd").arg("--version").envs(runtime_environment()).output();
    String::from_utf8_lossy(&output.expect("containerd").stdout).into_owned()
}

/// The first process of the name spaces that `unshare` made, which a supervisor has started.
fn first_process(supervisor: u32) -> Option<u32> {
    let is_unshare = |process: &u32| {
        fs::read_to_string(format!("/proc/{process}/comm"))
            .is_ok_and(|name| name.trim() == "unshare")
    };
    let unshare = children(supervisor).into_iter().find(is_unshare)?;
    children(unshare).into_iter().next()
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip, of iproute2");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`ip {}`: {text}", arguments.join(" "));
}

/// The roots of control groups: one, or one for each controller.
fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let below = fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    std::iter::once(root.clone()).chain(below).collect()
}

/// Removes a control group and those below it, which are empty once their processes have ended.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    let _absent = fs::remove_dir(group);
}

fn is_true(object: &serde_json::Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter().any(|one| one["type"] == condition && one["status"] == "True")
    })
}
