//! From a coinbase to the root of the block's merkle tree.

use super::digest::sha256d;

/// Folds the branches, leaf side first. The coinbase is the leftmost leaf, so it is always on the
/// left.
pub(super) fn root(txid: [u8; 32], branches: &[[u8; 32]]) -> [u8; 32] {
    branches.iter().fold(txid, |left, right| {
        let mut pair = [0; 64];
        let (first, second) = pair.split_at_mut(32);
        first.copy_from_slice(&left);
        second.copy_from_slice(right);
        sha256d(&pair)
    })
}
