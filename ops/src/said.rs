//! What a peer said, fit for one log line or one span attribute.

use std::fmt::{self, Write as _};

/// Longest text of a peer that is repeated: enough to recognise it, too little to flood a log.
const TEXT_CHARS_MAX: usize = 200;

/// A peer's text, cut, and without characters that could forge a second line.
#[derive(Debug)]
pub struct Said<'a>(pub &'a str);

/// The text as [`Said`] shows it.
pub fn cut(text: &str) -> String {
    Said(text).to_string()
}

// === impl Said ===

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(TEXT_CHARS_MAX) {
            f.write_char(if c.is_control() { ' ' } else { c })?;
        }
        if rest.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_cut_and_cannot_forge_a_line() {
        assert_eq!(cut("a\nERROR b\u{1b}[31m"), "a ERROR b [31m");
        let fits = "x".repeat(TEXT_CHARS_MAX);
        let long = format!("{fits}x");
        assert_eq!(cut(&long).chars().count(), TEXT_CHARS_MAX + 1);
        assert!(cut(&long).ends_with('…'));
        assert_eq!(cut(&fits), fits);
    }
}
