//! Ranges of addresses, as `10.1.0.0/16`, `2001:db8::/32` or one address alone. An IPv4 address that came in by an IPv6
//! socket (`::ffff:10.1.2.3`) is the IPv4 address that it stands for, on both sides.

use std::net::IpAddr;

/// Bits that stand before an IPv4 address which is written as an IPv6 one.
const MAPPED_BITS: u32 = 96;

/// A range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Its address, the bits beyond `bits` cleared.
    first: u128,
    bits: u32,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

// === impl Range ===

impl Range {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let written = width(address);
        let bits = bits.unwrap_or(written);
        if bits > written {
            return None;
        }
        let canonical = address.to_canonical();
        // A range that reaches beyond the mapped addresses is one of IPv6.
        let (address, bits) = match written - width(canonical) {
            0 => (address, bits),
            _ if bits >= MAPPED_BITS => (canonical, bits - MAPPED_BITS),
            _ => (address, bits),
        };
        let (family, number) = number(address);
        Some(Self { first: masked(number, bits, family), bits, family })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let (family, number) = number(address.to_canonical());
        family == self.family && masked(number, self.bits, family) == self.first
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => u32::BITS,
        IpAddr::V6(_) => u128::BITS,
    }
}

fn number(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(address) => (Family::V4, u128::from(address.to_bits())),
        IpAddr::V6(address) => (Family::V6, address.to_bits()),
    }
}

/// The first `bits` of an address.
fn masked(number: u128, bits: u32, family: Family) -> u128 {
    let width = match family {
        Family::V4 => u32::BITS,
        Family::V6 => u128::BITS,
    };
    let dropped = width.saturating_sub(bits);
    number.checked_shr(dropped).and_then(|kept| kept.checked_shl(dropped)).unwrap_or(0)
}
