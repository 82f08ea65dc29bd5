//! Lists of logins: a name or a pattern of names, and the hash of a password, one on each line.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Lines with an entry that a list may have: as many as fit a snapshot beside all else.
pub const LOGIN_ENTRIES_MAX: usize = 4096;

/// Bytes that a list may have: about half of what a Secret holds.
pub const LOGIN_LIST_BYTES_MAX: usize = 512 * 1024;

/// Rounds that a hash may have: fewer are worth nothing, more cost every login a second.
pub const LOGIN_ITERATIONS: std::ops::RangeInclusive<u32> = 1000..=1_000_000;

const PATTERN_BYTES_MAX: usize = 255;
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
const ALGORITHM: &str = "pbkdf2-sha256";

/// One line of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct LoginEntry<'a> {
    /// The name that a miner logs in by; `*` is any text and `?` any character of it.
    pub pattern: &'a str,
    /// What its password is held against.
    pub phc: Phc,
}

/// The hash of a password, as the PHC string format has it. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc {
    /// Rounds of PBKDF2 with HMAC-SHA-256.
    pub iterations: u32,
    /// Of this entry alone.
    pub salt: Box<[u8]>,
    /// What comes out.
    pub hash: [u8; 32],
}

/// A line that is no entry. It repeats nothing of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list is no entry: {what}")]
pub struct LoginError {
    /// Counted from 1.
    pub line: usize,
    what: &'static str,
}

/// The entries of a list. Empty lines, and those that begin with `#`, are none.
pub fn login_entries(text: &str) -> impl Iterator<Item = Result<LoginEntry<'_>, LoginError>> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| entry(line).map_err(|what| LoginError { line: index + 1, what }))
}

fn entry(line: &str) -> Result<LoginEntry<'_>, &'static str> {
    // A name may have blanks; a hash has none.
    let (pattern, phc) = line.rsplit_once([' ', '\t']).ok_or("it needs a name and a hash")?;
    let pattern = pattern.trim();
    if pattern.len() > PATTERN_BYTES_MAX || pattern.chars().any(char::is_control) {
        return Err("its name is too long, or has characters that no name has");
    }
    Ok(LoginEntry { pattern, phc: Phc::parse(phc)? })
}

// === impl Phc ===

impl Phc {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "its hash is not like $pbkdf2-sha256$i=100000,l=32$SALT$HASH";
        let mut parts = text.strip_prefix('$').ok_or(SHAPE)?.split('$');
        let mut part = || parts.next().ok_or(SHAPE);
        let (algorithm, parameters, salt, hash) = (part()?, part()?, part()?, part()?);
        if algorithm != ALGORITHM || parts.next().is_some() {
            return Err(SHAPE);
        }
        let (mut iterations, mut length) = (None, "32");
        for parameter in parameters.split(',') {
            match parameter.split_once('=') {
                Some(("i", number)) => iterations = number.parse().ok(),
                Some(("l", number)) => length = number,
                _ => return Err(SHAPE),
            }
        }
        let iterations = iterations.filter(|number| LOGIN_ITERATIONS.contains(number));
        let iterations =
            iterations.ok_or("its hash has not between 1000 and 1000000 rounds (i)")?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| SHAPE)?;
        if !SALT_BYTES.contains(&salt.len()) {
            return Err("its salt has not between 8 and 64 bytes");
        }
        let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| SHAPE)?;
        let hash = hash.try_into().ok().filter(|_| length == "32");
        let hash = hash.ok_or("its hash has not 32 bytes (l)")?;
        Ok(Self { iterations, salt: salt.into(), hash })
    }
}

impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phc(redacted)")
    }
}

impl fmt::Display for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iterations, salt, hash } = self;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        write!(f, "${ALGORITHM}$i={iterations},l=32${salt}${hash}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phc() -> Phc {
        Phc { iterations: 1000, salt: (*b"salt and pepper").into(), hash: [7; 32] }
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let text = format!("# farm\n\nacct.* {}\n  a b\t{}\r\n", phc(), phc());
        let entries: Vec<_> = login_entries(&text).map(Result::unwrap).collect();
        let wanted = ["acct.*", "a b"].map(|pattern| LoginEntry { pattern, phc: phc() });
        assert_eq!(entries, wanted);
    }

    #[test]
    fn what_is_no_entry_is_told_by_its_line_and_never_by_its_text() {
        let good = phc().to_string();
        for line in [
            "marked".to_owned(),
            "marked marked".to_owned(),
            format!("marked {good}$more"),
            format!("marked {}", good.replace("sha256", "sha512")),
            format!("marked {}", good.replace("i=1000", "i=999")),
            format!("marked {}", good.replace("i=1000", "i=1000001")),
            format!("marked {}", good.replace("l=32", "l=64")),
            format!("marked {}", good.replace("i=1000", "m=1000")),
            format!("marked {}", good.split_at(good.len() - 2).0),
            format!("{} {good}", "x".repeat(256)),
        ] {
            let text = format!("a {good}\n{line}");
            let error = login_entries(&text).find_map(Result::err).expect(&line);
            assert_eq!(error.line, 2, "{line}");
            assert!(!format!("{error} {error:?}").contains("marked"), "{error}");
        }
        assert!(!format!("{:?}", phc()).contains("Bwc"), "nothing of a hash is shown");
    }
}
