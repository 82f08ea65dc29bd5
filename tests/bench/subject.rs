//! What is measured: a process between miners and pool, or nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::adapters::ADAPTERS;
use crate::cpu::{Usage, family, usage};
use crate::miner::Miner;
use crate::socket::Door;
use crate::tls::Identity;

/// Its core; the driver's is another.
pub(crate) const CORE: &str = "0";

/// Where the relays are installed, as the root of a file system. `cargo xtask bench` names it.
const RELAYS: &str = "LOKA_RELAYS_ROOT";

/// The place of its configuration among the arguments.
const FILE: &str = "@CONFIG@";

const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Until it listens and its pool has work.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Who came too early may be left without an answer for ever, as by ckproxy.
const TRY: Duration = Duration::from_secs(3);

/// One of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The miners are on the pool, which has the core of what is measured.
    Direct,
    /// The same, and the pool is on the driver's core: it is part of the load, as it is before whoever stands between.
    Beside,
    Loka,
    HaProxy,
    Nginx,
    /// Another proxy, by its place in the list of those that are known.
    Other(usize),
}

/// What a subject is started before, and by which configuration.
pub(crate) struct Setting<'a> {
    pub(crate) proxy: &'a Path,
    pub(crate) pool: SocketAddr,
    /// Its own for a scene with one pool.
    pub(crate) template: Option<&'a str>,
    /// What else stands in the template, as `@MARK@`, and what takes its place.
    pub(crate) marks: &'a [(&'a str, String)],
    /// Where ours has its pages; anywhere.
    pub(crate) admin: Option<SocketAddr>,
    /// Miners come in TLS, and are shown this.
    pub(crate) identity: Option<&'a Identity>,
    /// Ours has so many for its sessions; the others have one.
    pub(crate) threads: usize,
    /// Where all of it runs, as `taskset` has it.
    pub(crate) cores: &'a str,
}

/// A subject that runs until it is dropped.
pub(crate) struct Running {
    /// Where miners come.
    pub(crate) door: Door,
    child: Option<Child>,
    directory: TempDir,
}

// === impl Setting ===

impl<'a> Setting<'a> {
    /// In the clear, with one thread, on the core for what is measured.
    pub(crate) fn new(proxy: &'a Path, pool: SocketAddr) -> Self {
        Self {
            proxy,
            pool,
            template: None,
            marks: &[],
            admin: None,
            identity: None,
            threads: 1,
            cores: CORE,
        }
    }

