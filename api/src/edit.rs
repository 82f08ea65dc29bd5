//! The table of what schema and rules accept and refuse, and the edits that it is made of. Tests only: those of this
//! package, and those that ask a real API server.

use serde_json::Value;

/// `cases/validation.yaml`: for each kind a base document, and edits of it.
#[cfg(feature = "cases")]
#[must_use]
pub fn validation_cases() -> &'static str {
    include_str!("../cases/validation.yaml")
}

/// Objects by field, lists by index, anything else replaced.
#[expect(clippy::indexing_slicing, reason = "an index past the end was pushed just before")]
pub fn merge(into: &mut Value, edit: Value) {
    match (into, edit) {
        (Value::Object(into), Value::Object(edit)) => {
            for (name, value) in edit {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(edit)) => {
            for (index, value) in edit.into_iter().enumerate() {
                if index == into.len() {
                    into.push(Value::Null);
                }
                merge(&mut into[index], value);
            }
        }
        (into, edit) => *into = edit,
    }
}
