//! What a pool answers, in every form that pools use for yes and no.

use serde_json::value::RawValue;

use crate::rpc::Envelope;

use super::value::{Elements, Fields, described, is_null, text_or_number};

/// A pool's answer to a request of ours.
#[derive(Debug, Clone)]
pub struct Reply<'a> {
    /// The id that we gave the request.
    pub id: u64,
    /// Yes or no.
    pub outcome: Outcome<'a>,
}

/// Whether a pool did what we asked.
#[derive(Debug, Clone)]
pub enum Outcome<'a> {
    /// It did: the result is neither `false` nor null, and there is no error.
    Ok(&'a RawValue),
    /// It did not.
    Error {
        /// The code, if there is one that is a number.
        code: Option<i64>,
        /// The pool's words, cut and without control characters.
        message: String,
    },
}

/// An error is a triple; the third element is a traceback that nobody needs.
type Triple<'a> = Elements<'a, 2>;

// === impl Outcome ===

impl<'a> Outcome<'a> {
    pub(super) fn read(envelope: &Envelope<'a>) -> Self {
        if let Some(error) = present(envelope.error) {
            return Self::refusal(error);
        }
        match present(envelope.result).filter(|result| result.get() != "false") {
            Some(result) => Self::Ok(result),
            None => Self::Error {
                code: None,
                message: match present(envelope.reject_reason) {
                    Some(reason) => described(reason),
                    None => "no reason given".to_owned(),
                },
            },
        }
    }

    fn refusal(error: &RawValue) -> Self {
        let object = Fields::parse(Some(error));
        let triple: Option<Triple<'_>> = Elements::parse("error", Some(error)).ok();
        let (code, message) = match triple {
            Some(triple) => (triple.at(0), triple.at(1)),
            None => (object.field("code"), object.field("message")),
        };
        Self::Error {
            code: code.and_then(text_or_number).and_then(|code| code.parse().ok()),
            message: described(message.unwrap_or(error)),
        }
    }
}

/// The id of a request of ours. Some pools send the number back in quotes.
pub(super) fn reply_id(id: Option<&RawValue>) -> Option<u64> {
    id.and_then(text_or_number).as_deref().map(str::parse)?.ok()
}

/// What a reply without an id of ours says, for the log.
pub(super) fn stray_text(envelope: &Envelope<'_>) -> String {
    let value = present(envelope.error).or_else(|| present(envelope.result));
    value.map(described).unwrap_or_default()
}

fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| !is_null(value))
}
