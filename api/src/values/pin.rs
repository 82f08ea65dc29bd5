//! A fingerprint of a certificate, as people copy it out of openssl or a pool's page.

/// For CEL's `matches`.
pub(crate) const PIN_PATTERN: &str =
    "^sha256:([0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$";

const PREFIX: &str = "sha256:";
const DIGITS: usize = 64;
const COLONS: usize = 31;

/// The 64 digits in lower case and without colons.
pub(crate) fn pin(text: &str) -> Option<String> {
    let shown = text.strip_prefix(PREFIX)?;
    let bytes_apart = || shown.split(':').all(|byte| byte.len() == 2);
    if shown.len() != DIGITS && !(shown.len() == DIGITS + COLONS && bytes_apart()) {
        return None;
    }
    let digits: String = shown.chars().filter(|c| *c != ':').collect();
    let is_hex = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_64_digits_however_they_are_written() {
        let digits = "0aff".repeat(16);
        let pairs: Vec<_> = (0..64).step_by(2).map(|at| digits.get(at..at + 2).unwrap()).collect();
        for text in [digits.clone(), digits.to_uppercase(), pairs.join(":")] {
            assert_eq!(pin(&format!("sha256:{text}")), Some(digits.clone()), "{text}");
        }
        for text in [
            digits.clone(),
            format!("sha1:{digits}"),
            format!("sha256:{}", digits.get(2..).unwrap()),
            format!("sha256:{digits}00"),
            format!("sha256:{}g", digits.get(1..).unwrap()),
            format!("sha256:{}:", digits.get(1..).unwrap()),
            format!("sha256:{}", pairs.join(":").replacen(":0", "0:", 1)),
        ] {
            assert_eq!(pin(&text), None, "{text}");
        }
    }
}
