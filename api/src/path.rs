//! Field paths as kubectl prints them: `spec.listeners[0].port`. Owns their writing and the
//! look-up of what they name.

use serde_json::Value;

/// The path of a field of the object at `path`.
pub(crate) fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an item of the list at `path`.
pub(crate) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// What stands at a path.
pub(crate) fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[']).try_fold(value, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    })
}

/// Whether `path` is `root` or lies beneath it.
pub(crate) fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_what_it_names() {
        let value = json!({"spec": {"listeners": [{"port": 1}, {"port": 2}]}});
        assert_eq!(lookup(&value, "spec.listeners[1].port"), Some(&json!(2)));
        assert_eq!(lookup(&value, "spec.listeners[2].port"), None);
        assert_eq!(lookup(&value, "spec.routes"), None);
    }

    #[test]
    fn a_path_lies_within_its_parents_only() {
        assert!(is_within("spec.listeners[0].port", "spec.listeners"));
        assert!(is_within("spec.listeners", "spec.listeners"));
        assert!(!is_within("spec.listenersMax", "spec.listeners"));
    }
}
