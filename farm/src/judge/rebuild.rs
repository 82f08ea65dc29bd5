//! From a pool's record of a job and a finder's numbers to the block header they make.

use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};
use bitcoin::{BlockHash, CompactTarget, Transaction, TxMerkleNode, Txid, consensus};

use super::difficulty::Difficulty;

/// The part of a job that is the same for all who are given it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Work {
    /// The coinbase transaction up to the extranonce.
    pub coinb1: Vec<u8>,
    /// The coinbase transaction from after the extranonce.
    pub coinb2: Vec<u8>,
    /// The merkle branches of the coinbase, nearest first, in internal byte order.
    pub branches: Vec<[u8; 32]>,
    pub prev_block: BlockHash,
    pub version: u32,
    pub nbits: u32,
    pub ntime: u32,
}

/// One job as it was given on one connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedJob {
    pub work: Arc<Work>,
    pub extranonce1: Vec<u8>,
    pub extranonce2_size: usize,
    /// The difficulty in force when the job was sent.
    pub difficulty: Difficulty,
}

// === impl IssuedJob ===

impl IssuedJob {
    /// The coinbase transaction with the finder's extranonce2 in it; `None` if those bytes are no
    /// transaction.
    pub fn coinbase(&self, extranonce2: &[u8]) -> Option<Transaction> {
        let parts = [&self.work.coinb1, &self.extranonce1, extranonce2, &self.work.coinb2];
        consensus::deserialize(&parts.concat()).ok()
    }

    /// The block header that the share claims to have found.
    pub fn header(
        &self,
        extranonce2: &[u8],
        version: u32,
        ntime: u32,
        nonce: u32,
    ) -> Option<Header> {
        let txid = self.coinbase(extranonce2)?.compute_txid();
        Some(Header {
            version: Version::from_consensus(version.cast_signed()),
            prev_blockhash: self.work.prev_block,
            merkle_root: fold(txid, &self.work.branches),
            time: ntime,
            bits: CompactTarget::from_consensus(self.work.nbits),
            nonce,
        })
    }
}

/// The merkle root over a coinbase, given the sibling at each level: the coinbase is always the
/// leftmost leaf, so every sibling stands on the right.
fn fold(coinbase: Txid, branches: &[[u8; 32]]) -> TxMerkleNode {
    let start = coinbase.to_raw_hash();
    let root = branches.iter().fold(start, |left, right| {
        let mut engine = sha256d::Hash::engine();
        engine.input(left.as_byte_array());
        engine.input(right);
        sha256d::Hash::from_engine(engine)
    });
    TxMerkleNode::from_raw_hash(root)
}
