//! Patterns for names: `*` is any text, `?` any character, all else itself in either case.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Box<str>);

// === impl Glob ===

impl Glob {
    /// The pattern that is spelled so.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_lowercase().into())
    }

    /// Whether the whole of `text` is as the pattern says. Takes time in proportion to the product of both lengths at
    /// worst, whatever the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        // Where to go on if the last star must stand for one character more.
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let (here, at) = (pattern.clone(), rest.clone());
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    rest = at.clone();
                    retry = Some((here, at));
                    continue;
                }
                (Some('?'), Some(_)) => continue,
                (Some(wanted), Some(found)) if wanted == found => continue,
                _ => {}
            }
            let Some((star, mut from)) = retry.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            pattern = star.clone();
            pattern.next();
            rest = from.clone();
            retry = Some((star, from));
        }
    }
}