    /// A template, for this place and these ports. Lines that begin with `#tls` are for miners that come in TLS alone, those
    /// with `#plain` for the others.
    fn fill(&self, template: &str, port: u16, directory: &Path) -> String {
        let (host, pool_port) = (self.pool.ip().to_string(), self.pool.port().to_string());
        let (ours, theirs) =
            if self.identity.is_some() { ("#tls ", "#plain ") } else { ("#plain ", "#tls ") };
        let lines = template.lines().filter(|line| !line.trim_start().starts_with(theirs));
        let text: String = lines.map(|line| line.replacen(ours, "", 1) + "\n").collect();
        let known = text
            .trim_end_matches('\n')
            .replace("@PORT@", &port.to_string())
            .replace("@POOL@", &self.pool.to_string())
            .replace("@POOL_HOST@", &host)
            .replace("@POOL_PORT@", &pool_port)
            .replace("@RELAYS@", &relays())
            .replace("@THREADS@", &self.threads.to_string())
            .replace(FILE, &directory.join("config").to_string_lossy())
            .replace("@DIRECTORY@", &directory.to_string_lossy());
        let fill = |text: String, (mark, value): &(&str, String)| text.replace(mark, value);
        self.marks.iter().fold(known, fill) + "\n"
    }
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
            .chain([Self::Direct, Self::Beside])
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Beside => "beside",
            Self::Loka => "loka",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Other(place) => ADAPTERS[place].name,
        }
    }

    /// Whether it judges shares itself, so that the pool hears of those alone that are due to it.
    pub(crate) fn judges(self) -> bool {
        match self {
            Self::Direct | Self::Beside | Self::HaProxy | Self::Nginx => false,
            Self::Loka => true,
            Self::Other(place) => ADAPTERS[place].judges,
        }
    }

    /// Whether the miners are on the pool: its process is what is measured then.
    pub(crate) fn is_pool(self) -> bool {
        matches!(self, Self::Direct | Self::Beside)
    }

    /// Whether miners can come in TLS.
    pub(crate) fn speaks_tls(self) -> bool {
        match self {
            Self::Loka | Self::HaProxy | Self::Nginx => true,
            Self::Direct | Self::Beside | Self::Other(_) => false,
        }
    }

    /// Whether each miner has a connection to the pool, or may have: what is not known is not asked for too much.
    pub(crate) fn relays(self) -> bool {
        match self {
            Self::HaProxy | Self::Nginx | Self::Other(_) => true,
            Self::Loka | Self::Direct | Self::Beside => false,
        }
    }

    /// Starts it, and waits until a miner has work by it.
    pub(crate) async fn start(self, setting: &Setting<'_>) -> Result<Running, String> {
        let running = self.launch(setting).await?;
        running.ready().await.map_err(|problem| format!("{}: {problem}", self.name()))?;
        Ok(running)
    }

    /// Starts it, and waits for nothing.
    pub(crate) async fn launch(self, setting: &Setting<'_>) -> Result<Running, String> {
        let told = |error: std::io::Error| error.to_string();
        let directory = tempfile::tempdir().map_err(told)?;
        let port = free_port().await.map_err(told)?;
        let relays = relays();
        let (template, program) = match self {
            Self::Direct | Self::Beside => {
                return Ok(Running { door: setting.pool.into(), child: None, directory });
            }
            Self::Loka => (include_str!("loka.yaml"), vec![setting.proxy.to_string_lossy().into()]),
            Self::HaProxy => {
                (include_str!("haproxy.cfg"), vec![format!("{relays}/usr/sbin/haproxy")])
            }
            Self::Nginx => (include_str!("nginx.conf"), vec![format!("{relays}/usr/sbin/nginx")]),
            Self::Other(place) => (ADAPTERS[place].template, ADAPTERS[place].command()?),
        };
        let fill = |text: &str| setting.fill(text, port, directory.path());
        let template = setting.template.unwrap_or(template);
        fs::write(directory.path().join("config"), fill(template)).map_err(told)?;
        setting.identity.map_or(Ok(()), |it| it.write(directory.path())).map_err(told)?;
        let log = fs::File::create(directory.path().join("log")).map_err(told)?;
        let mut command = Command::new("taskset");
        command.args(["-c", setting.cores]).args(program).env_clear();
        let arguments = self.arguments(setting.admin);
        command.args(arguments.iter().map(|argument| fill(argument).trim_end().to_owned()));
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
        let door = Door { address, trust: setting.identity.map(Identity::trust) };
        Ok(Running { door, child: Some(child), directory })
    }

    /// As in a template.
    fn arguments(self, admin: Option<SocketAddr>) -> Vec<String> {
        let words =
            |text: &[&str]| -> Vec<String> { text.iter().map(|word| (*word).to_owned()).collect() };
        match self {
            Self::Direct | Self::Beside => Vec::new(),
            Self::Loka => {
                let admin = admin.unwrap_or(ANYWHERE).to_string();
                let mut all = words(&["run", "--admin", &admin, "--bind", "127.0.0.1"]);
                all.extend(words(&["--threads", "@THREADS@", "--secrets-dir", "@DIRECTORY@"]));
                all.extend(words(&["-f", FILE]));
                all
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

    /// What it said on standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Waits until a miner has work by it.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tried = timeout(TRY, Miner::connect(&self.door, 0)).await;
            match tried.unwrap_or_else(|_| Err("no job in time".to_owned())) {
                Ok(_) => return Ok(()),
                Err(problem) if Instant::now() > deadline => {
                    return Err(format!("{problem}\n{}", self.log()));
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }
}

impl Drop for Running {
    /// Ends it with all that it began: nginx's worker would outlive its master, with as much memory as its miners took.
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        let all = family(pid).into_iter().map(|pid| pid.to_string());
        // By the command, which is everywhere. Who has ended by then is no problem.
        drop(
            std::process::Command::new("kill")
                .arg("-KILL")
                .args(all)
                .stderr(Stdio::null())
                .status(),
        );
    }
}

/// Where the relays are, as the root of a file system.
fn relays() -> String {
    std::env::var(RELAYS).unwrap_or_default().trim_end_matches('/').to_owned()
}

pub(crate) async fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}
