//! A miner that is moved to another route: another board, with jobs and epochs of its own.

use super::*;

/// Another pool's first session.
const OF_ANOTHER_ROUTE: SourceId = SourceId(7 << 32 | 1);

impl Bench {
    /// The same epoch as the first board, and lower job ids.
    fn move_to_another_route(&mut self, difficulty_of_pool: &str) {
        let former = std::mem::replace(&mut self.board, WorkBoard::new(JobSerial(0x5), None));
        self.former = Some(former.work().jobs.clone());
        self.context.difficulty = difficulty(difficulty_of_pool);
        self.job_of(OF_ANOTHER_ROUTE, Clean::No);
    }
}

#[test]
fn another_route_is_a_clean_job_whatever_its_epoch() {
    let mut bench = Bench::mining();
    bench.move_to_another_route(POOL_DIFFICULTY);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    assert_eq!(bench.give(Input::Work), [""; 0]);
    bench.job_of(OF_ANOTHER_ROUTE, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
}

#[test]
fn what_is_found_for_the_route_that_was_left_is_due_there() {
    let mut bench = Bench::mining();
    let left = bench.current();
    bench.move_to_another_route(POOL_DIFFICULTY);
    bench.give(Input::Work);
    let due = bench.mine_due(&left);
    assert_eq!(bench.say(&due), [""; 0], "answered when the pool has it");
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!("due") };
    assert_eq!(share.job().source, POOL);
    bench.handed(HandOver::Written);
    assert_eq!(bench.say(&due), ["4: error 22"], "and only once");
    bench.former = None;
    let late = bench.mine_due(&left);
    assert_eq!(bench.say(&late), ["4: error 21"]);
}

#[test]
fn a_share_for_the_route_that_was_left_is_judged_at_what_was_asked_there() {
    let mut bench = Bench::mining();
    let left = bench.current();
    bench.terms.vardiff.min = difficulty("6e-9");
    bench.move_to_another_route("1e-7");
    assert_eq!(bench.give(Input::Work), ["set_difficulty 6e-9", "notify clean"]);
    let easy = bench.mine(&left, None, |hash| {
        let (own, raised) = (difficulty(INITIAL).target(), difficulty("6e-9").target());
        own.is_met_by(hash) && !raised.is_met_by(hash)
    });
    assert_eq!(bench.say(&easy), ["4: true"]);
    let now = bench.current();
    let low = bench.mine(&now, None, |hash| {
        let (own, raised) = (difficulty(INITIAL).target(), difficulty("6e-9").target());
        own.is_met_by(hash) && !raised.is_met_by(hash)
    });
    assert_eq!(bench.say(&low), ["4: error 23"], "for the new route's jobs the new one holds");
}

#[test]
fn a_miner_whose_route_is_not_settled_is_sent_nothing_and_told_nothing() {
    let mut bench = Bench::without_pool();
    bench.board.assume_layout(Layout::CONSERVATIVE);
    bench.terms.no_pool = NoPool::Wait;
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
    let said = bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#);
    assert_eq!(said, ["2: true"]);
    assert!(bench.machine.is_mining());
    assert_eq!(bench.wait(Duration::from_secs(120)), [""; 0]);
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 1e-9", "notify clean"]);
}
