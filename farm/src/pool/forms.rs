//! The many ways in which pools say the same thing (PROTOCOL 2.1, 2.3 and 2.4).

use serde_json::{Value, json};

use crate::judge::Difficulty;
use crate::wire;

/// Which way this pool says it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Forms {
    pub rejection: Rejection,
    pub subscription: Subscription,
    pub number: Number,
    pub job_id: JobId,
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

/// How the first item of the subscribe reply is written.
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
    pub(super) fn value(self, session: &str) -> Value {
        let notify = json!(["mining.notify", session]);
        match self {
            Self::Pairs => json!([["mining.set_difficulty", session], notify]),
            Self::OnePair => json!([notify]),
            Self::FlatPair => notify,
            Self::Empty => json!([]),
        }
    }
}

// === impl Number ===

impl Number {
    /// The `mining.set_difficulty` line. A plain number is written as its exact decimal text,
    /// which a JSON value of floating point would not keep.
    pub(super) fn set_difficulty(self, difficulty: Difficulty) -> String {
        let number = match self {
            Self::Plain => difficulty.to_string(),
            Self::Exponent => exponent(&difficulty.to_string()),
            Self::Text => format!("\"{difficulty}\""),
        };
        format!("{{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[{number}]}}\n")
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
            Self::Decorated => format!("#{number:X}/\"é\"_{}", number % 7),
        }
    }
}

/// A request from the pool, such as a ping, under the number that ckpool uses.
pub(super) fn ping() -> String {
    wire::request(42, "mining.ping", &json!([]))
}
