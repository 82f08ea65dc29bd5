//! A piece of the coinbase that is not in the job: an extranonce1, an extranonce2, or the part of
//! one. Which is which is the business of [`crate::extranonce`].

use std::fmt;

use crate::hex::{self, HexError};

/// Up to 32 bytes, held in place: copying one allocates nothing.
#[derive(Clone, Copy)]
pub struct Extranonce {
    len: u8,
    bytes: [u8; 32],
}

impl Extranonce {
    /// Most bytes that any pool may give; longer ones are an attack or a mistake.
    pub const MAX_LEN: usize = 32;
    /// No bytes at all.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; 32] };

    /// Reads hexadecimal text.
    ///
    /// # Errors
    /// No hexadecimal, or more than [`Self::MAX_LEN`] bytes.
    pub fn from_hex(text: &str) -> Result<Self, HexError> {
        let mut extranonce = Self::zeroed(text.len() / 2)?;
        hex::decode_into(text, extranonce.as_bytes_mut())?;
        Ok(extranonce)
    }

    /// Copies bytes.
    ///
    /// # Errors
    /// More than [`Self::MAX_LEN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HexError> {
        let mut extranonce = Self::zeroed(bytes.len())?;
        extranonce.as_bytes_mut().copy_from_slice(bytes);
        Ok(extranonce)
    }

    /// This one with `tail` behind it.
    ///
    /// # Errors
    /// More than [`Self::MAX_LEN`] bytes in all.
    pub fn followed_by(&self, tail: &[u8]) -> Result<Self, HexError> {
        let mut joined = Self::zeroed(self.len() + tail.len())?;
        let (head, rest) = joined.as_bytes_mut().split_at_mut(self.len());
        head.copy_from_slice(self.as_bytes());
        rest.copy_from_slice(tail);
        Ok(joined)
    }

    /// `len` zero bytes.
    ///
    /// # Errors
    /// More than [`Self::MAX_LEN`] bytes.
    pub fn zeroed(len: usize) -> Result<Self, HexError> {
        let too_long = HexError::Length { found: len, expected: Self::MAX_LEN };
        let len = u8::try_from(len).map_err(|_| too_long)?;
        if usize::from(len) > Self::MAX_LEN {
            return Err(too_long);
        }
        Ok(Self { len, bytes: [0; 32] })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes in hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.as_bytes())
    }

    fn as_bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len();
        self.bytes.get_mut(..len).unwrap_or_default()
    }
}

impl PartialEq for Extranonce {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Extranonce {}

impl fmt::Display for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Extranonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extranonce({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_thirty_two_bytes_are_held() {
        let longest = "ab".repeat(32);
        assert_eq!(Extranonce::from_hex(&longest).unwrap().to_hex(), longest);
        assert_eq!(
            Extranonce::from_hex(&"ab".repeat(33)),
            Err(HexError::Length { found: 33, expected: 32 })
        );
        assert!(Extranonce::from_bytes(&[0; 300]).is_err());
        assert!(Extranonce::from_hex("").unwrap().is_empty());
    }

    #[test]
    fn text_that_is_no_hexadecimal_is_refused() {
        assert!(Extranonce::from_hex("0").is_err());
        assert!(Extranonce::from_hex("zz").is_err());
    }

    #[test]
    fn joining_keeps_the_order_and_the_bound() {
        let head = Extranonce::from_hex("0102").unwrap();
        assert_eq!(head.followed_by(&[3]).unwrap().to_hex(), "010203");
        assert!(head.followed_by(&[0; 31]).is_err());
    }
}
