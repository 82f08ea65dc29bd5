//! Patterns of names: `*` stands for any text, none included; everything else for itself, its case too.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands before the first star.
    head: Box<str>,
    /// What stands after each star, the last of which ends the name.
    rest: Vec<Box<str>>,
}

// === impl Pattern ===

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut parts = text.split('*').map(Box::from);
        Self { head: parts.next().unwrap_or_default(), rest: parts.collect() }
    }

    /// In one pass: what stands between two stars is best taken where it first occurs, since that leaves the most.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return *self.head == *name };
        let Some(mut left) = name.strip_prefix(&*self.head) else { return false };
        for part in middle {
            let Some((_, after)) = left.split_once(&**part) else { return false };
            left = after;
        }
        left.ends_with(&**last)
    }
}
