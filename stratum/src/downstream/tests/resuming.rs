//! Miners that come back.

use super::*;

const SUBSCRIBE: &str =
    r#"{"id":1,"method":"mining.subscribe","params":["t/1","0123456789abcdef"]}"#;
const AUTHORIZE: &str = r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#;

impl Bench {
    /// The connection breaks, and what the session leaves is kept for it; another connection begins.
    fn break_off(&mut self) {
        let Remains::Session(session) = self.machine.end(self.now.instant) else {
            panic!("it was at work")
        };
        assert_eq!(session.token(), TOKEN);
        self.machine = Downstream::new(self.now, Duration::from_secs(3), SessionToken(99));
        self.registry.former.replace(Some(session));
        self.events.clear();
    }
}

#[test]
fn the_session_that_the_reply_names_is_a_token_and_not_the_extranonce() {
    let mut bench = Bench::new();
    let mut out = Outbox::default();
    let (now, work) = (bench.now, bench.board.work());
    let registry = &bench.registry;
    let view = View { now, work, lane: None, former: None, terms: &bench.terms, registry };
    let line = br#"{"id":1,"method":"mining.subscribe","params":[]}"#;
    bench.machine.handle(&view, Input::Line(line), &mut out);
    let reply: Value = serde_json::from_slice(&out.wire).unwrap();
    assert_eq!(
        reply["result"][0],
        serde_json::json!([
            ["mining.set_difficulty", "0123456789abcdef"],
            ["mining.notify", "0123456789abcdef"]
        ])
    );
    assert_eq!(format!("{TOKEN:?}"), "SessionToken(redacted)");
    assert_eq!(bench.machine.session(), Some(TOKEN));
}

#[test]
fn a_miner_that_comes_back_has_its_extranonce_its_shares_and_its_difficulty() {
    let mut bench = Bench::mining();
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[2e-9]}"#);
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    let job = bench.current();
    let (sent, unsent) = (bench.mine_due(&job), bench.mine_due(&job));
    bench.say(&sent);
    bench.forward = None;
    bench.handed(HandOver::Written);
    bench.break_off();
    bench.wait(Duration::from_secs(100));
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0a0b0c09 4"]);
    assert_eq!(bench.say(AUTHORIZE), ["2: true", "set_difficulty 2e-9", "notify clean"]);
    assert_eq!(bench.drain_events(), ["resumed", "mining", "difficulty 0.000000002"]);
    assert_eq!(bench.say(&sent), ["4: error 22"], "what was counted is not counted again");
    assert_eq!(bench.say(&unsent), [""; 0], "and what was found in between is");
    assert!(matches!(bench.forward.take(), Some(Forward::Due(..))));
    bench.handed(HandOver::Written);
    assert_eq!(bench.say(&unsent), ["4: error 22"]);
    assert_eq!(bench.wait(Duration::from_secs(59)), [""; 0], "it was not silent");
    bench.break_off();
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0a0b0c09 4"], "by the same name again");
}

#[test]
fn the_mask_that_a_job_was_sent_under_is_kept_whatever_is_negotiated_now() {
    let mut bench = Bench::rolling();
    let job = bench.current();
    let due =
        |bench: &Bench| bench.mine(&job, Some(0x0000_a000), |hash| job.pool_target.is_met_by(hash));
    let (first, second) = (due(&bench), due(&bench));
    bench.break_off();
    bench.say(SUBSCRIBE);
    assert_eq!(bench.say(AUTHORIZE), ["2: true", "set_difficulty 1e-9", "notify clean"]);
    assert_eq!(bench.say(&first), [""; 0], "as it was, if nothing is said of it");
    bench.forward = None;
    bench.handed(HandOver::Written);
    bench.break_off();
    assert_eq!(bench.say(&configure("00002000")), ["0: mask 00002000"]);
    bench.say(SUBSCRIBE);
    bench.say(AUTHORIZE);
    assert_eq!(bench.say(&second), [""; 0], "sent before, with more bits");
    bench.forward = None;
    bench.handed(HandOver::Written);
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    let job = bench.current();
    let wide = bench.mine(&job, Some(0x0000_a000), |hash| job.pool_target.is_met_by(hash));
    assert_eq!(bench.say(&wide), ["4: error 20"], "and this one with fewer");
}

