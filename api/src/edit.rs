//! The edits that the tables of test cases are made of. Tests only.

use serde_json::Value;

/// Objects by field, lists by index, anything else replaced.
pub(crate) fn merge(into: &mut Value, edit: Value) {
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
