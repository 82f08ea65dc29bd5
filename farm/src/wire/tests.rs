use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::*;

fn reply_of(line: &str) -> Reply {
    match parse(line).expect("a message") {
        Message::Reply(reply) => reply,
        Message::Request(request) => panic!("a request: {request:?}"),
    }
}

#[test]
fn every_reply_form_of_a_pool_is_read_as_yes_or_no() {
    let cases: [(&str, Option<i64>, &str, bool); 9] = [
        (r#"{"id":1,"result":true,"error":null}"#, None, "", true),
        (r#"{"id":1,"result":{"a":1}}"#, None, "", true),
        (r#"{"id":1,"result":false,"error":[23,"Low",null]}"#, Some(23), "Low", false),
        (r#"{"id":1,"result":null,"error":["21","Stale",""]}"#, Some(21), "Stale", false),
        (r#"{"id":1,"error":{"code":-1,"message":"no"}}"#, Some(-1), "no", false),
        (r#"{"id":1,"error":"bad","result":null}"#, None, "bad", false),
        (r#"{"id":1,"result":false,"error":null,"reject-reason":"dup"}"#, None, "dup", false),
        (r#"{"id":1,"result":null,"error":null}"#, None, "", false),
        (r#"{"id":1,"result":false}"#, None, "", false),
    ];
    for (line, code, text, success) in cases {
        let reply = reply_of(line);
        assert_eq!(reply.is_success(), success, "{line}");
        assert_eq!(reply.error_code(), code, "{line}");
        assert_eq!(reply.error_text(), text, "{line}");
    }
}

#[test]
fn a_method_makes_a_request_whatever_the_id() {
    for line in [r#"{"id":null,"method":"mining.ping","params":[]}"#, r#"{"method":"mining.ping"}"#]
    {
        let expected =
            Request { id: Value::Null, method: "mining.ping".into(), params: Vec::new() };
        assert_eq!(parse(line).expect("a message"), Message::Request(expected));
    }
}

#[test]
fn what_is_no_object_or_says_nothing_is_refused() {
    assert!(matches!(parse("[]"), Err(WireError::NotAnObject)));
    assert!(matches!(parse("{\"id\":1}"), Err(WireError::NoMeaning)));
    assert!(matches!(parse("{"), Err(WireError::NotJson(_))));
}

#[test]
fn writers_end_the_line_and_keep_the_id() {
    assert_eq!(
        request(7, "a.b", &json!(["x\n"])),
        "{\"id\":7,\"method\":\"a.b\",\"params\":[\"x\\n\"]}\n"
    );
    assert_eq!(
        reply(&json!("seven"), &json!(true)),
        "{\"id\":\"seven\",\"result\":true,\"error\":null}\n"
    );
    assert_eq!(notification("m", &json!([])), "{\"id\":null,\"method\":\"m\",\"params\":[]}\n");
}

#[test]
fn hex_takes_either_case_and_whole_bytes_only() {
    assert_eq!(decode_hex("00fFa0"), Some(vec![0, 255, 160]));
    assert_eq!(encode_hex(&[0, 255, 160]), "00ffa0");
    for bad in ["0", "0g", "+1", "é"] {
        assert_eq!(decode_hex(bad), None, "{bad}");
    }
}

#[test]
fn the_previous_hash_swaps_bytes_inside_each_word() {
    let notify = "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000";
    let header = prev_hash_to_header(notify).expect("64 digits");
    let internal = "f8b6164d19e2f65a2aae448f787fe66d61e57a48c0c6771b1e920b4400000000";
    assert_eq!(encode_hex(&header), internal);
    assert_eq!(prev_hash_to_notify(&header), notify);
}

#[tokio::test]
async fn lines_are_found_whatever_the_chunks() {
    let (mut far, near) = tokio::io::duplex(1);
    let mut near = LineStream::new(near);
    let write = async move {
        far.write_all(b"one\r\n\n\ntwo\nthr").await.expect("open");
    };
    let read = async move {
        assert_eq!(near.next_line().await.expect("a line").as_deref(), Some("one"));
        assert_eq!(near.next_line().await.expect("a line").as_deref(), Some("two"));
        assert_eq!(near.next_line().await.expect("the end"), None);
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn a_line_over_the_limit_is_an_error_before_it_ends() {
    let (mut far, near) = tokio::io::duplex(64);
    let mut near = LineStream::with_limit(near, 8);
    far.write_all(b"123456789").await.expect("open");
    let error = near.next_line().await.expect_err("too long");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