#[test]
fn a_name_that_is_none_of_ours_is_a_new_session() {
    for session in
        [r#""b08cf00d1""#, "null", r#""""#, r#""0a0b0c09""#, "17", r#""0123456789abcdee""#]
    {
        let mut bench = Bench::mining();
        bench.break_off();
        let line = format!(r#"{{"id":1,"method":"mining.subscribe","params":["t/1",{session}]}}"#);
        assert_eq!(bench.say(&line), ["1: 0a0b0c08 4"], "{session}");
        bench.say(AUTHORIZE);
        assert_eq!(bench.drain_events(), ["mining", "difficulty 0.000000001"]);
    }
}

#[test]
fn a_former_connection_is_waited_for_until_it_gives_way() {
    let mut bench = Bench::mining();
    bench.break_off();
    bench.registry.busy.set(3);
    assert_eq!(bench.say(SUBSCRIBE), [""; 0]);
    assert!(!bench.machine.accepts_lines(), "what follows must not overtake");
    assert_eq!(bench.give(Input::Work), [""; 0]);
    let said = bench.wait(Duration::from_millis(60));
    assert_eq!(said, ["1: 0a0b0c09 4"]);
    assert_eq!(bench.say(AUTHORIZE), ["2: true", "set_difficulty 1e-9", "notify clean"]);
}

#[test]
fn a_former_connection_that_does_not_give_way_is_waited_for_a_second() {
    let mut bench = Bench::mining();
    bench.break_off();
    bench.registry.busy.set(u32::MAX);
    bench.say(SUBSCRIBE);
    assert_eq!(bench.wait(Duration::from_millis(999)), [""; 0]);
    assert_eq!(bench.wait(Duration::from_millis(30)), ["1: 0a0b0c08 4"], "a new one then");
}

#[test]
fn a_miner_whose_extranonce_has_no_place_any_more_is_told_another_with_the_reply() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let late = bench.mine_due(&job);
    bench.break_off();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0c08 2"]);
    bench.say(AUTHORIZE);
    assert_eq!(bench.say(&late), [""; 0], "found before, for a pool that is still there");
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!() };
    assert_eq!(share.extranonce2_for_pool().to_hex(), "0a0b0c0900000000");
}

#[test]
fn a_miner_that_was_sent_away_for_its_extranonce_does_not_get_it_back() {
    let mut bench = Bench::mining();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    bench.give(Input::Work);
    bench.wait(Duration::from_secs(4));
    assert_eq!(bench.closed.take(), Some(Close::LayoutChanged));
    bench.break_off();
    // Where rules decide the route, there is no job to see before that.
    bench.board = WorkBoard::new(JobSerial(1), Some(Layout::CONSERVATIVE));
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0c08 2"]);
}

#[test]
fn a_session_can_be_resumed_while_there_is_no_pool() {
    let mut bench = Bench::mining();
    bench.break_off();
    bench.board = WorkBoard::new(JobSerial(1), None);
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0a0b0c09 4"], "nothing has to be known for that");
}

#[test]
fn who_breaks_off_before_the_work_began_can_come_back_as_well() {
    let mut bench = Bench::mining();
    bench.break_off();
    bench.say(SUBSCRIBE);
    bench.break_off();
    assert_eq!(bench.say(SUBSCRIBE), ["1: 0a0b0c09 4"]);
}

// --- where a miner begins

