//! The signals of the operating system: when to stop, when to stop at once, when to read the files again. What is
//! then done is the caller's.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Listens for signals from its making on.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Signals ===

impl Signals {
    /// Takes the signals over. Must be called within a runtime.
    ///
    /// # Errors
    /// Only when the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next SIGTERM or SIGINT and names it.
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _received = self.terminate.recv() => "SIGTERM",
            _received = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Turns each SIGHUP into a notification of `reload`, for as long as it is polled.
///
/// # Errors
/// Only when the operating system refuses.
pub async fn reload_on_hangup(reload: Arc<Notify>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        reload.notify_one();
    }
    Ok(())
}
