//! What a document grows to once its aliases are followed. Owns the bound: a few lines of aliases
//! of aliases name gigabytes, and the parser itself bounds only how often it jumps. Keeps nothing.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

/// The most that a document may mean: a text of the largest size that is read, without aliases,
/// stays below it, since each value and each byte of a value takes at least half a byte to write.
pub(super) const EXPANDED_MAX: usize = 2 * super::SOURCE_BYTES_MAX;

/// What is said of a document that means more.
pub(super) const EXPANDED: &str = "its aliases expand it beyond";

/// Follows every alias of one document.
///
/// # Errors
/// If the document is malformed or means more than [`EXPANDED_MAX`].
pub(super) fn check(text: &str) -> Result<(), serde_yaml::Error> {
    let mut left = EXPANDED_MAX;
    Measure { left: &mut left }.deserialize(serde_yaml::Deserializer::from_str(text))
}

/// Takes from `left` one for each value and one for each byte of text.
struct Measure<'a> {
    left: &'a mut usize,
}

impl Measure<'_> {
    fn take<E: Error>(&mut self, weight: usize) -> Result<(), E> {
        let rest = self
            .left
            .checked_sub(weight)
            .ok_or_else(|| E::custom(format_args!("{EXPANDED} {EXPANDED_MAX} bytes")))?;
        *self.left = rest;
        Ok(())
    }

    const fn again(&mut self) -> Measure<'_> {
        Measure { left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Measure<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        self.take(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measure<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.take(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(self.again())?.is_some() {
            fields.next_value_seed(self.again())?;
        }
        Ok(())
    }

    /// A tagged value; it is refused later, with its place.
    fn visit_enum<A: EnumAccess<'de>>(mut self, tagged: A) -> Result<(), A::Error> {
        let ((), content) = tagged.variant_seed(self.again())?;
        content.newtype_variant_seed(self)
    }
}
