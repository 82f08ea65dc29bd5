//! Shares that are worth something: jobs as lines of a pool, and the few hashes that find a share.
//!
//! Written for the bench alone and from the protocol's description, so that it agrees with the proxy only if both are right.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The difficulty of miners, in Stratum's measure: 4.3 hashes.
pub(crate) const EASY: f64 = 1e-9;

/// The first word of a hash, as a number, that meets it for certain: 0xffff × 2^208 / 1e-9 is 0x3b99_9999 × 2^224.
const EASY_TOP: u32 = 0x3b90_0000;

/// A job as a miner has it.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) extranonce1: Vec<u8>,
    pub(crate) extranonce2_size: usize,
    job_id: String,
    ntime: String,
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    branches: Vec<[u8; 32]>,
    /// The header with an empty root and nonce.
    header: [u8; 80],
}

/// Which block a job follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block([u8; 32]);

// === impl Work ===

impl Work {
    pub(crate) fn block(&self) -> Block {
        let mut block = [0; 32];
        block.copy_from_slice(&self.header[4..36]);
        Block(block)
    }

    /// From what `mining.subscribe` was answered with, and the `params` of a `mining.notify`.
    pub(crate) fn of(subscribed: &Value, params: &Value) -> Result<Self, String> {
        let size = subscribed[2].as_u64().and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| (1..=8).contains(size)).ok_or("no size")?;
        Self::new(bytes(subscribed[1].as_str().ok_or("no extranonce1")?)?, size, params)
    }

    /// The same miner's next job.
    pub(crate) fn followed_by(&self, params: &Value) -> Result<Self, String> {
        Self::new(self.extranonce1.clone(), self.extranonce2_size, params)
    }

    fn new(extranonce1: Vec<u8>, extranonce2_size: usize, params: &Value) -> Result<Self, String> {
        let text = |index: usize| {
            params[index].as_str().ok_or_else(|| format!("no text at {index} of {params}"))
        };
        let branches = params[4].as_array().ok_or("no branches")?;
        let branches = branches
            .iter()
            .map(|it| word(it.as_str().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        let mut header = [0; 80];
        header[..4].copy_from_slice(&reversed(text(5)?)?);
        // The previous hash comes with each of its eight words turned round.
        for (to, from) in header[4..36].chunks_mut(4).zip(bytes(text(1)?)?.chunks(4)) {
            to.copy_from_slice(from);
            to.reverse();
        }
        header[68..72].copy_from_slice(&reversed(text(7)?)?);
        header[72..76].copy_from_slice(&reversed(text(6)?)?);
        Ok(Self {
            extranonce1,
            extranonce2_size,
            job_id: text(0)?.to_owned(),
            ntime: text(7)?.to_owned(),
            coinb1: bytes(text(2)?)?,
            coinb2: bytes(text(3)?)?,
            branches,
            header,
        })
    }

    /// Finds a share under this extranonce2, and writes its line.
    pub(crate) fn line(&self, id: u32, user: &str, extranonce2: u64, out: &mut String) {
        let tail = &extranonce2.to_be_bytes()[8 - self.extranonce2_size..];
        let coinbase = [&self.coinb1[..], &self.extranonce1, tail, &self.coinb2].concat();
        let root = self
            .branches
            .iter()
            .fold(twice(&coinbase), |root, branch| twice(&[root, *branch].concat()));
        let mut header = self.header;
        header[36..68].copy_from_slice(&root);
        let mut nonce = 0_u32;
        loop {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            let hash = twice(&header);
            if u32::from_le_bytes([hash[28], hash[29], hash[30], hash[31]]) < EASY_TOP {
                break;
            }
            nonce += 1;
        }
        let Self { job_id, ntime, .. } = self;
        write!(
            out,
            "{{\"id\":{id},\"method\":\"mining.submit\",\"params\":[\"{user}\",\"{job_id}\",\""
        )
        .expect("text takes all");
        tail.iter().for_each(|byte| write!(out, "{byte:02x}").expect("text takes all"));
        writeln!(out, "\",\"{ntime}\",\"{nonce:08x}\"]}}").expect("text takes all");
    }
}

/// The line of a `mining.notify` with twelve branches, as of a full block.
pub(crate) fn notify(number: u32, clean: bool) -> String {
    let hash = |seed: u32| {
        let hash = Sha256::digest(seed.to_le_bytes());
        hash.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("text takes all");
            text
        })
    };
    let branches: Vec<String> = (1..=12).map(|index| format!("\"{}\"", hash(index))).collect();
    // A clean job is one of another block.
    let previous = hash(if clean { number } else { 0 });
    format!(
        "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{number:x}\",\"{previous}\",\
         \"02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff3503a0bb0d\
         00045c3c066804{:08x}10\",\"0a636b706f6f6c0b2f736f6c6f2f6d696e65722fffffffff0203b1c4120000000016001451ed61d2f6aa260cc7\
         2cdf743e4e436a82c010270000000000000000266a24aa21a9ed{}00000000\",\
         [{}],\"20000000\",\"17021369\",\"{:08x}\",{clean}]}}\n",
        number,
        hash(77),
        branches.join(","),
        crate::unix_now(),
    )
}

fn twice(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let pairs = text.as_bytes().chunks(2).map(std::str::from_utf8);
    let read = pairs.map(|pair| u8::from_str_radix(pair.ok()?, 16).ok());
    read.collect::<Option<_>>().ok_or_else(|| format!("no hex: {text}"))
}

fn word(text: &str) -> Result<[u8; 32], String> {
    bytes(text)?.try_into().map_err(|_| format!("not 32 bytes: {text}"))
}

fn reversed(text: &str) -> Result<[u8; 4], String> {
    let number = u32::from_str_radix(text, 16).map_err(|_| format!("no word: {text}"))?;
    Ok(number.to_le_bytes())
}
