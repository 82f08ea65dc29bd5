//! `mining.configure` (BIP310), towards miners and towards pools.

use serde_json::value::RawValue;

use crate::difficulty::Difficulty;
use crate::hex;
use crate::json;
use crate::types::VersionMask;

use super::server::PoolMisbehaved;
use super::value::{
    self, Elements, FieldError, Fields, Params, hex_word, printable, text, unsigned,
};

/// What a miner asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configure {
    /// Version rolling.
    pub version_rolling: Option<VersionRolling>,
    /// The difficulty below which the miner cannot go.
    pub minimum_difficulty: Option<Difficulty>,
    /// Whether it takes `mining.set_extranonce`.
    pub subscribe_extranonce: bool,
    /// Whether it told about itself.
    pub info: bool,
    /// Codes that are answered with `false`: unknown ones, and known ones without a usable value.
    pub unknown: Vec<Box<str>>,
}

/// The version bits that a miner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRolling {
    /// Bits that it can roll.
    pub mask: VersionMask,
    /// How many it would like to have at least. A wish: a smaller mask is answered all the same.
    pub min_bit_count: Option<u32>,
}

/// A pool's answer to our configure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigureReply {
    /// The bits that the pool grants; `None` if it does not roll versions.
    pub version_mask: Option<VersionMask>,
}

/// Requested codes that are looked at; four are known.
type Codes<'a> = Elements<'a, 16>;

/// Unknown codes that are answered.
const UNKNOWN_MAX: usize = 8;

/// Longest code that is answered.
const CODE_BYTES_MAX: usize = 64;

// === impl Configure ===

impl Configure {
    pub(super) fn parse(params: &Params<'_>) -> Result<Self, FieldError> {
        let codes: Codes<'_> = Elements::parse("extensions", params.at(0))?;
        let options = Fields::parse(params.at(1));
        let mut configure = Self::default();
        for code in codes.iter().filter_map(text) {
            configure.request(&code, &options);
        }
        Ok(configure)
    }

    /// The result that the miner is sent, as JSON text: an entry for every requested code.
    /// `granted` is what remains of the miner's mask after everybody else's.
    #[must_use]
    pub fn result_json(&self, granted: VersionMask) -> String {
        let mut entries = Vec::new();
        if self.version_rolling.is_some() {
            entries.push(format!(r#""version-rolling":{}"#, !granted.is_none()));
            entries.push(format!(r#""version-rolling.mask":"{granted}""#));
        }
        if self.minimum_difficulty.is_some() {
            entries.push(r#""minimum-difficulty":true"#.to_owned());
        }
        if self.subscribe_extranonce {
            entries.push(r#""subscribe-extranonce":true"#.to_owned());
        }
        if self.info {
            entries.push(r#""info":true"#.to_owned());
        }
        for code in &self.unknown {
            let mut key = Vec::new();
            json::push_str(&mut key, code);
            entries.push(format!("{}:false", String::from_utf8_lossy(&key)));
        }
        format!("{{{}}}", entries.join(","))
    }

    fn request(&mut self, code: &str, options: &Fields<'_>) {
        match code {
            "version-rolling" => self.version_rolling = VersionRolling::read(options),
            "minimum-difficulty" => {
                let value = options.field("minimum-difficulty.value");
                self.minimum_difficulty = value::difficulty("minimum-difficulty.value", value).ok();
            }
            "subscribe-extranonce" => self.subscribe_extranonce = true,
            "info" => self.info = true,
            _ => {}
        }
        let served = match code {
            "version-rolling" => self.version_rolling.is_some(),
            "minimum-difficulty" => self.minimum_difficulty.is_some(),
            _ => matches!(code, "subscribe-extranonce" | "info"),
        };
        if !served && self.unknown.len() < UNKNOWN_MAX {
            self.unknown.push(printable(code.into(), CODE_BYTES_MAX).into());
        }
    }
}

// === impl VersionRolling ===

impl VersionRolling {
    /// A miner that names no mask takes any (BIP310); one that names nonsense gets none.
    fn read(options: &Fields<'_>) -> Option<Self> {
        let mask = match options.field("version-rolling.mask") {
            Some(mask) => hex_word(mask)?,
            None => u32::MAX,
        };
        let min_bit_count = options.field("version-rolling.min-bit-count").and_then(bit_count);
        Some(Self { mask: VersionMask(mask), min_bit_count })
    }
}

/// A number (S9, S19) or hexadecimal digits in a string (cpuminer).
fn bit_count(value: &RawValue) -> Option<u32> {
    match text(value) {
        Some(digits) => hex::parse_u32(&digits),
        None => unsigned(value).and_then(|count| u32::try_from(count).ok()),
    }
}

// === impl ConfigureReply ===

impl ConfigureReply {
    /// Reads the result of a configure.
    ///
    /// # Errors
    /// Version rolling granted with a mask that is no mask.
    pub fn parse(result: &RawValue) -> Result<Self, PoolMisbehaved> {
        let fields = Fields::parse(Some(result));
        let granted = fields.field("version-rolling").is_some_and(|value| value.get() == "true");
        let Some(mask) = fields.field("version-rolling.mask").filter(|_| granted) else {
            return Ok(Self { version_mask: None });
        };
        let mask_word = hex_word(mask).ok_or_else(|| {
            let expected = "1 to 8 hexadecimal digits";
            let error = FieldError::new("version-rolling.mask", Some(mask), expected);
            PoolMisbehaved::field("mining.configure", error)
        })?;
        Ok(Self { version_mask: Some(VersionMask(mask_word)).filter(|mask| !mask.is_none()) })
    }
}
