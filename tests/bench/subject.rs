//! What is measured: a process between miners and pool, or nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::cpu::{Usage, usage};
use crate::miner::Miner;

/// Its core; the driver's is another.
const CORE: &str = "0";

/// Where the relays are installed, as the root of a file system. `cargo xtask bench` names it.
const RELAYS: &str = "LOKA_RELAYS_ROOT";

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
}

/// A subject that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Option<Child>,
    directory: TempDir,
}

// === impl Subject ===

impl Subject {
    pub(crate) const ALL: [Self; 4] = [Self::Loka, Self::HaProxy, Self::Nginx, Self::Direct];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Loka => "loka",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    /// Starts it before this pool, and waits until a miner has work by it.
    pub(crate) async fn start(self, proxy: &Path, pool: SocketAddr) -> Result<Running, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port().await.map_err(|error| error.to_string())?;
        let relays = std::env::var(RELAYS).unwrap_or_default();
        let relays = relays.trim_end_matches('/');
        let fill = |template: &str| {
            template
                .replace("@PORT@", &port.to_string())
                .replace("@POOL@", &pool.to_string())
                .replace("@RELAYS@", relays)
                .replace("@DIRECTORY@", &directory.path().to_string_lossy())
        };
        let (template, program) = match self {
            Self::Direct => {
                return Ok(Running { address: pool, child: None, directory });
            }
            Self::Loka => (include_str!("loka.yaml"), proxy.to_string_lossy().into_owned()),
            Self::HaProxy => (include_str!("haproxy.cfg"), format!("{relays}/usr/sbin/haproxy")),
            Self::Nginx => (include_str!("nginx.conf"), format!("{relays}/usr/sbin/nginx")),
        };
        let file = directory.path().join("config");
        fs::write(&file, fill(template)).map_err(|error| error.to_string())?;
        let log = fs::File::create(directory.path().join("log"));
        let log = log.map_err(|error| error.to_string())?;
        let mut command = Command::new("taskset");
        command.args(["-c", CORE, &program]).args(self.arguments()).arg(&file).env_clear();
        if !relays.is_empty() {
            command.env(
                "LD_LIBRARY_PATH",
                format!("{relays}/usr/lib/{}-linux-gnu", std::env::consts::ARCH),
            );
        }
        let child = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("{}: {error}", self.name()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let running = Running { address, child: Some(child), directory };
        running.ready().await.map_err(|problem| format!("{}: {problem}", self.name()))?;
        Ok(running)
    }

    /// Those before the file with its configuration.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Direct => &[],
            Self::Loka => {
                &["run", "--admin", "127.0.0.1:0", "--bind", "127.0.0.1", "--threads", "1", "-f"]
            }
            Self::HaProxy => &["-db", "-f"],
            Self::Nginx => &["-c"],
        }
    }
}

// === impl Running ===

impl Running {
    /// What it has used so far; nothing where there is no process.
    pub(crate) fn usage(&self) -> Usage {
        self.child.as_ref().and_then(Child::id).map(usage).unwrap_or_default()
    }

    async fn ready(&self) -> Result<(), String> {
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

async fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}
