//! What a pool may say.
//!
//! A pool is trusted no more than a miner: one whose address was hijacked speaks for somebody
//! else. Every field has a bound here, or where its type is.

use std::borrow::Cow;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::difficulty::Difficulty;
use crate::rpc::{Envelope, EnvelopeError, RequestId};
use crate::types::{Extranonce, VersionMask};

use super::notify::Notify;
use super::pool_reply::{Outcome, Reply, reply_id, stray_text};
use super::subscribe::ExtranonceGrant;
use super::value::{
    self, Elements, FieldError, Params, TEXT_BYTES_MAX, described, hex_word, is_null, printable,
    text, unsigned,
};

/// A message of a pool.
#[derive(Debug, Clone)]
pub enum ServerMessage<'a> {
    /// `client.get_version`, wants our name.
    GetVersion {
        /// What to reply to; null or missing if nothing.
        id: Option<RequestId>,
    },
    /// `mining.notify`
    Notify(Notify),
    /// `mining.ping`
    Ping {
        /// What to reply to; null or missing if nothing.
        id: Option<RequestId>,
    },
    /// `client.reconnect`. To be obeyed only within the rules of the one who runs the proxy.
    Reconnect {
        /// Where to; `None` is where we are.
        host: Option<String>,
        /// Which port; `None` is the same.
        port: Option<u16>,
        /// How long to wait, at most 600 seconds.
        wait_seconds: u16,
    },
    /// An answer to a request of ours.
    Reply(Reply<'a>),
    /// `mining.set_difficulty`
    SetDifficulty(Difficulty),
    /// `mining.set_extranonce`
    SetExtranonce {
        /// The pool's part from the next job on.
        extranonce1: Extranonce,
        /// Bytes that are left to us from the next job on.
        extranonce2_size: u8,
    },
    /// `mining.set_version_mask`
    SetVersionMask(VersionMask),
    /// `client.show_message`: words for people, cut and without control characters.
    ShowMessage(String),
    /// An answer without an id of ours.
    StrayReply {
        /// Its error or result, for the log.
        text: String,
    },
    /// Anything else.
    Unknown {
        /// Its name, cut and without control characters.
        method: Cow<'a, str>,
    },
}

/// A pool sent something that no pool may send.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PoolMisbehaved {
    /// A line that is no message at all.
    #[error("the pool sent {detail}: check that its address is that of a Stratum V1 server")]
    NotStratum {
        /// What is wrong with the line.
        detail: String,
    },
    /// A known method, or an answer to one, with a value that it cannot have.
    #[error("the pool sent {method} with a wrong {field}: {value}; expected {expected}")]
    WrongField {
        /// The method.
        method: &'static str,
        /// The field.
        field: &'static str,
        /// What it held, cut.
        value: String,
        /// What it can hold.
        expected: Cow<'static, str>,
    },
}

/// Longest wait that a reconnect may ask for.
const RECONNECT_WAIT_SECONDS_MAX: u16 = 600;

/// Longest name that the domain name system knows.
const HOST_BYTES_MAX: usize = 253;

/// Reads one line of a pool.
///
/// # Errors
/// A line that is no JSON object, or a known method with a value out of bounds.
pub fn parse_server(line: &[u8]) -> Result<ServerMessage<'_>, PoolMisbehaved> {
    let envelope = Envelope::parse(line)?;
    let Some(method) = envelope.method else {
        return Ok(match reply_id(envelope.id) {
            Some(id) => ServerMessage::Reply(Reply { id, outcome: Outcome::read(&envelope) }),
            None => ServerMessage::StrayReply { text: stray_text(&envelope) },
        });
    };
    let id = || envelope.id.and_then(RequestId::from_json);
    let notification = match &*method {
        "client.get_version" => return Ok(ServerMessage::GetVersion { id: id() }),
        "mining.ping" => return Ok(ServerMessage::Ping { id: id() }),
        "client.reconnect" => Notification { name: "client.reconnect", read: reconnect },
        "client.show_message" => Notification { name: "client.show_message", read: show_message },
        "mining.notify" => Notification {
            name: "mining.notify",
            read: |params| Notify::parse(params).map(ServerMessage::Notify),
        },
        "mining.set_difficulty" => Notification {
            name: "mining.set_difficulty",
            read: |params| {
                value::difficulty("difficulty", params.at(0)).map(ServerMessage::SetDifficulty)
            },
        },
        "mining.set_extranonce" => {
            Notification { name: "mining.set_extranonce", read: set_extranonce }
        }
        // The second name is how a well-known library serialises it.
        "mining.set_version_mask" | "mining.set_version" => {
            Notification { name: "mining.set_version_mask", read: set_version_mask }
        }
        _ => return Ok(ServerMessage::Unknown { method: printable(method, TEXT_BYTES_MAX) }),
    };
    notification.parse(envelope.params)
}

