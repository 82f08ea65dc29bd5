//! The proxy as a process: started from documents in files, watched through its log and its admin
//! server, stopped by signals.

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use loka_farm::http::fetch;
use loka_farm::ports;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::books::{Books as _, Ledger};

/// Longest wait for anything that is expected: far longer than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The same where another program runs the proxy, which may be one that looks at every instruction.
const PATIENCE_THROUGH: Duration = Duration::from_secs(600);

/// Between two looks at something that cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where everything listens.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The documents' file, in the process's own directory.
const FILE: &str = "farm.yaml";

/// The directories of a pod, likewise.
const MOUNTED: &str = "mounted";
const STATE: &str = "state";

/// A running `stratum-proxy run`.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: watch::Receiver<Vec<Value>>,
    directory: TempDir,
    admin: SocketAddr,
    api: SocketAddr,
    patience: Duration,
    /// Read the log, and what else is said; end with the process.
    _reader: JoinSet<()>,
}

/// What a process that could not run said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub text: String,
}

/// The binary: named by `LOKA_PROXY_BIN`, else beside the test binaries.
pub fn binary() -> PathBuf {
    if let Some(given) = env::var_os("LOKA_PROXY_BIN") {
        return PathBuf::from(given);
    }
    let mut directory = env::current_exe().expect("the test's own path");
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let binary = directory.join("stratum-proxy");
    assert!(
        binary.exists(),
        "{} is missing; run `cargo build -p loka-proxy` or set LOKA_PROXY_BIN",
        binary.display()
    );
    binary
}

/// For the environment of a process: its admin API is where it is by default, if it is anywhere. It is not waited for.
pub const BY_DEFAULT: (&str, &str) = ("STRATUM_ADMIN_API", "");

/// A port of loopback that is free, for a server that is told its own.
pub fn free_port() -> u16 {
    ports::free_port(LOOPBACK).expect("a free port")
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "{place}: not within {PATIENCE:?}: {what}");
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Runs the binary to its end.
pub async fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("it ends").expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
}

// === impl Process ===

impl Process {
    /// Starts the proxy on `documents` and waits until it listens.
    pub async fn start(documents: &str) -> Self {
        Self::start_with(documents, &[]).await
    }

    /// The same, with these variables as its environment; one that is empty is not there at all.
    pub async fn start_with(documents: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_in(documents, &[], environment).await
    }

    /// The same, by another program, which is to become the proxy: its arguments are followed by the proxy's binary and its.
    pub async fn start_through(by: &[&str], documents: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_as(by, &[(FILE, documents)], &[], environment).await
    }

    /// The same, with these arguments, and these variables as its environment.
    pub async fn start_in(documents: &str, arguments: &[&str], set: &[(&str, &str)]) -> Self {
        Self::start_as(&[], &[(FILE, documents)], arguments, set).await
    }

    /// The same, with these arguments, and files beside its documents.
    pub async fn start_given(documents: &str, files: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_as(&[], &[&[(FILE, documents)], files].concat(), arguments, &[]).await
    }

