//! The signals of the operating system: when to stop, when to stop at once, when to read the files
//! again. What is then done is the caller's.

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
            biased;
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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Far longer than a signal takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Sends this process a signal. The listeners must be there, or it is the end of the test.
    fn raise(signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} $PPID")]).status();
        assert!(sent.unwrap().success());
    }

    #[tokio::test]
    async fn each_signal_to_stop_is_named() {
        let mut signals = Signals::listen().unwrap();
        // The second SIGTERM counts as well.
        for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT"), ("TERM", "SIGTERM")] {
            raise(signal);
            assert_eq!(timeout(PATIENCE, signals.stop()).await.expect("told"), name);
        }
    }

    #[tokio::test]
    async fn a_hangup_asks_for_the_files_to_be_read() {
        let reload = Arc::new(Notify::new());
        let listening = reload_on_hangup(Arc::clone(&reload));
        tokio::pin!(listening);
        for _ in 0..2 {
            tokio::select! {
                biased;
                ended = &mut listening => panic!("{ended:?}"),
                () = std::future::ready(()) => raise("HUP"),
            }
            tokio::select! {
                biased;
                ended = &mut listening => panic!("{ended:?}"),
                asked = timeout(PATIENCE, reload.notified()) => asked.expect("asked"),
            }
        }
    }
}
