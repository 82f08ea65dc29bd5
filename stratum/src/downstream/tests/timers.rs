//! What a session waits for.

use super::*;

#[test]
fn a_miner_that_falls_silent_at_work_is_let_go() {
    let mut bench = Bench::mining();
    bench.wait(Duration::from_millis(599_999));
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::Idle));
}

#[test]
fn any_line_counts_as_a_sign_of_life() {
    let mut bench = Bench::mining();
    for _ in 0..10 {
        bench.wait(Duration::from_secs(599));
        bench.say(r#"{"id":8,"result":true,"error":null}"#);
    }
    assert_eq!(bench.closed, None);
}

#[test]
fn a_held_miner_is_told_at_once_and_twice_a_minute() {
    let mut bench = Bench::mining();
    bench.board.withdraw(POOL);
    assert_eq!(bench.give(Input::Work), ["client.show_message"]);
    assert_eq!(bench.wait(Duration::from_millis(29_999)), [""; 0]);
    assert_eq!(bench.wait(Duration::from_millis(1)), ["client.show_message"]);
    assert_eq!(bench.wait(Duration::from_secs(300)), ["client.show_message"; 10]);
    let stale =
        r#"{"id":4,"method":"mining.submit","params":["acct.w","10","00000000","504e86b1","0"]}"#;
    assert_eq!(bench.say(stale), ["4: error 21"], "answered honestly");
    assert_eq!(bench.closed, None);
}

#[test]
fn a_miner_is_let_go_when_the_terms_say_so() {
    let mut bench = Bench::mining();
    bench.terms.no_pool = NoPool::Close { after: Duration::from_secs(45), since: None };
    bench.board.withdraw(POOL);
    bench.give(Input::Work);
    bench.wait(Duration::from_millis(44_999));
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::NoPool));
}

#[test]
fn work_that_is_back_in_time_keeps_the_miner() {
    let mut bench = Bench::mining();
    bench.terms.no_pool = NoPool::Close { after: Duration::from_secs(45), since: None };
    for source in [2, 3, 4] {
        let active = bench.board.active().next().unwrap();
        bench.board.withdraw(active);
        bench.give(Input::Work);
        bench.wait(Duration::from_secs(44));
        bench.job_of(SourceId(source), Clean::Yes);
        assert_eq!(bench.give(Input::Work), ["notify clean"]);
    }
    assert_eq!(bench.closed, None);
}

#[test]
fn terms_that_change_hold_at_once() {
    let mut bench = Bench::mining();
    bench.wait(Duration::from_secs(100));
    bench.terms.idle_timeout = Duration::from_secs(60);
    bench.give(Input::Work);
    assert_eq!(bench.closed, Some(Close::Idle));
}

#[test]
fn every_job_of_keep_alive_is_a_line_for_the_miner() {
    let period = Duration::from_secs(60);
    let mut bench = Bench::mining();
    for _ in 0..5 {
        let at = bench.board.keep_alive_at(period).unwrap();
        bench.wait(at - bench.now.instant);
        assert!(bench.board.keep_alive(bench.now, period));
        assert_eq!(bench.give(Input::Work), ["notify"]);
    }
    let job = bench.current();
    let share = bench.mine_due(&job);
    bench.say(&share);
    assert!(bench.forward.is_some());
}

#[test]
fn who_comes_later_is_not_held_for_as_long_again() {
    let mut bench = Bench::new();
    bench.board.withdraw(POOL);
    let since = Some(bench.now.instant);
    bench.terms.no_pool = NoPool::Close { after: Duration::from_secs(45), since };
    bench.wait(Duration::from_secs(20));
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w"]}"#);
    bench.wait(Duration::from_millis(24_999));
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::NoPool));
}
