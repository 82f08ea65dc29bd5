//! `mining.authorize`: who mines, and the password that often holds a wish instead of a secret.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::difficulty::Difficulty;
use crate::types::WorkerName;

use super::client::ClientMessage;
use super::value::{FieldError, Params, text, text_or_number};

/// A miner's password. It may be a real one, so it prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Password<'a>(Cow<'a, str>);

impl Password<'_> {
    /// The password itself, for comparing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The password without the wishes behind it: `x` of `x,d=1024`.
    #[must_use]
    pub fn without_wishes(&self) -> &str {
        let mut rest: &str = &self.0;
        while let Some((before, last)) = rest.rsplit_once([',', ';', ' ']) {
            let last = last.trim();
            if !(last.starts_with("d=") || last.starts_with("md=")) {
                break;
            }
            rest = before;
        }
        rest
    }

    /// The difficulty that a password like `x,d=1024` asks for.
    #[must_use]
    pub fn difficulty(&self) -> Option<Difficulty> {
        self.wish("d=")
    }

    /// The difficulty below which a password like `x,md=1024` asks not to go.
    #[must_use]
    pub fn minimum(&self) -> Option<Difficulty> {
        self.wish("md=")
    }

    fn wish(&self, name: &str) -> Option<Difficulty> {
        let wish = |part: &str| part.trim().strip_prefix(name).map(Difficulty::parse);
        self.0.split([',', ';', ' ']).find_map(wish)?.ok()
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

pub(super) fn parse<'a>(params: &Params<'a>) -> Result<ClientMessage<'a>, FieldError> {
    let name = params.at(0);
    if name.is_some_and(is_compound) {
        return Err(FieldError::hidden("worker", "the worker's name as a string"));
    }
    let worker = name
        .and_then(text)
        .ok_or_else(|| FieldError::new("worker", name, "the worker's name as a string"))?;
    let worker = WorkerName::from_peer(&worker)
        .map_err(|error| FieldError::new("worker", name, error.to_string()))?;
    let password = params.at(1).and_then(text_or_number).unwrap_or_default();
    Ok(ClientMessage::Authorize { worker, password: Password(password) })
}

/// What is no name may hold the password beside it.
fn is_compound(value: &RawValue) -> bool {
    value.get().starts_with(['[', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_behind_a_password_are_no_part_of_it() {
        for (sent, wanted) in [
            ("x", "x"),
            ("secret,d=1024", "secret"),
            ("secret;md=16,d=1024", "secret"),
            ("a,b c", "a,b c"),
            ("a,d=1,b", "a,d=1,b"),
            ("d=1024", "d=1024"),
            ("", ""),
        ] {
            assert_eq!(Password(sent.into()).without_wishes(), wanted, "{sent}");
        }
    }
}
