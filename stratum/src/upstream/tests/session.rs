//! Jobs, verdicts and time-outs of a connection that is logged in.

use super::*;
use crate::upstream::Worth;

fn set_difficulty(value: &str) -> String {
    format!(r#"{{"id":null,"method":"mining.set_difficulty","params":[{value}]}}"#)
}

#[test]
fn what_is_in_force_when_a_job_comes_belongs_to_it() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.hear(&set_difficulty("16383.75"));
    bench.hear(r#"{"id":null,"method":"mining.set_extranonce","params":["abcd",6]}"#);
    bench.hear(&notify("2", false));
    let expected =
        ["job 1 clean 08000002 8 diff 1 mask 1fffe000", "job 2 abcd 6 diff 16383.75 mask 1fffe000"];
    assert_eq!(bench.take_events(), expected);
}

#[test]
fn a_changed_mask_offers_the_same_job_anew_and_nothing_else_of_it_changes() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.hear(&set_difficulty("2"));
    bench.hear(r#"{"id":null,"method":"mining.set_extranonce","params":["abcd",6]}"#);
    bench.take_events();
    bench.hear(r#"{"id":1,"method":"mining.set_version_mask","params":["0000e000"]}"#);
    assert_eq!(bench.take_events(), ["job 1 08000002 8 diff 1 mask 0000e000"]);
    bench.hear(r#"{"id":1,"method":"mining.set_version_mask","params":["0000e000"]}"#);
    assert!(bench.take_events().is_empty(), "nothing has changed");
    bench.hear(r#"{"id":1,"method":"mining.set_version_mask","params":["ffffffff"]}"#);
    let expected = ["job 1 08000002 8 diff 1 mask 1fffe000"];
    assert_eq!(bench.take_events(), expected, "no more than was asked for");
}

#[test]
fn a_mask_before_the_first_job_offers_nothing() {
    let mut bench = Bench::working();
    bench.hear(r#"{"id":null,"method":"mining.set_version_mask","params":["0000e000"]}"#);
    assert!(bench.take_events().is_empty());
    bench.hear(&notify("1", true));
    assert_eq!(bench.take_events(), ["job 1 clean 08000002 8 diff 1 mask 0000e000"]);
}

#[test]
fn a_share_is_written_and_its_verdict_comes_back_with_its_token() {
    let mut bench = Bench::working();
    bench.submit(7).unwrap();
    let written =
        r#"5 mining.submit ["acct.proxy","j","0a00000000000000","64c25820","00000007","00092000"]"#;
    assert_eq!(bench.take_written(), [written]);
    assert_eq!(bench.machine.outstanding(), 1);
    bench.wait(Duration::from_secs(2)).unwrap();
    bench.hear(r#"{"id":5,"result":true,"error":null}"#);
    assert_eq!(bench.take_events(), ["accepted 7 after 2s"]);
    assert_eq!(bench.machine.outstanding(), 0);
}

#[test]
fn a_difficulty_is_suggested_once_logged_in_and_its_answer_does_not_matter() {
    let mut bench = Bench::open(login());
    bench.take_written();
    bench.machine.suggest_difficulty(difficulty("512"), &mut bench.written);
    assert!(bench.take_written().is_empty(), "not before the login");
    for answer in [r#""result":true,"error":null"#, r#""result":null,"error":[20,"what?",null]"#] {
        let mut bench = Bench::working();
        bench.machine.suggest_difficulty(difficulty("0.5"), &mut bench.written);
        assert_eq!(bench.take_written(), ["5 mining.suggest_difficulty [0.5]"]);
        bench.submit(7).unwrap();
        bench.hear(&format!(r#"{{"id":5,{answer}}}"#));
        assert!(bench.take_events().is_empty(), "{answer}");
        assert_eq!(bench.machine.outstanding(), 1, "it is no verdict");
        bench.hear(r#"{"id":6,"result":true,"error":null}"#);
        assert_eq!(bench.take_events(), ["accepted 7 after 0ns"]);
    }
}

#[test]
fn a_further_login_is_asked_for_beside_the_shares_and_its_answer_is_told() {
    for (answer, told) in [
        (r#""result":true,"error":null"#, "login acct.rig7"),
        (r#""result":false,"error":null"#, "no login acct.rig7: no reason given"),
        (r#""result":null,"error":[24,"who?",null]"#, "no login acct.rig7: who?"),
    ] {
        let mut bench = Bench::working();
        bench.submit(7).unwrap();
        bench.machine.authorize("acct.rig7", &mut bench.written);
        let written = bench.take_written();
        assert_eq!(written.last().unwrap(), r#"6 mining.authorize ["acct.rig7","hunter2"]"#);
        bench.hear(&format!(r#"{{"id":6,{answer}}}"#));
        assert_eq!(bench.take_events(), [told]);
        assert_eq!(bench.machine.outstanding(), 1);
    }
}

#[test]
fn a_job_can_be_looked_at_once_more() {
    let mut bench = Bench::working();
    let mut out = Outbox::default();
    bench.machine.offer_again(&mut out);
    assert!(out.events.is_empty(), "there is none");
    bench.hear(&notify("1", true));
    bench.take_events();
    bench.machine.offer_again(&mut out);
    bench.events.append(&mut out.events);
    assert_eq!(bench.take_events(), ["job 1 08000002 8 diff 1 mask 1fffe000"]);
}

#[test]
fn refusals_are_read_in_every_form() {
    for (reply, reason) in [
        (r#""result":false,"error":[23,"Low difficulty share",null]"#, "low_difficulty"),
        (r#""result":null,"error":[21,"Job not found",null]"#, "stale"),
        (r#""result":null,"error":[22,"Duplicate share",null]"#, "duplicate"),
        (r#""result":null,"error":[24,"Unauthorized worker",null]"#, "unauthorized"),
        (r#""result":null,"error":[25,"Not subscribed",null]"#, "not_subscribed"),
        (r#""result":null,"error":[20,"Other",null]"#, "other"),
        (r#""error":{"code":-1,"message":"job not found"}"#, "stale"),
        (r#""error":{"code":"22","message":"nope"}"#, "duplicate"),
        (r#""result":false,"error":["21","nope",""]"#, "stale"),
        (r#""result":true,"error":[23,"nope","Traceback"]"#, "low_difficulty"),
        (r#""jsonrpc":"2.0","error":[23,"nope"]"#, "low_difficulty"),
        (r#""result":false"#, "other"),
        (r#""result":false,"error":null,"reject-reason":"stale-work""#, "stale"),
        (r#""error":["stale-share"]"#, "stale"),
        (r#""result":false,"error":null,"reject-reason":"high-hash""#, "low_difficulty"),
        (r#""result":null,"error":"Duplicate share""#, "duplicate"),
        (r#""result":false,"error":null"#, "other"),
        (r#""result":null,"error":null"#, "other"),
    ] {
        let mut bench = Bench::working();
        bench.submit(7).unwrap();
        bench.hear(&format!(r#"{{"id":5,{reply}}}"#));
        assert_eq!(bench.take_events(), [format!("rejected 7: {reason}")], "{reply}");
    }
}

#[test]
fn a_share_is_credited_in_every_form() {
    for reply in [
        r#""result":true,"error":null"#,
        r#""result":true"#,
        r#""jsonrpc":"2.0","result":true,"error":null"#,
        r#""error":null,"result":{"status":"OK"}"#,
        r#""result":"accepted","error":null,"reject-reason":null"#,
    ] {
        for id in ["5", "\"5\""] {
            let mut bench = Bench::working();
            bench.submit(7).unwrap();
            bench.hear(&format!(r#"{{"id":{id},{reply}}}"#));
            assert_eq!(bench.take_events(), ["accepted 7 after 0ns"], "{reply}");
        }
    }
}

#[test]
fn what_pools_send_loosely_is_read_as_it_is_meant() {
    let mut bench = Bench::working();
    let job = format!(r#"[12,"{PREV_HASH}","00","01",[],"20000000","1c2ac4af","504e86b9""#);
    for (line, expected) in [
        (r#""method":"mining.set_difficulty","params":["1e-05"],"id":null"#.to_owned(), ""),
        (format!(r#""method":"mining.notify","params":{job}]"#), "job 12 08000002 8 diff 0.00001"),
        (r#""id":9,"method":"mining.set_difficulty","params":[16383.75]"#.to_owned(), ""),
        (
            format!(r#""id":3,"method":"mining.notify","params":{job},false,0,true]"#),
            "job 12 clean 08000002 8 diff 16383.75",
        ),
        (r#""id":77,"method":"mining.ping""#.to_owned(), ""),
        (
            r#""id":1,"method":"mining.set_version_mask","params":["e000"]"#.to_owned(),
            "job 12 08000002 8 diff 16383.75",
        ),
    ] {
        bench.hear(&format!("{{{line}}}"));
        let events = bench.take_events();
        assert!(events.len() <= 1 && events.concat().starts_with(expected), "{line}: {events:?}");
    }
    assert_eq!(bench.take_written(), [r#"77 = "pong""#]);
}

#[test]
fn verdicts_may_come_in_any_order_and_once() {
    let mut bench = Bench::working();
    for token in 0..4 {
        bench.submit(token).unwrap();
    }
    for id in [7, 5, 8] {
        bench.hear(&format!(r#"{{"id":{id},"result":true,"error":null}}"#));
    }
    let expected = ["accepted 2 after 0ns", "accepted 0 after 0ns", "accepted 3 after 0ns"];
    assert_eq!(bench.take_events(), expected);
    bench.hear(r#"{"id":7,"result":true,"error":null}"#);
    assert_eq!(bench.take_events(), ["misbehaved"], "a second verdict");
    assert_eq!(bench.machine.into_outstanding().collect::<Vec<_>>(), [1]);
}

#[test]
fn replies_that_are_none_of_ours_end_nothing() {
    let mut bench = Bench::working();
    for line in [
        r#"{"id":999,"result":true,"error":null}"#,
        r#"{"id":null,"result":null,"error":[20,"parse error",null]}"#,
        r#"{"id":77,"method":"mining.set_goal","params":["x"]}"#,
    ] {
        bench.hear(line);
        assert_eq!(bench.take_events(), ["misbehaved"], "{line}");
    }
    bench.hear(r#"{"id":1,"result":{"version-rolling":true},"error":null}"#);
    assert!(bench.take_events().is_empty(), "a late reply to configure");
}

#[test]
fn a_share_without_a_verdict_ends_the_connection() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.submit(1).unwrap();
    bench.wait(Duration::from_secs(30)).unwrap();
    bench.submit(2).unwrap();
    bench.wait(Duration::from_millis(29_999)).unwrap();
    let error = bench.wait(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, PoolError::SubmitTimeout(_)), "{error}");
    assert_eq!(bench.machine.into_outstanding().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_verdict_moves_the_time_out_to_the_next_share() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.submit(1).unwrap();
    bench.wait(Duration::from_secs(59)).unwrap();
    bench.submit(2).unwrap();
    bench.hear(r#"{"id":5,"result":true,"error":null}"#);
    bench.wait(Duration::from_secs(59)).unwrap();
    assert!(bench.wait(Duration::from_secs(1)).is_err());
}

#[test]
fn shares_without_a_verdict_are_bounded() {
    let mut bench = Bench::working();
    let bound = u32::try_from(pending::OUTSTANDING_MAX).unwrap();
    for token in 0..bound {
        bench.submit(token).unwrap();
    }
    bench.take_written();
    assert!(!bench.machine.takes(Worth::Share) && bench.machine.takes(Worth::Block));
    let blocks = u32::try_from(pending::BLOCKS_MAX).unwrap();
    for token in bound..bound + blocks {
        bench.submit(token).unwrap();
    }
    let bound = bound + blocks;
    assert!(!bench.machine.takes(Worth::Block));
    bench.take_written();
    assert_eq!(bench.submit(bound), Err(bound));
    assert!(bench.take_written().is_empty());
    bench.hear(r#"{"id":5,"result":true,"error":null}"#);
    bench.submit(bound).unwrap();
    assert_eq!(bench.take_written()[0].split(' ').next(), Some("10069"), "no id was spent");
}

#[test]
fn a_pool_without_a_first_job_is_given_up() {
    let mut bench = Bench::working();
    bench.wait(Duration::from_millis(29_999)).unwrap();
    let error = bench.wait(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, PoolError::FirstJobTimeout(_)), "{error}");
}

#[test]
fn a_pool_that_stops_sending_jobs_is_given_up() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.wait(Duration::from_secs(599)).unwrap();
    bench.hear(&notify("2", false));
    bench.wait(Duration::from_secs(599)).unwrap();
    bench.hear(&set_difficulty("2"));
    let error = bench.wait(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, PoolError::JobSilence(_)), "a job it must be: {error}");
}

#[test]
fn new_limits_hold_at_once() {
    let mut bench = Bench::working();
    bench.hear(&notify("1", true));
    bench.wait(Duration::from_secs(100)).unwrap();
    bench.machine.set_timeouts(Timeouts { job_silence: Duration::from_secs(100), ..timeouts() });
    assert!(bench.wait(Duration::ZERO).is_err());
}

#[test]
fn requests_of_the_pool_are_answered_if_they_want_an_answer() {
    let mut bench = Bench::working();
    for (line, written) in [
        (r#"{"id":42,"method":"mining.ping","params":[]}"#, Some(r#"42 = "pong""#)),
        (r#"{"id":"x","method":"client.get_version","params":[]}"#, Some(r#""x" = "loka/0""#)),
        (r#"{"id":null,"method":"mining.ping","params":[]}"#, None),
        (r#"{"method":"client.get_version"}"#, None),
    ] {
        bench.hear(line);
        assert_eq!(bench.take_written(), written.into_iter().collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn words_and_wishes_of_the_pool_are_handed_on() {
    let mut bench = Bench::working();
    bench.hear(r#"{"id":null,"method":"client.show_message","params":["maintenance\n"]}"#);
    bench.hear(r#"{"id":null,"method":"client.reconnect","params":["eu.pool","3333",10]}"#);
    bench.hear(r#"{"id":null,"method":"client.reconnect","params":[]}"#);
    let expected = [
        "message maintenance",
        r#"reconnect Some("eu.pool") Some(3333) 10s"#,
        "reconnect None None 0ns",
    ];
    assert_eq!(bench.take_events(), expected);
}

#[test]
fn one_garbled_line_costs_no_session_and_sixteen_do() {
    let mut bench = Bench::working();
    for _ in 1..MALFORMED_LINES_MAX {
        bench.hear(r#"{"id":null,"method":"mining.notify","params":["1"]}"#);
        assert_eq!(bench.take_events(), ["misbehaved"]);
    }
    bench.hear(&notify("1", true));
    let error = bench.try_hear("HTTP/1.1 400 Bad Request").unwrap_err();
    assert!(matches!(error, PoolError::Malformed { count: 16, .. }), "{error}");
}

#[test]
fn a_difficulty_that_is_none_leaves_the_one_in_force() {
    let mut bench = Bench::working();
    bench.hear(&set_difficulty("8"));
    bench.hear(&set_difficulty("0"));
    bench.hear(&notify("1", true));
    assert_eq!(bench.take_events(), ["misbehaved", "job 1 clean 08000002 8 diff 8 mask 1fffe000"]);
    assert_eq!(difficulty("8").to_string(), "8");
}

/// Some pools repeat what they refuse; what they say is logged, and shown.
#[test]
fn what_a_pool_says_with_our_password_in_it_is_told_without() {
    let mut bench = Bench::working();
    bench.hear(r#"{"method":"client.show_message","params":["you are hunter2, hunter2"]}"#);
    bench.machine.authorize("acct.second", &mut bench.written);
    bench.hear(r#"{"id":5,"result":null,"error":[24,"no hunter2 here",null]}"#);
    let said = bench.take_events();
    let wanted = "message you are (redacted), (redacted)";
    assert_eq!(said, [wanted, "no login acct.second: no (redacted) here"]);
    let mut bench = Bench::open(login());
    bench.hear(GRANTED);
    bench.hear(SUBSCRIBED);
    let refused = bench.try_hear(r#"{"id":3,"error":[24,"acct.proxy:hunter2 is wrong",null]}"#);
    let refused = refused.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
    // What nobody would call a secret stays where it is.
    let mut bench = Bench::working_as(Login { password: "x".into(), ..login() });
    bench.hear(r#"{"method":"client.show_message","params":["extra"]}"#);
    assert_eq!(bench.take_events(), ["message extra"]);
}
