//! Builds the `x-kubernetes-validations` of the schemas: CEL rules that an API server and, by
//! kube-cel, both binaries evaluate. A message is two parts, `what is wrong; what to do`, and
//! [`split_message`] takes them apart again. Does not know any field.

use serde_json::{Value, json};

use crate::values::{DURATION_PATTERN, QUANTITY_PATTERN};

const SEPARATOR: &str = "; ";

/// Rules with their messages, for `#[schemars(extend(…))]`.
pub(crate) fn rules<const N: usize>(rules: [(&str, &str); N]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// Refuses a field that stands in the schema only so that its name and place are taken.
pub(crate) fn reserved(why: &str) -> Value {
    rules([("false", &format!("reserved: {why}; remove it"))])
}

/// Refuses every value of an enumeration but the one that is honoured so far.
pub(crate) fn only(honoured: &str, why: &str) -> Value {
    rules([(
        &format!("self == '{honoured}'"),
        &format!("reserved: {why}; set it to {honoured} or remove it"),
    )])
}

/// A duration within bounds.
pub(crate) fn duration(min: &str, max: &str, example: &str) -> Value {
    rules([(
        &format!(
            "self.matches('{DURATION_PATTERN}') && duration(self) >= duration('{min}') && \
             duration(self) <= duration('{max}')"
        ),
        &format!("must be a duration from {min} to {max}; write it like {example}"),
    )])
}

/// A difficulty: positive, at most 10^18 (`u64` and the API server's quantities end not far above).
pub(crate) fn difficulty() -> Value {
    rules([(
        &format!(
            "self.matches('{QUANTITY_PATTERN}') && quantity(self).isGreaterThan(quantity('0')) && \
             !quantity(self).isGreaterThan(quantity('1000P'))"
        ),
        "must be a difficulty above 0 and at most 1000P; write a decimal number of up to 13 digits \
         with up to 6 decimals and an optional suffix (m k M G T P Ki Mi Gi Ti), like \"8192\", \
         \"1M\" or \"0.001\"",
    )])
}

/// `min`, `initial` and `max` in this order. Silent while one of them is malformed: that has its
/// own message, and a comparison of arbitrary digits could overflow in kube-cel.
pub(crate) fn difficulty_order() -> Value {
    rules([(
        &format!(
            "![self.min, self.initial, self.max].all(q, q.matches('{QUANTITY_PATTERN}')) || \
             (quantity(self.min).compareTo(quantity(self.initial)) <= 0 && \
             quantity(self.initial).compareTo(quantity(self.max)) <= 0)"
        ),
        "min, initial and max must not decrease in this order; set all three (the defaults are 1, \
         8192 and 1T)",
    )])
}

/// The name of a listener or a route.
pub(crate) fn label(what: &str, example: &str) -> Value {
    rules([(
        "self.matches('^[a-z]([a-z0-9]|-[a-z0-9])*$')",
        &format!(
            "must be lower-case letters, digits and single dashes, beginning with a letter; name \
             the {what} like {example}"
        ),
    )])
}

/// The name of a listener: of a port of the pods, where one name is taken.
pub(crate) fn listener_name() -> Value {
    let taken = rules([(
        "self != 'admin'",
        "is the name of the pods' own port of /metrics and /readyz; name the listener like v1",
    )]);
    [label("listener", "v1"), taken]
        .into_iter()
        .flat_map(|it| it.as_array().cloned())
        .flatten()
        .collect()
}

const OBJECT_NAME: &str = "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')";

/// The name of the object itself, as an API server checks it without any rule.
pub(crate) fn own_name(example: &str) -> Value {
    rules([(
        OBJECT_NAME,
        &format!(
            "must be lower-case letters, digits, dashes and dots, with no dash or dot at either \
             end; name it like {example}"
        ),
    )])
}

/// The name of another object.
pub(crate) fn object_name(kind: &str) -> Value {
    rules([(
        OBJECT_NAME,
        &format!("is not a name that an object can have; write the metadata.name of a {kind}"),
    )])
}

/// An image that is the same one tomorrow.
pub(crate) fn image() -> Value {
    rules([
        (
            "self.matches('^[a-z0-9]([A-Za-z0-9._/:-]*[A-Za-z0-9_])?(@sha256:[0-9a-f]{64})?$')",
            "is no name of an image; write it like registry.example.com/loka/stratum-proxy:0.1.0",
        ),
        (
            "self.contains('@') || (self.matches(':[A-Za-z0-9_][A-Za-z0-9_.-]*$') && \
             !self.endsWith(':latest'))",
            "may be another image tomorrow, and the pods of one farm would differ; add the tag of a \
             version, or a digest",
        ),
    ])
}

/// Labels that are the user's: none of those by which the operator finds its pods.
pub(crate) fn foreign_labels() -> Value {
    rules([(
        "!['name', 'instance', 'managed-by', 'part-of', 'component'].exists(k, \
         ('app.kubernetes.io/' + k) in self)",
        "has a label of app.kubernetes.io that the operator sets; remove it, or use a prefix of \
         your own",
    )])
}

/// Ranges of addresses, in the list of this name.
pub(crate) fn ranges(list: &str) -> Value {
    rules([(
        "self.all(s, s.matches('^[0-9A-Fa-f:.]+/(0|[1-9][0-9]{0,2})$') && isCIDR(s))",
        &format!(
            "an entry of {list} is no range of addresses; write it like 10.1.0.0/16 or \
             2001:db8::/32"
        ),
    )])
}

/// Takes `what is wrong; what to do` apart.
pub(crate) fn split_message(message: &str) -> (String, String) {
    match message.split_once(SEPARATOR) {
        Some((message, remedy)) => (message.to_owned(), remedy.to_owned()),
        None => (message.to_owned(), String::new()),
    }
}
