//! Blanks the comments and literals of a Rust file; every other sign stays on its line.

/// `text` with spaces instead of comments, strings and characters.
pub(super) fn mask(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let mut rest = signs.as_slice();
    let mut masked = String::with_capacity(text.len());
    while let Some((first, tail)) = rest.split_first() {
        let in_word = masked.ends_with(|sign: char| sign.is_alphanumeric() || sign == '_');
        let hidden = hidden(rest, in_word);
        if hidden == 0 {
            masked.push(*first);
            rest = tail;
            continue;
        }
        let (comment, after) = rest.split_at_checked(hidden).unwrap_or((rest, &[]));
        masked.extend(comment.iter().map(|sign| if *sign == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    masked
}

/// How many signs the comment or literal has that `rest` begins with; none if it begins with code.
fn hidden(rest: &[char], in_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => until(rest, |rest| rest.first() == Some(&'\n')),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => 1 + quoted(rest, '"'),
        ['r', '"' | '#', ..] if !in_word => raw_string(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !in_word => raw_string(rest, 2),
        ['\'', '\\', ..] => 1 + quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

/// How many signs precede the first place where `found` holds.
fn until(rest: &[char], found: impl Fn(&[char]) -> bool) -> usize {
    (0..rest.len()).find(|start| rest.get(*start..).is_some_and(&found)).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    loop {
        match rest.get(at..) {
            Some(['/', '*', ..]) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/', ..]) => (depth, at) = (depth.saturating_sub(1), at + 2),
            Some([_, ..]) => at += 1,
            Some([]) | None => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The signs after the opening quote up to and with the closing one.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut escaped = false;
    for (index, sign) in rest.iter().enumerate().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if *sign == quote => return index,
            _ => {}
        }
    }
    rest.len().saturating_sub(1)
}

fn raw_string(rest: &[char], prefix: usize) -> usize {
    let hashes = rest.iter().skip(prefix).take_while(|sign| **sign == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        // `r#type`: a word.
        return 0;
    }
    let body = rest.get(start..).unwrap_or_default();
    let ends = |rest: &[char]| {
        rest.first() == Some(&'"')
            && rest.iter().skip(1).take_while(|s| **s == '#').count() >= hashes
    };
    (start + until(body, ends) + 1 + hashes).min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        let masked = mask(text);
        assert_eq!(masked.matches('\n').count(), text.matches('\n').count(), "{masked}");
        let found: Vec<&str> =
            masked.split(|sign: char| !sign.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        assert_eq!(found, words, "{masked}");
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check("a // b\nc", &["a", "c"]);
        check("a /* b /* c\n */ d */ e", &["a", "e"]);
        check(r#"a "b \" c" d"#, &["a", "d"]);
        check("a r##\"b \"# c\"## d", &["a", "d"]);
        check("a br\"b\\\" c", &["a", "c"]);
        check(r"a '\'' b '\\' c 'd' e", &["a", "b", "c", "e"]);
    }

    #[test]
    fn lifetimes_and_raw_words_stay() {
        check("a: &'b str, r#type", &["a", "b", "str", "r", "type"]);
        check("for<'a> F<'a, 'b>", &["for", "a", "F", "a", "b"]);
    }

    #[test]
    fn what_never_ends_is_blanked_to_the_end() {
        check("a \"b", &["a"]);
        check("a /* b", &["a"]);
        check("a r#\"b", &["a"]);
    }
}
