//! The ledger from one start to the next: read from `--state` at the start, written there once a second, and a last time at the
//! orderly end ([ADR 0008](../../docs/adr/0008-kept-ledger.md)).
//!
//! Mining never waits for the disk: a disk that is full, read-only or hangs is logged, counted and shown, and that is all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_stratum::work::Now;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::disk::{self, Lock, NotOurs, Outlives};
use crate::sink::kept::{KeptLedger, Life, Restored};
use crate::sink::ledger::Ledger;
use crate::telemetry::{LedgerEvent, Telemetry};

/// The ledger, in the directory that is given as `--state`.
const LEDGER_FILE: &str = "ledger.json";

/// One that no process can go on from; the latest is kept for whoever wants to know why.
const SET_ASIDE_FILE: &str = "ledger.json.unreadable";

/// Bytes of the file: as many rows as a ledger has, of 1 KiB each. A pod's state directory has room for this file, the one
/// that replaces it and one that was set aside (`STATE_SIZE` in `operator/src/controller/build/deployment.rs`).
const LEDGER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often it is written, if anything has changed: what SIGKILL takes from the ledger is what happened since.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for the last write.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// The ledger, and what is shown of its file.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Begun anew, or gone on from.
    pub ledger: Arc<Ledger>,
    /// None if it is kept nowhere.
    pub kept: Option<watch::Receiver<Kept>>,
}

/// What is shown of the ledger's file.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// When the ledger began, in Unix seconds: before this process, if it goes on from an earlier one.
    pub begun: u64,
    /// When the file last held what the ledger did; before that, when the process started.
    pub at: Instant,
    /// Why it could not be kept since.
    pub error: Option<String>,
}

/// Another process has the directory.
#[derive(Debug, thiserror::Error)]
#[error(
    "--state {}: another stratum-proxy has it; wait for its end, or give each process a directory of its own",
    directory.display()
)]
pub struct InUse {
    directory: PathBuf,
}

/// Writes the ledger for the next start.
#[derive(Debug)]
pub struct KeepLedger {
    /// Contended only at the end, by the last write with one that hangs.
    writer: Arc<Mutex<Writer>>,
    shown: watch::Sender<Kept>,
    clock: Clock,
    telemetry: Telemetry,
}

#[derive(Debug)]
struct Writer {
    directory: PathBuf,
    ledger: Arc<Ledger>,
    /// From when on the ledger has gone on from the file, which nobody else writes to.
    lock: Option<Lock>,
    begun: u64,
    /// What this process wrote last.
    written: Option<KeptLedger>,
}

/// What the directory held when it was opened.
#[derive(Debug)]
enum Opened {
    /// No ledger: this process begins one.
    Nothing,
    /// A ledger to go on from.
    Ledger(Restored),
    /// Something else, which is out of the way now.
    SetAside { why: String },
}

/// Why the ledger is not kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("another stratum-proxy has the directory")]
    InUse,
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("the ledger has {bytes} bytes, and a file of it at most {LEDGER_BYTES_MAX}")]
    TooLarge { bytes: usize },
}

/// Goes on from the ledger of the process before, if `directory` holds one. Blocking.
///
/// # Errors
/// [`InUse`] if that process, or another, is up. Whatever else is wrong is no reason not to start.
pub fn open(
    directory: &Path,
    clock: Clock,
    telemetry: Telemetry,
) -> Result<(Books, KeepLedger), InUse> {
    let now = clock.now();
    let ledger = Arc::<Ledger>::default();
    let mut writer = Writer {
        directory: directory.to_owned(),
        ledger: Arc::clone(&ledger),
        lock: None,
        begun: u64::from(now.unix.0),
        written: None,
    };
    let opened = writer.open();
    if let Err(NotKept::InUse) = opened {
        return Err(InUse { directory: directory.to_owned() });
    }
    let kept = Kept {
        path: directory.join(LEDGER_FILE),
        begun: writer.begun,
        at: now.instant,
        error: None,
    };
    let (shown, shown_out) = watch::channel(kept);
    let keep = KeepLedger { writer: Arc::new(Mutex::new(writer)), shown, clock, telemetry };
    match opened {
        Ok(opened) => keep.opened(opened),
        Err(error) => keep.failed(&error),
    }
    Ok((Books { ledger, kept: Some(shown_out) }, keep))
}

// === impl KeepLedger ===

