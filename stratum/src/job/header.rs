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
        let mut bytes = [0; 80];
        let fields: [&[u8]; 6] = [
            &self.version.0.to_le_bytes(),
            &self.prev_hash.header_bytes(),
            &self.merkle_root,
            &self.ntime.0.to_le_bytes(),
            &self.nbits.0.to_le_bytes(),
            &self.nonce.0.to_le_bytes(),
        ];
        for (byte, field) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *field;
        }
        bytes
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> ShareHash {
        ShareHash::from_bytes(sha256d(&self.to_bytes()))
    }
}
