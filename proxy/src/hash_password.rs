//! `stratum-proxy hash-password`: makes an entry's hash for a listener's list. The password comes from standard input alone: an
//! argument stands in the process table and in a shell's history.

use std::io::{self, BufRead, Write};
use std::num::NonZeroU32;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::args::{Exit, HashArgs};
use crate::logins;

/// The longest line that a password is read from.
const PASSWORD_BYTES_MAX: u64 = 4096;

const SALT_BYTES: usize = 16;

/// Reads a password and writes its hash.
///
/// # Errors
/// Only those of `out` and `errors`.
pub fn hash_password(
    args: &HashArgs,
    input: impl BufRead,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<Exit> {
    let mut line = String::new();
    let read = input.take(PASSWORD_BYTES_MAX).read_line(&mut line);
    let password = line.trim_end_matches(['\r', '\n']);
    if read.is_err() || password.is_empty() {
        writeln!(errors, "error: there is no password on standard input; write one line of text")?;
        return Ok(Exit::Usage);
    }
    let mut salt = [0; SALT_BYTES];
    let iterations = NonZeroU32::new(args.iterations).unwrap_or(NonZeroU32::MIN);
    if SystemRandom::new().fill(&mut salt).is_err() {
        writeln!(errors, "error: the operating system gives no random bytes")?;
        return Ok(Exit::Failed);
    }
    writeln!(out, "{}", logins::hash(password, salt, iterations))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use loka_api::values::login_entries;

    use super::*;

    #[test]
    fn what_is_printed_is_the_hash_of_an_entry_and_never_the_same() {
        let args = HashArgs { iterations: 1000 };
        let printed = || {
            let mut out = Vec::new();
            let exit = hash_password(&args, &b"marked\r\n"[..], &mut out, &mut Vec::new());
            assert_eq!(exit.unwrap(), Exit::Done);
            String::from_utf8(out).unwrap()
        };
        let line = printed();
        assert!(!line.contains("marked") && line != printed());
        let text = format!("acct.* {line}");
        let entry = login_entries(&text).next().unwrap().unwrap();
        assert_eq!((entry.pattern, entry.phc.iterations), ("acct.*", 1000));
    }

    #[test]
    fn nothing_on_standard_input_is_no_password() {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let args = HashArgs { iterations: 1000 };
        let exit = hash_password(&args, &b"\n"[..], &mut out, &mut errors).unwrap();
        assert_eq!((exit, out.len()), (Exit::Usage, 0));
        assert!(String::from_utf8(errors).unwrap().contains("standard input"));
    }
}
