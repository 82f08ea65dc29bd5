//! The id of a request.

use std::fmt;

use serde_json::value::RawValue;

/// The JSON text of an id, kept as the miner wrote it: number, string, null, whatever. Ids are not
/// unique (some firmware sends every submit with the same one), so nothing may be keyed by it.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(Repr);

/// Numbers and short strings, which is all that is seen, cost no allocation.
#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Inline { len: u8, text: [u8; INLINE_BYTES] },
    Heap(Box<str>),
}

/// Makes the whole id three words long.
const INLINE_BYTES: usize = 22;

impl RequestId {
    /// The longest id that is echoed; longer ones are an attempt to make us write a lot.
    pub const MAX_BYTES: usize = 256;

    /// The id of a notification.
    pub const NULL: Self = {
        let mut text = [0; INLINE_BYTES];
        (text[0], text[1], text[2], text[3]) = (b'n', b'u', b'l', b'l');
        Self(Repr::Inline { len: 4, text })
    };

    /// Takes an id from an envelope; `None` if it is too long.
    #[must_use]
    pub fn from_json(json: &RawValue) -> Option<Self> {
        Self::from_text(json.get())
    }

    /// The same of its text, which must be JSON.
    pub(crate) fn from_text(json: &str) -> Option<Self> {
        let mut text = [0; INLINE_BYTES];
        match text.get_mut(..json.len()) {
            Some(inline) => {
                inline.copy_from_slice(json.as_bytes());
                let len = u8::try_from(json.len()).ok()?;
                Some(Self(Repr::Inline { len, text }))
            }
            None if json.len() <= Self::MAX_BYTES => Some(Self(Repr::Heap(json.into()))),
            None => None,
        }
    }

    /// The JSON text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, text } => text.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Heap(text) => text.as_bytes(),
        }
    }

    /// Whether the sender wants no reply.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_bytes() == b"null"
    }
}

impl From<u64> for RequestId {
    /// The id of a request of our own.
    fn from(id: u64) -> Self {
        // Its twenty digits at most stay within the bound.
        Self::from_text(&id.to_string()).unwrap_or(Self::NULL)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_echoed_as_it_came() {
        let long = format!("\"{}\"", "x".repeat(254));
        for json in
            ["4", "-1", "1.50", "9007199254740993000", "null", "\"th\\u00e9\"", "[1, 2]", &long]
        {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            let id = RequestId::from_json(raw).unwrap();
            assert_eq!(id.as_bytes(), json.as_bytes());
            assert_eq!(id.is_null(), json == "null");
        }
        assert!(RequestId::NULL.is_null());
        assert_eq!(RequestId::from(u64::MAX).to_string(), u64::MAX.to_string());
    }

    #[test]
    fn an_id_beyond_the_bound_is_not_taken() {
        let long = format!("\"{}\"", "x".repeat(255));
        assert_eq!(RequestId::from_json(serde_json::from_str(&long).unwrap()), None);
    }

    #[test]
    fn an_id_is_three_words() {
        assert!(size_of::<RequestId>() <= 24);
        assert!(size_of::<Option<RequestId>>() <= 24);
    }
}
