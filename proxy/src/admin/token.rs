//! The token of the admin API, in a file: the proxy's, and that of whoever asks it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Shorter tokens are guessed.
const BYTES_MIN: usize = 16;

/// Longer files are none of a token.
const BYTES_MAX: usize = 4096;

/// Why a file gives no token. What it holds is not repeated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoToken {
    /// It cannot be read.
    #[error("cannot be read: {0}; give a file that can be")]
    Unreadable(io::Error),
    /// What it holds could not be said in a header, or is guessed.
    #[error(
        "holds no token of {BYTES_MIN} to {BYTES_MAX} visible ASCII characters on one line; write one into it, such as \
         `openssl rand -hex 32` makes"
    )]
    NotOne,
}

/// The token in a file, without the space around it.
///
/// # Errors
/// [`NoToken`].
pub(crate) fn read(path: &Path) -> Result<String, NoToken> {
    let mut text = String::new();
    let limit = BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(NoToken::Unreadable)?;
    let token = text.trim();
    let is_one = (BYTES_MIN..=BYTES_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_one { Ok(token.to_owned()) } else { Err(NoToken::NotOne) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_one_line_that_a_header_can_say_and_that_nobody_guesses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let longest = "x".repeat(BYTES_MAX);
        for token in ["0123456789abcdef", &longest] {
            fs::write(&path, format!("{token}\n")).unwrap();
            let read = read(&path);
            // The file of the longest has a byte more than is read, which is its line's end.
            assert!(read.is_ok_and(|read| read == token));
        }
        let longer = "x".repeat(BYTES_MAX + 1);
        let (short, lines) = ("0123456789abcde", "0123456789\nabcdefghij");
        for text in ["", short, &longer, lines, "0123456789 abcdefgh", "0123456789abcdéf\u{7f}"] {
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("openssl rand") && error.contains("16 to 4096"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        fs::write(&path, [0xff; BYTES_MIN]).unwrap();
        assert!(matches!(read(&path), Err(NoToken::Unreadable(_))));
        assert!(matches!(read(&directory.path().join("none")), Err(NoToken::Unreadable(_))));
    }
}
