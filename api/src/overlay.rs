//! Fields that the environment sets, over what documents say: `STRATUM__<KIND>__<NAME>__SPEC__<FIELD>__…`.
//!
//! Owns how a variable names a field of a document, by the schema of its kind, and what it sets there. Whether that is allowed
//! is decided by the whole validation afterwards, as if the document had said it. Reads no environment: variables are passed
//! in. Shows no value: whoever mistook a variable may have put a password into it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    documents::{RawDocument, read},
    names, path,
    problem::Problem,
    schema::{Kind, structure::nearest},
};

/// What every variable begins with that sets a field.
pub const PREFIX: &str = "STRATUM__";

/// Stands between the parts of a variable's name.
const SEPARATOR: &str = "__";

/// Variables of one run at most: more than both resources have fields.
const VARIABLES_MAX: usize = 4096;

/// What some lists are told apart by where their schema names no key.
const KEYS: [&str; 3] = ["name", "type", "poolRef"];

/// What a variable sets.
struct Setting<'a> {
    variable: &'a str,
    /// Of the document, among those that there are.
    document: usize,
    kind: Kind,
    parts: Vec<&'a str>,
    text: &'a str,
}

/// Why a variable sets nothing.
struct Wrong {
    message: String,
    remedy: String,
}

/// Sets in the documents what the variables say, and notes in each document which variable has set what. Variables with
/// another prefix are not looked at, and one without a value sets nothing.
pub fn overlay<'a>(
    documents: &mut [RawDocument],
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut settings = Vec::new();
    let ours = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
    for (count, (variable, text)) in ours.enumerate() {
        if count == VARIABLES_MAX {
            let message =
                format!("has more than {VARIABLES_MAX} variables that begin with {PREFIX}");
            problems.push(Problem::of(&"the environment", &message, "write them into a document"));
            break;
        }
        match setting(documents, variable, text) {
            Ok(setting) => settings.push(setting),
            Err(wrong) => problems.push(problem(variable, &wrong)),
        }
    }
    // A whole list before its elements; else in the order of names, so that it does not matter who lists the environment.
    settings.sort_by_key(|setting| (setting.parts.len(), setting.variable));
    for setting in settings {
        let variable = setting.variable;
        if let Err(wrong) = set(documents, setting) {
            problems.push(problem(variable, &wrong));
        }
    }
    problems
}

fn problem(variable: &str, wrong: &Wrong) -> Problem {
    Problem::of(&format!("environment {variable}"), &wrong.message, &wrong.remedy)
}

impl Wrong {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }

    /// There is none of this name; of those that there are, one is near or all are named.
    fn unknown<'a>(what: &str, part: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let spelt: Vec<(String, &str)> = known.iter().map(|name| (plain(name), *name)).collect();
        let near = nearest(spelt.iter().map(|(plain, _)| plain.as_str()), &plain(part));
        let near = near.and_then(|near| spelt.iter().find(|(plain, _)| plain == near));
        // A name that was not written to its end is as near.
        let begins = |(known, _): &&(String, &str)| known.starts_with(&plain(part));
        let near = near.or_else(|| spelt.iter().find(begins));
        let remedy = match near {
            Some((_, name)) => format!("did you mean {}?", written(name)),
            None if known.is_empty() => "set a field that the documents have room for".to_owned(),
            None => {
                let all: Vec<String> = known.iter().map(|name| written(name)).collect();
                format!("remove it, or name one of {}", all.join(", "))
            }
        };
        Self::new(format!("there is no {what} {part}"), remedy)
    }
}

/// A name without all that a variable's name cannot have, or that people leave out.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A name as a variable has it.
fn written(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            'A'..='Z' if !out.is_empty() && !out.ends_with('_') => out.extend(['_', c]),
            'a'..='z' | 'A'..='Z' | '0'..='9' => out.push(c.to_ascii_uppercase()),
            _ => out.push('_'),
        }
    }
    out
}