#[test]
fn the_nearer_word_on_the_first_difficulty_counts() {
    // Password, suggestion, memory, firmware, listener.
    for (password, suggested, remembered, firmware, expected) in [
        (Some("2e-9"), Some("3e-9"), Some("4e-9"), Some("5e-9"), "2e-9"),
        (None, Some("3e-9"), Some("4e-9"), Some("5e-9"), "3e-9"),
        (None, None, Some("4e-9"), Some("5e-9"), "4e-9"),
        (None, None, None, Some("5e-9"), "5e-9"),
        (None, None, None, None, "1e-9"),
        (None, None, Some("1"), None, "1e-8"),
        (None, None, Some("1e-12"), None, "1e-10"),
    ] {
        let mut bench = Bench::new();
        let mut profile = Profile::new("t", vec![crate::glob::Glob::of_any_case("t/*")]);
        profile.initial_difficulty = firmware.map(difficulty);
        bench.terms.firmware = Profiles::new(vec![profile]);
        bench.registry.remembered.set(remembered.map(difficulty));
        bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
        if let Some(suggested) = suggested {
            bench.say(&format!(
                r#"{{"id":3,"method":"mining.suggest_difficulty","params":[{suggested}]}}"#
            ));
        }
        let password = password.map_or_else(|| "x".to_owned(), |number| format!("x,d={number}"));
        let said = bench.say(&format!(
            r#"{{"id":2,"method":"mining.authorize","params":["acct.w","{password}"]}}"#
        ));
        assert_eq!(said[1], format!("set_difficulty {expected}"));
    }
}

#[test]
fn nobody_goes_below_the_minimum_of_password_or_firmware() {
    let mut bench = Bench::new();
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","md=3e-9"]}"#);
    assert_eq!(said[1], "set_difficulty 3e-9");
    assert_eq!(bench.wait(Duration::from_secs(400)), [""; 0], "not even in silence");
    let said = bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e-9]}"#);
    assert_eq!(said, ["3: true"]);
    let mut profile = Profile::new("t", vec![crate::glob::Glob::of_any_case("t/*")]);
    profile.min_difficulty = Some(difficulty("6e-9"));
    bench.terms.firmware = Profiles::new(vec![profile]);
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 6e-9", "notify"]);
    bench.context.difficulty = difficulty("1e-9");
    bench.job_of(POOL, Clean::No);
    let said = bench.give(Input::Work);
    assert_eq!(said, ["set_difficulty 1e-9", "notify"], "but for a pool that is below");
}

#[test]
fn a_difficulty_is_worth_remembering_once_shares_have_come_at_it() {
    let mut bench = Bench::mining();
    assert_eq!(bench.machine.proven_difficulty(), None);
    let job = bench.current();
    for _ in 0..8 {
        bench.wait(Duration::from_secs(6));
        let share = bench.mine_below_pool(&job);
        bench.say(&share);
    }
    assert_eq!(bench.machine.proven_difficulty(), Some(difficulty(INITIAL)));
    bench.wait(Duration::from_secs(130));
    assert_eq!(
        bench.machine.proven_difficulty(),
        Some(difficulty(INITIAL)),
        "silence proves nothing"
    );
}

#[test]
fn a_minimum_is_a_floor_and_no_word_on_where_to_begin() {
    let minimum = r#"{"id":0,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":3e-9}]}"#;
    let mut bench = Bench::new();
    bench.registry.remembered.set(Some(difficulty("8e-9")));
    bench.say(minimum);
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#);
    assert_eq!(said[1], "set_difficulty 8e-9", "what fits it is remembered");
    bench.wait(Duration::from_secs(4000));
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e-9]}"#);
    assert_eq!(bench.assigned(), difficulty("3e-9"), "and it goes no lower");
}

#[test]
fn a_further_name_leaves_the_difficulty_where_it_is() {
    let mut bench = Bench::new();
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","d=3e-9"]}"#);
    assert_eq!(said[1], "set_difficulty 3e-9");
    bench.wait(Duration::from_secs(400));
    let settled = bench.assigned();
    assert!(settled < difficulty("3e-9"), "silence has lowered it: {settled}");
    let said = bench.say(r#"{"id":3,"method":"mining.authorize","params":["acct.v","x"]}"#);
    assert_eq!(said, ["3: true"]);
    let said = bench.say(r#"{"id":4,"method":"mining.authorize","params":["acct.u","d=4e-9"]}"#);
    assert_eq!(said, ["4: true", "set_difficulty 4e-9"], "unless it says so");
}
