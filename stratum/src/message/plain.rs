//! A submit as nearly all firmware spells it, read in one pass: by far the most frequent line, and the one whose cost counts.
//!
//! That is an object of `id`, `method` and `params`, once each and in any order, with digits for an id and five or six strings
//! without escapes for parameters. Whatever is spelt otherwise is left to the general reader, errors included; what is read
//! here means the same there, which the tests hold against each other.

use std::borrow::Cow;

use crate::hex;
use crate::rpc::RequestId;
use crate::types::{NTime, Nonce};

use super::client::{ClientMessage, ClientRequest};
use super::submit::Submit;

/// Digits of an id: what any counter has. `RequestId` takes as many without the heap.
const ID_DIGITS_MAX: usize = 20;

/// The submit that a line is, if it is spelt plainly.
pub(super) fn submit(line: &[u8]) -> Option<ClientRequest<'_>> {
    let mut line = Cursor { text: str::from_utf8(line).ok()?, at: 0 };
    let (mut id, mut method, mut params) = (None, None, None);
    line.mark(b'{')?;
    loop {
        let key = line.string()?;
        line.mark(b':')?;
        match key {
            "id" if id.is_none() => id = Some(line.digits()?),
            "method" if method.is_none() => {
                method = Some(line.string().filter(|method| *method == "mining.submit")?);
            }
            "params" if params.is_none() => params = Some(line.params()?),
            _ => return None,
        }
        match line.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    line.end()?;
    method?;
    let id = match id {
        Some(digits) => Some(RequestId::from_text(digits)?),
        None => None,
    };
    Some(ClientRequest { id, message: ClientMessage::Submit(params?) })
}

/// A place in a line.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    /// The next byte that is no space between tokens.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
        }
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        (self.next()? == mark).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.mark(b'"')?;
        let rest = self.text.get(self.at..)?;
        let len = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        self.at += len + 1;
        (rest.as_bytes().get(len) == Some(&b'"')).then(|| rest.get(..len)).flatten()
    }

    /// As JSON has whole numbers: no sign, and no zero in front.
    fn digits(&mut self) -> Option<&'a str> {
        let first = self.next().filter(u8::is_ascii_digit)?;
        let rest = self.text.get(self.at - 1..)?;
        let len = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        self.at += len - 1;
        (len <= ID_DIGITS_MAX && (first != b'0' || len == 1)).then(|| rest.get(..len)).flatten()
    }

    fn params(&mut self) -> Option<Submit<'a>> {
        self.mark(b'[')?;
        let worker = Cow::Borrowed(self.string()?);
        let job_id = Cow::Borrowed(self.param()?);
        let extranonce2 = self.param().filter(|digits| hex::is_hex(digits)).map(Cow::Borrowed)?;
        let ntime = NTime(hex::parse_u32(self.param()?)?);
        let nonce = Nonce(hex::parse_u32(self.param()?)?);
        let version_bits = match self.next()? {
            b']' => None,
            b',' => {
                let bits = self.string()?;
                self.mark(b']')?;
                // Not rolled.
                if bits.is_empty() { None } else { Some(hex::parse_u32(bits)?) }
            }
            _ => return None,
        };
        Some(Submit { worker, job_id, extranonce2, ntime, nonce, version_bits })
    }

    /// A parameter after another.
    fn param(&mut self) -> Option<&'a str> {
        self.mark(b',')?;
        self.string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::client::parse_any;
    use super::*;

    /// Lines as firmware writes them.
    const PLAIN: [&str; 6] = [
        r#"{"id":4,"method":"mining.submit","params":["acme.rig","1","00000001","504e86ed","b2957c02"]}"#,
        r#"{"params": ["acme.rig", "bf", "00000001", "504e86ed", "b2957c02", "00e00000"], "id": 4, "method": "mining.submit"}"#,
        r#"{"id":0,"params":["rig é","","","0","B29",""],"method":"mining.submit"}"#,
        "{\"method\":\"mining.submit\",\"params\":[\"a\",\"1\",\"\",\"0\",\"0\"]}\r",
        r#" { "id" : 18446744073709551615 , "method" : "mining.submit" , "params" : [ "" , "1" , "ab" , "0" , "0" ] } "#,
        "{\t\"method\":\"mining.submit\",\n\"id\":10,\"params\":[\"a\u{7f}b\",\"1\",\"aB\",\"0\",\"0\",\"1fffe000\"]}",
    ];

    /// Lines that say a submit as well, or nearly, and are for the general reader.
    const OTHERWISE: [&str; 14] = [
        r#"{"id":4,"method":"mining.submit","params":["a","1","ab","0","0","1","x"]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a\u0062","1","ab","0","0"]}"#,
        r#"{"id":"4","method":"mining.submit","params":["a","1","ab","0","0"]}"#,
        r#"{"id":4,"id":5,"method":"mining.submit","params":["a","1","ab","0","0"]}"#,
        r#"{"id":4,"jsonrpc":"2.0","method":"mining.submit","params":["a","1","ab","0","0"]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a",1,"ab",0,0]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a","1","ab","0","0",null]}"#,
        r#"{"id":04,"method":"mining.submit","params":["a","1","ab","0","0"]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a","1","xx","0","0"]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a","1","ab","0"]}"#,
        r#"{"id":4,"method":"mining.submit","params":["a","1","ab","0","0"]},"#,
        r#"{"id":4,"method":"mining.authorize","params":["a","1","ab","0","0"]}"#,
        r#"{"id":4,"method":"mining.submit"}"#,
        r#"{"id":4,"params":["a","1","ab","0","0"]}"#,
    ];

    /// What a line is mutated with: everything that JSON gives a meaning, and some that it does not.
    const BYTES: &[u8] = b"\"\\{}[]:, \t\r\x0b\x1f\x7f\xc3\xa9\xff0459abgAFun-+.e/";

    fn reads_the_same(line: &[u8]) -> bool {
        submit(line).is_none_or(|read| parse_any(line).as_ref() == Ok(&read))
    }

    #[test]
    fn what_is_spelt_plainly_is_read_and_means_the_same_to_the_general_reader() {
        for line in PLAIN {
            let read = submit(line.as_bytes());
            assert_eq!(read.as_ref(), parse_any(line.as_bytes()).as_ref().ok(), "{line}");
            assert!(read.is_some(), "{line}");
        }
    }

    #[test]
    fn what_is_spelt_otherwise_is_left_to_the_general_reader() {
        for line in OTHERWISE {
            assert_eq!(submit(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn no_line_means_something_else_to_the_general_reader(
            which in 0..PLAIN.len() + OTHERWISE.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(BYTES)), 0..4),
        ) {
            let all = PLAIN.iter().chain(&OTHERWISE);
            let mut line = all.copied().nth(which).unwrap_or_default().as_bytes().to_vec();
            for (place, how, byte) in changes {
                let place = place.index(line.len());
                match how {
                    0 => line[place] = byte,
                    1 => line.insert(place, byte),
                    _ => {
                        line.remove(place);
                    }
                }
            }
            prop_assert!(reads_the_same(&line), "{}", String::from_utf8_lossy(&line));
        }
    }
}
