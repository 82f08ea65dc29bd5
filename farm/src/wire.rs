//! The farm's own small Stratum V1 line codec: JSON text to messages and back, hex, and a bounded
//! line stream over any transport.
//!
//! It deliberately knows no method: what a line means is decided by the pool and by the miners.
//! It shares nothing with the proxy's codec, so that neither can hide the other's mistakes.

mod hex;
mod line_stream;

use std::fmt::Write as _;

use serde_json::Value;

pub use self::hex::{decode_hex, encode_hex, prev_hash_to_header, prev_hash_to_notify};
pub use self::line_stream::{LINE_BYTES_MAX, LineStream};

/// One line, by its shape: a method makes it a request (PROTOCOL: decide by the presence of
/// `method`, not by the id).
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Reply(Reply),
    Request(Request),
}

/// A request or, with a null id, a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `Null` stands for a null id and for a missing one.
    pub id: Value,
    pub method: String,
    /// Anything but an array reads as no parameters.
    pub params: Vec<Value>,
}

/// An answer in any of the forms that pools use.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub id: Value,
    pub result: Value,
    pub error: Value,
    pub reject_reason: Option<String>,
}

/// Why a line is no Stratum message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the line is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the line is JSON but not an object")]
    NotAnObject,
    #[error("the object has neither a method nor a result nor an error")]
    NoMeaning,
}

/// Reads one line.
pub fn parse(line: &str) -> Result<Message, WireError> {
    let Value::Object(mut fields) = serde_json::from_str(line)? else {
        return Err(WireError::NotAnObject);
    };
    let mut take = |key: &str| fields.remove(key);
    let id = take("id").unwrap_or_default();
    if let Some(Value::String(method)) = take("method") {
        let params = match take("params") {
            Some(Value::Array(params)) => params,
            Some(_) | None => Vec::new(),
        };
        return Ok(Message::Request(Request { id, method, params }));
    }
    let (result, error) = (take("result"), take("error"));
    if result.is_none() && error.is_none() {
        return Err(WireError::NoMeaning);
    }
    let reject_reason = match take("reject-reason") {
        Some(Value::String(reason)) => Some(reason),
        Some(_) | None => None,
    };
    let (result, error) = (result.unwrap_or_default(), error.unwrap_or_default());
    Ok(Message::Reply(Reply { id, result, error, reject_reason }))
}

/// A request line; `params` is the JSON array.
pub fn request(id: impl Into<Value>, method: &str, params: &Value) -> String {
    line(format_args!(r#"{{"id":{},"method":"{method}","params":{params}}}"#, id.into()))
}

/// A notification line, with the null id that servers send.
pub fn notification(method: &str, params: &Value) -> String {
    request(Value::Null, method, params)
}

/// A successful answer.
pub fn reply(id: &Value, result: &Value) -> String {
    line(format_args!(r#"{{"id":{id},"result":{result},"error":null}}"#))
}

fn line(text: std::fmt::Arguments<'_>) -> String {
    let mut line = String::new();
    // Writing to a String cannot fail; the result exists for other writers.
    line.write_fmt(text).ok();
    line.push('\n');
    line
}

// === impl Reply ===

impl Reply {
    /// Whether the peer said yes (PROTOCOL 2.1: an error, or a result of false or null, is a no).
    pub fn is_success(&self) -> bool {
        self.error.is_null()
            && self.reject_reason.is_none()
            && !matches!(self.result, Value::Null | Value::Bool(false))
    }

    /// The error's number, wherever the peer put it.
    pub fn error_code(&self) -> Option<i64> {
        let code = match &self.error {
            Value::Array(triple) => triple.first()?,
            Value::Object(fields) => fields.get("code")?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
        code.as_i64().or_else(|| code.as_str()?.parse().ok())
    }

    /// The error's words, empty if there are none.
    pub fn error_text(&self) -> String {
        let text = match &self.error {
            Value::Array(triple) => triple.get(1),
            Value::Object(fields) => fields.get("message"),
            Value::String(_) => Some(&self.error),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        };
        text.and_then(Value::as_str).or(self.reject_reason.as_deref()).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests;
