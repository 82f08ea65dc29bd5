//! What a practice pool is like: its settings and their bounds.

use std::time::Duration;

use crate::judge::Difficulty;

use super::forms::Forms;

/// PROTOCOL 2.3: an extranonce1 of up to 16 bytes is common ground.
pub const EXTRANONCE1_BYTES_MAX: usize = 16;
/// With it, the two extranonces leave the coinbase's script room for height, stamp and tag.
pub const EXTRANONCE2_BYTES_MAX: usize = 16;
/// Deep enough for a block of 65,536 transactions.
pub const BRANCHES_MAX: u8 = 16;
/// A longer name would not fit in the coinbase.
const NAME_BYTES_MAX: usize = 16;
/// The mask of BIP320, which every pool of today hands out.
pub const BIP320_MASK: u32 = 0x1fff_e000;
/// 2026-01-01 00:00 UTC: where the simulated wall clock starts if nothing else is said.
const BASE_UNIX_TIME: u32 = 1_767_225_600;

/// Everything that can be chosen about a practice pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSettings {
    /// In the coinbase and in reports: up to 16 of `a-z 0-9 -`.
    pub name: String,
    /// The same seed, the same jobs, extranonces, latencies and forms.
    pub seed: u64,
    pub extranonce1_bytes: usize,
    pub extranonce2_bytes: usize,
    pub version_rolling: VersionRolling,
    pub difficulty: DifficultyPolicy,
    pub suggestions: Suggestions,
    pub job_interval: Duration,
    /// On average; each interval lies between half of it and one and a half.
    pub block_interval: Duration,
    /// Of the jobs between blocks, how many are clean all the same.
    pub clean_jobs_percent: u8,
    /// The most merkle branches a job has; each job draws its own number.
    pub branches_max: u8,
    pub accounts: Accounts,
    pub resumption: Resumption,
    pub forms: Forms,
    pub first_job: FirstJob,
    pub first_difficulty: FirstDifficulty,
    /// How long every reply takes.
    pub reply_latency: Duration,
    /// Added to each, between nothing and this.
    pub reply_jitter: Duration,
    /// A `mining.ping` to every connection this often.
    pub ping_interval: Option<Duration>,
    /// How long a job is still paid after a clean job has replaced it.
    pub stale_grace: Duration,
    /// The wall clock when the pool starts.
    pub base_unix_time: u32,
    /// How hard a block is; `None` is the real network's, so that none is ever found.
    pub network_difficulty: Option<Difficulty>,
}

/// What the pool does with `mining.configure`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VersionRolling {
    /// Grants the requested bits of this mask.
    Granted { mask: u32 },
    /// Knows the method and says no.
    Refused,
    /// Says that it does not know the method.
    UnknownMethod,
    /// Says nothing at all.
    Unanswered,
}

/// How hard a share is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DifficultyPolicy {
    Fixed(Difficulty),
    /// Follows the work that each connection delivers.
    Adaptive {
        start: Difficulty,
        min: Difficulty,
        shares_per_second: f64,
    },
}

/// What the pool does with `mining.suggest_difficulty`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suggestions {
    /// Says yes, and does as it likes.
    Acknowledged,
    /// Takes the difficulty for that session, but none below this.
    Obeyed { min: Difficulty },
}

/// Whose logins are taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Accounts {
    Any,
    /// These, alone or followed by `.worker`.
    Only(Vec<String>),
}

/// Whether `mining.subscribe` with a known session gives its extranonce1 back, and its jobs as far
/// as no clean one has replaced them meanwhile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resumption {
    Forgets,
    Resumes,
}

/// When the first job is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FirstJob {
    AfterAuthorize,
    /// As ckpool does: before anybody has logged in.
    AfterSubscribe,
}

/// When the first difficulty is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FirstDifficulty {
    WithFirstJob,
    /// Before the peer knows that it is subscribed.
    BeforeSubscribeReply,
}

/// A setting out of its bounds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} is {value}; {remedy}")]
pub struct SettingsError {
    pub field: &'static str,
    pub value: String,
    pub remedy: &'static str,
}

// === impl PoolSettings ===

