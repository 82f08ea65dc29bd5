//! `mining.subscribe`, towards miners and towards pools.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json;
use crate::types::Extranonce;

use super::server::PoolMisbehaved;
use super::value::{Elements, FieldError, Params, TEXT_BYTES_MAX, printable, text, unsigned};

/// A miner's subscribe. Nothing in it is needed, and firmware sends from none to four parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The software, cut to 256 bytes and without control characters.
    pub user_agent: Option<Cow<'a, str>>,
    /// The session that the miner would like to resume. Opaque: Whatsminer sends hexadecimal of
    /// an odd length.
    pub session: Option<Cow<'a, str>>,
}

/// A pool's answer to a subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeReply {
    /// What to ask for after a reconnect, if the pool offers it.
    pub session: Option<String>,
    /// The pool's part of the extranonce.
    pub extranonce1: Extranonce,
    /// Bytes that are left to us: 0 to 32, so possibly too few.
    pub extranonce2_size: u8,
}

/// Most bytes that a pool may leave us.
const EXTRANONCE2_SIZE_MAX: u64 = 32;

/// Pairs of method and session id that are looked at.
type Subscriptions<'a> = Elements<'a, 8>;

// === impl Subscribe ===

impl<'a> Subscribe<'a> {
    pub(super) fn parse(params: &Params<'a>) -> Self {
        let short_text = |index| {
            let text = params.at(index).and_then(text)?;
            Some(printable(text, TEXT_BYTES_MAX)).filter(|text| !text.is_empty())
        };
        Self { user_agent: short_text(0), session: short_text(1) }
    }
}

// === impl SubscribeReply ===

impl SubscribeReply {
    /// Reads the result of a subscribe in any of the forms that pools use.
    ///
    /// # Errors
    /// No extranonce1 of up to 32 bytes, or no extranonce2 size of up to 32.
    pub fn parse(result: &RawValue) -> Result<Self, PoolMisbehaved> {
        Self::read(result).map_err(|error| PoolMisbehaved::field("mining.subscribe", error))
    }

    fn read(result: &RawValue) -> Result<Self, FieldError> {
        let parts: Params<'_> = Elements::parse("result", Some(result))?;
        let extranonce = ExtranonceGrant::read([parts.at(1), parts.at(2)])?;
        Ok(Self {
            session: parts.at(0).and_then(session),
            extranonce1: extranonce.extranonce1,
            extranonce2_size: extranonce.extranonce2_size,
        })
    }
}

/// What a pool lets us fill in, by subscribe or by `mining.set_extranonce`.
pub(super) struct ExtranonceGrant {
    pub(super) extranonce1: Extranonce,
    pub(super) extranonce2_size: u8,
}

impl ExtranonceGrant {
    pub(super) fn read([extranonce1, size]: [Option<&RawValue>; 2]) -> Result<Self, FieldError> {
        let bytes = extranonce1.and_then(text).and_then(|hex| Extranonce::from_hex(&hex).ok());
        let number = size.and_then(unsigned).filter(|size| *size <= EXTRANONCE2_SIZE_MAX);
        Ok(Self {
            extranonce1: bytes.ok_or_else(|| {
                FieldError::new("extranonce1", extranonce1, "up to 32 bytes in hexadecimal")
            })?,
            extranonce2_size: number.and_then(|size| u8::try_from(size).ok()).ok_or_else(|| {
                FieldError::new("extranonce2 size", size, "an integer from 0 to 32")
            })?,
        })
    }
}

/// The id that stands beside `mining.notify`, in a pair or in a list of pairs.
fn session(subscriptions: &RawValue) -> Option<String> {
    let outer: Subscriptions<'_> = Elements::parse("subscriptions", Some(subscriptions)).ok()?;
    let pair_id = |pair: &Subscriptions<'_>| {
        let id = (*pair.at(0).and_then(text)? == *"mining.notify").then_some(pair.at(1)?)?;
        text(id).filter(|id| !id.is_empty() && id.len() <= TEXT_BYTES_MAX).map(Cow::into_owned)
    };
    let inner = |pair| pair_id(&Elements::parse("subscription", Some(pair)).ok()?);
    pair_id(&outer).or_else(|| outer.iter().find_map(inner))
}

/// The result that a miner is sent, as JSON text.
#[must_use]
pub fn subscribe_result(session: &str, extranonce1: &Extranonce, extranonce2_size: u8) -> String {
    let mut id = Vec::new();
    json::push_str(&mut id, session);
    let id = String::from_utf8_lossy(&id);
    format!(
        r#"[[["mining.set_difficulty",{id}],["mining.notify",{id}]],"{extranonce1}",{extranonce2_size}]"#
    )
}