// === impl PoolMisbehaved ===

impl PoolMisbehaved {
    pub(super) fn field(method: &'static str, error: FieldError) -> Self {
        let FieldError { field, value, expected } = error;
        Self::WrongField { method, field, value, expected }
    }
}

impl From<EnvelopeError> for PoolMisbehaved {
    fn from(error: EnvelopeError) -> Self {
        Self::NotStratum {
            detail: match error {
                EnvelopeError::NotAnObject => "a line that is no JSON object".to_owned(),
                EnvelopeError::BadJson(detail) => format!("a line that is no JSON ({detail})"),
            },
        }
    }
}

/// A method without an answer, and how its parameters are read.
struct Notification {
    name: &'static str,
    read: for<'a> fn(&Params<'a>) -> Result<ServerMessage<'a>, FieldError>,
}

impl Notification {
    fn parse(self, params: Option<&RawValue>) -> Result<ServerMessage<'_>, PoolMisbehaved> {
        let params = Elements::parse("params", params);
        params
            .and_then(|params| (self.read)(&params))
            .map_err(|error| PoolMisbehaved::field(self.name, error))
    }
}

fn reconnect<'a>(params: &Params<'a>) -> Result<ServerMessage<'a>, FieldError> {
    let sent = |index| params.at(index).filter(|value| !is_null(value));
    let host = |value| {
        let host = text(value).filter(|host| host.len() <= HOST_BYTES_MAX);
        let host = host.filter(|host| host.chars().all(|c| c.is_ascii_graphic()));
        host.ok_or_else(|| FieldError::new("host", Some(value), "a host name"))
    };
    let port = |value| {
        let port = unsigned(value).and_then(|port| u16::try_from(port).ok());
        port.ok_or_else(|| FieldError::new("port", Some(value), "a port number"))
    };
    let wait = sent(2).and_then(unsigned).unwrap_or(0);
    let wait = u16::try_from(wait).unwrap_or(u16::MAX).min(RECONNECT_WAIT_SECONDS_MAX);
    Ok(ServerMessage::Reconnect {
        host: sent(0).map(host).transpose()?.filter(|host| !host.is_empty()).map(Cow::into_owned),
        port: sent(1).map(port).transpose()?.filter(|port| *port != 0),
        wait_seconds: wait,
    })
}

fn show_message<'a>(params: &Params<'a>) -> Result<ServerMessage<'a>, FieldError> {
    Ok(ServerMessage::ShowMessage(params.at(0).map(described).unwrap_or_default()))
}

fn set_extranonce<'a>(params: &Params<'a>) -> Result<ServerMessage<'a>, FieldError> {
    let grant = ExtranonceGrant::read([params.at(0), params.at(1)])?;
    Ok(ServerMessage::SetExtranonce {
        extranonce1: grant.extranonce1,
        extranonce2_size: grant.extranonce2_size,
    })
}

fn set_version_mask<'a>(params: &Params<'a>) -> Result<ServerMessage<'a>, FieldError> {
    let sent = params.at(0);
    let mask = sent.and_then(hex_word);
    mask.map(|mask| ServerMessage::SetVersionMask(VersionMask(mask)))
        .ok_or_else(|| FieldError::new("mask", sent, "1 to 8 hexadecimal digits"))
}
