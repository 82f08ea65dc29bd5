//! `mining.notify`, as a pool sends it.

use serde_json::value::RawValue;

use crate::hex;
use crate::types::{NBits, NTime, PrevHash, Version};

use super::value::{Elements, FieldError, Params, hex_word, text, text_or_number};

/// A job of a pool, decoded and within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The pool's name for it. Only this pool knows what it means, and it may use it again.
    pub job_id: Box<str>,
    /// The previous block.
    pub prev_hash: PrevHash,
    /// The coinbase up to the extranonce.
    pub coinb1: Box<[u8]>,
    /// The coinbase from the extranonce on.
    pub coinb2: Box<[u8]>,
    /// The merkle path of the coinbase.
    pub branches: Box<[[u8; 32]]>,
    /// The version, with all of its bits.
    pub version: Version,
    /// The network's target.
    pub nbits: NBits,
    /// The earliest time that a share may carry.
    pub ntime: NTime,
    /// Whether shares for earlier jobs have lost their worth.
    pub clean: bool,
}

/// A block of four million transactions would need 22.
const BRANCHES_MAX: usize = 24;

/// Bytes of either half of a coinbase; the largest seen is 16 KB in all.
const COINBASE_PART_BYTES_MAX: usize = 32 * 1024;

const JOB_ID_BYTES_MAX: usize = 64;

/// Where `clean_jobs` stands; the pools that send more parameters put it last.
const CLEAN_INDEX: usize = 8;

impl Notify {
    pub(super) fn parse(params: &Params<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            job_id: job_id(params.at(0))?,
            prev_hash: prev_hash(params.at(1))?,
            coinb1: coinbase_part("coinb1", params.at(2))?,
            coinb2: coinbase_part("coinb2", params.at(3))?,
            branches: branches(params.at(4))?,
            version: Version(word("version", params.at(5))?),
            nbits: NBits(word("nbits", params.at(6))?),
            ntime: NTime(word("ntime", params.at(7))?),
            clean: clean(params)?,
        })
    }
}

fn job_id(value: Option<&RawValue>) -> Result<Box<str>, FieldError> {
    let id = value.and_then(text_or_number).filter(|id| id.len() <= JOB_ID_BYTES_MAX);
    id.map(Into::into).ok_or_else(|| FieldError::new("job id", value, "a string of up to 64 bytes"))
}

fn prev_hash(value: Option<&RawValue>) -> Result<PrevHash, FieldError> {
    let hash = value.and_then(text).and_then(|hex| PrevHash::from_notify_hex(&hex).ok());
    hash.ok_or_else(|| FieldError::new("previous hash", value, "64 hexadecimal digits"))
}

fn coinbase_part(field: &'static str, value: Option<&RawValue>) -> Result<Box<[u8]>, FieldError> {
    let hex = value.and_then(text).filter(|hex| hex.len() <= 2 * COINBASE_PART_BYTES_MAX);
    let bytes = hex.and_then(|hex| hex::decode(&hex).ok());
    bytes
        .map(Vec::into_boxed_slice)
        .ok_or_else(|| FieldError::new(field, value, "up to 32 KiB in hexadecimal"))
}

fn branches(value: Option<&RawValue>) -> Result<Box<[[u8; 32]]>, FieldError> {
    let branches: Elements<'_, BRANCHES_MAX> = Elements::parse("merkle branches", value)?;
    if branches.count() > BRANCHES_MAX {
        return Err(wrong_branches(value));
    }
    let branch = |value: &RawValue| {
        let mut hash = [0; 32];
        let decoded = text(value).map(|hex| hex::decode_into(&hex, &mut hash));
        matches!(decoded, Some(Ok(()))).then_some(hash).ok_or_else(|| wrong_branches(Some(value)))
    };
    branches.iter().map(branch).collect()
}

fn wrong_branches(value: Option<&RawValue>) -> FieldError {
    FieldError::new("merkle branches", value, "up to 24 strings of 64 hexadecimal digits")
}

fn word(field: &'static str, value: Option<&RawValue>) -> Result<u32, FieldError> {
    // Eight digits and their quotes: unlike miners, pools pad.
    let word = value.filter(|value| value.get().len() == 10).and_then(hex_word);
    word.ok_or_else(|| FieldError::new(field, value, "8 hexadecimal digits"))
}

fn clean(params: &Params<'_>) -> Result<bool, FieldError> {
    if params.count() <= CLEAN_INDEX {
        return Ok(false);
    }
    let flag = |value: &RawValue| match value.get() {
        "true" | "1" => Some(true),
        "false" | "0" | "null" => Some(false),
        _ => None,
    };
    let clean = params.last().and_then(flag).or_else(|| params.at(CLEAN_INDEX).and_then(flag));
    clean.ok_or_else(|| FieldError::new("clean jobs", params.at(CLEAN_INDEX), "true or false"))
}
