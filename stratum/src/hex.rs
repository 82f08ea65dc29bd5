//! Hexadecimal text, in either case on the way in and in lower case on the way out.
//!
//! Numbers of the protocol (version, ntime, nbits, nonce) are big-endian text of up to eight
//! digits; everything else is plain bytes.

use thiserror::Error;

/// Why a text is not the hexadecimal that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HexError {
    /// A character other than `0-9a-fA-F`.
    #[error("not a hexadecimal digit at position {position}")]
    Digit {
        /// Offset of the first wrong byte.
        position: usize,
    },
    /// An odd number of digits, so no whole number of bytes.
    #[error("odd number of hexadecimal digits ({digits})")]
    Odd {
        /// Digits found.
        digits: usize,
    },
    /// The wrong number of bytes.
    #[error("{found} bytes where {expected} were expected")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes that fit (the most that fit, for a value of variable length).
        expected: usize,
    },
}

/// Most digits of a 32-bit number.
const WORD_DIGITS: usize = 8;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends `bytes` as lower-case hexadecimal.
pub fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0f));
    }
}

/// `bytes` as lower-case hexadecimal.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [char::from(digit(byte >> 4)), char::from(digit(byte & 0x0f))])
        .collect()
}

/// The bytes that `text` spells.
///
/// # Errors
/// An odd number of digits, or a character that is none.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = vec![0; text.len() / 2];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Fills `bytes` with exactly what `text` spells.
///
/// # Errors
/// Another number of bytes than `bytes` holds, or a character that is no digit.
pub fn decode_into(text: &str, bytes: &mut [u8]) -> Result<(), HexError> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(HexError::Odd { digits: text.len() });
    }
    if pairs.len() != bytes.len() {
        return Err(HexError::Length { found: pairs.len(), expected: bytes.len() });
    }
    for ((position, [high, low]), byte) in (0..).step_by(2).zip(pairs).zip(bytes) {
        let high = value(*high).ok_or(HexError::Digit { position })?;
        let low = value(*low).ok_or(HexError::Digit { position: position + 1 })?;
        *byte = high << 4 | low;
    }
    Ok(())
}

/// The number that one to eight digits spell, padded on the left as some miners leave it off.
#[must_use]
pub fn parse_u32(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > WORD_DIGITS {
        return None;
    }
    text.bytes().try_fold(0, |word: u32, digit| Some(word << 4 | u32::from(value(digit)?)))
}

/// Whether every character is a digit; true for the empty text.
#[must_use]
pub fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn digit(nibble: u8) -> u8 {
    DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_read_back_as_they_were_in_either_case(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert!(is_hex(&text));
            prop_assert_eq!(decode(&text), Ok(bytes.clone()));
            prop_assert_eq!(decode(&text.to_uppercase()), Ok(bytes.clone()));
            let mut pushed = Vec::new();
            push(&mut pushed, &bytes);
            prop_assert_eq!(pushed, text.into_bytes());
        }

        #[test]
        fn only_whole_pairs_of_digits_are_bytes(text in "[0-9a-fA-Fg ]{0,40}|\\PC{0,20}") {
            let whole = is_hex(&text) && text.len().is_multiple_of(2);
            prop_assert_eq!(decode(&text).is_ok(), whole);
        }

        #[test]
        fn a_number_is_read_back_with_any_padding(word: u32, width in 0..=8_usize) {
            prop_assert_eq!(parse_u32(&format!("{word:0width$x}")), Some(word));
            prop_assert_eq!(parse_u32(&format!("{word:0width$X}")), Some(word));
        }
    }

    #[test]
    fn either_case_is_read_and_lower_case_is_written() {
        assert_eq!(decode("00fFaB"), Ok(vec![0x00, 0xff, 0xab]));
        assert_eq!(encode(&[0x00, 0xff, 0xab]), "00ffab");
        let mut out = b"x".to_vec();
        push(&mut out, &[0x1f]);
        assert_eq!(out, b"x1f");
    }

    #[test]
    fn what_is_no_hexadecimal_is_refused_with_its_position() {
        assert_eq!(decode("0"), Err(HexError::Odd { digits: 1 }));
        assert_eq!(decode("0g"), Err(HexError::Digit { position: 1 }));
        assert_eq!(decode("00 1"), Err(HexError::Digit { position: 2 }));
        assert_eq!(decode("é"), Err(HexError::Digit { position: 0 }));
        assert_eq!(
            decode_into("0011", &mut [0; 3]),
            Err(HexError::Length { found: 2, expected: 3 })
        );
    }

    #[test]
    fn a_number_has_one_to_eight_digits_and_no_sign() {
        assert_eq!(parse_u32("591d28da"), Some(0x591d_28da));
        assert_eq!(parse_u32("FE7"), Some(0xfe7));
        assert_eq!(parse_u32("0"), Some(0));
        for refused in ["", "+1", "-1", "0x1", "123456789", " 1", "1g"] {
            assert_eq!(parse_u32(refused), None, "{refused:?}");
        }
    }
}
