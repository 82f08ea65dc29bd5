//! A cluster with nodes, as tests see it: ours, or one that exists already.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::IpAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::commands::{Kubeconfig, search_path};
use super::image::Image;
use super::machines::{HOST, Machines};
use super::{Asset, are_there, eventually};

/// An existing cluster to work in, e.g. of kind.
const KUBECONFIG: &str = "LOKA_KUBECONFIG";

/// At which address pods of an existing cluster reach this machine, which has routes to Services and pods then.
const HOST_ADDRESS: &str = "LOKA_HOST_ADDRESS";

/// The command that gives an image archive to an existing cluster, e.g. `kind load image-archive`.
const IMAGE_LOAD: &str = "LOKA_IMAGE_LOAD";

/// The controllers make a namespace's account right after it.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(30);

/// A cluster in which pods run. Through it (`Deref`): a client, kubectl, helm.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: Kubeconfig,
    /// Ours; an existing cluster's are its owner's.
    machines: Option<Machines>,
    host: Option<IpAddr>,
    loaded: Mutex<BTreeSet<String>>,
}

/// A namespace of one test. It is deleted when this is dropped, unless the test has failed.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    kubeconfig: Kubeconfig,
}

// === impl Cluster ===

impl Cluster {
    /// One for this test alone, with this many nodes; or the existing one. `None`, and a line that says so, where this machine
    /// cannot have one.
    pub async fn start(nodes: usize) -> Option<Self> {
        if let Some(path) = env::var_os(KUBECONFIG).map(PathBuf::from) {
            let host = env::var(HOST_ADDRESS).ok();
            let host =
                host.map(|address| address.parse().expect("LOKA_HOST_ADDRESS is an address"));
            let kubeconfig = Kubeconfig::new(path);
            return Some(Self { kubeconfig, machines: None, host, loaded: Mutex::default() });
        }
        if !are_there(&[Asset::Fabric, Asset::KubeBin, Asset::NodeBin, Asset::NodeRoot]) {
            return None;
        }
        let machines = Machines::start(nodes).await;
        let kubeconfig = machines.kubeconfig().clone();
        Some(Self {
            kubeconfig,
            machines: Some(machines),
            host: Some(HOST),
            loaded: Mutex::default(),
        })
    }

    /// The machines, for tests that do something to them; `None`, and a line that says so, where they are not ours.
    #[expect(clippy::print_stdout, reason = "the way that `cargo xtask test` counts")]
    pub fn machines(&mut self) -> Option<&mut Machines> {
        if self.machines.is_none() {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test of machines");
            println!(
                "SKIPPED: {test}: what {KUBECONFIG} names has machines that are not ours; unset it"
            );
        }
        self.machines.as_mut()
    }

    /// Where pods reach this process, which reaches pods and Services too; `None`, and a line that says so, where nobody has
    /// told.
    #[expect(clippy::print_stdout, reason = "the way that `cargo xtask test` counts")]
    pub fn host_address(&self) -> Option<IpAddr> {
        if self.host.is_none() {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            println!(
                "SKIPPED: {test}: pods of the existing cluster must reach this machine; set {HOST_ADDRESS}"
            );
        }
        self.host
    }

    /// Makes sure that pods can have this image, and says what they call it. Once is enough.
    pub async fn load(&self, image: &Image) -> String {
        let reference = image.reference();
        let known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).contains(&reference);
        if known {
            return reference;
        }
        match &self.machines {
            Some(machines) => machines.import(image).await,
            None => load_elsewhere(image),
        }
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.clone());
        reference
    }

    /// Makes a namespace that no other test has.
    pub async fn namespace(&self, prefix: &str) -> Namespace {
        let name = format!("{prefix}-{:05x}", fastrand::u32(..0x10_0000));
        self.kubeconfig.kubectl(&["create", "namespace", &name]).await;
        let account = ["get", "serviceaccount", "default", "-n", &name];
        eventually("the namespace's account", ACCOUNT_WITHIN, async || {
            self.kubeconfig.try_kubectl(&account).await
        })
        .await;
        Namespace { name, kubeconfig: self.kubeconfig.clone() }
    }

    pub(super) fn is_disturbed(&self) -> bool {
        self.machines.as_ref().is_some_and(|machines| machines.disturbed)
    }

    pub(super) async fn repair(&mut self) {
        if let Some(machines) = &mut self.machines {
            machines.repair().await;
        }
    }

    /// Writes down what there is, beside the logs, for whoever looks into a failure.
    #[expect(clippy::print_stdout, reason = "says where to look")]
    pub(super) fn describe(&self) {
        let Some(machines) = &self.machines else { return };
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("test").replace("::", "-");
        let directory = machines.logs().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let all = "nodes,all,events,secrets,configmaps,stratumproxies,stratumpools";
        // Of our types there may be none yet; the rest is to be had nevertheless.
        for (file, what) in [("objects", all), ("objects-of-kubernetes", "nodes,all,events")] {
            let get = ["get", what, "--all-namespaces", "-o", "wide"];
            fs::write(directory.join(file), blocking(&self.kubeconfig, &get)).expect("a file");
        }
        let pods = blocking(&self.kubeconfig, &["describe", "pods", "--all-namespaces"]);
        fs::write(directory.join("pods"), pods).expect("a file");
        println!("what there was: {}; logs: {}", directory.display(), machines.logs().display());
    }
}

impl Deref for Cluster {
    type Target = Kubeconfig;

    fn deref(&self) -> &Kubeconfig {
        &self.kubeconfig
    }
}

// === impl Namespace ===

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            blocking(&self.kubeconfig, &["delete", "namespace", &self.name, "--wait=false"]);
        }
    }
}

/// What kubectl says, in places that cannot wait otherwise.
fn blocking(kubeconfig: &Kubeconfig, arguments: &[&str]) -> String {
    let mut command = Command::new("kubectl");
    command.args(arguments).arg("--request-timeout=20s").env("PATH", search_path());
    command.env("KUBECONFIG", kubeconfig.path()).stdin(Stdio::null());
    match command.output() {
        Ok(output) => {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        }
        Err(error) => error.to_string(),
    }
}

fn load_elsewhere(image: &Image) {
    let load = env::var(IMAGE_LOAD).unwrap_or_default();
    let mut words = load.split_whitespace();
    let program = words.next().unwrap_or_else(|| {
        panic!("set {IMAGE_LOAD} to what loads an image archive, e.g. `kind load image-archive`")
    });
    let file = tempfile::Builder::new().suffix(".tar").tempfile().expect("a file");
    image.write(file.path());
    let output = Command::new(program).args(words).arg(file.path()).output().expect(IMAGE_LOAD);
    assert!(output.status.success(), "{load}: {}", String::from_utf8_lossy(&output.stderr));
}
