//! A job as a miner holds it, and the header that it makes of it.
//!
//! Owns coinbase, merkle root and header assembly: the farm's own, sharing nothing with the
//! proxy's.

use sha2::{Digest, Sha256};

/// What a `mining.notify` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// As sent.
    pub id: String,
    /// The coinbase up to the extranonce1.
    pub coinb1: Vec<u8>,
    /// The coinbase after the extranonce2.
    pub coinb2: Vec<u8>,
    /// From the coinbase to the root.
    pub branches: Vec<[u8; 32]>,
    /// What goes into the header as it is.
    pub header: Header,
    /// Whether older jobs were declared worthless.
    pub clean: bool,
}

/// The parts of a header that a job gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Before any rolling.
    pub version: u32,
    /// In header order.
    pub prev_hash: [u8; 32],
    /// The network's target.
    pub nbits: u32,
    /// The least time.
    pub ntime: u32,
}

/// One header's worth of work, without its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) root: [u8; 32],
    pub(crate) header: Header,
}

// === impl Job ===

impl Job {
    /// The merkle root for one coinbase.
    #[must_use]
    pub fn root(&self, extranonce1: &[u8], extranonce2: &[u8]) -> [u8; 32] {
        let parts = [self.coinb1.as_slice(), extranonce1, extranonce2, self.coinb2.as_slice()];
        let coinbase = double_sha256(&parts);
        self.branches.iter().fold(coinbase, |root, branch| double_sha256(&[&root, branch]))
    }

    /// Bytes of the coinbase with these extranonces.
    #[must_use]
    pub fn coinbase_bytes(&self, extranonces: usize) -> usize {
        self.coinb1.len() + self.coinb2.len() + extranonces
    }
}

// === impl Unit ===

impl Unit {
    /// The 80 bytes, with this nonce.
    pub(crate) fn bytes(&self, nonce: u32) -> [u8; 80] {
        let mut bytes = [0_u8; 80];
        bytes[..4].copy_from_slice(&self.header.version.to_le_bytes());
        bytes[4..36].copy_from_slice(&self.header.prev_hash);
        bytes[36..68].copy_from_slice(&self.root);
        bytes[68..72].copy_from_slice(&self.header.ntime.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.header.nbits.to_le_bytes());
        bytes[76..].copy_from_slice(&nonce.to_le_bytes());
        bytes
    }
}

/// SHA-256 of SHA-256 of the parts, one after the other.
pub(crate) fn double_sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut first = Sha256::new();
    parts.iter().for_each(|part| first.update(part));
    Sha256::digest(first.finalize()).into()
}
