//! Reading loose JSON values: parameters that are missing, null, numbers where strings belong, or
//! strings where numbers belong.
//!
//! Everything borrows from the line; nothing here knows which method it serves.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::difficulty::Difficulty;
use crate::hex;
use crate::rpc::Text;

/// A value that is not what its field must hold.
#[derive(Debug)]
pub(super) struct FieldError {
    pub(super) field: &'static str,
    /// What was sent, cut and without control characters.
    pub(super) value: String,
    pub(super) expected: Cow<'static, str>,
}

/// The first `N` elements of an array; the others are counted.
pub(super) struct Elements<'a, const N: usize> {
    kept: [Option<&'a RawValue>; N],
    last: Option<&'a RawValue>,
    count: usize,
}

/// The first entries of an object, in the order in which they stand.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Parameters of a request that are looked at. A notify has nine; pools that add some add few.
pub(super) type Params<'a> = Elements<'a, 16>;

/// Entries of an object that are looked at; a configure with every known option has nine.
const FIELDS_MAX: usize = 32;

/// Longest text of a peer that is kept for people: names of software, reasons, messages.
pub(super) const TEXT_BYTES_MAX: usize = 256;

/// Longest piece of a wrong value that is quoted in an error.
const EXCERPT_BYTES_MAX: usize = 80;

// === impl FieldError ===

impl FieldError {
    pub(super) fn new(
        field: &'static str,
        value: Option<&RawValue>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        let value = match value {
            Some(value) => printable(Cow::Borrowed(value.get()), EXCERPT_BYTES_MAX).into_owned(),
            None => "missing".to_owned(),
        };
        Self { field, value, expected: expected.into() }
    }

    /// The same of a value that may hold a password: errors go back to the peer, and into logs.
    pub(super) fn hidden(field: &'static str, expected: &'static str) -> Self {
        let value = "not shown, it may hold a password".to_owned();
        Self { field, value, expected: expected.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: expected {}", self.field, self.value, self.expected)
    }
}

// === impl Elements ===

impl<'a, const N: usize> Elements<'a, N> {
    /// Reads an array; nothing at all and null count as an empty one.
    pub(super) fn parse(
        field: &'static str,
        array: Option<&'a RawValue>,
    ) -> Result<Self, FieldError> {
        let Some(array) = array.filter(|array| !is_null(array)) else {
            return Ok(Self { kept: [None; N], last: None, count: 0 });
        };
        serde_json::from_str(array.get())
            .map_err(|_| FieldError::new(field, Some(array), "an array"))
    }

    pub(super) fn at(&self, index: usize) -> Option<&'a RawValue> {
        self.kept.get(index).copied().flatten()
    }

    pub(super) fn last(&self) -> Option<&'a RawValue> {
        self.last
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a RawValue> {
        self.kept.iter().flatten().copied()
    }
}

impl<'de: 'a, 'a, const N: usize> Deserialize<'de> for Elements<'a, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor::<N>)
    }
}

struct ElementsVisitor<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for ElementsVisitor<N> {
    type Value = Elements<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Elements { kept: [None; N], last: None, count: 0 };
        while let Some(element) = seq.next_element()? {
            if let Some(slot) = elements.kept.get_mut(elements.count) {
                *slot = Some(element);
            }
            elements.last = Some(element);
            elements.count += 1;
        }
        Ok(elements)
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// Reads an object; anything else has no fields.
    pub(super) fn parse(object: Option<&'a RawValue>) -> Self {
        object
            .and_then(|object| serde_json::from_str(object.get()).ok())
            .unwrap_or(Self(Vec::new()))
    }

    pub(super) fn field(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            if fields.len() < FIELDS_MAX {
                fields.push((key, map.next_value()?));
            } else {
                let _: IgnoredAny = map.next_value()?;
            }
        }
        Ok(Fields(fields))
    }
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The text of a JSON string; `None` for any other value.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The text of a string or of a number.
pub(super) fn text_or_number(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    let number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if number { Some(Cow::Borrowed(json)) } else { text(value) }
}

/// An integer, or a string that spells one.
pub(super) fn unsigned(value: &RawValue) -> Option<u64> {
    text_or_number(value)?.parse().ok()
}

/// The difficulty that a number, or a string, spells.
pub(super) fn difficulty(
    field: &'static str,
    value: Option<&RawValue>,
) -> Result<Difficulty, FieldError> {
    let text = value
        .and_then(text_or_number)
        .ok_or_else(|| FieldError::new(field, value, "a positive number"))?;
    Difficulty::parse(&text).map_err(|error| FieldError::new(field, value, error.to_string()))
}

/// A 32-bit number in one to eight hexadecimal digits.
pub(super) fn hex_word(value: &RawValue) -> Option<u32> {
    hex::parse_u32(&text(value)?)
}

/// A text for people and logs: cut, and without the control characters that would forge lines.
pub(super) fn printable(text: Cow<'_, str>, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max && !text.contains(char::is_control) {
        return text;
    }
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > bytes_max {
            break;
        }
        kept.push(c);
    }
    Cow::Owned(kept)
}

/// The text of a value for people, whatever the value is.
pub(super) fn described(value: &RawValue) -> String {
    let text = text(value).unwrap_or_else(|| Cow::Borrowed(value.get()));
    printable(text, TEXT_BYTES_MAX).into_owned()
}
