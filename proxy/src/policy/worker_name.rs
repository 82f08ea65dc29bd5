//! Under which login of a pool a miner's work goes.
//!
//! A miner chooses its name; the account is the operator's. So whatever a name holds, the login is the account, a dot, and
//! what the template makes of the name: a name cannot add a dot, with which it would name somebody else's worker or
//! account, nor anything else that a pool might read as more than a name.

/// Bytes of what follows the account and its dot; Avalon firmware and some pools cut names at 63.
const SUFFIX_BYTES_MAX: usize = 63;

/// What is in the place of a byte that no name may hold.
const REPLACEMENT: char = '_';

/// What is known of a miner whose work is submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Miner<'a> {
    /// As it logged in here.
    pub(crate) name: &'a str,
    pub(crate) listener: &'a str,
}

/// The login for a miner's work, by the template of what follows `account.`; none if nothing is left of its name.
pub(crate) fn login(account: &str, template: &str, miner: Miner<'_>) -> Option<String> {
    let mut suffix = String::new();
    let mut rest = template;
    let mut named = Named::Not;
    while let Some((before, after)) = rest.split_once('{') {
        suffix.push_str(before);
        let Some((placeholder, after)) = after.split_once('}') else {
            rest = "";
            break;
        };
        let value = match placeholder {
            "worker" => worker(miner.name),
            "name" => miner.name,
            "listener" => miner.listener,
            // The validation of the documents knows these three.
            _ => "",
        };
        let says_something = value.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if placeholder != "listener" && says_something {
            named = Named::ByMiner;
        }
        suffix.extend(value.chars().map(plain));
        rest = after;
    }
    suffix.push_str(rest);
    let wants_name = template.contains("{worker}") || template.contains("{name}");
    if wants_name && named == Named::Not {
        return None;
    }
    // Whatever the template holds, it is one word of ASCII.
    let suffix: String =
        suffix.chars().filter(char::is_ascii_graphic).take(SUFFIX_BYTES_MAX).collect();
    let is_name = suffix.bytes().any(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| format!("{account}.{suffix}"))
}

#[derive(PartialEq, Eq)]
enum Named {
    ByMiner,
    Not,
}

/// What follows the first dot: `rig7` of `account.rig7`. A name without one is all worker.
fn worker(name: &str) -> &str {
    match name.split_once('.') {
        Some((_, worker)) if !worker.is_empty() => worker,
        Some(_) | None => name,
    }
}

/// Letters, digits, `_` and `-` are names everywhere. Some pools take `+`, `/`, `=` and `,` for options, and a dot separates.
fn plain(c: char) -> char {
    match c {
        c if c.is_ascii_alphanumeric() => c,
        '_' | '-' => c,
        _ => REPLACEMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, name: &str, expected: Option<&str>) {
        let login = login("acct", template, Miner { name, listener: "v1" });
        assert_eq!(login.as_deref(), expected, "{template} of {name:?}");
    }

    #[test]
    fn a_template_says_what_follows_the_account() {
        check("{worker}", "other.rig7", Some("acct.rig7"));
        check("{worker}", "rig7", Some("acct.rig7"));
        check("{name}", "other.rig7", Some("acct.other_rig7"));
        check("{listener}-{worker}", "x.rig7", Some("acct.v1-rig7"));
        check("farm.{worker}", "x.rig7", Some("acct.farm.rig7"));
        check("all", "x.rig7", Some("acct.all"));
        check("{listener}", "x.rig7", Some("acct.v1"));
    }

    #[test]
    fn no_name_leads_away_from_the_account() {
        for (name, expected) in [
            ("victim.worker", Some("acct.worker")),
            ("a.b.c", Some("acct.b_c")),
            ("x.acct2.rig", Some("acct.acct2_rig")),
            (".", None),
            (".rig", Some("acct.rig")),
            ("rig.", Some("acct.rig_")),
            ("x.rig+1024/512", Some("acct.rig_1024_512")),
            ("x.d=1,md=2", Some("acct.d_1_md_2")),
            ("x.{name}", Some("acct._name_")),
            ("x.a b\"],[\"", Some("acct.a_b_____")),
            ("x.a\u{0}b\r\nc\u{1b}[0m", Some("acct.a_b__c__0m")),
            ("x.rîg\u{202e}é", Some("acct.r_g__")),
        ] {
            check("{worker}", name, expected);
            for template in ["{worker}", "{name}", "{listener}{name}"] {
                let login = login("acct", template, Miner { name, listener: "v1" });
                let suffix = login.as_deref().map(|login| login.strip_prefix("acct."));
                let suffix = suffix.map(|suffix| suffix.expect("the account comes first"));
                let is_one_word = |suffix: &str| {
                    !suffix.contains('.') && suffix.bytes().all(|byte| byte.is_ascii_graphic())
                };
                assert!(suffix.is_none_or(is_one_word), "{template} of {name:?}: {suffix:?}");
            }
        }
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_none() {
        check("{worker}", "", None);
        check("{worker}", "日本", None);
        check("farm-{worker}", "", None);
        check("farm-{worker}", "日本", None);
    }

    #[test]
    fn a_long_name_is_cut() {
        let login = login("acct", "{name}", Miner { name: &"x".repeat(300), listener: "v1" });
        assert_eq!(login.map(|login| login.len()), Some("acct.".len() + SUFFIX_BYTES_MAX));
    }

    #[test]
    fn a_template_that_is_broken_harms_nobody() {
        for template in
            ["{", "}", "{worker", "{{worker}}", "{other}-{worker}", "é{worker}", " {worker}"]
        {
            let login = login("acct", template, Miner { name: "x.rig", listener: "v1" });
            assert!(login.is_none_or(|login| login.starts_with("acct.")), "{template}");
        }
    }
}
