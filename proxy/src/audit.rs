//! The audit log's file: lines of JSON, in order, whole, and in so many files of a bounded size
//! ([ADR 0011](../../docs/adr/0011-audit-log.md)).
//!
//! Mining never waits for the disk, nor does what is audited: records wait in a bounded queue, are written by one blocking
//! call at a time, and are tried again until there is room. What is lost meanwhile is counted, shown, and told in the file
//! when that is written again. What a record says is `telemetry`'s.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::policy::backoff::AUDIT_AGAIN;
use crate::telemetry::audit::{
    AuditCounts, AuditEntry, AuditKind, AuditOutcome, AuditRecord, AuditTap, VERSION,
};
use crate::telemetry::{AuditEvent, Telemetry};

mod file;

use self::file::Sink;

/// What tells a line of the audit log from others where both are collected together.
const LOG: &str = "audit";

/// Records of one blocking call. With the largest of a configuration, 10 MiB; of logins, 80 KiB.
const BATCH_MAX: usize = 256;

/// Longest wait for the last write.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// Where records go, and how much of them is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// Where.
    pub to: AuditTo,
    /// A file is begun anew before it is larger.
    pub bytes_max: u64,
    /// Former files that are kept beside it, as `FILE.1` (the latest) to `FILE.N`.
    pub files: u32,
    /// Who writes, if that is known.
    pub pod: Option<String>,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// To a file, whoever renames it meanwhile.
    File(PathBuf),
    /// Nowhere: there is no audit log.
    Off,
    /// To standard output, for whoever collects that.
    Stdout,
}

/// What is shown of the audit log.
#[derive(Clone, Debug)]
pub struct Audited {
    tap: Arc<AuditTap>,
    to: Arc<str>,
    error: watch::Receiver<Option<String>>,
}

/// Writes records down.
#[derive(Debug)]
pub struct KeepAudit {
    tap: Arc<AuditTap>,
    to: Arc<str>,
    pod: Option<String>,
    /// Contended only at the end, by the last write with one that hangs.
    sink: Arc<Mutex<Sink>>,
    /// Taken from the queue, and not in the file yet.
    pending: Vec<String>,
    error: watch::Sender<Option<String>>,
    telemetry: Telemetry,
}

/// As it is written. Its first fields say what it is, wherever a line is cut off.
#[derive(Serialize)]
struct Line<'a> {
    log: &'static str,
    v: u32,
    /// RFC 3339, to the millisecond, in UTC.
    time: String,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    #[serde(flatten)]
    entry: &'a AuditEntry,
}

/// The log of what `tap` takes, if it is to be written anywhere.
pub fn keep(
    settings: AuditSettings,
    tap: Arc<AuditTap>,
    telemetry: Telemetry,
) -> Option<(Audited, KeepAudit)> {
    let AuditSettings { to, bytes_max, files, pod } = settings;
    let (shown, sink): (Arc<str>, Sink) = match to {
        AuditTo::Off => return None,
        AuditTo::Stdout => ("standard output".into(), Sink::stdout()),
        AuditTo::File(path) => (path.to_string_lossy().into(), Sink::file(path, bytes_max, files)),
    };
    let (error, error_out) = watch::channel(None);
    let audited = Audited { tap: Arc::clone(&tap), to: Arc::clone(&shown), error: error_out };
    let sink = Arc::new(Mutex::new(sink));
    let pending = Vec::new();
    Some((audited, KeepAudit { tap, to: shown, pod, sink, pending, error, telemetry }))
}

// === impl Audited ===

impl Audited {
    /// Where it is written.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// How many records there were.
    pub fn counts(&self) -> AuditCounts {
        self.tap.counts()
    }

    /// Why they cannot be written now.
    pub fn error(&self) -> Option<String> {
        self.error.borrow().clone()
    }
}

// === impl KeepAudit ===

impl KeepAudit {
    /// Writes what is taken until `stop`, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        self.tap.record(of_process(AuditOutcome::Began));
        let late = async {
            stop.cancelled().await;
            sleep(LAST_WRITE).await;
        };
        let (to, telemetry) = (Arc::clone(&self.to), self.telemetry.clone());
        tokio::select! {
            // A log that is written to its end first. A write that hangs must not keep the process from its own.
            biased;
            () = self.write_until(&stop) => {}
            () = late => {
                let error = "the last write is not done in time";
                telemetry.emit(AuditEvent::NotWritten { to: &to, error });
            }
        }
    }

    async fn write_until(&mut self, stop: &CancellationToken) {
        let mut tick = interval(AUDIT_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_last = false;
        while !is_last {
            tokio::select! {
                // The end first: it comes once. A tick tells what was only counted, and tries again.
                biased;
                () = stop.cancelled() => {
                    self.tap.record(of_process(AuditOutcome::Ended));
                    is_last = true;
                }
                _tick = tick.tick() => {}
                // Not while nothing can be written: that would be to try for each record.
                () = self.tap.woken(), if self.pending.is_empty() => {}
            }
            self.write().await;
        }
    }

    /// Writes all that waits, or as much as can be.
    async fn write(&mut self) {
        loop {
            if self.pending.is_empty() {
                let records = self.tap.take(BATCH_MAX);
                self.pending = records.iter().filter_map(|record| self.line(record)).collect();
            }
            if self.pending.is_empty() {
                return;
            }
            let (sink, lines) = (Arc::clone(&self.sink), std::mem::take(&mut self.pending));
            let append = move || {
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let (written, result) = sink.append(&lines);
                (lines, written, result)
            };
            // Cancelled: the runtime is going down.
            let Ok((mut lines, written, result)) = tokio::task::spawn_blocking(append).await else {
                return;
            };
            lines.drain(..written.min(lines.len()));
            self.pending = lines;
            self.tap.written(written);
            match result {
                Ok(()) => self.succeeded(),
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn line(&self, record: &AuditRecord) -> Option<String> {
        let AuditRecord { at, seq, entry } = record;
        let (pod, time) = (self.pod.as_deref(), time(*at));
        let line = Line { log: LOG, v: VERSION, time, seq: *seq, pod, entry };
        // Its fields are texts and numbers: there is nothing in it that JSON cannot say.
        serde_json::to_string(&line).ok().map(|mut text| {
            text.push('\n');
            text
        })
    }

    fn succeeded(&self) {
        if self.error.send_replace(None).is_some() {
            self.telemetry.emit(AuditEvent::WrittenAgain { to: &self.to });
        }
    }

    fn failed(&self, error: &io::Error) {
        let error = error.to_string();
        let known = self.error.borrow().as_ref() == Some(&error);
        self.telemetry.emit(match known {
            false => AuditEvent::NotWritten { to: &self.to, error: &error },
            true => AuditEvent::StillNotWritten,
        });
        self.error.send_replace(Some(error));
    }
}

fn of_process(outcome: AuditOutcome) -> AuditEntry {
    AuditEntry::new(AuditKind::Process, outcome).detail(env!("CARGO_PKG_VERSION"))
}

fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
