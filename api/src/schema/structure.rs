//! The structural half of an API server's admission: nulls pruned, defaults filled in, unknown
//! fields refused, and the keywords that the generated schemas use. Reports every fault and goes
//! on behind it. A test asserts that the schemas use no keyword that is not enforced here.

mod scalar;
mod unknown;

pub use unknown::nearest;

use serde_json::{Map, Value};

use crate::path;

/// One structural fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) value: Option<Value>,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Fault {
    fn new(path: &str, message: String, remedy: String) -> Self {
        Self { path: path.to_owned(), value: None, message, remedy }
    }

    fn with(mut self, value: &Value) -> Self {
        self.value = Some(value.clone());
        self
    }
}

/// Brings `value` into the form in which rules and types see it, and reports where it cannot be.
pub(crate) fn conform(schema: &Value, value: &mut Value, path: &str, faults: &mut Vec<Fault>) {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (wanted, &mut *value) {
        ("object", Value::Object(fields)) => object(schema, fields, path, faults),
        ("array", Value::Array(items)) => array(schema, items, path, faults),
        ("object" | "array", other) => faults.push(wrong_type(schema, wanted, other, path)),
        ("", _) => {}
        (_, other) => scalar::check(schema, wanted, other, path, faults),
    }
}

fn object(schema: &Value, fields: &mut Map<String, Value>, at: &str, faults: &mut Vec<Fault>) {
    fields.retain(|_, value| !value.is_null());
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, property) in known {
        if let (false, Some(default)) = (fields.contains_key(name), property.get("default")) {
            fields.insert(name.clone(), default.clone());
        }
    }
    for name in texts(schema, "required") {
        if !fields.contains_key(name) {
            faults.push(missing(known.get(name), name, at));
        }
    }
    let count = fields.len() as u64;
    if let Some(max) =
        schema.get("maxProperties").and_then(Value::as_u64).filter(|max| count > *max)
    {
        let message = format!("has {count} entries and may have at most {max}");
        faults.push(Fault::new(at, message, "remove some".into()));
    }
    let rest = schema.get("additionalProperties");
    let keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
    fields.retain(|name, value| {
        let path = path::field(at, name);
        match known.get(name).or(rest) {
            Some(property) => conform(property, value, &path, faults),
            None if keeps_unknown => {}
            None => {
                faults.push(unknown::fault(known, name, &path));
                return false;
            }
        }
        true
    });
}

fn array(schema: &Value, items: &mut Vec<Value>, at: &str, faults: &mut Vec<Fault>) {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let count = items.len() as u64;
    if let Some(min) = bound("minItems").filter(|min| count < *min) {
        let message = format!("has {count} items and needs at least {min}");
        faults.push(Fault::new(at, message, "add one, as a line that begins with `- `".into()));
    }
    if let Some(max) = bound("maxItems").filter(|max| count > *max) {
        let message = format!("has {count} items and may have at most {max}");
        faults.push(Fault::new(at, message, "remove some".into()));
        // The rules compare each item with each: they must not see a list without end.
        items.truncate(usize::try_from(max).unwrap_or(usize::MAX));
    }
    if let Some(item_schema) = schema.get("items") {
        for (index, item) in items.iter_mut().enumerate() {
            conform(item_schema, item, &path::item(at, index), faults);
        }
    }
    for key in texts(schema, "x-kubernetes-list-map-keys") {
        unique(items, key, at, faults);
    }
}

/// The schemas have at most one key for each list, so each key is unique by itself.
fn unique(items: &[Value], key: &str, at: &str, faults: &mut Vec<Fault>) {
    for (index, item) in items.iter().enumerate() {
        let Some(value) = item.get(key) else { continue };
        let first = items.iter().position(|other| other.get(key) == Some(value)).unwrap_or(index);
        if first < index {
            let path = path::field(&path::item(at, index), key);
            let message = format!("repeats the {key} of {}", path::item(at, first));
            let remedy = format!("give each item a {key} of its own");
            faults.push(Fault::new(&path, message, remedy).with(value));
        }
    }
}

fn missing(property: Option<&Value>, name: &str, at: &str) -> Fault {
    let description =
        property.and_then(|it| it.get("description")).and_then(Value::as_str).unwrap_or_default();
    let first = description.split_once(". ").map_or(description, |(first, _)| first);
    let first = first.trim_end_matches('.').replace('\n', " ");
    let remedy = match first.as_str() {
        "" => format!("add {name}"),
        what => format!("add {name}: {what}"),
    };
    Fault::new(&path::field(at, name), "is required and missing".into(), remedy)
}

fn wrong_type(schema: &Value, wanted: &str, value: &Value, at: &str) -> Fault {
    let given = type_of(value);
    if wanted == "array" {
        let remedy = "write a list, each item on a line that begins with `- `";
        return Fault::new(at, format!("must be a list, not {given}"), remedy.into()).with(value);
    }
    let names: Vec<_> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let remedy = match names.as_slice() {
        [] => "write its fields beneath it, indented".to_owned(),
        names => format!("write its fields beneath it, indented: {}", names.join(", ")),
    };
    // A text in the place of an object may be the password itself, beside a reference to it.
    Fault::new(at, format!("must be an object, not {given}"), remedy)
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn texts<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a str> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
