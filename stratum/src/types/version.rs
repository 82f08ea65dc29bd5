//! The version of a header and the bits of it that a miner may roll (BIP310, BIP320).

use std::fmt;

/// The version word of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

/// The bits of the version that belong to the miner. Data that is negotiated, never a constant:
/// BIP323 widens it, and a pool may grant fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionMask(pub u32);

// === impl Version ===

impl Version {
    /// The version with the miner's bits set to zero.
    ///
    /// Servers in use disagree on how bits inside the mask combine (OR, XOR, replace). They all
    /// agree when the job has none there.
    #[must_use]
    pub fn without(self, mask: VersionMask) -> Self {
        Self(self.0 & !mask.0)
    }

    /// The version with the bits of `mask` taken from `bits` (BIP310).
    #[must_use]
    pub fn rolled(self, mask: VersionMask, bits: u32) -> Self {
        Self(self.0 & !mask.0 | bits & mask.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

// === impl VersionMask ===

impl VersionMask {
    /// No bit may be rolled.
    pub const NONE: Self = Self(0);
    /// The sixteen bits of BIP320.
    pub const ALL: Self = Self(0x1fff_e000);

    /// The bits that both sides allow.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every set bit of `bits` may be rolled.
    #[must_use]
    pub fn contains(self, bits: u32) -> bool {
        bits & !self.0 == 0
    }

    /// Whether nothing may be rolled.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl fmt::Display for VersionMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolled_bits_replace_those_of_the_job_inside_the_mask_only() {
        let version = Version(0x2000_e004);
        assert_eq!(version.without(VersionMask::ALL), Version(0x2000_0004));
        assert_eq!(version.rolled(VersionMask::ALL, 0x0000_2000), Version(0x2000_2004));
        assert_eq!(version.rolled(VersionMask::NONE, 0xffff_ffff), version);
    }

    #[test]
    fn a_mask_contains_only_its_own_bits() {
        assert!(VersionMask::ALL.contains(0x1fff_e000));
        assert!(VersionMask::NONE.contains(0));
        assert!(!VersionMask::ALL.contains(0x2000_0000));
        assert!(!VersionMask::NONE.contains(0x0000_2000));
        assert_eq!(VersionMask(0xffff_ffff).intersect(VersionMask::ALL), VersionMask::ALL);
        assert_eq!(VersionMask(0x2000).to_string(), "00002000");
    }
}
