//! The coinbase transaction, of which every miner has its own.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::types::Extranonce;

use super::digest::finish_twice;

/// SHA-256 fed with the part of the coinbase that all miners of a job share, so that a share costs
/// only the rest.
#[derive(Clone)]
pub(super) struct CoinbasePrefix(Sha256);

impl CoinbasePrefix {
    pub(super) fn new(coinb1: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(coinb1))
    }

    /// The transaction's id, with the pieces that follow the prefix.
    pub(super) fn txid(&self, rest: [&[u8]; 3]) -> [u8; 32] {
        let mut hash = self.0.clone();
        for piece in rest {
            hash.update(piece);
        }
        finish_twice(hash)
    }
}

impl fmt::Debug for CoinbasePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CoinbasePrefix")
    }
}

/// `coinb1 ‖ E1`: what all miners of a job are given of the coinbase's beginning.
pub(super) fn with_extranonce1(coinb1: &[u8], extranonce1: &Extranonce) -> Box<[u8]> {
    [coinb1, extranonce1.as_bytes()].concat().into()
}