impl PoolSettings {
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            extranonce1_bytes: 4,
            extranonce2_bytes: 8,
            version_rolling: VersionRolling::Granted { mask: BIP320_MASK },
            difficulty: DifficultyPolicy::Fixed(Difficulty::ONE),
            suggestions: Suggestions::Acknowledged,
            job_interval: Duration::from_secs(30),
            block_interval: Duration::from_secs(600),
            clean_jobs_percent: 10,
            branches_max: 12,
            accounts: Accounts::Any,
            resumption: Resumption::Forgets,
            forms: Forms::default(),
            first_job: FirstJob::AfterAuthorize,
            first_difficulty: FirstDifficulty::WithFirstJob,
            reply_latency: Duration::ZERO,
            reply_jitter: Duration::ZERO,
            ping_interval: None,
            stale_grace: Duration::ZERO,
            base_unix_time: BASE_UNIX_TIME,
            network_difficulty: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let refuse = |field, value: &dyn ToString, remedy| {
            Err(SettingsError { field, value: value.to_string(), remedy })
        };
        let name_is_plain =
            self.name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !name_is_plain || !(1..=NAME_BYTES_MAX).contains(&self.name.len()) {
            return refuse("name", &self.name, "use 1 to 16 of a-z, 0-9 and -");
        }
        if !(1..=EXTRANONCE1_BYTES_MAX).contains(&self.extranonce1_bytes) {
            return refuse("extranonce1_bytes", &self.extranonce1_bytes, "choose 1 to 16");
        }
        if !(1..=EXTRANONCE2_BYTES_MAX).contains(&self.extranonce2_bytes) {
            return refuse("extranonce2_bytes", &self.extranonce2_bytes, "choose 1 to 16");
        }
        if self.branches_max > BRANCHES_MAX {
            return refuse("branches_max", &self.branches_max, "choose at most 16");
        }
        if self.clean_jobs_percent > 100 {
            return refuse("clean_jobs_percent", &self.clean_jobs_percent, "choose at most 100");
        }
        self.check_paces()
    }

    fn check_paces(&self) -> Result<(), SettingsError> {
        let intervals = [
            ("job_interval", Some(self.job_interval)),
            ("block_interval", Some(self.block_interval)),
            ("ping_interval", self.ping_interval),
        ];
        for (field, interval) in intervals {
            let Some(interval) = interval else { continue };
            if interval < Duration::from_millis(10) {
                let value = format!("{interval:?}");
                return Err(SettingsError { field, value, remedy: "choose at least 10 ms" });
            }
        }
        if let DifficultyPolicy::Adaptive { shares_per_second, start: _, min: _ } = self.difficulty
            && !(shares_per_second.is_finite() && shares_per_second > 0.0)
        {
            let value = shares_per_second.to_string();
            let remedy = "choose a number above 0";
            return Err(SettingsError { field: "shares_per_second", value, remedy });
        }
        Ok(())
    }
}

// === impl DifficultyPolicy ===

impl DifficultyPolicy {
    pub(super) fn start(self) -> Difficulty {
        match self {
            Self::Fixed(difficulty) => difficulty,
            Self::Adaptive { start, min, shares_per_second: _ } => start.max(min),
        }
    }

    pub(super) fn restart_at(&mut self, difficulty: Difficulty) {
        match self {
            Self::Fixed(fixed) => *fixed = difficulty,
            Self::Adaptive { start, min: _, shares_per_second: _ } => *start = difficulty,
        }
    }
}

// === impl VersionRolling ===

impl VersionRolling {
    /// A pool that grants none goes on granting none.
    pub(super) fn regrant(&mut self, new_mask: u32) {
        match self {
            Self::Granted { mask } => *mask = new_mask,
            Self::Refused | Self::UnknownMethod | Self::Unanswered => {}
        }
    }
}

// === impl Accounts ===

impl Accounts {
    pub(super) fn admit(&self, user: &str) -> bool {
        let account = user.split_once('.').map_or(user, |(account, _)| account);
        match self {
            Self::Any => !user.is_empty(),
            Self::Only(names) => names.iter().any(|name| name == account),
        }
    }
}
