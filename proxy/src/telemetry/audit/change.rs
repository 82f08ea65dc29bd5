//! What a change of the configuration changes, in short. Names only: no value of a field, and no secret.

use std::collections::BTreeSet;

use serde::Serialize;

/// Names of one list that a record holds: as many pools as the largest route has, four times.
const NAMES_MAX: usize = 64;

/// What a change of the configuration changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigChange {
    /// Who was paid before, each as `account at host:port`; absent where that has not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_before: Option<Vec<String>>,
    /// Who is paid from now on.
    pub paid: Vec<String>,
    /// Listeners by their names.
    #[serde(skip_serializing_if = "Changed::is_empty")]
    pub listeners: Changed,
    /// Routes by their names, what is said of their pools left out.
    #[serde(skip_serializing_if = "Changed::is_empty")]
    pub routes: Changed,
    /// Pools, as `route/pool`.
    #[serde(skip_serializing_if = "Changed::is_empty")]
    pub pools: Changed,
    /// What else is not as it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<&'static str>,
}

/// Names of what came, went, and is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
}

// === impl ConfigChange ===

impl ConfigChange {
    /// Says who is paid, and who was if that was somebody else.
    pub fn paying(self, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        let paid_before = (before != after).then(|| bounded(before.iter().cloned()));
        Self { paid_before, paid: bounded(after.iter().cloned()), ..self }
    }

    pub(super) fn bytes(&self) -> usize {
        let Self { paid_before, paid, listeners, routes, pools, others: _ } = self;
        let changed = [listeners, routes, pools].map(Changed::bytes).iter().sum::<usize>();
        let paid =
            paid_before.iter().flatten().chain(paid).map(|text| text_bytes(text)).sum::<usize>();
        size_of::<Self>() + changed + paid
    }
}

// === impl Changed ===

impl Changed {
    /// Between what was and what is, by name; `is_same` where both have it.
    pub fn between<T>(
        before: &[(String, T)],
        after: &[(String, T)],
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let find =
            |all: &'_ [(String, T)], name: &str| all.iter().position(|(known, _)| known == name);
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for (name, now) in after {
            match find(before, name).and_then(|place| before.get(place)) {
                None => added.push(name.clone()),
                Some((_, former)) if !is_same(former, now) => changed.push(name.clone()),
                Some(_) => {}
            }
        }
        let removed = before.iter().filter(|(name, _)| find(after, name).is_none());
        let removed = removed.map(|(name, _)| name.clone());
        Self { removed: bounded(removed), added: bounded(added), changed: bounded(changed) }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn bytes(&self) -> usize {
        let Self { added, removed, changed } = self;
        [added, removed, changed].into_iter().flatten().map(|text| text_bytes(text)).sum()
    }
}

/// The first names, and how many there are beyond.
fn bounded(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names = names.into_iter();
    let mut first: Vec<String> = names.by_ref().take(NAMES_MAX).collect();
    let beyond = names.count();
    if beyond > 0 {
        first.push(format!("and {beyond} more"));
    }
    first
}

fn text_bytes(text: &str) -> usize {
    size_of::<String>() + text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[(&str, u8)]) -> Vec<(String, u8)> {
        names.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn what_came_went_and_changed_is_told_by_name() {
        let (before, after) =
            (named(&[("a", 1), ("b", 1), ("c", 1)]), named(&[("c", 2), ("b", 1), ("d", 1)]));
        let changed = Changed::between(&before, &after, u8::eq);
        let text = serde_json::to_string(&changed).unwrap();
        assert_eq!(text, r#"{"added":["d"],"removed":["a"],"changed":["c"]}"#);
        assert!(Changed::between(&after, &after, u8::eq).is_empty());
    }

    #[test]
    fn a_list_is_bounded_and_says_how_much_is_beyond() {
        let names: Vec<(String, u8)> = (0..100).map(|n| (format!("pool-{n}"), 0)).collect();
        let Changed { added, .. } = Changed::between(&[], &names, u8::eq);
        assert_eq!((added.len(), added[NAMES_MAX].as_str()), (NAMES_MAX + 1, "and 36 more"));
    }

    #[test]
    fn who_was_paid_is_told_only_where_it_changed() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (a, b): (BTreeSet<String>, BTreeSet<String>) = (set(&["a at p:1"]), set(&["b at p:1"]));
        assert_eq!(ConfigChange::default().paying(&a, &a).paid_before, None);
        let changed = ConfigChange::default().paying(&a, &b);
        assert_eq!(
            (changed.paid_before, changed.paid),
            (Some(vec!["a at p:1".to_owned()]), vec!["b at p:1".to_owned()])
        );
    }
}
