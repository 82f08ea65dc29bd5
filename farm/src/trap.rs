//! What real firmware cannot bear, as typed failures.
//!
//! Owns the vocabulary in which a simulated miner complains about its server. It decides nothing:
//! which profile is strict about what stands in [`crate::profile`], and the miner springs the trap.

use std::fmt;
use std::time::Duration;

use crate::profile::Method;

/// Characters of a server's line that a fault quotes.
const EXCERPT_MAX: usize = 120;

/// One fault of a server, as met by one firmware.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{profile}: {what}")]
pub struct Trap {
    /// Whose strictness it was.
    pub profile: &'static str,
    /// What the server did.
    pub what: Fault,
}

/// What a server did that some firmware does not survive, or silently mines wrongly by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// NerdMiner, Avalon and old Antminer buffers.
    #[error("a coinbase of {bytes} bytes, of which this firmware holds {limit}")]
    CoinbaseTooLong { bytes: usize, limit: usize },
    /// BIP310 asks for an entry for each extension requested.
    #[error("the reply to mining.configure has no entry {entry:?}")]
    ConfigureEntryMissing { entry: &'static str },
    /// A size that the firmware's buffers or its arithmetic do not take.
    #[error("extranonce2 of {size} bytes, which this firmware cannot mine with")]
    Extranonce2Size { size: usize },
    /// ESP-Miner reads the last parameter of a notify as `clean_jobs`, whatever it is.
    #[error("the last parameter of mining.notify is {last}, not clean_jobs")]
    LastParameterNotClean { last: Excerpt },
    /// A fixed receive buffer.
    #[error("a line of more than {limit} bytes")]
    LineTooLong { limit: usize },
    /// A line that is neither a reply nor a notification, or one whose content makes no sense.
    #[error("{why} in {line}")]
    Malformed { why: &'static str, line: Excerpt },
    /// Firmware that reads exactly one line and takes it for the reply.
    #[error("the line after {method} is not its reply but {line}")]
    NextLineNotReply { method: Method, line: Excerpt },
    /// Old Antminer reconnects for ever.
    #[error("no job {waited:?} after the handshake or after the last job")]
    NoJob { waited: Duration },
    /// Firmware that blocks on a reply.
    #[error("no reply to {method} within {within:?}")]
    NoReply { method: Method, within: Duration },
    /// The connection closed while a reply that this firmware needs was awaited.
    #[error("the connection closed without a reply to {method}")]
    ClosedWithoutReply { method: Method },
    /// A job before the extranonce1 is known: hashed with a null extranonce.
    #[error("mining.notify before the reply to mining.subscribe")]
    NotifyBeforeSubscribed,
    /// What this firmware cannot go on without.
    #[error("{method} was refused: {error}")]
    Refused { method: Method, error: Excerpt },
    /// minerd and ESP-Miner take the repeated id for the job that they have.
    #[error("job id {id} was sent a second time with other work")]
    RepeatedJobId { id: Excerpt },
    /// Replies matched by order, or an id not echoed as it was sent.
    #[error("a reply with id {got} where {expected} was due")]
    ReplyId { expected: Excerpt, got: Excerpt },
    /// minerd ignores a reply with a null id or without a result, for ever.
    #[error("a reply that this firmware ignores: {line}")]
    ReplyIgnored { line: Excerpt },
    /// The pool is taken for dead.
    #[error("nothing received for {limit:?}")]
    Silence { limit: Duration },
    /// BFGMiner tries TLS first and waits.
    #[error("a TLS ClientHello was neither answered nor closed within {within:?}")]
    TlsHang { within: Duration },
    /// minerd counts every reply object as the verdict on a share.
    #[error("a reply to nothing asked: {line}")]
    UnaskedReply { line: Excerpt },
    /// Set while rolling: firmware that ORs or XORs its bits hashes another version than the
    /// server computes.
    #[error("job version {version:08x} has bits inside the negotiated mask {mask:08x}")]
    VersionBitsInJob { version: u32, mask: u32 },
    /// A mask for a connection that negotiated none.
    #[error("mining.set_version_mask without negotiation")]
    UnaskedVersionMask,
}

/// Text from a server, cut and without control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

// === impl Excerpt ===

impl Excerpt {
    pub(crate) fn of(text: &str) -> Self {
        let kept = text.chars().filter(|c| !c.is_control()).take(EXCERPT_MAX);
        Self(kept.collect::<String>().into_boxed_str())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
