//! Texts and whole numbers: type, range, length, enumeration.

use serde_json::Value;

use super::{Fault, texts, type_of, unknown::nearest};

pub(super) fn check(
    schema: &Value,
    wanted: &str,
    value: &Value,
    at: &str,
    faults: &mut Vec<Fault>,
) {
    let fault = match (wanted, value) {
        ("string", Value::String(text)) => length(schema, text, at)
            .or_else(|| enumeration(schema, text, at))
            .map(|fault| fault.with(value)),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            range(schema, number.as_i64().unwrap_or(i64::MAX), at).map(|fault| fault.with(value))
        }
        _ => Some(wrong_type(wanted, value, at).with(value)),
    };
    faults.extend(fault);
}

fn wrong_type(wanted: &str, value: &Value, at: &str) -> Fault {
    let given = type_of(value);
    let (message, remedy) = match (wanted, value) {
        // A decimal may have been written as 1e3, and then the number is not what to quote.
        ("string", Value::Number(number)) if number.is_f64() => {
            (format!("must be a text, not {given}"), "put it in quotes".to_owned())
        }
        ("string", Value::Number(_) | Value::Bool(_)) => {
            (format!("must be a text, not {given}"), format!("put it in quotes: \"{value}\""))
        }
        ("string", _) => (format!("must be a text, not {given}"), "write one text".to_owned()),
        (_, Value::Number(_)) => {
            ("must be a whole number".to_owned(), "write it without decimals".to_owned())
        }
        (_, _) => (format!("must be a whole number, not {given}"), whole_number(value)),
    };
    Fault::new(at, message, remedy)
}

/// With leading zeros a number is a text to one YAML parser and octal to another.
fn whole_number(value: &Value) -> String {
    match value.as_str().map(str::parse::<i64>) {
        Some(Ok(number)) => format!("write it without quotes and leading zeros: {number}"),
        Some(Err(_)) | None => "write a whole number".to_owned(),
    }
}

/// The generated schemas have both bounds or none.
fn range(schema: &Value, number: i64, at: &str) -> Option<Fault> {
    let bound = |keyword| schema.get(keyword).and_then(whole);
    let (min, max) = (bound("minimum")?, bound("maximum")?);
    if (min..=max).contains(&number) {
        return None;
    }
    let remedy = if number < min {
        format!("raise it to {min} or more")
    } else {
        format!("lower it to {max} or less")
    };
    Some(Fault::new(at, format!("must be from {min} to {max}"), remedy))
}

/// The generator writes bounds as floating-point numbers of whole value.
fn whole(bound: &Value) -> Option<i64> {
    bound.as_i64().or_else(|| format!("{:.0}", bound.as_f64()?).parse().ok())
}

/// As an API server counts: in characters, not in bytes.
fn length(schema: &Value, text: &str, at: &str) -> Option<Fault> {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let count = text.chars().count() as u64;
    if bound("minLength").is_some_and(|min| count < min) {
        return Some(Fault::new(at, "is empty".into(), "write a text, or see the defaults".into()));
    }
    let max = bound("maxLength").filter(|max| count > *max)?;
    let message = format!("has {count} characters and may have at most {max}");
    Some(Fault::new(at, message, "shorten it".into()))
}

fn enumeration(schema: &Value, text: &str, at: &str) -> Option<Fault> {
    let allowed: Vec<_> = texts(schema, "enum").collect();
    if allowed.is_empty() || allowed.contains(&text) {
        return None;
    }
    let message = format!("must be one of {}", allowed.join(", "));
    let remedy = match nearest(allowed.iter().copied(), text) {
        Some(near) => format!("did you mean {near}?"),
        None => "write one of them, letter by letter".to_owned(),
    };
    Some(Fault::new(at, message, remedy))
}
