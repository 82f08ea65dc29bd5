//! The hash of Bitcoin.

use sha2::{Digest, Sha256};

/// SHA-256 of SHA-256.
pub(super) fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The second round, for a hash whose first was fed in pieces.
pub(super) fn finish_twice(first: Sha256) -> [u8; 32] {
    Sha256::digest(first.finalize()).into()
}
