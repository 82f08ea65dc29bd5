//! The 80 bytes that are hashed.

use crate::difficulty::ShareHash;
use crate::types::{NBits, NTime, Nonce, PrevHash, Version};

use super::digest::sha256d;

/// A block header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// With the rolled bits.
    pub version: Version,
    /// In the order of a notify.
    pub prev_hash: PrevHash,
    /// In the order in which SHA-256 gives it.
    pub merkle_root: [u8; 32],
    /// As the miner set it.
    pub ntime: NTime,
    /// As the pool set it.
    pub nbits: NBits,
    /// As the miner found it.
    pub nonce: Nonce,
}

impl Header {
    /// The header as it is hashed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 80] {
        let Self { version, prev_hash, merkle_root, ntime, nbits, nonce } = self;
        let mut bytes = [0; 80];
        put(&mut bytes, 0, version.0.to_le_bytes());
        put(&mut bytes, 4, prev_hash.header_bytes());
        put(&mut bytes, 36, *merkle_root);
        put(&mut bytes, 68, ntime.0.to_le_bytes());
        put(&mut bytes, 72, nbits.0.to_le_bytes());
        put(&mut bytes, 76, nonce.0.to_le_bytes());
        bytes
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> ShareHash {
        ShareHash::from_bytes(sha256d(&self.to_bytes()))
    }
}

/// By lengths that are known when this is compiled, which makes each a move or two.
fn put<const LEN: usize>(bytes: &mut [u8; 80], at: usize, field: [u8; LEN]) {
    if let Some(place) = bytes.get_mut(at..at + LEN) {
        place.copy_from_slice(&field);
    }
}
