//! Ranges of addresses, as `10.1.0.0/16`.

use std::net::IpAddr;

use super::ValueError;

/// A range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The addresses that share the first `bits` with `address`, as far as it has so many.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        (bits <= width(address)).then_some(Self { address, bits })
    }

    /// Reads `ADDRESS/BITS`. Bits of the address behind the prefix do not count.
    ///
    /// # Errors
    /// If the text is anything else, among them an IPv4 address written as IPv6.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let (address, bits) = text.split_once('/').ok_or(ValueError::Cidr)?;
        let address: IpAddr = address.parse().map_err(|_| ValueError::Cidr)?;
        let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        let is_plain = bits.bytes().all(|it| it.is_ascii_digit())
            && (bits == "0" || !bits.starts_with('0'))
            && !is_mapped;
        let bits: u8 = bits.parse().map_err(|_| ValueError::Cidr)?;
        Self::new(address, bits).filter(|_| is_plain).ok_or(ValueError::Cidr)
    }

    /// Whether an address is in the range. An IPv4 address is the same in either notation.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differs = u32::from(ours) ^ u32::from(other);
                differs.checked_shr(u32::from(32 - self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differs = u128::from(ours) ^ u128::from(other);
                differs.checked_shr(u32::from(128 - self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_shares_its_first_bits() {
        for (range, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("10.1.2.3/16", "10.1.0.0", "10.0.255.255"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("10.1.0.0/16", "::ffff:10.1.0.1", "::ffff:10.2.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ] {
            let cidr = Cidr::parse(range).unwrap();
            assert!(cidr.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!cidr.contains(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "10.1.0.0",
            "10.1.0.0/",
            "10.1.0.0/33",
            "10.1.0.0/08",
            "10.1.0.0/+8",
            "10.1.0/16",
            "/8",
            "::/129",
            "::ffff:10.0.0.0/104",
            "10.1.0.0/16/8",
            "fe80::1%eth0/64",
            "host/8",
        ] {
            assert_eq!(Cidr::parse(text), Err(ValueError::Cidr), "{text}");
        }
    }
}