impl KeepLedger {
    /// Keeps the ledger until `stop`, by when all that was on its way is settled, and then for the last time.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = interval(KEEP_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let keep = async {
            loop {
                tick.tick().await;
                self.keep(Life::Running).await;
            }
        };
        // A write that hangs must not keep the process from its end.
        stop.run_until_cancelled(keep).await;
        if timeout(LAST_WRITE, self.keep(Life::Ended)).await.is_err() {
            let source = io::ErrorKind::TimedOut.into();
            self.failed(&NotKept::Io { what: "the last write", source });
        }
    }

    fn path(&self) -> PathBuf {
        self.shown.borrow().path.clone()
    }

    async fn keep(&self, life: Life) {
        let (writer, now) = (Arc::clone(&self.writer), self.clock.now());
        let keep = move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = match writer.lock {
                Some(_) => None,
                None => Some(writer.open()?),
            };
            writer.write(now, life)?;
            Ok((opened, writer.begun))
        };
        match tokio::task::spawn_blocking(keep).await {
            Ok(Ok((opened, begun))) => {
                if let Some(opened) = opened {
                    self.opened(opened);
                }
                self.kept(now, begun);
            }
            Ok(Err(error)) => self.failed(&error),
            // The runtime is going down.
            Err(_cancelled) => {}
        }
    }

    fn opened(&self, opened: Opened) {
        let path = &self.path();
        match opened {
            Opened::Nothing => {}
            Opened::Ledger(Restored { begun, life, received, unanswered, lost }) => {
                self.telemetry.emit(match life {
                    Life::Ended => LedgerEvent::Restored { path, begun, received },
                    Life::Running => {
                        LedgerEvent::OfKilled { path, begun, received, unanswered, lost }
                    }
                });
            }
            Opened::SetAside { why } => {
                let aside = &path.with_file_name(SET_ASIDE_FILE);
                self.telemetry.emit(LedgerEvent::SetAside { path, aside, why: &why });
            }
        }
    }

    fn kept(&self, now: Now, begun: u64) {
        let mut failed = None;
        self.shown.send_modify(|kept| {
            kept.begun = begun;
            kept.at = now.instant;
            failed = kept.error.take();
        });
        if failed.is_some() {
            self.telemetry.emit(LedgerEvent::KeptAgain { path: &self.path() });
        }
    }

    fn failed(&self, error: &NotKept) {
        let error = error.to_string();
        let known = self.shown.borrow().error.as_ref() == Some(&error);
        let path = &self.path();
        self.telemetry.emit(match known {
            false => LedgerEvent::NotKept { path, error: &error },
            true => LedgerEvent::StillNotKept,
        });
        self.shown.send_modify(|kept| kept.error = Some(error));
    }
}

// === impl Writer ===

impl Writer {
    /// Has the directory for this process, and goes on from what it holds.
    fn open(&mut self) -> Result<Opened, NotKept> {
        let lock = disk::lock(&self.directory)?;
        let path = self.directory.join(LEDGER_FILE);
        let opened = match disk::read(&path, LEDGER_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Opened::Nothing,
            Err(error) => self.set_aside(&path, error.to_string())?,
            Ok(text) => match KeptLedger::parse(&text) {
                Err(error) => self.set_aside(&path, error.to_string())?,
                Ok(kept) => {
                    let restored = kept.restore(&self.ledger);
                    self.begun = self.begun.min(restored.begun);
                    Opened::Ledger(restored)
                }
            },
        };
        self.lock = Some(lock);
        Ok(opened)
    }

    fn set_aside(&self, path: &Path, why: String) -> Result<Opened, NotKept> {
        let aside = self.directory.join(SET_ASIDE_FILE);
        let moved = std::fs::rename(path, aside);
        let what = "the file that cannot be gone on from cannot be set aside";
        moved.map_err(|source| NotKept::Io { what, source })?;
        Ok(Opened::SetAside { why })
    }

    fn write(&mut self, now: Now, life: Life) -> Result<(), NotKept> {
        let ledger = KeptLedger::of(&self.ledger, now.instant, self.begun);
        let is_known = self.written.as_ref().is_some_and(|written| written.is_same(&ledger));
        if is_known && life == Life::Running {
            return Ok(());
        }
        let ledger = ledger.written(u64::from(now.unix.0), life);
        let text = ledger.to_text();
        if text.len() > LEDGER_BYTES_MAX {
            return Err(NotKept::TooLarge { bytes: text.len() });
        }
        let outlives = match life {
            Life::Running => Outlives::Process,
            Life::Ended => Outlives::Power,
        };
        let written = disk::replace(&self.directory, LEDGER_FILE, &text, outlives);
        written.map_err(|source| NotKept::Io { what: "cannot write", source })?;
        self.written = Some(ledger);
        Ok(())
    }
}

// === impl NotKept ===

impl From<NotOurs> for NotKept {
    fn from(error: NotOurs) -> Self {
        match error {
            NotOurs::InUse => Self::InUse,
            NotOurs::Io(source) => Self::Io { what: "cannot lock the directory", source },
        }
    }
}

#[cfg(test)]
mod tests;
