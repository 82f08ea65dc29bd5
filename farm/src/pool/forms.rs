//! The many ways in which pools say the same thing (PROTOCOL 2.1, 2.3 and 2.4).

use serde_json::{Map, Value, json};

use crate::judge::Difficulty;
use crate::wire;

use super::chain::Clean;

/// Which way this pool says it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Forms {
    pub acceptance: Acceptance,
    pub rejection: Rejection,
    pub subscription: Subscription,
    pub configuration: Configuration,
    pub notification: Notification,
    pub number: Number,
    pub job_id: JobId,
    pub clean_flag: CleanFlag,
}

/// How a yes is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Acceptance {
    /// `"result":true,"error":null`
    #[default]
    NullError,
    /// `"result":true` and no word on an error.
    NoError,
    /// `"jsonrpc":"2.0"` and no word on an error.
    JsonRpc,
}

/// How a no is written. Each form is one that some pool uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rejection {
    /// `"result":null,"error":[23,"…",null]`
    #[default]
    NullAndArray,
    /// `"result":false,"error":[23,"…",null]`
    FalseAndArray,
    /// `"result":null,"error":{"code":23,"message":"…"}`
    Object,
    /// An error object under `"jsonrpc":"2.0"`, without a result.
    JsonRpc,
    /// `"result":null,"error":"…"`
    Text,
    /// `"result":false,"error":null,"reject-reason":"…"`
    RejectReason,
    /// `"result":false` and no word on the error.
    BareFalse,
    /// `"error":["23","…",null]`
    CodeAsText,
    /// Any of these, drawn for each reply.
    Mixed,
}

/// How the subscribe reply is written; the forms differ in the first of its three items.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Subscription {
    /// `[["mining.set_difficulty",id],["mining.notify",id]]`
    #[default]
    Pairs,
    /// `[["mining.notify",id]]`
    OnePair,
    /// `["mining.notify",id]`
    FlatPair,
    /// `[]`: there is nothing to resume by.
    Empty,
    /// `null`, likewise.
    Null,
    /// As `Pairs`, and the size of the extranonce2 is a text.
    SizeAsText,
}

/// What the configure reply speaks of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Configuration {
    /// One entry for each requested extension, as BIP310 has it.
    #[default]
    Complete,
    /// Only of what is granted.
    OnlyGranted,
    /// Complete, and a `mining.set_version_mask` follows at once, as DATUM does it.
    ThenMask,
}

/// What stands for the id in a notification.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Notification {
    /// `"id":null`
    #[default]
    NullId,
    /// None.
    NoId,
    /// `"id":1`, which may be that of a request under way.
    NumberId,
}

/// How a difficulty is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Number {
    /// `1024`, `0.0001`
    #[default]
    Plain,
    /// `1.024e3`, `1e-4`
    Exponent,
    /// `"1024"`
    Text,
}

/// What a job id looks like. It is opaque to whoever gets it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JobId {
    /// A hex counter from 1 in every session, so that ids of different pools and of different
    /// sessions collide.
    #[default]
    Counter,
    /// The counter between characters that must not be taken for anything.
    Decorated,
    /// The counter as a number instead of a text.
    Number,
}

/// When a notify has its ninth parameter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CleanFlag {
    #[default]
    Always,
    /// Eight parameters mean false.
    OnlyTrue,
}

// === impl Acceptance ===

impl Acceptance {
    pub(super) fn line(self, id: &Value, result: &Value) -> String {
        match self {
            Self::NullError => wire::reply(id, result),
            Self::NoError => format!("{}\n", json!({"id": id, "result": result})),
            Self::JsonRpc => {
                format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
        }
    }
}

// === impl Rejection ===

impl Rejection {
    const SINGLE: [Self; 8] = [
        Self::NullAndArray,
        Self::FalseAndArray,
        Self::Object,
        Self::JsonRpc,
        Self::Text,
        Self::RejectReason,
        Self::BareFalse,
        Self::CodeAsText,
    ];

