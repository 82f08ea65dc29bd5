use std::borrow::Cow;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::request::PoolSubmit;
use super::*;
use crate::fixtures::{difficulty, vectors};
use crate::rpc::RequestId;
use crate::types::{Extranonce, NTime, Nonce, VersionMask};

#[derive(Deserialize)]
struct ClientLines {
    cases: Vec<ClientLine>,
}

#[derive(Deserialize)]
struct ClientLine {
    firmware: String,
    line: String,
    expected: Option<Value>,
    error: Option<ExpectedError>,
}

#[derive(Deserialize)]
struct ExpectedError {
    id: Option<String>,
    kind: String,
    message: Vec<String>,
}

#[derive(Deserialize)]
struct PoolLines {
    cases: Vec<PoolLine>,
    subscribe_results: Vec<PoolResult>,
    configure_results: Vec<PoolResult>,
}

#[derive(Deserialize)]
struct PoolLine {
    pool: String,
    line: String,
    expected: Option<Value>,
    error: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct PoolResult {
    pool: String,
    result: Value,
    // An expected null is an expectation too.
    expected: Option<Value>,
    error: Option<Vec<String>>,
}

fn client_lines() -> Vec<ClientLine> {
    vectors::<ClientLines>(include_str!("../../vectors/client_lines.json")).cases
}

fn pool_lines() -> PoolLines {
    vectors(include_str!("../../vectors/pool_lines.json"))
}

fn text_of(id: Option<&RequestId>) -> Option<String> {
    id.map(ToString::to_string)
}

fn hex8(word: u32) -> String {
    format!("{word:08x}")
}

/// A message in the form of `client_lines.json`.
fn describe_client(request: &ClientRequest<'_>) -> Value {
    let (method, content) = match &request.message {
        ClientMessage::Authorize { worker, password } => (
            "authorize",
            json!({
                "worker": worker.as_str(),
                "password": password.expose(),
                "difficulty": password.difficulty().map(|difficulty| difficulty.to_string()),
            }),
        ),
        ClientMessage::Capabilities => ("capabilities", Value::Null),
        ClientMessage::Configure(configure) => ("configure", describe_configure(configure)),
        ClientMessage::ExtranonceSubscribe => ("extranonce_subscribe", Value::Null),
        ClientMessage::GetTransactions => ("get_transactions", Value::Null),
        ClientMessage::MultiVersion => ("multi_version", Value::Null),
        ClientMessage::Ping => ("ping", Value::Null),
        ClientMessage::Pong => ("pong", Value::Null),
        ClientMessage::Response => ("response", Value::Null),
        ClientMessage::Submit(submit) => ("submit", describe_submit(submit)),
        ClientMessage::Subscribe(Subscribe { user_agent, session }) => {
            ("subscribe", json!({"user_agent": user_agent, "session": session}))
        }
        ClientMessage::SuggestDifficulty(wish) => ("suggest_difficulty", json!(wish.to_string())),
        ClientMessage::SuggestTarget(wish) => ("suggest_target", json!(wish.to_string())),
        ClientMessage::Unknown { method } => ("unknown", json!(method)),
    };
    json!({"id": text_of(request.id.as_ref()), method: content})
}

fn describe_configure(configure: &Configure) -> Value {
    let Configure { version_rolling, minimum_difficulty, subscribe_extranonce, info, unknown } =
        configure;
    json!({
        "version_rolling":
            version_rolling.map(|wish| json!([wish.mask.to_string(), wish.min_bit_count])),
        "minimum_difficulty": minimum_difficulty.map(|difficulty| difficulty.to_string()),
        "subscribe_extranonce": subscribe_extranonce,
        "info": info,
        "unknown": unknown,
    })
}

fn describe_submit(submit: &Submit<'_>) -> Value {
    let Submit { worker, job_id, extranonce2, ntime, nonce, version_bits } = submit;
    json!({
        "worker": worker,
        "job_id": job_id,
        "extranonce2": extranonce2,
        "ntime": ntime.to_string(),
        "nonce": nonce.to_string(),
        "version_bits": version_bits.map(hex8),
    })
}

/// A message in the form of `pool_lines.json`.
fn describe_server(message: &ServerMessage<'_>) -> Value {
    match message {
        ServerMessage::GetVersion { id } => json!({"get_version": text_of(id.as_ref())}),
        ServerMessage::Notify(notify) => json!({"notify": {
            "job_id": notify.job_id,
            "coinbase_bytes": [notify.coinb1.len(), notify.coinb2.len()],
            "branches": notify.branches.len(),
            "version": notify.version.to_string(),
            "nbits": notify.nbits.to_string(),
            "ntime": notify.ntime.to_string(),
            "clean": notify.clean,
        }}),
        ServerMessage::Ping { id } => json!({"ping": text_of(id.as_ref())}),
        ServerMessage::Reconnect { host, port, wait_seconds } => {
            json!({"reconnect": [host, port, wait_seconds]})
        }
        ServerMessage::Reply(Reply { id, outcome: Outcome::Ok(result) }) => {
            json!({"reply": [id, result.get()]})
        }
        ServerMessage::Reply(Reply { id, outcome: Outcome::Error { code, message } }) => {
            json!({"refusal": [id, code, message]})
        }
        ServerMessage::SetDifficulty(difficulty) => {
            json!({"set_difficulty": difficulty.to_string()})
        }
        ServerMessage::SetExtranonce { extranonce1, extranonce2_size } => {
            json!({"set_extranonce": [extranonce1.to_hex(), extranonce2_size]})
        }
        ServerMessage::SetVersionMask(mask) => json!({"set_version_mask": mask.to_string()}),
        ServerMessage::ShowMessage(text) => json!({"show_message": text}),
        ServerMessage::StrayReply { text } => json!({"stray_reply": text}),
        ServerMessage::Unknown { method } => json!({"unknown": method}),
    }
}

fn check_error(name: &str, message: &str, expected: &[String]) {
    for part in expected {
        assert!(message.contains(part.as_str()), "{name}: {message:?} lacks {part:?}");
    }
}

#[test]
fn lines_of_miners_are_read_as_they_are_meant() {
    for ClientLine { firmware, line, expected, error } in client_lines() {
        match (parse_client(line.as_bytes()), expected, error) {
            (Ok(request), Some(expected), None) => {
                assert_eq!(describe_client(&request), expected, "{firmware}: {line}");
            }
            (Err(refusal), None, Some(expected)) => {
                assert_eq!(format!("{:?}", refusal.kind), expected.kind, "{firmware}: {line}");
                assert_eq!(text_of(refusal.id.as_ref()), expected.id, "{firmware}: {line}");
                assert_eq!(refusal.code as u8, 20);
                check_error(&firmware, &refusal.message, &expected.message);
            }
            (outcome, ..) => panic!("{firmware}: {line}: {outcome:?}"),
        }
    }
}

#[test]
fn lines_of_pools_are_read_as_they_are_meant() {
    for PoolLine { pool, line, expected, error } in pool_lines().cases {
        match (parse_server(line.as_bytes()), expected, error) {
            (Ok(message), Some(expected), None) => {
                assert_eq!(describe_server(&message), expected, "{pool}: {line}");
            }
            (Err(misbehaved), None, Some(expected)) => {
                check_error(&pool, &misbehaved.to_string(), &expected);
            }
            (outcome, ..) => panic!("{pool}: {line}: {outcome:?}"),
        }
    }
}

fn check_result(case: PoolResult, read: impl FnOnce(&RawValue) -> Result<Value, PoolMisbehaved>) {
    let PoolResult { pool, result, expected, error } = case;
    let json = serde_json::value::to_raw_value(&result).unwrap();
    match (read(&json), error) {
        (Ok(read), None) => assert_eq!(read, expected.unwrap_or_default(), "{pool}"),
        (Err(misbehaved), Some(error)) => check_error(&pool, &misbehaved.to_string(), &error),
        (outcome, _) => panic!("{pool}: {outcome:?}"),
    }
}

#[test]
fn results_of_subscribe_are_read_in_every_form() {
    for case in pool_lines().subscribe_results {
        check_result(case, |result| {
            let reply = SubscribeReply::parse(result)?;
            Ok(json!([reply.session, reply.extranonce1.to_hex(), reply.extranonce2_size]))
        });
    }
}

#[test]
fn results_of_configure_are_read_in_every_form() {
    for case in pool_lines().configure_results {
        check_result(case, |result| {
            Ok(json!(ConfigureReply::parse(result)?.version_mask.map(|mask| mask.to_string())))
        });
    }
}

#[test]
fn a_notification_wants_no_reply() {
    for (line, wanted) in [
        (r#"{"id":0,"method":"mining.ping"}"#, Some("0")),
        (r#"{"id":null,"method":"mining.ping"}"#, None),
        (r#"{"method":"mining.ping"}"#, None),
    ] {
        let request = parse_client(line.as_bytes()).unwrap();
        assert_eq!(text_of(request.reply_id()).as_deref(), wanted);
    }
}

#[test]
fn a_share_without_escapes_borrows_from_its_line() {
    let line = br#"{"id":4,"method":"mining.submit","params":["w","1","00","1","2"]}"#;
    let ClientMessage::Submit(submit) = parse_client(line).unwrap().message else { panic!() };
    for text in [submit.worker, submit.job_id, submit.extranonce2] {
        assert!(matches!(text, Cow::Borrowed(_)));
    }
}

#[test]
fn what_a_peer_says_is_cut_before_it_is_kept() {
    let long = "é".repeat(1000);
    let line = json!({"id": 1, "method": "mining.subscribe", "params": [long]}).to_string();
    let ClientMessage::Subscribe(subscribe) = parse_client(line.as_bytes()).unwrap().message else {
        panic!()
    };
    assert_eq!(subscribe.user_agent.unwrap().len(), 256);

    let line = json!({"id": 1, "method": "mining.submit", "params": [long, [long]]}).to_string();
    let refusal = parse_client(line.as_bytes()).unwrap_err();
    assert!(refusal.message.len() < 256, "{}", refusal.message);

    let line = json!({"id": long, "method": "mining.ping"}).to_string();
    let refusal = parse_client(line.as_bytes()).unwrap_err();
    assert_eq!((refusal.id, refusal.kind), (None, Malformed::BadJson));

    let codes: Vec<String> = (0..1000).map(|code| format!("code-{code}")).collect();
    let line = json!({"id": 1, "method": "mining.configure", "params": [codes, {}]}).to_string();
    let ClientMessage::Configure(configure) = parse_client(line.as_bytes()).unwrap().message else {
        panic!()
    };
    assert_eq!(configure.unknown.len(), 8);
}

#[test]
fn a_name_of_255_bytes_is_taken_and_a_longer_one_refused() {
    let line =
        |bytes| json!({"id": 1, "method": "mining.authorize", "params": ["x".repeat(bytes)]});
    assert!(parse_client(line(255).to_string().as_bytes()).is_ok());
    let refusal = parse_client(line(256).to_string().as_bytes()).unwrap_err();
    check_error("name", &refusal.message, &["256 bytes".to_owned(), "255".to_owned()]);
}

#[test]
fn a_job_of_a_hostile_pool_is_bounded() {
    let hash = "00".repeat(32);
    let notify = |coinb1: &str, branches: usize| {
        json!({"method": "mining.notify", "params":
            ["1", hash, coinb1, "00", vec![&hash; branches], "20000000", "1d00ffff", "00000000", true]})
    };
    let parse = |line: Value| parse_server(line.to_string().as_bytes()).map(|_| ());
    assert_eq!(parse(notify("00", 24)), Ok(()));
    assert!(parse(notify("00", 25)).is_err());
    assert!(parse(notify("00", 1000)).is_err());
    assert_eq!(parse(notify(&"00".repeat(32 * 1024), 0)), Ok(()));
    assert!(parse(notify(&"00".repeat(32 * 1024 + 1), 0)).is_err());
}

#[test]
fn deep_json_is_no_danger() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        let line = format!("{{\"id\":1,\"method\":\"mining.submit\",\"params\":{deep}}}");
        assert!(parse_client(line.as_bytes()).is_err());
        let line = format!("{{\"id\":1,\"result\":{deep}}}");
        assert!(parse_server(line.as_bytes()).is_ok());
    }
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    let refusal = parse_client(b"{\"id\":1,\"method\":\"\xff\"}").unwrap_err();
    assert_eq!(refusal.kind, Malformed::BadJson);
    assert!(parse_server(b"{\"id\":1,\"method\":\"\xff\"}").is_err());
}

#[test]
fn a_password_is_not_shown() {
    let line = br#"{"id":1,"method":"mining.authorize","params":["w","hunter2"]}"#;
    assert!(!format!("{:?}", parse_client(line).unwrap()).contains("hunter2"));
}

#[test]
fn every_requested_extension_is_answered() {
    let line =
        br#"{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty",
        "subscribe-extranonce","info","x\"y"],{"minimum-difficulty.value":1}]}"#;
    let ClientMessage::Configure(configure) = parse_client(line).unwrap().message else { panic!() };
    let answer = |mask| serde_json::from_str::<Value>(&configure.result_json(mask)).unwrap();
    assert_eq!(
        answer(VersionMask::ALL),
        json!({
            "version-rolling": true,
            "version-rolling.mask": "1fffe000",
            "minimum-difficulty": true,
            "subscribe-extranonce": true,
            "info": true,
            "x\"y": false,
        })
    );
    assert_eq!(answer(VersionMask::NONE)["version-rolling"], json!(false));
    assert_eq!(Configure::default().result_json(VersionMask::ALL), "{}");
}

