//! Writing JSON text into a buffer.
//!
//! Only strings need care; the rest of what we say is assembled where it is said. Reading is
//! `serde_json`'s.

/// Appends `text` as a JSON string, quotes included.
pub fn push_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x00..=0x1f => {
                out.extend_from_slice(b"\\u00");
                crate::hex::push(out, &[byte]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends anything that prints itself, unquoted.
pub(crate) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// Appends anything that prints itself without characters that need escaping, in quotes.
pub(crate) fn push_quoted(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    out.push(b'"');
    push_display(out, value);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_string_is_read_back_as_it_was(text in any::<String>()) {
            let mut out = Vec::new();
            push_str(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            prop_assert!(!out.contains(&b'\n'));
        }
    }
}
