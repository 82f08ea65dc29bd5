//! Judging shares.
//!
//! [`verify`] is the only way to a [`VerifiedShare`], and only a [`VerifiedShare`] can be sent to a
//! pool or counted as work. It decides and does nothing else: replies, counters and penalties are
//! somebody else's, in one place.

mod duplicates;
mod reject;

use std::sync::Arc;

use crate::difficulty::{Assignment, Difficulty, ShareHash};
use crate::extranonce::{MinerId, pool_extranonce2};
use crate::hex;
use crate::job::Job;
use crate::message::Submit;
use crate::types::{Extranonce, NTime, Nonce, Version, VersionMask};

pub use duplicates::{Novelty, SeenShares};
pub use reject::Reject;

/// What a miner claims to have found, and what holds of that miner.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The share as sent.
    pub submit: &'a Submit<'a>,
    /// Its number, of which it has its extranonce1 and the length of its extranonce2.
    pub miner: MinerId,
    /// The version bits that it may roll.
    pub mask: VersionMask,
    /// The difficulty that it was told for this job.
    pub assigned: Assignment,
    /// What [`crate::job::JobTable::lookup`] says of the job.
    pub standing: Standing,
}

/// Whether the job of a share is still worth something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// A clean job has ended it a moment ago: worth something to the pool alone, if to anybody.
    Late,
    /// It is not.
    Stale,
}

/// A share whose hash was worked out here and met its target.
#[derive(Debug, Clone)]
pub struct VerifiedShare {
    job: Arc<Job>,
    hash: ShareHash,
    credited: Difficulty,
    version: Version,
    ntime: NTime,
    nonce: Nonce,
    extranonce2: Extranonce,
}

/// A share that is refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub reject: Reject,
    /// The share all the same, if it is a block: whatever our rules say, the network may take it.
    pub candidate: Option<Box<VerifiedShare>>,
}

/// How far a share's time may be ahead of its job's; ckpool's rule, the narrowest in use. Our own clock has no say: the pool
/// judges by its own, and one of ours that is wrong would cost all work.
const NTIME_AHEAD_OF_JOB_SECONDS: u32 = 7000;

/// Judges a share for `job`, in the order: extranonce2 size, stale, ntime, version bits,
/// difficulty. What comes before (worker, job id) and after (duplicates) needs a session.
///
/// A share that meets the pool's target is never refused for its difficulty, whatever the miner
/// was told: it will be paid.
///
/// # Errors
/// The first rule that the share breaks, with the share itself if it is a block.
pub fn verify(job: &Arc<Job>, claim: &Claim<'_>) -> Result<VerifiedShare, Refusal> {
    let mut bytes = [0; 8];
    let Some(extranonce2) = read_extranonce2(claim, &mut bytes) else {
        return Err(Refusal::bare(Reject::Extranonce2Size));
    };
    let broken = broken_rule(job, claim);
    let mask = claim.mask.intersect(job.version_mask);
    let bits = claim.submit.version_bits.unwrap_or(0);
    if !mask.contains(bits) {
        // The pool could not be told of such a header, so there is no candidate in it either.
        return Err(Refusal::bare(broken.unwrap_or(Reject::VersionBits)));
    }
    let version = job.notify.version.rolled(mask, bits);
    let Some(share) = work_out(job, claim, extranonce2, version) else {
        return Err(Refusal::bare(Reject::Extranonce2Size));
    };
    if claim.standing == Standing::Late && !share.meets_pool() {
        // Nothing that the pool could be asked about.
        return Err(Refusal::of(broken.unwrap_or(Reject::Stale), share));
    }
    let low = !share.meets_pool() && !claim.assigned.target().is_met_by(&share.hash);
    match broken.or_else(|| low.then_some(Reject::LowDifficulty)) {
        Some(reject) => Err(Refusal::of(reject, share)),
        None => Ok(share),
    }
}

// === impl VerifiedShare ===

impl VerifiedShare {
    /// The job that it is for.
    #[must_use]
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> ShareHash {
        self.hash
    }

    /// The work that it stands for: what the miner had to meet, not what it happened to.
    #[must_use]
    pub fn credited(&self) -> Difficulty {
        self.credited
    }

    /// Whether the pool pays it.
    #[must_use]
    pub fn meets_pool(&self) -> bool {
        self.job.pool_target.is_met_by(&self.hash)
    }

    /// Whether it is a block.
    #[must_use]
    pub fn block_candidate(&self) -> bool {
        self.job.network_target.is_met_by(&self.hash)
    }

    /// The time in the header.
    #[must_use]
    pub fn ntime(&self) -> NTime {
        self.ntime
    }

    /// The nonce in the header.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The version in the header.
    #[must_use]
    pub fn header_version(&self) -> Version {
        self.version
    }

    /// What the pool must be told of the version: the header's bits inside the pool's mask, also
    /// if this miner rolls none. `None` if the pool does not roll versions.
    #[must_use]
    pub fn version_bits_for_pool(&self) -> Option<u32> {
        let mask = self.job.version_mask;
        (!mask.is_none()).then_some(self.version.0 & mask.0)
    }

    /// What the pool must be told of the extranonce.
    #[must_use]
    pub fn extranonce2_for_pool(&self) -> &Extranonce {
        &self.extranonce2
    }
}

// === impl Refusal ===

impl Refusal {
    fn bare(reject: Reject) -> Self {
        Self { reject, candidate: None }
    }

    fn of(reject: Reject, share: VerifiedShare) -> Self {
        let candidate = share.block_candidate().then(|| Box::new(share));
        Self { reject, candidate }
    }
}

/// The bytes of the miner's extranonce2, if it has exactly as many as its layout leaves it.
fn read_extranonce2<'b>(claim: &Claim<'_>, bytes: &'b mut [u8; 8]) -> Option<&'b [u8]> {
    let bytes = bytes.get_mut(..usize::from(claim.miner.layout().miner_len()))?;
    hex::decode_into(&claim.submit.extranonce2, bytes).ok()?;
    Some(bytes)
}

/// The first rule that is broken of those that need no hash.
fn broken_rule(job: &Job, claim: &Claim<'_>) -> Option<Reject> {
    if claim.standing == Standing::Stale {
        return Some(Reject::Stale);
    }
    let latest = job.pool_ntime.plus(NTIME_AHEAD_OF_JOB_SECONDS);
    let in_time = job.pool_ntime <= claim.submit.ntime && claim.submit.ntime <= latest;
    (!in_time).then_some(Reject::NTimeOutOfRange)
}

fn work_out(
    job: &Arc<Job>,
    claim: &Claim<'_>,
    extranonce2: &[u8],
    version: Version,
) -> Option<VerifiedShare> {
    let Submit { ntime, nonce, .. } = *claim.submit;
    let extranonce2 = pool_extranonce2(job.extranonce2_size, claim.miner, extranonce2)?;
    let root = job.merkle_root(&extranonce2);
    let hash = job.header(root, version, ntime, nonce).hash();
    Some(VerifiedShare {
        job: Arc::clone(job),
        hash,
        credited: claim.assigned.difficulty().min(job.pool_difficulty),
        version,
        ntime,
        nonce,
        extranonce2,
    })
}

#[cfg(test)]
mod tests;