#[test]
fn the_answer_to_subscribe_is_one_that_we_would_read() {
    let extranonce1 = Extranonce::from_hex("7f01").unwrap();
    let result = subscribe_result("a\"1", &extranonce1, 4);
    assert_eq!(result, r#"[[["mining.set_difficulty","a\"1"],["mining.notify","a\"1"]],"7f01",4]"#);
    let raw: &RawValue = serde_json::from_str(&result).unwrap();
    let session = Some("a\"1".to_owned());
    let expected = SubscribeReply { session, extranonce1, extranonce2_size: 4 };
    assert_eq!(SubscribeReply::parse(raw), Ok(expected));
}

#[test]
fn requests_to_a_pool_are_written_as_pools_know_them() {
    let extranonce2 = Extranonce::from_hex("0a00000000000000").unwrap();
    let share = PoolSubmit {
        user: "acct.\"w\"",
        job_id: "2dc3427c2e",
        extranonce2: &extranonce2,
        ntime: NTime(0x64c2_5820),
        nonce: Nonce(0xfe7),
        version_bits: Some(0x0009_2000),
    };
    let mut out = Vec::new();
    request::configure(&mut out, 1, VersionMask::ALL);
    request::subscribe(&mut out, 2, "loka", None);
    request::subscribe(&mut out, 3, "loka", Some("6b02"));
    request::authorize(&mut out, 4, "acct", "x\\");
    request::extranonce_subscribe(&mut out, 5);
    request::suggest_difficulty(&mut out, 6, difficulty("0.00001"));
    request::submit(&mut out, 7, &share);
    request::submit(&mut out, 8, &PoolSubmit { version_bits: None, ..share });
    let expected = [
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling","subscribe-extranonce"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]}"#,
        r#"{"id":2,"method":"mining.subscribe","params":["loka"]}"#,
        r#"{"id":3,"method":"mining.subscribe","params":["loka","6b02"]}"#,
        r#"{"id":4,"method":"mining.authorize","params":["acct","x\\"]}"#,
        r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#,
        r#"{"id":6,"method":"mining.suggest_difficulty","params":[0.00001]}"#,
        r#"{"id":7,"method":"mining.submit","params":["acct.\"w\"","2dc3427c2e","0a00000000000000","64c25820","00000fe7","00092000"]}"#,
        r#"{"id":8,"method":"mining.submit","params":["acct.\"w\"","2dc3427c2e","0a00000000000000","64c25820","00000fe7"]}"#,
        "",
    ];
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.split('\n').collect::<Vec<_>>(), expected);
    for line in out.lines() {
        assert!(parse_client(line.as_bytes()).is_ok(), "{line}");
    }
}

