//! Logging in, with pools that refuse, are silent, or answer in their own ways.

use super::*;

const CONFIGURE: &str = r#"1 mining.configure [["version-rolling","subscribe-extranonce"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]"#;
const SUBSCRIBE: &str = r#"2 mining.subscribe ["loka/0"]"#;
const AUTHORIZE: &str = r#"3 mining.authorize ["acct.proxy","hunter2"]"#;
const EXTRANONCE: &str = "4 mining.extranonce.subscribe []";

#[test]
fn each_request_waits_for_the_reply_to_the_one_before() {
    let mut bench = Bench::open(login());
    assert_eq!(bench.take_written(), [CONFIGURE]);
    bench.hear(GRANTED);
    assert_eq!(bench.take_written(), [SUBSCRIBE]);
    bench.hear(SUBSCRIBED);
    assert_eq!(bench.take_written(), [AUTHORIZE]);
    assert!(bench.take_events().is_empty(), "not logged in yet");
    bench.hear(r#"{"id":3,"result":true,"error":null}"#);
    assert_eq!(bench.take_written(), [EXTRANONCE]);
    assert_eq!(bench.take_events(), ["ready No mask 1fffe000"]);
    bench.hear(r#"{"id":4,"result":null,"error":[20,"Not supported.",null]}"#);
    assert!(bench.take_events().is_empty(), "its answer does not matter");
}

#[test]
fn without_bits_to_ask_for_nothing_is_configured() {
    let mut bench = Bench::open(Login { version_mask: VersionMask::NONE, ..login() });
    assert_eq!(bench.take_written(), [r#"1 mining.subscribe ["loka/0"]"#]);
    bench.hear(&SUBSCRIBED.replace("\"id\":2", "\"id\":1"));
    bench.hear(r#"{"id":2,"result":true,"error":null}"#);
    assert_eq!(bench.take_events(), ["ready No mask 00000000"]);
}

#[test]
fn what_a_pool_says_to_configure_decides_the_mask_and_no_more() {
    for (reply, mask) in [
        (GRANTED, "1fffe000"),
        (
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"3fffffff"}}"#,
            "1fffe000",
        ),
        (
            r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"0000e000"}}"#,
            "0000e000",
        ),
        (r#"{"id":1,"result":{"version-rolling":false},"error":null}"#, "00000000"),
        (r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"zz"}}"#, "00000000"),
        (r#"{"id":1,"result":null,"error":[20,"Method not found",null]}"#, "00000000"),
        (
            r#"{"id":1,"error":{"code":-3,"message":"Method 'mining.configure' not found"}}"#,
            "00000000",
        ),
        (r#"{"id":"1","result":true,"error":null}"#, "00000000"),
    ] {
        let mut bench = Bench::open(login());
        bench.hear(reply);
        bench.hear(SUBSCRIBED);
        bench.hear(r#"{"id":3,"result":true,"error":null}"#);
        assert_eq!(bench.take_events(), [format!("ready No mask {mask}")], "{reply}");
    }
}

#[test]
fn a_pool_that_is_silent_on_configure_is_used_without_version_rolling() {
    let mut bench = Bench::open(login());
    bench.take_written();
    bench.wait(Duration::from_millis(4999)).unwrap();
    assert!(bench.take_written().is_empty());
    bench.wait(Duration::from_millis(1)).unwrap();
    assert_eq!(bench.take_written(), [SUBSCRIBE]);
    bench.hear(GRANTED);
    assert!(bench.take_events().is_empty(), "too late");
    bench.hear(SUBSCRIBED);
    bench.hear(r#"{"id":3,"result":true,"error":null}"#);
    assert_eq!(bench.take_events(), ["ready No mask 00000000"]);
}

#[test]
fn a_short_handshake_leaves_half_of_its_time_to_configure() {
    let now = Now { instant: origin(), unix: UnixTime(0) };
    let timeouts = Timeouts { handshake: Duration::from_secs(3), ..timeouts() };
    let mut out = Outbox::<u32>::default();
    let mut machine = Upstream::new(now, login(), timeouts, &mut out);
    assert_eq!(machine.poll_timeout(), now.instant + Duration::from_millis(1500));
    let later = Now { instant: machine.poll_timeout(), ..now };
    out.wire.clear();
    machine.handle_timeout(later, &mut out).unwrap();
    assert!(String::from_utf8(out.wire).unwrap().contains("mining.subscribe"));
}

#[test]
fn each_step_of_the_handshake_can_time_out_and_says_which() {
    let steps = ["mining.subscribe", "mining.authorize"];
    for (heard, request) in steps.into_iter().enumerate() {
        let mut bench = Bench::open(login());
        bench.hear(GRANTED);
        for line in [SUBSCRIBED].iter().take(heard) {
            bench.hear(line);
        }
        bench.wait(Duration::from_millis(19_999)).unwrap();
        let error = bench.wait(Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains(request), "{error}");
        assert!(matches!(error, PoolError::HandshakeTimeout { .. }));
    }
}

#[test]
fn a_subscription_is_read_in_every_form() {
    for (result, extranonce, session) in [
        (
            r#"[[["mining.set_difficulty","d"],["mining.notify","s"]],"08000002",4]"#,
            "08000002 4",
            "s",
        ),
        (r#"[["mining.notify","s"],"08000002",4]"#, "08000002 4", "s"),
        (r#"[[["mining.notify","s"]],"1165080401b7ee026b","8"]"#, "1165080401b7ee026b 8", "s"),
        // Without a session id, the extranonce1 serves.
        (r#"[[["mining.notify",null]],"ab",3]"#, "ab 3", "ab"),
        (r#"[[],"AB",3]"#, "ab 3", "ab"),
        (r#"[[["mining.notify",[]]],"ab",3]"#, "ab 3", "ab"),
        (r#"[null,"",8]"#, " 8", ""),
    ] {
        let mut bench = Bench::open(login());
        bench.hear(GRANTED);
        bench.hear(&format!(r#"{{"id":2,"result":{result},"error":null}}"#));
        bench.hear(&notify("j", true));
        bench.hear(r#"{"id":3,"result":true,"error":null}"#);
        let Some(Event::Ready(ready)) = bench.events.first() else { panic!() };
        assert_eq!(&*ready.resumable.clone().unwrap().session, session, "{result}");
        let job = bench.take_events().pop().unwrap();
        assert_eq!(job, format!("job j clean {extranonce} diff 1 mask 1fffe000"), "{result}");
    }
}

#[test]
fn a_subscription_that_cannot_be_worked_with_is_refused_with_the_reason() {
    for (reply, reason) in [
        (r#"{"id":2,"result":[[],"08000002",0],"error":null}"#, "at least a byte"),
        (r#"{"id":2,"result":[[],"zz",4],"error":null}"#, "extranonce1"),
        (r#"{"id":2,"result":true,"error":null}"#, "result"),
    ] {
        let mut bench = Bench::open(login());
        bench.hear(GRANTED);
        let error = bench.try_hear(reply).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(matches!(error, PoolError::Unusable { request: "mining.subscribe", .. }));
    }
}

#[test]
fn a_pool_that_refuses_a_subscribe_is_asked_with_less_until_nothing_is_left() {
    let mut bench = Bench::open(Login { resume: Some(resumable()), ..login() });
    bench.hear(GRANTED);
    bench.take_written();
    bench.hear(r#"{"id":2,"result":null,"error":[20,"unknown session",null]}"#);
    assert_eq!(bench.take_written(), [r#"3 mining.subscribe ["loka/0"]"#]);
    bench.hear(r#"{"id":3,"result":false,"error":"bad params"}"#);
    assert_eq!(bench.take_written(), ["4 mining.subscribe []"]);
    let error = bench.try_hear(r#"{"id":4,"result":null,"error":[20,"pool is full",null]}"#);
    let error = error.unwrap_err();
    assert!(error.to_string().contains("pool is full"), "{error}");
    assert!(matches!(error, PoolError::Unusable { request: "mining.subscribe", .. }));
}

#[test]
fn a_pool_that_takes_only_a_bare_subscribe_is_used() {
    let mut bench = Bench::open(login());
    bench.hear(GRANTED);
    bench.hear(r#"{"id":2,"result":null,"error":{"code":-1,"message":"wrong params"}}"#);
    bench.hear(&SUBSCRIBED.replace("\"id\":2", "\"id\":3"));
    bench.hear(r#"{"id":4,"result":true,"error":null}"#);
    assert_eq!(bench.take_events(), ["ready No mask 1fffe000"]);
}

#[test]
fn a_login_that_is_refused_names_the_user_and_the_pools_words() {
    for reply in [
        r#"{"id":3,"result":false,"error":[24,"no such account",null]}"#,
        r#"{"id":3,"result":null,"error":"no such account"}"#,
        r#"{"id":3,"result":false,"error":null,"reject-reason":"no such account"}"#,
    ] {
        let mut bench = Bench::open(login());
        bench.hear(GRANTED);
        bench.hear(SUBSCRIBED);
        let error = bench.try_hear(reply).unwrap_err().to_string();
        assert!(error.contains("acct.proxy") && error.contains("no such account"), "{error}");
        assert!(!error.contains("hunter2"));
    }
}

#[test]
fn a_job_before_the_reply_to_the_login_waits_for_it() {
    let mut bench = Bench::open(login());
    bench.hear(GRANTED);
    bench.hear(SUBSCRIBED);
    bench.hear(r#"{"id":null,"method":"mining.set_difficulty","params":[512]}"#);
    bench.hear(&notify("j1", true));
    bench.hear(&notify("j2", false));
    bench.hear(r#"{"id":null,"method":"mining.set_version_mask","params":["0000e000"]}"#);
    assert!(bench.take_events().is_empty());
    bench.hear(r#"{"id":3,"result":true,"error":null}"#);
    let expected = ["ready No mask 0000e000", "job j2 clean 08000002 8 diff 512 mask 0000e000"];
    assert_eq!(bench.take_events(), expected, "clean, as one that was not handed on was");
}

fn resumable() -> Resumable {
    Resumable {
        session: "s1".into(),
        extranonce1: Extranonce::from_hex("08000002").unwrap(),
        extranonce2_size: 8,
    }
}

#[test]
fn the_same_extranonce_means_that_the_session_goes_on() {
    for (reply, resumed) in [
        (SUBSCRIBED.to_owned(), "Yes"),
        (SUBSCRIBED.replace("08000002", "08000003"), "No"),
        (SUBSCRIBED.replace(",8]", ",4]"), "No"),
    ] {
        let mut bench = Bench::open(Login { resume: Some(resumable()), ..login() });
        bench.hear(GRANTED);
        assert_eq!(bench.take_written().last().unwrap(), r#"2 mining.subscribe ["loka/0","s1"]"#);
        bench.hear(&reply);
        bench.hear(r#"{"id":3,"result":true,"error":null}"#);
        assert_eq!(bench.take_events(), [format!("ready {resumed} mask 1fffe000")], "{reply}");
    }
}

#[test]
fn a_login_shows_no_password() {
    assert!(!format!("{:?}", login()).contains("hunter2"));
}

#[test]
fn a_share_before_the_login_is_handed_back() {
    let mut bench = Bench::open(login());
    bench.take_written();
    assert_eq!(bench.submit(7), Err(7));
    bench.hear(GRANTED);
    bench.hear(SUBSCRIBED);
    bench.take_written();
    assert_eq!(bench.submit(7), Err(7));
    assert!(bench.take_written().is_empty());
}
