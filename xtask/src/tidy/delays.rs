//! Where the delays live after which something is tried again: in one file of the proxy, so that nobody has to look for them.

use super::Problem;
use super::source::{Role, Source, Token};
use super::tree::Tree;

const PROXY: &str = "proxy/src/";

/// Where they are.
const HOME: &str = "proxy/src/policy/backoff.rs";

/// Words of a constant that says when something is tried again.
const WORDS: [&str; 7] = ["AGAIN", "BACKOFF", "PAUSE", "REBIND", "RECONNECT", "RETRIES", "RETRY"];

const REMEDY: &str = "delays and attempts live in proxy/src/policy/backoff.rs";

/// Such constants elsewhere.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.sources
        .iter()
        .filter(|source| source.path.starts_with(PROXY) && source.path != HOME)
        .flat_map(check_source)
        .collect()
}

fn check_source(source: &Source) -> Vec<Problem> {
    let constants = source.find(&["const"]).filter_map(|rest| match rest {
        [_, name, colon, kind, ..] if colon.text == ":" => Some((name, kind)),
        _ => None,
    });
    let delays = constants.filter(|(name, kind)| is_delay(name, kind));
    delays
        .map(|(name, _)| {
            Problem::new(&source.path, name.line, format!("{} is a delay", name.text), REMEDY)
        })
        .collect()
}

fn is_delay(name: &Token, kind: &Token) -> bool {
    let is_amount = ["Duration", "u8", "u32", "u64", "usize"].contains(&kind.text.as_str());
    let mut words = name.text.split('_');
    name.role == Role::Product && is_amount && words.any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::lines_found;
    use super::*;

    #[track_caller]
    fn check_file(path: &str, text: &str, wanted: &[usize]) {
        assert_eq!(lines_found(check, path, text), wanted);
    }

    #[test]
    fn a_delay_after_which_something_is_tried_again_has_one_home() {
        let text =
            "const TRY_AGAIN: Duration = Duration::from_secs(30);\nconst RETRIES_MAX: u32 = 3;";
        check_file("proxy/src/control/a.rs", text, &[1, 2]);
        check_file("proxy/src/policy/backoff.rs", text, &[]);
        check_file("proxy/src/a/tests.rs", text, &[]);
        check_file("farm/src/a.rs", text, &[]);
    }

    #[test]
    fn what_else_lasts_is_free() {
        check_file(
            "proxy/src/a.rs",
            "const PERIOD: Duration = X;\nconst AGAIN: &str = \"x\";",
            &[],
        );
    }
}
