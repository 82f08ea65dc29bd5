//! The habits, buffers and patience in which firmware differs.

use std::time::Duration;

use super::handshake::{Call, REPLY_WITHIN};

/// What is sent first on a fresh connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The handshake.
    Clear,
    /// A TLS ClientHello on a connection of its own; in clear once that was closed or answered.
    TlsFirst { patience: Duration },
}

/// BFGMiner hangs for good; a test need not.
pub const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// How requests are numbered and replies told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Of the first request.
    pub first: u64,
    /// Of shares.
    pub submit: SubmitId,
    /// How a reply finds its request.
    pub matching: Matching,
}

/// Ids of shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitId {
    /// One more each time.
    Counting,
    /// Always the same: 4 in minerd.
    Fixed(u64),
}

/// How a reply finds its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// By the number sent, which must come back as a number.
    ById,
    /// First asked, first answered.
    ByOrder,
}

/// Version rolling as this firmware does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// The bits it can roll.
    pub able: u32,
    /// How the bits get into the header and into the sixth parameter.
    pub style: BitsStyle,
    /// When a submit has a sixth parameter.
    pub sixth: SixthParameter,
}

/// How rolled bits get into the header and into the submit. All agree as long as the job's version
/// has no bit inside the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitsStyle {
    /// cgminer: ORed to the job's version, sent as they are.
    Or,
    /// BIP310: the masked bits are replaced, sent as they are.
    Replace,
    /// ESP-Miner: the masked bits are replaced, the difference to the job's version is sent.
    Xor,
}

/// When a submit has a sixth parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SixthParameter {
    /// Always.
    Always,
    /// Once rolling was negotiated.
    Negotiated,
}

/// How the work is walked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Nonces tried before the next version, extranonce2 or job. Real hardware tries 2^32, at
    /// hashrates as many times greater.
    pub nonces_per_unit: u32,
    /// Versions tried before the next extranonce2.
    pub versions_per_extranonce2: u32,
    /// The miner's own part of the coinbase.
    pub extranonce2: Extranonce2Plan,
    /// The time in the header.
    pub ntime: NTimePlan,
    /// How a nonce is written.
    pub nonce_text: NonceText,
}

/// The miner's own part of the coinbase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extranonce2Plan {
    /// Counts from zero at every job, least significant byte first.
    Counting,
    /// `00…01`, for ever: only the server's extranonce1 tells two such miners apart.
    One,
}

/// The time in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NTimePlan {
    /// The job's, rolled with the clock since the job came.
    Clock,
    /// The job's.
    Job,
}

/// How a nonce is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceText {
    /// Eight digits.
    Padded,
    /// As many as needed (NerdMiner).
    Unpadded,
    /// Eight upper-case digits.
    Upper,
}

/// What is done with jobs and difficulties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobRules {
    /// A job id that was there before.
    pub repeated_id: RepeatedId,
    /// Which parameter says clean.
    pub clean: CleanFlag,
    /// When a new difficulty counts.
    pub difficulty: DifficultyFrom,
    /// What a new job without clean does to the old one.
    pub old_job: OldJob,
}

/// A job id that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedId {
    /// The notify is ignored: its work is never done.
    Ignored,
    /// The notify is a job like any other.
    Taken,
}

/// Which parameter of `mining.notify` says clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanFlag {
    /// The last, whichever that is.
    Last,
    /// The ninth; without it, not clean.
    Ninth,
}

/// When a new difficulty counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifficultyFrom {
    /// For the work at hand too.
    AtOnce,
    /// From the next job.
    NextJob,
}

/// What a new job without clean does to the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldJob {
    /// Dropped.
    Dropped,
    /// Worked on until its nonces are used up (minerd).
    UsedUp,
}

/// Buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sizes of extranonce2 that it can mine with.
    pub extranonce2: Extranonce2Sizes,
    /// Bytes of a coinbase.
    pub coinbase_bytes_max: Option<usize>,
    /// Bytes of a received line.
    pub line_bytes_max: usize,
    /// What becomes of a long worker name.
    pub worker: NameRule,
}

/// Sizes of extranonce2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extranonce2Sizes {
    /// Both ends included.
    Between(usize, usize),
    /// These alone.
    OneOf(&'static [usize]),
}

/// What becomes of a worker name that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// The firmware cuts it and uses what is left.
    CutAt(usize),
    /// The firmware would overflow: nobody may configure it so.
    Refused(usize),
}

/// What is waited for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without any line, the server is dead.
    pub silence: Option<Duration>,
    /// From the end of the handshake to the first job.
    pub first_job: Option<Duration>,
    /// From one job to the next.
    pub next_job: Option<Duration>,
    /// For a pipelined reply.
    pub reply: Duration,
    /// Before the next attempt to connect.
    pub reconnect_after: Duration,
}

/// What is sent besides shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chatter {
    /// After each job.
    pub after_job: Option<Call>,
    /// Every so often.
    pub keep_alive: Option<(Duration, Call)>,
    /// To `mining.ping`.
    pub pong: Pong,
    /// To `client.show_message`.
    pub messages: Messages,
    /// To `client.reconnect`.
    pub reconnect: ReconnectRule,
}

/// The answer to `mining.ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pong {
    /// A request of the method `pong` with the ping's id (ESP-Miner).
    Method,
    /// A reply.
    Reply,
}

/// The answer to `client.show_message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// A reply `true` with the message's id, null or not (minerd).
    Answered,
    /// None.
    Ignored,
}

/// When `client.reconnect` is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconnectRule {
    /// Always.
    Obeyed,
    /// To the host it has or a sub-domain of it (cgminer).
    SameDomain,
    /// If it names a host and a port (minerd).
    WithHost,
}

/// What becomes of shares whose connection was lost before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submits {
    /// They are gone.
    Forget,
    /// Sent again within this time, if the server gives the same extranonce1 back (cgminer).
    Resend(Duration),
}

// === defaults ===

impl Search {
    pub(super) const PLAIN: Self = Self {
        nonces_per_unit: 1 << 14,
        versions_per_extranonce2: 16,
        extranonce2: Extranonce2Plan::Counting,
        ntime: NTimePlan::Job,
        nonce_text: NonceText::Padded,
    };
}

impl JobRules {
    pub(super) const PLAIN: Self = Self {
        repeated_id: RepeatedId::Taken,
        clean: CleanFlag::Ninth,
        difficulty: DifficultyFrom::NextJob,
        old_job: OldJob::Dropped,
    };
}

impl Limits {
    pub(super) const PLAIN: Self = Self {
        extranonce2: Extranonce2Sizes::Between(2, 16),
        coinbase_bytes_max: None,
        line_bytes_max: 64 * 1024,
        worker: NameRule::Refused(255),
    };
}

impl Patience {
    pub(super) const PLAIN: Self = Self {
        silence: Some(Duration::from_secs(120)),
        first_job: None,
        next_job: None,
        reply: REPLY_WITHIN,
        reconnect_after: Duration::from_secs(5),
    };
}

impl Chatter {
    pub(super) const NONE: Self = Self {
        after_job: None,
        keep_alive: None,
        pong: Pong::Reply,
        messages: Messages::Ignored,
        reconnect: ReconnectRule::Obeyed,
    };
}

// === impl Extranonce2Sizes ===

impl Extranonce2Sizes {
    /// Whether the firmware can mine with it.
    #[must_use]
    pub fn takes(self, size: usize) -> bool {
        match self {
            Self::Between(low, high) => (low..=high).contains(&size),
            Self::OneOf(sizes) => sizes.contains(&size),
        }
    }
}
