//! `mining.submit`: a share, as a miner sends it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::hex;
use crate::types::{NTime, Nonce};

use super::value::{FieldError, Params, hex_word, is_null, text, text_or_number, unsigned};

/// A share that has the shape of one. Whether it is any good, [`crate::share::verify`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit<'a> {
    /// The name as sent; compare with [`crate::types::WorkerName::matches`].
    pub worker: Cow<'a, str>,
    /// The job id as sent; read it with [`crate::types::JobSerial::parse`].
    pub job_id: Cow<'a, str>,
    /// Hexadecimal digits, in any number.
    pub extranonce2: Cow<'a, str>,
    /// The time in the header.
    pub ntime: NTime,
    /// The nonce in the header.
    pub nonce: Nonce,
    /// The version bits, if the miner sent some.
    pub version_bits: Option<u32>,
}

impl<'a> Submit<'a> {
    pub(super) fn parse(params: &Params<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            worker: required(params, 0, "worker", text)?,
            job_id: required(params, 1, "job id", text_or_number)?,
            extranonce2: required(params, 2, "extranonce2", hex_text)?,
            ntime: NTime(required(params, 3, "ntime", word)?),
            nonce: Nonce(required(params, 4, "nonce", word)?),
            version_bits: version_bits(params.at(5))?,
        })
    }
}

fn required<'a, T>(
    params: &Params<'a>,
    index: usize,
    field: &'static str,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<T, FieldError> {
    let value = params.at(index);
    value.and_then(read).ok_or_else(|| {
        let expected = match field {
            "worker" => "the worker's name as a string",
            "job id" => "the id of a job as a string",
            "extranonce2" => "hexadecimal digits",
            _ => "1 to 8 hexadecimal digits",
        };
        FieldError::new(field, value, expected)
    })
}

fn hex_text(value: &RawValue) -> Option<Cow<'_, str>> {
    text(value).filter(|digits| hex::is_hex(digits))
}

/// Digits in a string, not always padded; some firmware sends a plain number.
fn word(value: &RawValue) -> Option<u32> {
    hex_word(value).or_else(|| {
        let number = !value.get().starts_with('"');
        number.then(|| unsigned(value)).flatten().and_then(|word| u32::try_from(word).ok())
    })
}

/// The sixth parameter: absent, null and "" all mean that the version was not rolled.
fn version_bits(value: Option<&RawValue>) -> Result<Option<u32>, FieldError> {
    let Some(bits) = value.filter(|bits| !is_null(bits) && bits.get() != "\"\"") else {
        return Ok(None);
    };
    let bits = word(bits);
    bits.ok_or_else(|| FieldError::new("version bits", value, "1 to 8 hexadecimal digits"))
        .map(Some)
}