/// The one of several names that a part means.
fn find<'a, T: Copy>(
    what: &str,
    part: &str,
    known: impl Iterator<Item = (&'a str, T)> + Clone,
) -> Result<T, Wrong> {
    let wanted = plain(part);
    let mut same = known.clone().filter(|(name, _)| plain(name) == wanted);
    match (same.next(), same.next()) {
        (Some((_, found)), None) => Ok(found),
        (Some((one, _)), Some((other, _))) => {
            let message = format!("may be {what} {one} or {what} {other}");
            Err(Wrong::new(message, "rename one of the two, or set the field in its document"))
        }
        (None, _) => Err(Wrong::unknown(what, part, known.map(|(name, _)| name))),
    }
}

fn setting<'a>(
    documents: &[RawDocument],
    variable: &'a str,
    text: &'a str,
) -> Result<Setting<'a>, Wrong> {
    let mut parts = variable.strip_prefix(PREFIX).unwrap_or_default().split(SEPARATOR);
    let form = || {
        let remedy = format!(
            "write {PREFIX}PROXY__<NAME>__SPEC__<FIELD>… or {PREFIX}POOL__<NAME>__SPEC__<FIELD>…"
        );
        Wrong::new("names no field of a document", remedy)
    };
    let kind = kind(parts.next().unwrap_or_default())?;
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(form)?;
    let of_kind = documents.iter().enumerate().filter(|(_, of)| of.id.kind == kind.name());
    let named = of_kind.map(|(index, of)| (of.id.name.as_str(), index));
    let document = find(kind.name(), name, named)?;
    let spec = parts.next().filter(|part| plain(part) == "spec").ok_or_else(form)?;
    let parts: Vec<&str> = std::iter::once(spec).chain(parts).collect();
    if parts.len() < 2 || parts.iter().any(|part| plain(part).is_empty()) {
        return Err(form());
    }
    Ok(Setting { variable, document, kind, parts, text })
}

fn kind(part: &str) -> Result<Kind, Wrong> {
    if plain(part) == "secret" {
        let remedy =
            "give a Secret's key as STRATUM_SECRET_<SECRET>_<KEY>, with single underscores";
        return Err(Wrong::new("a Secret has no fields that can be set", remedy));
    }
    let known = [
        ("proxy", Kind::StratumProxy),
        ("pool", Kind::StratumPool),
        (names::STRATUM_PROXY, Kind::StratumProxy),
        (names::STRATUM_POOL, Kind::StratumPool),
    ];
    find("kind", part, known.into_iter())
}

fn set(documents: &mut [RawDocument], setting: Setting<'_>) -> Result<(), Wrong> {
    let Setting { variable, document, kind, parts, text } = setting;
    let Some(document) = documents.get_mut(document) else { return Ok(()) };
    let mut at = String::new();
    let (mut schema, mut value) = (&kind.schema().structure, &mut document.value);
    for part in parts {
        let step = step(schema, value, part)?;
        at = match &step {
            Step::Field(name, _) => path::field(&at, name),
            Step::Item(index, _) => path::item(&at, *index),
        };
        (schema, value) = enter(value, step)?;
    }
    if let Some(other) = document.overlaid.get(&at) {
        let message = format!("sets {at}, which {other} sets as well");
        return Err(Wrong::new(message, "remove one of the two"));
    }
    if text.is_empty() {
        return Ok(());
    }
    *value = parsed(schema, text)?;
    // What a whole list has set before holds no longer of the parts that are set now, and they are looked up first.
    document.overlaid.insert(at, variable.to_owned());
    Ok(())
}

/// One part of a variable's name, found in the schema and the document.
enum Step<'a> {
    Field(String, &'a Value),
    Item(usize, &'a Value),
}

fn step<'a>(schema: &'a Value, value: &Value, part: &str) -> Result<Step<'a>, Wrong> {
    if let Some(items) = schema.get("items") {
        return item(schema, value, part).map(|index| Step::Item(index, items));
    }
    let known = schema.get("properties").and_then(Value::as_object);
    if let Some(known) = known.filter(|known| !known.is_empty()) {
        let fields = known.iter().map(|(name, schema)| (name.as_str(), (name, schema)));
        let (name, schema) = find("field", part, fields)?;
        return Ok(Step::Field(name.clone(), schema));
    }
    let message = format!("{part} lies in a field that is set as a whole");
    Err(Wrong::new(
        message,
        "give the field above it all of its content, as YAML or JSON on one line",
    ))
}

