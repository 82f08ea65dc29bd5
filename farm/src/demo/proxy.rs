//! The proxy as a process: started on documents in a file, read through its admin pages, stopped by SIGTERM.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use loka_farm::books::Ledger;
use loka_farm::http::fetch;
use loka_farm::ports;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longest wait for the proxy to listen.
const START_WITHIN: Duration = Duration::from_secs(20);

/// Longest wait for one of its pages.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait for the last verdicts.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

/// Longest wait for its end.
const STOP_WITHIN: Duration = Duration::from_secs(30);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A running proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

/// A port of loopback that is free, for a server that is told its own.
pub(super) fn free_port() -> anyhow::Result<u16> {
    ports::free_port(IpAddr::V4(Ipv4Addr::LOCALHOST)).context("no free port on loopback")
}

// === impl Proxy ===

impl Proxy {
    /// Starts it on `documents`, which are written to `directory`, and waits until it is ready.
    pub(super) async fn start(
        binary: &Path,
        directory: &Path,
        documents: &str,
        bind: SocketAddr,
        password: &str,
    ) -> anyhow::Result<Self> {
        let file = directory.join("farm.yaml");
        fs::write(&file, documents).context("cannot write the documents")?;
        let log = directory.join("proxy.log");
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let child = Command::new(binary)
            .args(["run", "--log-format", "json", "--bind", &bind.ip().to_string()])
            .args(["--admin", &admin.to_string(), "-f"])
            .arg(&file)
            .env("STRATUM_SECRET_PRIMARY_CREDENTIALS_PASSWORD", password)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}; build it first", binary.display()))?;
        let mut proxy = Self { child, admin, log };
        proxy.until_ready().await?;
        Ok(proxy)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the proxy ended with {status}:\n{}", self.last_words());
            }
            if matches!(self.page("/readyz").await, Ok((200, _))) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        bail!("the proxy is not ready after {START_WITHIN:?}:\n{}", self.last_words())
    }

    /// Where its log is.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Where its admin pages are.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(super) async fn ledger(&self) -> anyhow::Result<Ledger> {
        let (_, text) = self.page("/ledger").await?;
        serde_json::from_str(&text).context("the proxy's /ledger")
    }

    pub(super) async fn status(&self) -> anyhow::Result<Value> {
        let (_, text) = self.page("/status").await?;
        serde_json::from_str(&text).context("the proxy's /status")
    }

    /// The ledger once nothing is on its way, or as it is after [`QUIET_WITHIN`].
    pub(super) async fn quiet_ledger(&self) -> anyhow::Result<Ledger> {
        let deadline = Instant::now() + QUIET_WITHIN;
        loop {
            let ledger = self.ledger().await?;
            if ledger.is_quiet() || Instant::now() >= deadline {
                return Ok(ledger);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// SIGTERM, and its exit status.
    pub(super) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        if let Some(id) = self.child.id() {
            Command::new("kill").args(["-s", "TERM", &id.to_string()]).status().await?;
        }
        let ended = timeout(STOP_WITHIN, self.child.wait()).await;
        Ok(ended.with_context(|| format!("the proxy did not end within {STOP_WITHIN:?}"))??)
    }

    fn last_words(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let page = timeout(PAGE_WITHIN, fetch(self.admin, path)).await;
        Ok(page.context("the proxy does not answer")??)
    }
}
