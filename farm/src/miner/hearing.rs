//! Reading what a server says: what a subscription and a job consist of.
//!
//! Owns the decoding of parameters, tolerant as firmware is. It judges nothing: what a firmware
//! cannot bear is for the session to say.

use serde_json::Value;

use super::job::{Header, Job};
use crate::profile::CleanFlag;
use crate::wire::{decode_hex, prev_hash_to_header};

/// What the reply to a subscribe says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) session: Option<String>,
    pub(crate) extranonce1: Vec<u8>,
    pub(crate) extranonce2_size: usize,
}

/// A job id longer than any that firmware holds.
const JOB_ID_BYTES_MAX: usize = 256;
/// Deeper than any tree of a block's transactions.
const BRANCHES_MAX: usize = 32;
const EXTRANONCE1_BYTES_MAX: usize = 32;

/// `[[…], "<extranonce1>", size]`.
pub(crate) fn subscribed(result: &Value) -> Result<Subscribed, &'static str> {
    let extranonce1 = result.get(1).and_then(Value::as_str).and_then(decode_hex);
    let extranonce1 = extranonce1
        .filter(|bytes| bytes.len() <= EXTRANONCE1_BYTES_MAX)
        .ok_or("an extranonce1 that is no hex of at most 32 bytes")?;
    let size = result.get(2).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    Ok(Subscribed {
        session: result.get(0).and_then(session),
        extranonce1,
        extranonce2_size: size.ok_or("an extranonce2 size that is no number")?,
    })
}

/// The id of the pair named `mining.notify`, alone or in a list of pairs.
fn session(details: &Value) -> Option<String> {
    let pair_id = |pair: &Value| {
        let names_notify = pair.get(0)?.as_str()? == "mining.notify";
        names_notify.then(|| pair.get(1)?.as_str().map(str::to_owned)).flatten()
    };
    pair_id(details).or_else(|| details.as_array()?.iter().find_map(pair_id))
}

/// The parameters of `mining.notify`.
pub(crate) fn job(params: &[Value], clean: CleanFlag) -> Result<Job, &'static str> {
    let at = |index: usize| params.get(index).ok_or("fewer than eight parameters");
    let hex_at = |index: usize| at(index).map(|value| value.as_str().and_then(decode_hex));
    let id = job_id(at(0)?).ok_or("a job id that is no text")?;
    let prev_hash = at(1)?.as_str().and_then(prev_hash_to_header);
    let branches = at(4)?.as_array().and_then(|list| branches(list));
    let clean_param = match clean {
        CleanFlag::Ninth => params.get(8),
        CleanFlag::Last => params.last(),
    };
    Ok(Job {
        id,
        coinb1: hex_at(2)?.ok_or("a coinb1 that is no hex")?,
        coinb2: hex_at(3)?.ok_or("a coinb2 that is no hex")?,
        branches: branches.ok_or("branches that are no list of hashes")?,
        header: Header {
            version: number(at(5)?).ok_or("a version of other than 8 digits")?,
            prev_hash: prev_hash.ok_or("a prevhash of other than 64 digits")?,
            nbits: number(at(6)?).ok_or("nbits of other than 8 digits")?,
            ntime: number(at(7)?).ok_or("an ntime of other than 8 digits")?,
        },
        clean: clean_param.and_then(Value::as_bool).unwrap_or(false),
    })
}

fn job_id(value: &Value) -> Option<String> {
    let id = match value {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (id.len() <= JOB_ID_BYTES_MAX).then_some(id)
}

fn branches(list: &[Value]) -> Option<Vec<[u8; 32]>> {
    if list.len() > BRANCHES_MAX {
        return None;
    }
    list.iter().map(|branch| decode_hex(branch.as_str()?)?.try_into().ok()).collect()
}

/// Exactly eight digits, most significant first.
pub(crate) fn number(value: &Value) -> Option<u32> {
    let digits = value.as_str()?;
    let plain = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_the_subscribe_reply_are_read() {
        let pairs =
            json!([[["mining.set_difficulty", "a1"], ["mining.notify", "a2"]], "08000002", 4]);
        let single = json!([["mining.notify", "a2"], "08000002", 4]);
        let expected = Subscribed {
            session: Some("a2".to_owned()),
            extranonce1: vec![8, 0, 0, 2],
            extranonce2_size: 4,
        };
        assert_eq!(subscribed(&pairs).as_ref(), Ok(&expected));
        assert_eq!(subscribed(&single).as_ref(), Ok(&expected));
        let bare = subscribed(&json!([null, "08000002", 4])).unwrap();
        assert_eq!(bare.session, None);
    }

    #[test]
    fn a_notify_without_clean_is_not_clean_and_the_last_parameter_may_say_so() {
        let zeros = "0".repeat(64);
        let mut params = vec![
            json!(7),
            json!(zeros),
            json!("01"),
            json!("02"),
            json!([]),
            json!("20000000"),
            json!("1d00ffff"),
            json!("504e86b9"),
        ];
        let short = job(&params, CleanFlag::Ninth).unwrap();
        assert_eq!((short.id.as_str(), short.clean), ("7", false));
        params.extend([json!(false), json!("extra"), json!(true)]);
        assert!(!job(&params, CleanFlag::Ninth).unwrap().clean);
        assert!(job(&params, CleanFlag::Last).unwrap().clean);
        assert!(job(params.get(..7).unwrap(), CleanFlag::Ninth).is_err());
    }
}
