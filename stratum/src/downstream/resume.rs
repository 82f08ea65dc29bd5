//! A session that outlives its connection.
//!
//! The subscribe reply names the session by a number that cannot be guessed. A miner that comes back with it is given what
//! it had: its extranonce1, so that shares which it found before the break are still shares, the memory of those that it
//! sent, so that each counts once, and its difficulty.

use std::fmt;
use std::time::{Duration, Instant};

use super::handshake::{Fresh, Subscribed};
use super::mining::Mining;
use super::{Downstream, Phase};
use crate::extranonce::MinerId;
use crate::types::VersionMask;

/// How often, and for how long in all, a former connection is waited for that has been told to give way. It does so at
/// once; only a thread that is busy for long makes the miner begin anew.
pub(super) const BUSY_RETRY: Duration = Duration::from_millis(20);
pub(super) const BUSY_MAX: Duration = Duration::from_secs(1);

/// Digits of a token.
const DIGITS: usize = 16;

/// The name of a session, known to its miner and to us.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionToken(pub u64);

/// What is left of a session whose connection has ended.
#[derive(Debug)]
pub struct Resumable {
    pub(super) token: SessionToken,
    pub(super) version_mask: Option<VersionMask>,
    pub(super) mining: Box<Mining>,
    pub(super) ended: Instant,
}

/// What a session leaves behind.
#[derive(Debug)]
pub enum Remains {
    /// Ids that nobody needs any more.
    Ids(Vec<MinerId>),
    /// A miner that may come back. Its ids are its own until it is given up.
    Session(Box<Resumable>),
}

// === impl SessionToken ===

impl SessionToken {
    /// The token that a miner sends back as it was given it. Anything else is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == DIGITS && crate::hex::is_hex(text);
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}

// === impl Resumable ===

impl Resumable {
    /// What the miner must bring to have it back.
    #[must_use]
    pub fn token(&self) -> SessionToken {
        self.token
    }

    /// The ids to release when it is given up.
    pub fn ids(&self) -> impl Iterator<Item = MinerId> + '_ {
        self.mining.ids()
    }
}

// === impl Downstream ===

impl Downstream {
    /// The connection has ended. Nothing is to be given to the machine after this.
    #[must_use]
    pub fn end(&mut self, now: Instant) -> Remains {
        let mining = match std::mem::replace(&mut self.phase, Phase::Fresh(Fresh)) {
            Phase::Fresh(_) | Phase::Waiting(_) => return Remains::Ids(Vec::new()),
            Phase::Subscribed(Subscribed { id, resumed: None, .. }) => {
                return Remains::Ids(vec![id]);
            }
            // It came back and broke off before it was at work.
            Phase::Subscribed(Subscribed { resumed: Some(mining), .. }) | Phase::Mining(mining) => {
                mining
            }
        };
        let (token, version_mask) = (self.token, self.peer.version_mask);
        Remains::Session(Box::new(Resumable { token, version_mask, mining, ended: now }))
    }
}
