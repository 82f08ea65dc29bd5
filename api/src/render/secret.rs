//! A key of a Secret, looked up where the caller keeps Secrets, with its origin noted. Owns what is
//! said when it is not there. Does not look at what it finds.

use crate::{
    names,
    secrets::{Secret, SecretMiss, SecretRef, SecretSource},
};

use super::{
    draft::{At, Draft},
    origin::Origin,
};

/// A key that a document refers to.
pub(super) struct Wanted<'a> {
    /// The field that refers, and what it determines.
    pub(super) at: &'a At,
    pub(super) reference: SecretRef,
    pub(super) key: Key,
}

/// Who has chosen the key.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// The document, in the field `key`.
    Named,
    /// Custom: keys of a Secret of this type are always called so.
    Fixed,
}

/// The secret, or a problem noted.
pub(super) fn find<T>(
    draft: &mut Draft<'_, T>,
    secrets: &dyn SecretSource,
    wanted: Wanted<'_>,
) -> Option<Secret> {
    match secrets.find(&wanted.reference) {
        Ok(secret) => {
            let SecretRef { namespace, name, key } = wanted.reference;
            draft.notes.explain(wanted.at, "(secret)", Origin::Secret { namespace, name, key });
            Some(secret)
        }
        Err(miss) => {
            refuse(draft, &secrets.place(), &wanted, miss);
            None
        }
    }
}

fn refuse<T>(draft: &mut Draft<'_, T>, place: &str, wanted: &Wanted<'_>, miss: SecretMiss) {
    let SecretRef { namespace, name, key } = &wanted.reference;
    let secret = format!("Secret {namespace}/{name}");
    let supply = format!(
        "add a v1 Secret document with this name and the key {key}, or outside a cluster set {}",
        names::secret_variable(name, key)
    );
    let by_name = ("name", name);
    let ((field, value), message) = match miss {
        SecretMiss::NoSecret => (by_name, format!("{secret} is not in {place}")),
        SecretMiss::NoKey { known } => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            match wanted.key {
                Key::Named => (("key", key), format!("{secret} has no such key; it has {known}")),
                Key::Fixed => (by_name, format!("{secret} has no key {key}; it has {known}")),
            }
        }
        SecretMiss::Unreadable(why) => {
            (by_name, format!("{secret} cannot be read from {place}: {why}"))
        }
    };
    draft.refuse_value(&format!("{}.{field}", wanted.at.from), value, &message, &supply);
}
