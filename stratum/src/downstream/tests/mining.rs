//! Jobs, masks and difficulties as they reach a miner that is at work.

use super::*;

#[test]
fn a_new_job_is_sent_once_and_is_not_clean_by_itself() {
    let mut bench = Bench::mining();
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
    assert_eq!(bench.give(Input::Work), [""; 0]);
}

#[test]
fn a_clean_flag_survives_a_job_that_the_miner_never_saw() {
    let mut bench = Bench::mining();
    bench.job_of(POOL, Clean::Yes);
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
}

#[test]
fn a_job_reaches_the_miner_whatever_woke_its_session() {
    let mut bench = Bench::mining();
    bench.job_of(POOL, Clean::No);
    let said = bench.say(r#"{"id":3,"method":"mining.ping","params":[]}"#);
    assert_eq!(said, [r#"3: "pong""#, "notify"], "the reply first");
}

#[test]
fn a_change_of_pool_is_a_clean_job_and_nothing_else() {
    let mut bench = Bench::mining();
    bench.context.extranonce1 = Extranonce::from_hex("abcdef012345").unwrap();
    bench.context.extranonce2_size = 12;
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    let due = bench.mine_due(&bench.current());
    bench.say(&due);
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!() };
    assert_eq!(share.job().source, OTHER_POOL);
    assert_eq!(share.extranonce2_for_pool().to_hex(), "000000000a0b0c0900000000");
}

#[test]
fn a_pool_with_fewer_bits_is_told_before_its_job() {
    let mut bench = Bench::rolling();
    bench.context.version_mask = VersionMask(0x0000_6000);
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_version_mask 00006000", "notify clean"]);
    bench.context.version_mask = VersionMask::ALL;
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_version_mask 1fffe000", "notify clean"]);
}

#[test]
fn a_miner_without_version_rolling_is_never_told_of_masks() {
    let mut bench = Bench::mining();
    bench.context.version_mask = VersionMask(0x0000_6000);
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
}

#[test]
fn a_pool_of_lower_difficulty_lowers_the_miner_before_its_job() {
    let mut bench = Bench::mining();
    bench.context.difficulty = difficulty("5e-10");
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 5e-10", "notify clean"]);
    bench.context.difficulty = difficulty("1e-8");
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify clean"], "up again is the rate's to say");
}

#[test]
fn a_changed_minimum_holds_from_the_next_job() {
    let mut bench = Bench::mining();
    bench.terms.vardiff.min = difficulty("6e-9");
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 6e-9", "notify"]);
}

#[test]
fn a_flood_of_shares_is_met_with_a_higher_difficulty() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let mut said = Vec::new();
    for _ in 0..8 {
        bench.wait(Duration::from_millis(10));
        let share = bench.mine_below_pool(&job);
        said = bench.say(&share);
    }
    assert_eq!(said[0], "4: true");
    assert_eq!(said[1], "set_difficulty 1e-8", "no higher than the pool's");
}

#[test]
fn silence_halves_the_difficulty() {
    let mut bench = Bench::mining();
    let said = bench.wait(Duration::from_secs(61));
    assert_eq!(said, ["set_difficulty 5e-10"]);
    let said = bench.wait(Duration::from_secs(300));
    assert_eq!(said.last().unwrap(), "set_difficulty 1e-10", "and ends at the minimum");
}

#[test]
fn time_without_work_is_not_held_against_the_miner() {
    let mut bench = Bench::mining();
    bench.wait(Duration::from_secs(30));
    bench.board.withdraw(POOL);
    bench.give(Input::Work);
    bench.wait(Duration::from_secs(3600));
    assert_eq!(bench.closed, None, "idle for want of work");
    bench.job_of(OTHER_POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    assert_eq!(bench.wait(Duration::from_secs(29)), [""; 0]);
    assert_eq!(bench.wait(Duration::from_secs(2)), ["set_difficulty 5e-10"]);
}

#[test]
fn a_layout_that_the_miner_does_not_have_lets_it_go_in_its_part_of_the_window() {
    let mut bench = Bench::mining();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), [""; 0], "no job that it could not work on");
    assert_eq!(bench.wait(Duration::from_millis(2999)), [""; 0]);
    assert_eq!(bench.wait(Duration::from_millis(1)), ["client.reconnect"]);
    assert_eq!(bench.wait(Duration::from_millis(999)), [""; 0]);
    assert_eq!(bench.closed, None);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.closed, Some(Close::LayoutChanged));
}

#[test]
fn a_route_that_comes_back_to_the_layout_in_time_keeps_the_miner() {
    let mut bench = Bench::mining();
    let fixed = Some(Layout::CONSERVATIVE);
    bench.board.fix_layout(fixed);
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    bench.wait(Duration::from_secs(2));
    bench.board.fix_layout(Layout::new(4, 4));
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
    assert_eq!(bench.wait(Duration::from_secs(20)), [""; 0]);
    assert_eq!(bench.closed, None);
}

#[test]
fn a_miner_can_be_asked_to_leave_in_any_phase() {
    for lines in [0, 1, 2] {
        let mut bench = Bench::new();
        for line in [
            r#"{"id":1,"method":"mining.subscribe","params":[]}"#,
            r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#,
        ]
        .iter()
        .take(lines)
        {
            bench.say(line);
        }
        let after = Duration::from_millis(500);
        bench.give(Input::Leave { reason: Close::Drained, after });
        bench.give(Input::Leave { reason: Close::ListenerRemoved, after: after * 10 });
        assert_eq!(bench.wait(Duration::from_millis(499)), [""; 0]);
        assert_eq!(bench.wait(Duration::from_millis(1)), ["client.reconnect"]);
        bench.wait(Duration::from_secs(1));
        assert_eq!(bench.closed, Some(Close::Drained));
    }
}

#[test]
fn leaving_for_good_outranks_a_layout_that_may_come_back() {
    let mut bench = Bench::mining();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    bench.give(Input::Work);
    bench.give(Input::Leave { reason: Close::Drained, after: Duration::from_secs(60) });
    assert_eq!(bench.wait(Duration::from_secs(3)), ["client.reconnect"], "the earlier time");
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.closed, Some(Close::Drained));
}

#[test]
fn a_miner_that_leaves_has_its_last_share_answered_first() {
    let mut bench = Bench::mining();
    bench.give(Input::Leave { reason: Close::Drained, after: Duration::ZERO });
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.say(&due), [""; 0]);
    bench.wait(Duration::from_millis(2500));
    assert_eq!(bench.closed, None, "an answer is owed");
    assert_eq!(bench.handed(HandOver::Written), ["4: true"]);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.closed, Some(Close::Drained));
}

#[test]
fn a_minimum_is_promised_before_it_is_told() {
    let mut bench = Bench::mining();
    let said = bench.say(
        r#"{"id":5,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":3e-9}]}"#,
    );
    assert_eq!(said, [r#"5: {"minimum-difficulty":true}"#, "set_difficulty 3e-9"]);
}