    pub(super) fn line(
        self,
        id: &Value,
        (code, message): (i64, &str),
        random: &mut fastrand::Rng,
    ) -> String {
        let reply = match self {
            Self::Mixed => {
                let form = random.choice(Self::SINGLE).unwrap_or_default();
                return form.line(id, (code, message), random);
            }
            Self::NullAndArray => json!({"id": id, "result": null, "error": [code, message, null]}),
            Self::FalseAndArray => {
                json!({"id": id, "result": false, "error": [code, message, null]})
            }
            Self::Object => {
                json!({"id": id, "result": null, "error": {"code": code, "message": message}})
            }
            Self::JsonRpc => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
            }
            Self::Text => json!({"id": id, "result": null, "error": message}),
            Self::RejectReason => {
                json!({"id": id, "result": false, "error": null, "reject-reason": message})
            }
            Self::BareFalse => json!({"id": id, "result": false}),
            Self::CodeAsText => {
                json!({"id": id, "result": null, "error": [code.to_string(), message, null]})
            }
        };
        format!("{reply}\n")
    }
}

// === impl Subscription ===

impl Subscription {
    pub(super) fn result(
        self,
        session: &str,
        extranonce1: &str,
        extranonce2_bytes: usize,
    ) -> Value {
        let notify = json!(["mining.notify", session]);
        let pairs = json!([["mining.set_difficulty", session], notify]);
        let subscriptions = match self {
            Self::Pairs => pairs,
            Self::OnePair => json!([notify]),
            Self::FlatPair => notify,
            Self::Empty => json!([]),
            Self::Null => Value::Null,
            Self::SizeAsText => return json!([pairs, extranonce1, extranonce2_bytes.to_string()]),
        };
        json!([subscriptions, extranonce1, extranonce2_bytes])
    }
}

// === impl Configuration ===

impl Configuration {
    pub(super) fn result(self, mut entries: Map<String, Value>) -> Value {
        match self {
            Self::Complete | Self::ThenMask => {}
            Self::OnlyGranted => entries.retain(|_, value| *value != Value::Bool(false)),
        }
        Value::Object(entries)
    }
}

// === impl Notification ===

impl Notification {
    /// `params` is the text of the JSON array.
    pub(super) fn line(self, method: &str, params: &str) -> String {
        let id = match self {
            Self::NullId => "\"id\":null,",
            Self::NoId => "",
            Self::NumberId => "\"id\":1,",
        };
        format!("{{{id}\"method\":\"{method}\",\"params\":{params}}}\n")
    }
}

// === impl Number ===

impl Number {
    /// A difficulty as JSON text. A plain number is written as its exact decimal, which a JSON
    /// value of floating point would not keep.
    pub(super) fn text(self, difficulty: Difficulty) -> String {
        match self {
            Self::Plain => difficulty.to_string(),
            Self::Exponent => exponent(&difficulty.to_string()),
            Self::Text => format!("\"{difficulty}\""),
        }
    }
}

/// The decimal text `12.34` as `1234e-2`: the same number, exactly.
fn exponent(decimal: &str) -> String {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = [whole, fraction].concat();
    let mantissa = digits.trim_start_matches('0');
    format!("{mantissa}e-{}", fraction.len())
}

// === impl JobId ===

impl JobId {
    pub(super) fn text(self, number: u64) -> String {
        match self {
            Self::Counter => format!("{number:x}"),
            Self::Number => number.to_string(),
            Self::Decorated => format!("#{number:X}/\"é\"_{}", number % 7),
        }
    }

    /// The id as it stands in the notify.
    pub(super) fn value(self, id: &str) -> Value {
        match (self, id.parse::<u64>()) {
            (Self::Number, Ok(number)) => json!(number),
            (Self::Counter | Self::Decorated | Self::Number, _) => json!(id),
        }
    }
}

// === impl CleanFlag ===

impl CleanFlag {
    pub(super) fn is_written(self, clean: Clean) -> bool {
        match self {
            Self::Always => true,
            Self::OnlyTrue => clean == Clean::Clean,
        }
    }
}

/// A request from the pool, such as a ping, under the number that ckpool uses.
pub(super) fn ping() -> String {
    wire::request(42, "mining.ping", &json!([]))
}
