//! A Rust file as words and signs with their lines: enough for rules about text, and no parser.
//!
//! Comments and literals are left out, so that no rule trips over what is only talked about.

mod mask;

use self::mask::mask;

/// A word (letters, digits, `_`) or a single sign.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from one.
    pub(super) line: usize,
    /// Whether it stands in tests, or in what only tests use.
    pub(super) role: Role,
}

/// What a piece of code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Product,
    Test,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

// === impl Source ===

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let role = if is_test_path(path) { Role::Test } else { Role::Product };
        let mut tokens = tokens(&mask(text), role);
        if role == Role::Product {
            mark_tests(&mut tokens);
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// The places of `wanted`: what follows it, itself included.
    pub(super) fn find<'a>(&'a self, wanted: &'a [&str]) -> impl Iterator<Item = &'a [Token]> {
        (0..self.tokens.len())
            .filter_map(|start| self.tokens.get(start..))
            .filter(move |rest| starts_with(rest, wanted))
    }

    /// Its functions, those without a body and those that ask to be spared left out.
    pub(super) fn functions(&self) -> impl Iterator<Item = Function> {
        (0..self.tokens.len()).filter_map(|start| {
            let (before, rest) = self.tokens.split_at_checked(start)?;
            let spared = before
                .iter()
                .rev()
                .take_while(|token| !matches!(token.text.as_str(), ";" | "{" | "}"))
                .any(|token| token.text == "too_many_lines");
            if spared { None } else { function(rest) }
        })
    }

    /// The module of its crate that it belongs to: `session` of `proxy/src/session/driver.rs`.
    pub(super) fn module(&self) -> Option<&str> {
        let (_, inside) = self.path.split_once("/src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }
}

/// Whether `tokens` begin with `wanted`.
pub(super) fn starts_with(tokens: &[Token], wanted: &[&str]) -> bool {
    tokens.len() >= wanted.len()
        && wanted.iter().zip(tokens).all(|(wanted, token)| token.text == *wanted)
}

fn is_test_path(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.starts_with("tests/")
        || ["/tests/", "/benches/", "/fuzz/"].iter().any(|part| path.contains(part))
}

fn tokens(masked: &str, role: Role) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, text) in masked.lines().enumerate() {
        let mut word = String::new();
        let line = index + 1;
        for sign in text.chars().chain([' ']) {
            if sign.is_ascii_alphanumeric() || sign == '_' {
                word.push(sign);
                continue;
            }
            if !word.is_empty() {
                tokens.push(Token { text: std::mem::take(&mut word), line, role });
            }
            if !sign.is_whitespace() {
                tokens.push(Token { text: sign.into(), line, role });
            }
        }
    }
    tokens
}

/// Marks every item that stands below `#[cfg(test)]`.
fn mark_tests(tokens: &mut [Token]) {
    let mut start = 0;
    while let Some(rest) = tokens.get_mut(start..) {
        let Some(at) = (0..rest.len()).find(|at| {
            rest.get(*at..).is_some_and(|rest| starts_with(rest, &["#", "[", "cfg", "(", "test"]))
        }) else {
            return;
        };
        let end = rest.get(at..).and_then(item_end).unwrap_or(rest.len());
        for token in rest.iter_mut().skip(at).take(end) {
            token.role = Role::Test;
        }
        start += at + end.max(1);
    }
}

/// The number of tokens up to the end of the item that they begin with: its `;`, or its closing brace.
fn item_end(tokens: &[Token]) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" => others += 1,
            ")" | "]" => others = others.saturating_sub(1),
            "{" => braces += 1,
            ";" if braces == 0 && others == 0 => return Some(index + 1),
            "}" => {
                braces = braces.saturating_sub(1);
                if braces == 0 && others == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn function(tokens: &[Token]) -> Option<Function> {
    let [keyword, name, after, ..] = tokens else { return None };
    let named = keyword.text == "fn" && matches!(after.text.as_str(), "(" | "<");
    let end = if named { item_end(tokens)? } else { return None };
    let last = tokens.get(end.checked_sub(1)?)?;
    let has_body = last.text == "}";
    let lines = last.line.saturating_sub(keyword.line) + 1;
    has_body.then(|| Function { name: name.text.clone(), line: keyword.line, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("proxy/src/session/driver.rs", text)
    }

    #[test]
    fn functions_are_measured_from_the_keyword_to_the_brace() {
        let text = "trait T { fn none(a: [u8; 2]); }\nfn two(a: [u8; 2]) -> fn(u8) {\n}\n\
                    #[expect(clippy::too_many_lines)]\nfn spared() {\n}\nfn one<T>() { { \"}\" } }\n";
        let found: Vec<_> = source(text).functions().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("two".to_owned(), 2, 2), ("one".to_owned(), 7, 1)]);
    }

    #[test]
    fn what_stands_below_cfg_test_is_test_and_what_follows_is_not() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n\
                    #[cfg(test)]\nuse x;\nfn d() {}";
        let source = source(text);
        let role = |name| source.tokens.iter().find(|token| token.text == name).map(|t| t.role);
        assert_eq!(role("a"), Some(Role::Product));
        assert_eq!(role("b"), Some(Role::Test));
        assert_eq!(role("c"), Some(Role::Product));
        assert_eq!(role("x"), Some(Role::Test));
        assert_eq!(role("d"), Some(Role::Product));
    }

    #[test]
    fn a_file_of_tests_is_test() {
        let source = Source::new("proxy/src/app/tests.rs", "fn a() {}");
        assert!(source.tokens.iter().all(|token| token.role == Role::Test));
        assert_eq!(source.module(), Some("app"));
    }
}
