//! Bitcoin as the simulated pools and miners know it: their own hashing, which shares nothing with the crate under test.

use sha2::{Digest, Sha256};

pub(crate) type Hash = [u8; 32];

/// A job as a pool makes it, and as a miner reads it (with other ends of the coinbase).
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub(crate) prev_hash: [u8; 32],
    pub(crate) coinb1: Vec<u8>,
    pub(crate) coinb2: Vec<u8>,
    pub(crate) branches: Vec<[u8; 32]>,
    pub(crate) version: u32,
    pub(crate) nbits: u32,
    pub(crate) ntime: u32,
}

/// What goes into a header beside the template.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) extranonce: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) ntime: u32,
    pub(crate) nonce: u32,
}

impl Template {
    /// The hash of the header, as SHA-256 gives it.
    pub(crate) fn hash(&self, filled: &Filled) -> Hash {
        let coinbase = [&self.coinb1[..], &filled.extranonce, &self.coinb2].concat();
        let mut root = sha256d(&coinbase);
        for branch in &self.branches {
            root = sha256d(&[root, *branch].concat());
        }
        let mut header = filled.version.to_le_bytes().to_vec();
        for word in self.prev_hash.chunks(4) {
            header.extend(word.iter().rev());
        }
        header.extend(root);
        for word in [filled.ntime, self.nbits, filled.nonce] {
            header.extend(word.to_le_bytes());
        }
        sha256d(&header)
    }
}

/// Whether a hash meets a difficulty. A float is exact enough: no run comes near its last digit.
pub(crate) fn meets(hash: &Hash, difficulty: f64) -> bool {
    let number = hash.iter().rev().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte));
    number * difficulty <= 65_535.0 * 2.0_f64.powi(208)
}

pub(crate) fn sha256d(bytes: &[u8]) -> Hash {
    Sha256::digest(Sha256::digest(bytes)).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn unhex32(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

pub(crate) fn word(text: &str) -> u32 {
    u32::from_str_radix(text, 16).unwrap()
}
