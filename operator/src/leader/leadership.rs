//! What the rest of the process is told about leading.

use std::fmt;
use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Whether this process leads, and who does if not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    state: watch::Receiver<State>,
}

/// Why a process that led does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The Lease could not be renewed in time.
    DeadlineMissed,
    /// The Lease was deleted.
    Deleted,
    /// The Lease names another holder.
    Taken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Another leads, or nobody.
    Following { leader: Option<SocketAddr> },
    /// This process leads until then, unless it is renewed.
    Leading { until: Instant, address: SocketAddr },
    /// This process led, and does not any more.
    Lost(Loss),
    /// This process does not compete any more.
    Stopped,
}

// === impl Leadership ===

impl Leadership {
    pub(super) fn new() -> (watch::Sender<State>, Self) {
        let (sender, state) = watch::channel(State::Following { leader: None });
        (sender, Self { state })
    }

    /// Every change, for an auditor.
    #[cfg(test)]
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Whether this process leads at this moment. To be asked before every write: an isolated
    /// leader gets `false` before another can get `true`.
    pub fn is_leader(&self) -> bool {
        self.state.borrow().leads(Instant::now())
    }

    /// Returns once this process leads; never, if it does not come to that.
    pub async fn acquired(&self) {
        let mut state = self.state.clone();
        let led = state.wait_for(|state| state.leads(Instant::now())).await.is_ok();
        if !led {
            std::future::pending().await
        }
    }

    /// Returns once this process led and does not any more, even if the one that renews hangs. The
    /// process is then to end. Giving the Lease up as asked is no loss.
    pub async fn lost(&self) -> Loss {
        let mut state = self.state.clone();
        loop {
            let now = *state.borrow_and_update();
            match now {
                State::Lost(loss) => return loss,
                State::Leading { until, address: _ } => tokio::select! {
                    // A renewal first: it moves the deadline that would else have passed.
                    biased;
                    changed = state.changed() => if changed.is_err() { return Loss::DeadlineMissed },
                    () = sleep_until(until) => return Loss::DeadlineMissed,
                },
                State::Following { leader: _ } | State::Stopped => {
                    if state.changed().await.is_err() {
                        std::future::pending().await
                    }
                }
            }
        }
    }

    /// Where the control stream of the leader is, as far as it is known; this process itself, if it
    /// leads.
    pub fn leader_address(&self) -> Option<SocketAddr> {
        match *self.state.borrow() {
            State::Following { leader } => leader,
            State::Leading { until: _, address } => self.is_leader().then_some(address),
            State::Lost(_) | State::Stopped => None,
        }
    }
}

// === impl State ===

impl State {
    fn leads(&self, now: Instant) -> bool {
        matches!(self, Self::Leading { until, address: _ } if now < *until)
    }
}

// === impl Loss ===

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadlineMissed => "the Lease could not be renewed in time",
            Self::Deleted => "the Lease was deleted",
            Self::Taken => "the Lease names another holder",
        })
    }
}
