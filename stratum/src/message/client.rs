//! What a miner may say.

use std::borrow::Cow;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::difficulty::{Difficulty, Target};
use crate::rpc::{Envelope, EnvelopeError, RejectCode, RequestId};
use crate::types::WorkerName;

use super::authorize::{self, Password};
use super::configure::Configure;
use super::plain;
use super::submit::Submit;
use super::subscribe::Subscribe;
use super::value::{self, Elements, FieldError, Params, TEXT_BYTES_MAX, printable, text};

/// One line of a miner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequest<'a> {
    /// The id as it stood there; `None` if there was none.
    pub id: Option<RequestId>,
    /// What it says.
    pub message: ClientMessage<'a>,
}

/// A message of a miner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// `mining.authorize`
    Authorize {
        /// Who wants to mine.
        worker: WorkerName,
        /// Empty if the miner sent none.
        password: Password<'a>,
    },
    /// `mining.capabilities`
    Capabilities,
    /// `mining.configure`
    Configure(Configure),
    /// `mining.extranonce.subscribe`
    ExtranonceSubscribe,
    /// `mining.get_transactions`
    GetTransactions,
    /// `mining.multi_version`, of bmminer
    MultiVersion,
    /// `mining.ping`
    Ping,
    /// A ping's answer that comes as a method of its own, as ESP-Miner sends it.
    Pong,
    /// A reply to something that we asked.
    Response,
    /// `mining.submit`
    Submit(Submit<'a>),
    /// `mining.subscribe`
    Subscribe(Subscribe<'a>),
    /// `mining.suggest_difficulty`
    SuggestDifficulty(Difficulty),
    /// `mining.suggest_target`
    SuggestTarget(Target),
    /// Anything else.
    Unknown {
        /// Its name, cut and without control characters.
        method: Cow<'a, str>,
    },
}

/// A line that is not a message. `message` names the field, the value and the remedy, and is what
/// the miner may be sent with `code`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct MalformedRequest {
    /// The id, as far as it could be read.
    pub id: Option<RequestId>,
    /// What to answer.
    pub code: RejectCode,
    /// What is wrong.
    pub message: String,
    /// How far the line could be read.
    pub kind: Malformed,
}

/// How far a line could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// No JSON.
    BadJson,
    /// A message with wrong parameters.
    BadParams,
    /// A share with wrong parameters. It counts as a share that was received.
    BadSubmit,
    /// Not a JSON object.
    NotAnObject,
}

/// ckpool still handles this old firmware, which puts the number into the method's name.
const SUGGEST_DIFFICULTY_IN_NAME: &str = "mining.suggest_difficulty(";

/// Reads one line of a miner.
///
/// # Errors
/// A line that is no JSON object, or parameters that a known method cannot have.
pub fn parse_client(line: &[u8]) -> Result<ClientRequest<'_>, MalformedRequest> {
    match plain::submit(line) {
        Some(submit) => Ok(submit),
        None => parse_any(line),
    }
}

/// The same, however the line is spelt.
pub(super) fn parse_any(line: &[u8]) -> Result<ClientRequest<'_>, MalformedRequest> {
    let envelope = Envelope::parse(line)?;
    let id = match envelope.id {
        Some(json) => Some(RequestId::from_json(json).ok_or_else(MalformedRequest::overlong_id)?),
        None => None,
    };
    let submit = envelope.method.as_deref() == Some("mining.submit");
    match read(envelope) {
        Ok(message) => Ok(ClientRequest { id, message }),
        Err(Unreadable { method, error }) => Err(MalformedRequest {
            id,
            code: RejectCode::Other,
            message: format!("{method}: {error}"),
            kind: if submit { Malformed::BadSubmit } else { Malformed::BadParams },
        }),
    }
}

// === impl ClientRequest ===

impl ClientRequest<'_> {
    /// The id to reply to. A request without an id, or with a null one, is acted upon in silence.
    #[must_use]
    pub fn reply_id(&self) -> Option<&RequestId> {
        self.id.as_ref().filter(|id| !id.is_null())
    }
}