/// By its key where the list has one, else by its place. A place just behind the last makes a new one.
fn item(schema: &Value, value: &Value, part: &str) -> Result<usize, Wrong> {
    let none = Vec::new();
    let items = value.as_array().unwrap_or(&none);
    let key = |item: &Value| {
        let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let first = keys.and_then(|keys| keys.first()).and_then(Value::as_str);
        let named = first.into_iter().chain(KEYS).find_map(|key| item.get(key));
        let named = named.map(|named| named.get("name").unwrap_or(named));
        named.and_then(Value::as_str).map(str::to_owned)
    };
    let keys: Vec<(String, usize)> =
        items.iter().enumerate().filter_map(|(index, item)| Some((key(item)?, index))).collect();
    let wanted = plain(part);
    if let Ok(place) = part.parse::<usize>()
        && !keys.iter().any(|(key, _)| plain(key) == wanted)
    {
        let count = items.len();
        let message = format!("there is no element {part}: the list has {count}, counted from 0");
        return match place <= count {
            true => Ok(place),
            false => Err(Wrong::new(message, format!("set element {count} to add one"))),
        };
    }
    find("element", part, keys.iter().map(|(key, index)| (key.as_str(), *index)))
}

/// What stands there, made if nothing does.
fn enter<'s, 'v>(
    value: &'v mut Value,
    step: Step<'s>,
) -> Result<(&'s Value, &'v mut Value), Wrong> {
    let misfit = |what: &str| {
        let remedy = "correct the document first, or set the field above as a whole";
        Wrong::new(format!("lies in a field that is no {what} in the document"), remedy)
    };
    match step {
        Step::Field(name, schema) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            let fields = value.as_object_mut().ok_or_else(|| misfit("object"))?;
            Ok((schema, fields.entry(name).or_insert(Value::Null)))
        }
        Step::Item(index, schema) => {
            if value.is_null() {
                *value = Value::Array(Vec::new());
            }
            let items = value.as_array_mut().ok_or_else(|| misfit("list"))?;
            if index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(index).map(|item| (schema, item)).ok_or_else(|| misfit("list"))
        }
    }
}

/// A text as the field takes it: texts are taken as they are, all else as YAML, of which JSON is a part.
fn parsed(schema: &Value, text: &str) -> Result<Value, Wrong> {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if wanted == "string" {
        return Ok(Value::String(text.to_owned()));
    }
    let what = match wanted {
        "integer" => "a whole number, such as 8",
        "boolean" => "true or false",
        "array" => "a list, such as [a, b] or [{\"name\": \"v1\", …}]",
        _ => "an object, such as {\"after\": 3} or {after: 3}",
    };
    let wrong = || Wrong::new("its value cannot be read", format!("write {what}"));
    // Read as a document is, within the same bounds, and never repeated.
    let (mut documents, problems) = read("", &format!("value: {text}\n"));
    let value = documents.pop().and_then(|mut of| of.value.get_mut("value").map(Value::take));
    let value = value.filter(|_| problems.is_empty() && documents.is_empty()).ok_or_else(wrong)?;
    let fits = match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    match fits || value.is_null() {
        true => Ok(value),
        false => Err(wrong()),
    }
}

/// The variable that has set what stands at `path`, the one with the narrowest field if several have.
pub(crate) fn variable<'a>(overlaid: &'a BTreeMap<String, String>, path: &str) -> Option<&'a str> {
    let set = overlaid.iter().filter(|(set, _)| path::is_within(path, set));
    set.max_by_key(|(set, _)| set.len()).map(|(_, variable)| variable.as_str())
}

#[cfg(test)]
mod tests;
