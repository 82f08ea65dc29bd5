//! Ranges of addresses as a snapshot may hold them: what a document may say, and beside that one address alone, or IPv4
//! written as IPv6 (`::ffff:10.1.0.0/112`), which is the IPv4 range that it stands for.

use std::net::IpAddr;

use loka_api::values::Cidr;

/// Bits that stand before an IPv4 address which is written as an IPv6 one.
const MAPPED_BITS: u8 = 96;

/// Reads a range.
pub(super) fn parse(text: &str) -> Option<Cidr> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let written: IpAddr = address.parse().ok()?;
    let address = written.to_canonical();
    let Some(bits) = bits else { return Cidr::new(address, width(address)) };
    let is_mapped = written.is_ipv6() && address.is_ipv4();
    // A range that reaches beyond the mapped addresses is one of IPv6.
    match bits.checked_sub(MAPPED_BITS).filter(|_| is_mapped) {
        Some(bits) => Cidr::new(address, bits),
        None => Cidr::new(written, bits),
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