/// A captured line with some of its bytes exchanged, dropped or doubled.
fn damaged_line() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<String> = client_lines()
        .into_iter()
        .map(|case| case.line)
        .chain(pool_lines().cases.into_iter().map(|case| case.line))
        .collect();
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..6);
    (prop::sample::select(lines), edits).prop_map(|(line, edits)| {
        let mut bytes = line.into_bytes();
        for (index, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let index = index.index(bytes.len());
            match edit {
                0 => bytes[index] = byte,
                1 => drop(bytes.remove(index)),
                _ => bytes.insert(index, byte),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn reading_arbitrary_bytes_never_panics(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(parse_client(&line));
        drop(parse_server(&line));
    }

    #[test]
    fn reading_damaged_lines_never_panics(line in damaged_line()) {
        drop(parse_client(&line));
        drop(parse_server(&line));
    }

    #[test]
    fn whatever_a_share_holds_is_read_as_json_has_it(worker in "\\PC*", job_id in "\\PC*", nonce in any::<u32>()) {
        let line = json!({"id": 1, "method": "mining.submit", "params": [worker, job_id, "ab", "1", hex8(nonce)]});
        let line = line.to_string();
        let ClientMessage::Submit(submit) = parse_client(line.as_bytes()).unwrap().message else { panic!() };
        prop_assert_eq!(submit.worker, worker);
        prop_assert_eq!(submit.job_id, job_id);
        prop_assert_eq!(submit.nonce, Nonce(nonce));
    }
}

/// What goes back to the miner, and into the log.
#[test]
fn a_login_that_cannot_be_read_does_not_repeat_what_may_be_the_password() {
    for params in [
        r#"{"worker":"acct.w","password":"hunter2"}"#,
        r#""acct.w:hunter2""#,
        r#"[["acct.w","hunter2"]]"#,
        r#"[{"user":"acct.w","pass":"hunter2"}]"#,
        r#"[null,"hunter2"]"#,
        r#"["","hunter2"]"#,
        r#"["acct.w","hunter2]"#,
        r#"["acct.w","hunter2""#,
        r#"["acct.w",hunter2]"#,
    ] {
        let line = format!(r#"{{"id":1,"method":"mining.authorize","params":{params}}}"#);
        let fault = parse_client(line.as_bytes()).unwrap_err();
        assert!(!fault.message.contains("hunter2"), "{params}: {}", fault.message);
        assert!(!format!("{fault:?}").contains("hunter2"), "{params}: {fault:?}");
    }
    let line = br#"{"id":1,"method":"mining.authorize","params":["acct.w","hunter2"]}"#;
    assert!(!format!("{:?}", parse_client(line)).contains("hunter2"));
}
