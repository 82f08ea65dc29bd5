//! When a certificate ends: the one field that rustls checks for its peers and tells nobody about its own. Reads just
//! enough of X.509 (RFC 5280, 4.1) to come to it.

/// Tags of DER.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const DAY_SECONDS: u64 = 86_400;

/// Values, one behind the other.
struct Values<'a>(&'a [u8]);

/// The last second of the certificate, in Unix time.
pub(super) fn not_after(certificate: &[u8]) -> Option<u64> {
    let signed = Values(certificate).next()?.1;
    let mut fields = Values(Values(signed).next()?.1);
    // Version 1 says no version.
    if fields.next()?.0 == VERSION {
        fields.next()?; // serial
    }
    fields.next()?; // signature
    fields.next()?; // issuer
    let mut validity = Values(fields.next()?.1);
    validity.next()?; // not before
    let (tag, text) = validity.next()?;
    unix(tag, str::from_utf8(text).ok()?)
}

/// `YYMMDDHHMMSSZ`, or with four digits of the year.
fn unix(tag: u8, text: &str) -> Option<u64> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (pair(0)?, pair(2)?);
    let seconds = pair(4)? * 3_600 + pair(6)? * 60 + pair(8)?;
    Some(days(year, month, day)? * DAY_SECONDS + seconds)
}

/// Days since 1970 of a date of the Gregorian calendar; none before.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years from March on, so that the leap day is their last.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let since_year_0 =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // 1970-01-01 by the same count.
    since_year_0.checked_sub(719_469)
}

// === impl Values ===

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(length).checked_sub(0x80) {
            None => (usize::from(length), rest),
            // How many bytes the length has; no certificate needs more than two.
            Some(count @ 1..=3) => {
                let (bytes, rest) = rest.split_at_checked(count)?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            Some(_) => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_notations() {
        let cases = [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (UTC_TIME, "240229120000Z", Some(1_709_208_000)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "24022912", None),
            (GENERALIZED_TIME, "19691231235959Z", None),
            (0x13, "240229120000Z", None),
        ];
        for (tag, text, expected) in cases {
            assert_eq!(unix(tag, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x05, 0x30, 0x03, 0xa0, 0x01], &[0x30; 64]]
        {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
    }
}
