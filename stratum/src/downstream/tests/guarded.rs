//! A driver that decides whom it lets in.

use super::*;
use crate::message::parse_client;

const SUBSCRIBE: &str = r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#;
const AUTHORIZE: &str = r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#;

fn message(line: &str) -> Input<'_> {
    Input::Message { line: line.as_bytes(), said: parse_client(line.as_bytes()) }
}

fn turn(bench: &mut Bench, line: &str) -> Vec<String> {
    let request = parse_client(line.as_bytes()).unwrap();
    let text = "Unauthorized worker";
    bench.give(Input::Turned(Turned { request: &request, code: RejectCode::Unauthorized, text }))
}

#[test]
fn nobody_is_given_work_before_a_name_is_let_in() {
    let mut bench = Bench::new();
    bench.terms.nameless = Nameless::Wait;
    bench.say(SUBSCRIBE);
    assert_eq!(bench.wait(Duration::from_secs(9)), [""; 0], "a nameless one waits");
    assert_eq!(turn(&mut bench, AUTHORIZE), ["2: error 24"]);
    assert!(!bench.machine.is_mining() && bench.closed.is_none());
    let let_in = bench.give(message(AUTHORIZE));
    assert_eq!(let_in.first().map(String::as_str), Some("2: true"));
    assert!(bench.machine.is_mining());
    let names: Vec<_> = bench.machine.workers().iter().map(WorkerName::as_str).collect();
    assert_eq!(names, ["acct.w"]);
    let told =
        |event: &Event| matches!(event, Event::Authorized(name) if name.as_str() == "acct.w");
    assert_eq!(bench.events.iter().filter(|event| told(event)).count(), 1);
}

#[test]
fn a_share_that_is_turned_away_has_an_outcome_and_its_answer() {
    let mut bench = Bench::mining();
    let due = bench.mine_due(&bench.current());
    assert_eq!(turn(&mut bench, &due), ["4: error 24"]);
    assert_eq!(bench.drain_events(), ["refused rate_limited of nobody"]);
    assert!(bench.forward.is_none());
}

#[test]
fn a_wait_that_is_ours_is_not_held_against_the_miner() {
    let mut bench = Bench::new();
    bench.terms.nameless = Nameless::Wait;
    bench.say(SUBSCRIBE);
    let limit = bench.terms.handshake_timeout;
    bench.machine.excuse(Duration::from_secs(30));
    bench.wait(limit + Duration::from_secs(20));
    assert_eq!(bench.closed, None, "it waits for us");
    // It waited for `limit` and 20 seconds; of the thirty that were excused the rest is taken back.
    bench.machine.unexcuse(Duration::from_secs(10));
    bench.give(Input::Timeout);
    assert_eq!(bench.closed, Some(Close::HandshakeTimeout));
}

#[test]
fn who_is_turned_away_is_told_so_behind_what_is_owed() {
    let mut bench = Bench::mining();
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.say(&due), [""; 0]);
    assert_eq!(turn(&mut bench, AUTHORIZE), [""; 0], "not before the share");
    let said = bench.handed(HandOver::Written);
    assert_eq!(said, ["4: true", "2: error 24"]);
}
