//! One line of JSON, taken apart as far as the envelope goes.
//!
//! Values stay text: what they must look like depends on the method. Keys come in any order and
//! may be missing, doubled (the last one counts) or unknown.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The keys that Stratum uses.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Option<Cow<'a, str>>,
    pub(crate) params: Option<&'a RawValue>,
    pub(crate) result: Option<&'a RawValue>,
    pub(crate) error: Option<&'a RawValue>,
    pub(crate) reject_reason: Option<&'a RawValue>,
}

/// Why a line has no envelope.
#[derive(Debug)]
pub(crate) enum EnvelopeError {
    /// It starts as something else than an object: an array (a batch), a string, HTTP.
    NotAnObject,
    /// It starts as an object and is no JSON.
    BadJson(String),
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, EnvelopeError> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(EnvelopeError::NotAnObject);
        }
        // One check of the whole line is cheaper than one per string.
        let text =
            str::from_utf8(line).map_err(|error| EnvelopeError::BadJson(error.to_string()))?;
        serde_json::from_str(text).map_err(|error| EnvelopeError::BadJson(error.to_string()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "id" => envelope.id = Some(map.next_value()?),
                "method" => {
                    let method: Option<Text<'de>> = map.next_value()?;
                    envelope.method = method.map(|text| text.0);
                }
                "params" => envelope.params = Some(map.next_value()?),
                "result" => envelope.result = Some(map.next_value()?),
                "error" => envelope.error = Some(map.next_value()?),
                "reject-reason" => envelope.reject_reason = Some(map.next_value()?),
                _ => {
                    let _: IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok(envelope)
    }
}

/// A string that is borrowed from the line unless it holds an escape; serde's own `Cow` is only
/// ever owned inside an `Option`.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
