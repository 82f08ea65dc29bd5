//! Lines that we write: replies and notifications.
//!
//! Every function appends one line, its `\n` included. Requests to a pool are in
//! [`crate::message::request`].

use crate::json::{push_display, push_str};

use super::{RejectCode, RequestId};

/// `{"id":…,"result":true,"error":null}`
pub fn result_true(out: &mut Vec<u8>, id: &RequestId) {
    result_raw(out, id, "true");
}

/// A result that is JSON text already.
pub fn result_raw(out: &mut Vec<u8>, id: &RequestId, result: &str) {
    begin(out, id);
    out.extend_from_slice(result.as_bytes());
    out.extend_from_slice(b",\"error\":null}\n");
}

/// A refusal of anything but a share.
pub fn error(out: &mut Vec<u8>, id: &RequestId, code: RejectCode, message: &str) {
    refusal(out, id, "null", (code, message));
}

/// A refusal of a share. Its result is `false` and not null: that is what miners count as a
/// rejected share.
pub fn submit_error(out: &mut Vec<u8>, id: &RequestId, code: RejectCode, message: &str) {
    refusal(out, id, "false", (code, message));
}

/// A message that wants no reply; `params` is JSON text.
pub fn notification(out: &mut Vec<u8>, method: &str, params: &str) {
    out.extend_from_slice(b"{\"id\":null,\"method\":");
    push_str(out, method);
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params.as_bytes());
    out.extend_from_slice(b"}\n");
}

fn refusal(out: &mut Vec<u8>, id: &RequestId, result: &str, error: (RejectCode, &str)) {
    let (code, message) = error;
    begin(out, id);
    out.extend_from_slice(result.as_bytes());
    out.extend_from_slice(b",\"error\":[");
    push_display(out, code);
    out.push(b',');
    push_str(out, message);
    out.extend_from_slice(b",null]}\n");
}

fn begin(out: &mut Vec<u8>, id: &RequestId) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_reply_has_its_three_keys_in_order() {
        let id = RequestId::from(4);
        assert_eq!(
            line(|out| result_true(out, &id)),
            "{\"id\":4,\"result\":true,\"error\":null}\n"
        );
        assert_eq!(
            line(|out| error(out, &id, RejectCode::Other, "say \"hi\"")),
            "{\"id\":4,\"result\":null,\"error\":[20,\"say \\\"hi\\\"\",null]}\n"
        );
        assert_eq!(
            line(|out| submit_error(out, &RequestId::NULL, RejectCode::NotSubscribed, "x")),
            "{\"id\":null,\"result\":false,\"error\":[25,\"x\",null]}\n"
        );
    }

    #[test]
    fn a_notification_has_a_null_id() {
        assert_eq!(
            line(|out| notification(out, "mining.set_difficulty", "[1024]")),
            "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[1024]}\n"
        );
    }
}
