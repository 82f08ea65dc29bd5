//! The stable extranonce: how the bytes that a pool leaves to us are shared out among miners.
//!
//! A miner's extranonce1 is an id of ours, fixed for the life of its connection, and the pool's
//! own extranonce1 hides at the end of the `coinb1` that the miner is sent:
//!
//! ```text
//! pool:   coinb1 ‖ E1 ‖ [ extranonce2 of the pool's size      ] ‖ coinb2
//! us:     coinb1 ‖ E1 ‖ [ pad (zeros) ‖ id ‖ miner's extranonce2 ] ‖ coinb2
//! miner: [coinb1 ‖ E1 ‖   pad       ] ‖ id ‖ miner's extranonce2   ‖ coinb2
//! ```
//!
//! The bytes are the same, so the hash is the same, and a change of pool is just another job.
//! Each miner has a [`Layout`] of its own, and its number is as long as it must be: what of it goes beyond its extranonce1
//! goes into the pad, where the pool leaves room, and is else the [`Bank`] that a connection to the pool serves. In the
//! bytes that a pool leaves, every miner has a part that no other miner's overlaps, whatever their layouts: that is what
//! [`IdPool`] sees to.

mod id;
mod ids;

use crate::types::Extranonce;

pub use id::{BANKS_MAX, Bank, MinerId};
pub use ids::{DEFAULT_QUARANTINE, IdPool};

/// How many bytes name the miner, and how many are left to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layout {
    id_len: u8,
    miner_len: u8,
}

/// What every firmware takes; cgminer and what descends from it take no less.
const MINER_LEN_MIN: u8 = 2;

/// Who works on the connection to a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// One miner: all that the pool leaves can be its own.
    Alone,
    /// Miners, each of which needs a part of its own.
    #[default]
    Shared,
}

/// More than eight is refused by some firmware and of use to none.
const MINER_LEN_MAX: u8 = 8;

impl Layout {
    /// Ids are 32-bit numbers.
    pub const ID_LEN_MAX: u8 = 4;

    /// Fits every pool that can be shared at all: 65 536 miners, and the two bytes that every
    /// firmware takes.
    pub const CONSERVATIVE: Self = Self { id_len: 2, miner_len: 2 };

    /// A layout of 1 to 4 bytes of id and 2 to 8 bytes for the miner.
    #[must_use]
    pub fn new(id_len: u8, miner_len: u8) -> Option<Self> {
        let possible = (1..=Self::ID_LEN_MAX).contains(&id_len)
            && (MINER_LEN_MIN..=MINER_LEN_MAX).contains(&miner_len);
        possible.then_some(Self { id_len, miner_len })
    }

    /// The layout that makes the most of what a pool leaves; `None` if that is too little to be
    /// shared. Miners get 2 or 4 bytes, the sizes that every firmware takes.
    #[must_use]
    pub fn for_pool_size(extranonce2_size: u8) -> Option<Self> {
        let (id_len, miner_len) = match extranonce2_size {
            0..=2 => return None,
            3 => (1, 2),
            4 => (2, 2),
            5 => (3, 2),
            6 => (2, 4),
            7 => (3, 4),
            8.. => (4, 4),
        };
        Some(Self { id_len, miner_len })
    }

    /// The layout for a pool that leaves too little for any other, of which some firmware takes none: a byte of id and one
    /// of the miner's; for a miner alone, no id and all that there is.
    #[must_use]
    pub fn narrow(extranonce2_size: u8, sharing: Sharing) -> Option<Self> {
        match (extranonce2_size, sharing) {
            (2, Sharing::Shared) => Some(Self { id_len: 1, miner_len: 1 }),
            (1..=2, Sharing::Alone) => Some(Self { id_len: 0, miner_len: extranonce2_size }),
            (_, Sharing::Alone | Sharing::Shared) => None,
        }
    }

    /// Whether it is one of [`Self::narrow`].
    #[must_use]
    pub fn is_narrow(self) -> bool {
        self.id_len == 0 || self.miner_len < MINER_LEN_MIN
    }

    /// Whether it knows one miner only, who must be alone on its connection to the pool.
    #[must_use]
    pub fn is_for_one(self) -> bool {
        self.id_len == 0
    }

    /// The version bits that a miner must be let roll so that its bytes last it for a minute.
    ///
    /// A machine of 200 TH/s, the largest of today, tries 1.2e16 headers in a minute, which is less than 2^54: of those it
    /// has 32 bits in the nonce and 8 in each byte. With two bytes and more, time is made good use of as well: the next
    /// second has headers of its own, and without any version bits it comes soon enough.
    #[must_use]
    pub fn version_bits_needed(self) -> u32 {
        const SPACE_BITS: u32 = 54;
        const NONCE_BITS: u32 = 32;
        match self.miner_len {
            0..MINER_LEN_MIN => SPACE_BITS - NONCE_BITS - 8 * u32::from(self.miner_len),
            MINER_LEN_MIN.. => 0,
        }
    }

    /// Of these lengths, if there is such a layout.
    fn of(id_len: u8, miner_len: u8) -> Option<Self> {
        let narrow = [Sharing::Alone, Sharing::Shared]
            .into_iter()
            .filter_map(|sharing| Self::narrow(id_len.checked_add(miner_len)?, sharing));
        let wanted = Self { id_len, miner_len };
        Self::new(id_len, miner_len).or_else(|| narrow.into_iter().find(|it| *it == wanted))
    }

    /// Bytes of the id, which is the miner's extranonce1.
    #[must_use]
    pub fn id_len(self) -> u8 {
        self.id_len
    }

    /// Bytes of the miner's extranonce2.
    #[must_use]
    pub fn miner_len(self) -> u8 {
        self.miner_len
    }

    /// Bytes that a pool must leave.
    #[must_use]
    pub fn total(self) -> u8 {
        self.id_len + self.miner_len
    }

    /// Whether a pool leaves enough.
    #[must_use]
    pub fn fits(self, extranonce2_size: u8) -> bool {
        self.total() <= extranonce2_size
    }
}

/// What a pool that leaves `extranonce2_size` bytes is sent as extranonce2: `pad ‖ id ‖ miner's extranonce2`. None if the
/// miner's layout does not fit, or more than 32 bytes come together.
#[must_use]
pub fn pool_extranonce2(
    extranonce2_size: u8,
    id: MinerId,
    miner_extranonce2: &[u8],
) -> Option<Extranonce> {
    id.head(extranonce2_size)?.followed_by(miner_extranonce2).ok()
}

#[cfg(test)]
mod tests;
