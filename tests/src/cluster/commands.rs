//! A way to a cluster: its kubeconfig, clients, kubectl and helm.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kube::config::{KubeConfigOptions, Kubeconfig as Document};
use kube::{Client, Config};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Asset;

/// A kubeconfig, and what one does with it.
#[derive(Clone, Debug)]
pub struct Kubeconfig(PathBuf);

const APPLY: [&str; 6] =
    ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"];

// === impl Kubeconfig ===

impl Kubeconfig {
    /// The kubeconfig in this file.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A client with its rights. It belongs to the runtime of the test that asks.
    pub async fn client(&self) -> Client {
        let document = Document::read_from(&self.0).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(document, &options).await.expect("a config");
        Client::try_from(config).expect("a client")
    }

    /// What `kubectl ARGUMENTS` prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `kubectl ARGUMENTS` prints, or how it failed.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.run("kubectl", arguments, "").await
    }

    /// Applies documents, which say their namespace, on the server's side and with strict validation.
    pub async fn try_apply(&self, documents: &str) -> Result<String, String> {
        self.run("kubectl", &APPLY, documents).await
    }

    /// The same.
    ///
    /// # Panics
    /// When it fails.
    pub async fn apply(&self, documents: &str) -> String {
        self.try_apply(documents).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, of documents that are to be in this namespace.
    pub async fn try_apply_in(&self, namespace: &str, documents: &str) -> Result<String, String> {
        self.run("kubectl", &[APPLY.as_slice(), &["-n", namespace]].concat(), documents).await
    }

    /// The same.
    ///
    /// # Panics
    /// When it fails.
    pub async fn apply_in(&self, namespace: &str, documents: &str) -> String {
        let applied = self.try_apply_in(namespace, documents).await;
        applied.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `kubectl ARGUMENTS -o json` prints.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let text = self.try_kubectl(&[arguments, &["-o", "json"]].concat()).await?;
        serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))
    }

    /// What `helm ARGUMENTS` prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        self.try_helm(arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `helm ARGUMENTS` prints, or how it failed.
    pub async fn try_helm(&self, arguments: &[&str]) -> Result<String, String> {
        self.run("helm", arguments, "").await
    }

    /// What a script of the repository prints, or how it failed. It finds our kubectl and helm, and this cluster.
    pub async fn try_script(&self, path: &str, arguments: &[&str]) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        self.run(&script.to_string_lossy(), arguments, "").await
    }

    async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(arguments).env("KUBECONFIG", &self.0).env("PATH", search_path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} cannot start: {error}"))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Who does not read to the end says why on standard error.
                let _unread = stdin.write_all(input.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let (status, told) = (output.status, text(&[output.stderr, output.stdout].concat()));
        Err(format!("`{program} {}` ended with {status}: {told}", arguments.join(" ")))
    }
}

/// Ours first, then the machine's.
pub(super) fn search_path() -> OsString {
    let ours = [Asset::KubeBin, Asset::NodeBin].into_iter().filter_map(Asset::find);
    let machine = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.chain(env::split_paths(&machine))).expect("paths without colons")
}
