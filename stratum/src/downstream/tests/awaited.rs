//! What becomes of a due share, as its miner is told.

use super::*;

#[test]
fn a_miner_is_told_what_became_of_its_share() {
    use crate::upstream::PoolReject as By;
    for (result, wanted) in [
        (HandOver::Written, "4: true"),
        (HandOver::Refused(By::Other), "4: error 20"),
        (HandOver::Refused(By::Stale), "4: error 21"),
        (HandOver::Refused(By::Duplicate), "4: error 22"),
        (HandOver::Refused(By::LowDifficulty), "4: error 23"),
        (HandOver::Refused(By::Unauthorized), "4: error 24"),
        (HandOver::Refused(By::NotSubscribed), "4: error 25"),
        (HandOver::Unanswered, "4: error 21"),
        (HandOver::Lost, "4: error 21"),
    ] {
        let mut bench = Bench::mining();
        let due = bench.mine_due(&bench.current());
        assert_eq!(bench.say(&due), [""; 0], "{result:?}");
        assert_eq!(bench.handed(result), [wanted], "{result:?}");
        assert_eq!(bench.machine.answers_owed(), 0);
    }
}

/// The submit with another id.
fn with_id(share: &str, id: u32) -> String {
    share.replacen("\"id\":4", &format!("\"id\":{id}"), 1)
}

#[test]
fn whatever_is_submitted_meanwhile_is_answered_in_its_turn() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let (first, second) = (bench.mine_due(&job), bench.mine_due(&job));
    assert_eq!(bench.say(&with_id(&first, 11)), [""; 0]);
    bench.forward = None;
    let below = bench.mine_below_pool(&job);
    assert_eq!(bench.say(&with_id(&below, 12)), [""; 0], "good, and told in its turn");
    assert_eq!(bench.say(&with_id(&below, 13)), [""; 0], "refused, and told in its turn");
    assert_eq!(
        bench.say(&with_id(&second, 14)),
        [""; 0],
        "on its way before the first is answered"
    );
    assert!(bench.forward.take().is_some());
    let low = bench.mine_low(&job);
    assert_eq!(bench.say(&with_id(&low, 15)), [""; 0]);
    assert_eq!(bench.machine.answers_owed(), 5);
    bench.job_of(POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), ["notify clean"], "jobs do not wait");

    let late = bench.handed_later(1, HandOver::Refused(PoolReject::Stale));
    assert_eq!(late, [""; 0], "its verdict has come before that of the first");
    let said = bench.handed(HandOver::Written);
    assert_eq!(said, ["11: true", "12: true", "13: error 22", "14: error 21", "15: error 23"]);
    assert_eq!(bench.machine.answers_owed(), 0);
}

#[test]
fn a_request_that_is_no_submit_waits_for_what_is_owed_before() {
    let mut bench = Bench::mining();
    let due = bench.mine_due(&bench.current());
    bench.say(&due);
    assert_eq!(bench.say(r#"{"id":9,"method":"mining.ping","params":[]}"#), [""; 0]);
    assert!(!bench.machine.accepts_lines(), "it would be overtaken");
    assert_eq!(bench.handed(HandOver::Written), ["4: true", "9: \"pong\""]);
    assert!(bench.machine.accepts_lines());
}

#[test]
fn answers_that_are_owed_are_bounded() {
    let mut bench = Bench::mining();
    let job = bench.current();
    for _ in 0..ANSWERS_MAX {
        let due = bench.mine_due(&job);
        bench.say(&due);
        bench.forward = None;
    }
    assert!(!bench.machine.accepts_lines());
    assert_eq!(bench.handed(HandOver::Written), ["4: true"]);
    assert!(bench.machine.accepts_lines());
    let mut answers = 0;
    while !bench.tickets.is_empty() {
        answers += bench.handed(HandOver::Lost).len();
    }
    assert_eq!(answers, ANSWERS_MAX - 1);
}
