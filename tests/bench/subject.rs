//! What is measured: a process between miners and pool, or nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::adapters::ADAPTERS;
use crate::cpu::{Usage, usage};
use crate::miner::Miner;

/// Its core; the driver's is another.
const CORE: &str = "0";

/// Where the relays are installed, as the root of a file system. `cargo xtask bench` names it.
const RELAYS: &str = "LOKA_RELAYS_ROOT";

/// The place of its configuration among the arguments.
const FILE: &str = "@CONFIG@";

const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Until it listens and its pool has work.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The miners are on the pool.
    Direct,
    Loka,
    HaProxy,
    Nginx,
    /// Another proxy, by its place in the list of those that are known.
    Other(usize),
}

/// What a subject is started before, and by which configuration.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) proxy: &'a Path,
    pub(crate) pool: SocketAddr,
    /// Its own for a scene with one pool.
    pub(crate) template: Option<&'a str>,
    /// What else stands in the template, as `@MARK@`, and what takes its place.
    pub(crate) marks: &'a [(&'a str, String)],
    /// Where ours has its pages; anywhere.
    pub(crate) admin: Option<SocketAddr>,
}

/// A subject that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Option<Child>,
    directory: TempDir,
}

// === impl Subject ===

impl Subject {
    /// Ours and those that are always there; then the others that are found on the PATH.
    pub(crate) fn all() -> Vec<Self> {
        let found = |place: &usize| ADAPTERS[*place].find().is_some();
        let others = (0..ADAPTERS.len()).filter(found).map(Self::Other);
        [Self::Loka, Self::HaProxy, Self::Nginx]
            .into_iter()
            .chain(others)
            .chain([Self::Direct])
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Loka => "loka",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Other(place) => ADAPTERS[place].name,
        }
    }

    /// Whether it judges shares itself, so that the pool hears of those alone that are due to it.
    pub(crate) fn judges(self) -> bool {
        match self {
            Self::Direct | Self::HaProxy | Self::Nginx => false,
            Self::Loka => true,
            Self::Other(place) => ADAPTERS[place].judges,
        }
    }

    /// Starts it before this pool, and waits until a miner has work by it.
    pub(crate) async fn start(self, proxy: &Path, pool: SocketAddr) -> Result<Running, String> {
        let setting = Setting { proxy, pool, template: None, marks: &[], admin: None };
        let running = self.launch(&setting).await?;
        running.ready().await.map_err(|problem| format!("{}: {problem}", self.name()))?;
        Ok(running)
    }

    /// Starts it, and waits for nothing.
    pub(crate) async fn launch(self, setting: &Setting<'_>) -> Result<Running, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port().await.map_err(|error| error.to_string())?;
        let relays = std::env::var(RELAYS).unwrap_or_default();
        let relays = relays.trim_end_matches('/');
        let file = directory.path().join("config");
        let fill = |template: &str| {
            let (host, pool_port) =
                (setting.pool.ip().to_string(), setting.pool.port().to_string());
            let known = template
                .replace("@PORT@", &port.to_string())
                .replace("@POOL@", &setting.pool.to_string())
                .replace("@POOL_HOST@", &host)
                .replace("@POOL_PORT@", &pool_port)
                .replace("@RELAYS@", relays)
                .replace("@CONFIG@", &file.to_string_lossy())
                .replace("@DIRECTORY@", &directory.path().to_string_lossy());
            let fill = |text: String, (mark, value): &(&str, String)| text.replace(mark, value);
            setting.marks.iter().fold(known, fill)
        };
        let (template, program) = match self {
            Self::Direct => {
                return Ok(Running { address: setting.pool, child: None, directory });
            }
            Self::Loka => (include_str!("loka.yaml"), vec![setting.proxy.to_string_lossy().into()]),
            Self::HaProxy => {
                (include_str!("haproxy.cfg"), vec![format!("{relays}/usr/sbin/haproxy")])
            }
            Self::Nginx => (include_str!("nginx.conf"), vec![format!("{relays}/usr/sbin/nginx")]),
            Self::Other(place) => (ADAPTERS[place].template, ADAPTERS[place].command()?),
        };
        fs::write(&file, fill(setting.template.unwrap_or(template)))
            .map_err(|error| error.to_string())?;
        let log = fs::File::create(directory.path().join("log"));
        let log = log.map_err(|error| error.to_string())?;
        let mut command = Command::new("taskset");
        command.args(["-c", CORE]).args(program).env_clear();
        command.args(self.arguments(setting.admin).iter().map(|argument| fill(argument)));
        if !relays.is_empty() {
            command.env(
                "LD_LIBRARY_PATH",
                format!("{relays}/usr/lib/{}-linux-gnu", std::env::consts::ARCH),
            );
        }
        if let (Self::Other(_), Some(path)) = (self, std::env::var_os("PATH")) {
            // It may be a script, or call others.
            command.env("PATH", path);
        }
        let child = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("{}: {error}", self.name()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Running { address, child: Some(child), directory })
    }

    /// As in a template.
    fn arguments(self, admin: Option<SocketAddr>) -> Vec<String> {
        let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Direct => Vec::new(),
            Self::Loka => {
                let admin = admin.unwrap_or(ANYWHERE).to_string();
                let (bind, threads) = ("127.0.0.1", "1");
                words(&["run", "--admin", &admin, "--bind", bind, "--threads", threads, "-f", FILE])
            }
            Self::HaProxy => words(&["-db", "-f", FILE]),
            Self::Nginx => words(&["-c", FILE]),
            Self::Other(place) => words(ADAPTERS[place].arguments),
        }
    }
}

// === impl Running ===

impl Running {
    /// What it has used so far; nothing where there is no process.
    pub(crate) fn usage(&self) -> Usage {
        self.pid().map(usage).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Its configuration, which may be written anew.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Waits until a miner has work by it.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Miner::connect(self.address, 0).await {
                Ok(_) => return Ok(()),
                Err(problem) if Instant::now() > deadline => {
                    let log = fs::read_to_string(self.directory.path().join("log"));
                    return Err(format!("{problem}\n{}", log.unwrap_or_default()));
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }
}

pub(crate) async fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}