    async fn start_as(
        by: &[&str],
        files: &[(&str, &str)],
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            fs::write(directory.path().join(name), text).expect("a file");
        }
        let arguments = [&["-f", FILE], arguments].concat();
        let process = Self::spawn(by, directory, &arguments, environment).await;
        process.logged("listening for miners").await;
        process
    }

    /// The same, with a log of this level: what a long run may keep.
    pub async fn start_at(level: &str, documents: &str) -> Self {
        Self::start_with(documents, &[("STRATUM_LOG_LEVEL", level)]).await
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Starts it as a pod of the operator, with the texts of the snapshots that are mounted and kept, and waits until
    /// it answers.
    pub async fn start_pod(mounted: Option<&str>, kept: Option<&str>, further: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join(MOUNTED)).expect("a directory");
        fs::create_dir(directory.path().join(STATE)).expect("a directory");
        let files = [(MOUNTED, "snapshot.json", mounted), (STATE, "last-good.json", kept)];
        for (place, name, text) in files {
            if let Some(text) = text {
                fs::write(directory.path().join(place).join(name), text).expect("a file");
            }
        }
        for name in ["ca.crt", "token"] {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        let arguments = [&["--snapshot", MOUNTED, "--state", STATE], further].concat();
        Self::spawn(&[], directory, &arguments, &[]).await
    }

    /// Runs it in its own directory and waits for its admin server.
    async fn spawn(
        by: &[&str],
        directory: TempDir,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = match by {
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(binary());
                command
            }
            [] => Command::new(binary()),
        };
        command
            .args(["run", "--admin", "127.0.0.1:0", "--bind", "127.0.0.1", "--log-format", "json"])
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .env("STRATUM_LOG_LEVEL", "debug")
            .env("STRATUM_ADMIN_API", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, _) in environment.iter().filter(|(_, value)| value.is_empty()) {
            command.env_remove(name);
        }
        let mut child = command.spawn().expect("the proxy starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (lines, log) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(follow(stdout.expect("a pipe"), lines.clone()));
        reader.spawn(follow(stderr.expect("a pipe"), lines));
        let mut process = Self {
            child,
            log,
            directory,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            api: SocketAddr::from(([127, 0, 0, 1], 0)),
            patience: if by.is_empty() { PATIENCE } else { PATIENCE_THROUGH },
            _reader: reader,
        };
        process.admin = process.listening("admin server").await;
        if !environment.contains(&BY_DEFAULT) {
            process.api = process.listening("admin API").await;
        }
        process
    }

    async fn listening(&self, server: &str) -> SocketAddr {
        let listening = self.logged(&format!("{server} listening")).await;
        listening["address"].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// Where its admin pages are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where its admin API listens.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// Starts it as a pod of the operator on a mounted snapshot, with these variables as its environment.
    pub async fn start_pod_in(mounted: &str, set: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in [MOUNTED, STATE] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        fs::write(directory.path().join(MOUNTED).join("snapshot.json"), mounted).expect("a file");
        Self::spawn(&[], directory, &["--snapshot", MOUNTED, "--state", STATE], set).await
    }

    /// Runs `stratum-proxy ctl` against it, to its end.
    pub async fn ctl(&self, arguments: &[&str]) -> Ended {
        let api = self.api.to_string();
        run_to_end(&[&["ctl", "--api", &api], arguments].concat(), &[]).await
    }

    /// A file beside its documents.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces the mounted snapshot.
    pub fn mount(&self, text: &str) {
        let new = self.directory.path().join(".new");
        fs::write(&new, text).expect("a file");
        let mounted = self.directory.path().join(MOUNTED).join("snapshot.json");
        fs::rename(new, mounted).expect("a rename");
    }

    /// The snapshot that it has kept for its next start.
    pub fn kept(&self) -> Option<String> {
        fs::read_to_string(self.directory.path().join(STATE).join("last-good.json")).ok()
    }

    /// Waits until `/readyz` answers with `code`, and gives what it says.
    pub async fn ready(&self, code: u16) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (answered, text) = self.page("/readyz").await;
            if answered == code {
                return text;
            }
            assert!(Instant::now() < deadline, "{answered}: {text}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits for a log line with this message, from the start of the log on.
    pub async fn logged(&self, message: &str) -> Value {
        self.logged_after(0, message).await
    }

    /// The same among the lines after the first `skip`.
    pub async fn logged_after(&self, skip: usize, message: &str) -> Value {
        let mut log = self.log.clone();
        let is_it =
            |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        let waited = timeout(self.patience, async {
            loop {
                let found = log.borrow_and_update().iter().skip(skip).find(is_it).cloned();
                match found {
                    Some(line) => return Some(line),
                    None if log.changed().await.is_err() => return None,
                    None => {}
                }
            }
        })
        .await;
        waited.ok().flatten().unwrap_or_else(|| panic!("no {message:?} in {:#?}", self.log()))
    }

    /// The log so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.borrow().clone()
    }

    /// Replaces the documents and waits until the proxy has applied them.
    pub async fn apply(&self, documents: &str) {
        let skip = self.log().len();
        self.write(documents);
        self.logged_after(skip, "configuration applied").await;
    }

    /// Replaces the documents, as an editor does.
    pub fn write(&self, documents: &str) {
        let new = self.directory.path().join(".new");
        fs::write(&new, documents).expect("a file");
        fs::rename(new, self.file()).expect("a rename");
    }

    /// The documents' file.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    /// Status code and body of an admin page.
    pub async fn page(&self, path: &str) -> (u16, String) {
        fetch(self.admin, path).await.expect("the admin server answers")
    }

    /// `/ledger`.
    pub async fn ledger(&self) -> Ledger {
        serde_json::from_str(&self.page("/ledger").await.1).expect("a ledger")
    }

    /// The ledger once nothing is on its way.
    pub async fn quiet_ledger(&self) -> Ledger {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ledger = self.ledger().await;
            ledger.assert_balanced();
            if ledger.is_quiet() {
                return ledger;
            }
            assert!(Instant::now() < deadline, "never quiet: {:?}", ledger.total);
            sleep(LOOK_AGAIN).await;
        }
    }

    /// `/status`.
    pub async fn status(&self) -> Value {
        serde_json::from_str(&self.page("/status").await.1).expect("a status")
    }

    /// Waits until an admin page is as `is_it` wants it.
    pub async fn says(&self, path: &str, what: &str, is_it: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, text) = self.page(path).await;
            if is_it(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} does not say {what}: {text}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until the first route's active pool is `pool`.
    pub async fn active(&self, pool: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if status["routes"][0]["activePool"] == pool {
                return;
            }
            assert!(Instant::now() < deadline, "{pool} is not mined on: {status:#}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Sends a signal.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        let status =
            timeout(self.patience, self.child.wait()).await.expect("it ends").expect("its status");
        // The last lines are in the pipe still.
        while self.log.changed().await.is_ok() {}
        let log = self.log();
        (status, log)
    }
}

async fn follow(said: impl AsyncRead + Unpin, lines: watch::Sender<Vec<Value>>) {
    let mut reader = BufReader::new(said).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        lines.send_modify(|all| all.push(value));
    }
}

/// The samples that are shipped.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples")
}
