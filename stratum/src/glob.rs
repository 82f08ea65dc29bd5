//! Patterns of names: `*` is any text, none included; `?` is any one character; all else is itself. Whether case counts is
//! said where one is made.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: Box<str>,
    case: Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Any,
    Own,
}

// === impl Glob ===

impl Glob {
    /// The pattern that is spelled so, in any case: for what software calls itself.
    #[must_use]
    pub fn of_any_case(pattern: &str) -> Self {
        Self { pattern: pattern.to_lowercase().into(), case: Case::Any }
    }

    /// The pattern that is spelled so, with its case: for names that somebody chose.
    #[must_use]
    pub fn of_its_case(pattern: &str) -> Self {
        Self { pattern: pattern.into(), case: Case::Own }
    }

    /// Whether the whole of `text` is as the pattern says. Takes time in proportion to the product of both lengths at
    /// worst, whatever the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self.case {
            Case::Any => matches(&self.pattern, &text.to_lowercase()),
            Case::Own => matches(&self.pattern, text),
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut rest) = (pattern.chars(), text.chars());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_any_text_any_character_or_itself() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a?c", "ABC", true),
            ("a?c", "ac", false),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*b*b", "abab", true),
            ("*ab?", "aabab", false),
            ("*ab?", "aababx", true),
            ("a**", "a", true),
            ("?*", "", false),
            ("é*", "Éa", true),
        ] {
            assert_eq!(Glob::of_any_case(pattern).matches(text), expected, "{pattern} {text}");
        }
        let hostile = Glob::of_any_case(&"*a".repeat(100));
        assert!(!hostile.matches(&"a".repeat(99)));
    }

    /// As the definition has it, letter by letter, in exponential time.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| by_definition(rest, &name[skip..])),
            Some((b'?', rest)) => !name.is_empty() && by_definition(rest, &name[1..]),
            Some((letter, rest)) => name.first() == Some(letter) && by_definition(rest, &name[1..]),
        }
    }

    #[test]
    fn patterns_match_as_their_definition_has_it() {
        let text = |letters: &[u8], mut number: usize| {
            let mut text = String::new();
            while number > 0 {
                text.push(char::from(letters[number % letters.len()]));
                number /= letters.len();
            }
            text
        };
        let mut matched = 0;
        for pattern in (0..4096).map(|number| text(b"ab*?", number)) {
            for name in (0..128).map(|number| text(b"ab", number)) {
                let wanted = by_definition(pattern.as_bytes(), name.as_bytes());
                let glob = Glob::of_its_case(&pattern);
                assert_eq!(glob.matches(&name), wanted, "{name} by {pattern}");
                matched += u32::from(wanted);
            }
        }
        assert!(matched > 5_000, "only {matched} matched");
    }

    #[test]
    fn case_counts_where_it_is_said_to() {
        assert!(Glob::of_any_case("CGminer/*").matches("cgMINER/4"));
        assert!(!Glob::of_its_case("acme.*").matches("Acme.1"));
        assert!(Glob::of_its_case("Acme.*").matches("Acme.1"));
    }
}
