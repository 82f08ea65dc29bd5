//! The hash of the previous block, in the order of a `mining.notify`.

use std::fmt;

use crate::hex::{self, HexError};

/// The previous block's hash as `mining.notify` carries it: the header's bytes with each group of
/// four reversed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrevHash([u8; 32]);

impl PrevHash {
    /// Reads the 64 digits of a notify.
    ///
    /// # Errors
    /// Anything but 64 hexadecimal digits.
    pub fn from_notify_hex(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; 32];
        hex::decode_into(text, &mut bytes)?;
        Ok(Self(bytes))
    }

    /// The 32 bytes as they stand in the header.
    #[must_use]
    pub fn header_bytes(&self) -> [u8; 32] {
        let mut bytes = self.0;
        for word in bytes.as_chunks_mut::<4>().0 {
            word.reverse();
        }
        bytes
    }
}

impl fmt::Display for PrevHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for PrevHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrevHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::difficulty::ShareHash;

    #[test]
    fn notify_order_becomes_the_block_hash() {
        for (notify, block) in [
            (
                "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
                "00000000440b921e1b77c6c0487ae5616de67f788f44ae2a5af6e2194d16b6f8",
            ),
            (
                "899cec175f2a0d2d6c05769137d3c09a536ae9a368bdbc7309efa16c0000030e",
                "0000030e09efa16c68bdbc73536ae9a337d3c09a6c0576915f2a0d2d899cec17",
            ),
        ] {
            let prev_hash = PrevHash::from_notify_hex(notify).unwrap();
            assert_eq!(ShareHash::from_bytes(prev_hash.header_bytes()).to_string(), block);
            assert_eq!(prev_hash.to_string(), notify);
        }
    }

    #[test]
    fn another_length_is_refused() {
        for refused in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert!(PrevHash::from_notify_hex(refused).is_err(), "{refused:?}");
        }
    }
}
