//! The independent judge: decides a share from the pool's own records, by the `bitcoin` crate.
//!
//! It rebuilds the coinbase transaction, deserializes it, folds the merkle branches, builds the
//! block header and compares its hash with the exact share target. It owns no connection, no job
//! and no clock, and it imports nothing but `bitcoin` and the standard library: whoever is judged
//! must not have helped to write the law.

mod credit;
mod difficulty;
mod hashes;
mod rebuild;
mod verdict;

use std::collections::BTreeSet;

use bitcoin::hex::FromHex as _;
use bitcoin::{CompactTarget, Target};

pub use self::credit::Credit;
pub use self::difficulty::{Difficulty, DifficultyError};
pub use self::hashes::{ACCEPTED_HASHES_MAX, AcceptedHashes};
pub use self::rebuild::{IssuedJob, Work};
pub use self::verdict::{Accepted, Reason, Verdict};

/// How far a share's time may lie after its job's (ckpool 1.2 and para: 7000 s).
const NTIME_AHEAD_OF_JOB_S_MAX: u32 = 7000;
/// How far a share's time may lie after the wall clock (consensus: two hours).
const NTIME_AHEAD_OF_CLOCK_S_MAX: u32 = 7200;

/// A share as its finder states it: the texts of a `mining.submit`.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub user: &'a str,
    pub extranonce2: &'a str,
    pub ntime: &'a str,
    pub nonce: &'a str,
    /// The sixth parameter; an empty text counts as absent.
    pub version_bits: Option<&'a str>,
}

/// What the pool's records hold under the job id that was claimed.
#[derive(Clone, Copy, Debug)]
pub enum JobOnRecord<'a> {
    Live(&'a IssuedJob),
    Stale(&'a IssuedJob),
    Unknown,
}

/// Who submits, by the pool's records.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    NotSubscribed,
    /// Subscribed; these names were authorized on the connection.
    Subscribed(&'a BTreeSet<String>),
}

/// Everything that a verdict depends on, apart from the shares accepted before.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub claim: Claim<'a>,
    pub standing: Standing<'a>,
    pub job: JobOnRecord<'a>,
    /// The mask in force on the connection *now*: BIP310 makes a new mask valid at once, and it is
    /// the one mask for which a finder can always state its header: bits = version & mask.
    pub version_mask: Option<u32>,
    pub unix_time: u32,
}

/// Decides one share. An accepted one is entered in `seen`.
pub fn judge(case: &Case<'_>, seen: &mut AcceptedHashes) -> Verdict {
    match examine(case, seen) {
        Ok(accepted) => Verdict::Accepted(accepted),
        Err(reason) => Verdict::Rejected(reason),
    }
}

/// The order of refusals is part of the law (PROTOCOL 3.1, item 12).
fn examine(case: &Case<'_>, seen: &mut AcceptedHashes) -> Result<Accepted, Reason> {
    let numbers = Numbers::read(&case.claim)?;
    match case.standing {
        Standing::NotSubscribed => return Err(Reason::NotSubscribed),
        Standing::Subscribed(users) if !users.contains(case.claim.user) => {
            return Err(Reason::Unauthorized);
        }
        Standing::Subscribed(_) => {}
    }
    let job = match case.job {
        JobOnRecord::Live(job) | JobOnRecord::Stale(job) => job,
        JobOnRecord::Unknown => return Err(Reason::UnknownJob),
    };
    if numbers.extranonce2.len() != job.extranonce2_size {
        return Err(Reason::Extranonce2Size);
    }
    if let JobOnRecord::Stale(_) = case.job {
        return Err(Reason::Stale);
    }
    check_time(numbers.ntime, job.work.ntime, case.unix_time)?;
    let version = rolled_version(job.work.version, numbers.version_bits, case.version_mask)?;
    let header = job
        .header(&numbers.extranonce2, version, numbers.ntime, numbers.nonce)
        .ok_or(Reason::Malformed)?;
    let hash = header.block_hash();
    if !job.difficulty.target().is_met_by(hash) {
        return Err(Reason::LowDifficulty);
    }
    if !seen.insert(hash) {
        return Err(Reason::Duplicate);
    }
    let network = Target::from_compact(CompactTarget::from_consensus(job.work.nbits));
    Ok(Accepted { difficulty: job.difficulty, hash, block: network.is_met_by(hash) })
}

fn check_time(ntime: u32, job_ntime: u32, unix_time: u32) -> Result<(), Reason> {
    let latest = job_ntime
        .saturating_add(NTIME_AHEAD_OF_JOB_S_MAX)
        .min(unix_time.saturating_add(NTIME_AHEAD_OF_CLOCK_S_MAX));
    if (job_ntime..=latest).contains(&ntime) { Ok(()) } else { Err(Reason::NTime) }
}

/// BIP310: the masked bits come from the share, all others from the job. Bits without a
/// negotiation, or outside the mask, are refused; absent bits leave the job's version as it is.
fn rolled_version(job: u32, bits: Option<u32>, mask: Option<u32>) -> Result<u32, Reason> {
    match (bits, mask) {
        (None, _) | (Some(0), None) => Ok(job),
        (Some(bits), Some(mask)) if bits & !mask == 0 => Ok((job & !mask) | bits),
        (Some(_), _) => Err(Reason::VersionBits),
    }
}

/// The claim's numbers, once its texts have the right shape.
struct Numbers {
    extranonce2: Vec<u8>,
    ntime: u32,
    nonce: u32,
    version_bits: Option<u32>,
}

// === impl Numbers ===

impl Numbers {
    fn read(claim: &Claim<'_>) -> Result<Self, Reason> {
        let bits = claim.version_bits.filter(|text| !text.is_empty());
        Ok(Self {
            extranonce2: Vec::from_hex(claim.extranonce2).map_err(|_| Reason::Malformed)?,
            ntime: word(claim.ntime)?,
            nonce: word(claim.nonce)?,
            version_bits: bits.map(word).transpose()?,
        })
    }
}

/// One to eight hex digits: some firmware does not pad its nonce.
fn word(text: &str) -> Result<u32, Reason> {
    let hex_only = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u32::from_str_radix(text, 16) {
        Ok(number) if hex_only && text.len() <= 8 => Ok(number),
        Ok(_) | Err(_) => Err(Reason::Malformed),
    }
}

#[cfg(test)]
mod tests;
