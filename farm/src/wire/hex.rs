//! Hex text, and the word-swapped order in which `mining.notify` writes a previous block's hash.

/// Lower-case hex.
pub fn encode_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

/// Bytes of an even number of hex digits of either case; anything else is `None`.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// The header's byte order from the 64 digits of a notify: each four-byte word is reversed.
pub fn prev_hash_to_header(notify_hex: &str) -> Option<[u8; 32]> {
    Some(swap_words(&decode_hex(notify_hex)?.try_into().ok()?))
}

/// The 64 digits of a notify from the header's byte order.
pub fn prev_hash_to_notify(header_bytes: &[u8; 32]) -> String {
    encode_hex(&swap_words(header_bytes))
}

fn swap_words(bytes: &[u8; 32]) -> [u8; 32] {
    let mut swapped = *bytes;
    for word in swapped.as_chunks_mut::<4>().0 {
        word.reverse();
    }
    swapped
}
