//! The signals of the operating system: when to stop, and when to stop at once. What is then done is
//! the caller's.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

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
}