// === impl MalformedRequest ===

impl MalformedRequest {
    fn overlong_id() -> Self {
        Self {
            id: None,
            code: RejectCode::Other,
            message: format!("id: longer than {} bytes; use a number", RequestId::MAX_BYTES),
            kind: Malformed::BadJson,
        }
    }
}

impl From<EnvelopeError> for MalformedRequest {
    fn from(error: EnvelopeError) -> Self {
        let (message, kind) = match error {
            EnvelopeError::NotAnObject => (
                "not a JSON object: send one request per line, no batches".to_owned(),
                Malformed::NotAnObject,
            ),
            EnvelopeError::BadJson(detail) => {
                (format!("not JSON: {detail}; send one JSON object per line"), Malformed::BadJson)
            }
        };
        Self { id: None, code: RejectCode::Other, message, kind }
    }
}

struct Unreadable<'a> {
    method: Cow<'a, str>,
    error: FieldError,
}

fn read(envelope: Envelope<'_>) -> Result<ClientMessage<'_>, Unreadable<'_>> {
    let reply = envelope.result.is_some() || envelope.error.is_some();
    let Some(method) = envelope.method else {
        let error = FieldError::new("method", None, "the name of a method");
        let method = Cow::Borrowed("request");
        return if reply { Ok(ClientMessage::Response) } else { Err(Unreadable { method, error }) };
    };
    let known = match &*method {
        "mining.authorize" => params(envelope.params)
            .map_err(|_| FieldError::hidden("params", "an array of name and password"))
            .and_then(|params| authorize::parse(&params)),
        "mining.capabilities" => Ok(ClientMessage::Capabilities),
        "mining.configure" => params(envelope.params)
            .and_then(|params| Configure::parse(&params))
            .map(ClientMessage::Configure),
        "mining.extranonce.subscribe" => Ok(ClientMessage::ExtranonceSubscribe),
        "mining.get_transactions" => Ok(ClientMessage::GetTransactions),
        "mining.multi_version" => Ok(ClientMessage::MultiVersion),
        "mining.ping" => Ok(ClientMessage::Ping),
        "mining.pong" | "pong" => Ok(ClientMessage::Pong),
        "mining.submit" => params(envelope.params)
            .and_then(|params| Submit::parse(&params))
            .map(ClientMessage::Submit),
        "mining.subscribe" => params(envelope.params)
            .map(|params| ClientMessage::Subscribe(Subscribe::parse(&params))),
        "mining.suggest_difficulty" => params(envelope.params)
            .and_then(|params| value::difficulty("difficulty", params.at(0)))
            .map(ClientMessage::SuggestDifficulty),
        "mining.suggest_target" => params(envelope.params).and_then(|params| target(&params)),
        _ => return Ok(unknown(method)),
    };
    known.map_err(|error| Unreadable { method, error })
}

fn params(params: Option<&RawValue>) -> Result<Params<'_>, FieldError> {
    Elements::parse("params", params)
}

fn target<'a>(params: &Params<'_>) -> Result<ClientMessage<'a>, FieldError> {
    let sent = params.at(0);
    let target = sent.and_then(text).and_then(|hex| Target::from_be_hex(&hex).ok());
    target
        .filter(|target| *target > Target::ZERO)
        .map(ClientMessage::SuggestTarget)
        .ok_or_else(|| FieldError::new("target", sent, "64 hexadecimal digits, not all zero"))
}

fn unknown(method: Cow<'_, str>) -> ClientMessage<'_> {
    let wish = method
        .strip_prefix(SUGGEST_DIFFICULTY_IN_NAME)
        .and_then(|number| Difficulty::parse(number.trim_end_matches(')')).ok());
    match wish {
        Some(difficulty) => ClientMessage::SuggestDifficulty(difficulty),
        None => ClientMessage::Unknown { method: printable(method, TEXT_BYTES_MAX) },
    }
}
