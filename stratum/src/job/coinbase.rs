//! The coinbase transaction, of which every miner has its own.

use std::fmt;

use crate::types::Extranonce;

use super::digest::{BLOCK, Midstate, blocks_for, end};

/// An extranonce2 of 32 bytes, the longest, may begin in one block and end in the next.
const BLOCKS_WITH_EXTRANONCE2: usize = 2;

/// A job's coinbase with a gap where extranonce2 goes, in blocks as SHA-256 takes them, padded. What all miners share before
/// the gap is hashed already, so that a share costs only the rest.
#[derive(Clone)]
pub(super) struct Coinbase {
    before: Midstate,
    /// The gap begins in the first.
    blocks: Box<[[u8; BLOCK]]>,
    gap: usize,
}

// === impl Coinbase ===

impl Coinbase {
    pub(super) fn new(coinb1: &[u8], extranonce2_size: u8, coinb2: &[u8]) -> Self {
        let (whole, rest) = coinb1.as_chunks::<BLOCK>();
        let mut before = Midstate::INITIAL;
        before.take(whole);
        let behind = rest.len() + usize::from(extranonce2_size);
        let used = behind + coinb2.len();
        let mut blocks = vec![[0; BLOCK]; blocks_for(used)];
        let room = blocks.as_flattened_mut();
        put(room, 0, rest);
        put(room, behind, coinb2);
        end(room, used, whole.as_flattened().len() + used);
        Self { before, blocks: blocks.into(), gap: rest.len() }
    }

    /// The transaction's id with all that the pool leaves filled in.
    pub(super) fn txid(&self, extranonce2: &[u8]) -> [u8; 32] {
        let mut copy = [[0; BLOCK]; BLOCKS_WITH_EXTRANONCE2];
        let touched = self.blocks.len().min(BLOCKS_WITH_EXTRANONCE2);
        let (first, rest) = self.blocks.split_at(touched);
        let (own, _) = copy.split_at_mut(touched);
        own.copy_from_slice(first);
        put(own.as_flattened_mut(), self.gap, extranonce2);
        let mut state = self.before;
        state.take(own);
        state.take(rest);
        state.hash_again()
    }

    /// Bytes that it takes elsewhere than in itself.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.as_flattened().len()
    }
}

impl fmt::Debug for Coinbase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coinbase")
    }
}

/// `coinb1 ‖ E1`: what all miners of a job are given of the coinbase's beginning.
pub(super) fn with_extranonce1(coinb1: &[u8], extranonce1: &Extranonce) -> Box<[u8]> {
    [coinb1, extranonce1.as_bytes()].concat().into()
}

fn put(room: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = room.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
