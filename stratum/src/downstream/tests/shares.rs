//! Shares: verdict, answer, and when the answer may be given.

use super::*;

#[test]
fn a_share_below_the_pools_difficulty_is_answered_at_once() {
    let mut bench = Bench::mining();
    let share = bench.mine_below_pool(&bench.current());
    assert_eq!(bench.say(&share), ["4: true"]);
    assert!(bench.forward.is_none());
    assert_eq!(bench.drain_events(), ["below pool"]);
}

#[test]
fn a_due_share_is_handed_over_before_it_is_answered() {
    let mut bench = Bench::mining();
    let share = bench.mine_due(&bench.current());
    assert_eq!(bench.say(&share), [""; 0]);
    let ticket = bench.tickets[0];
    let Some(Forward::Due(_, forwarded)) = bench.forward.take() else { panic!() };
    assert!(forwarded.meets_pool());
    assert_eq!(forwarded.credited(), difficulty(INITIAL));
    assert_eq!(forwarded.extranonce2_for_pool().to_hex(), "0a0b0c0900000000");
    bench.job_of(POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), ["notify clean"], "jobs do not wait");
    assert_eq!(bench.handed(HandOver::Written), ["4: true"]);
    let again = bench.give(Input::HandedOver(ticket, HandOver::Written));
    assert_eq!(again, [""; 0], "one answer");
}

#[test]
fn a_due_share_whose_session_is_gone_is_refused_honestly() {
    let mut bench = Bench::mining();
    let share = bench.mine_due(&bench.current());
    bench.say(&share);
    assert_eq!(bench.handed(HandOver::Lost), ["4: error 21"]);
}

#[test]
fn a_low_share_is_low_each_time() {
    let mut bench = Bench::mining();
    let share = bench.mine_low(&bench.current());
    for _ in 0..3 {
        assert_eq!(bench.say(&share), ["4: error 23"]);
    }
    assert_eq!(bench.drain_events(), ["refused low_difficulty of 1"; 3]);
}

#[test]
fn a_share_is_good_once() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let below = bench.mine_below_pool(&job);
    assert_eq!(bench.say(&below), ["4: true"]);
    assert_eq!(bench.say(&below), ["4: error 22"]);
    let due = bench.mine_due(&job);
    bench.say(&due);
    bench.handed(HandOver::Lost);
    bench.forward = None;
    assert_eq!(bench.say(&due), ["4: error 22"], "also when its session was gone");
    assert!(bench.forward.is_none());
}

#[test]
fn a_share_under_the_id_of_a_repeat_is_the_same_share() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let share = bench.mine_below_pool(&job);
    assert_eq!(bench.say(&share), ["4: true"]);
    bench.wait(Duration::from_secs(1));
    assert!(bench.board.keep_alive(bench.now, Duration::from_secs(1)));
    assert_eq!(bench.give(Input::Work), ["notify"]);
    let repeated =
        share.replace(&format!("\"{}\"", job.serial), &format!("\"{}\"", bench.current().serial));
    assert_ne!(repeated, share);
    assert_eq!(bench.say(&repeated), ["4: error 22"]);
}

#[test]
fn the_same_work_sent_again_clean_does_not_pay_twice() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let share = bench.mine_below_pool(&job);
    assert_eq!(bench.say(&share), ["4: true"]);
    // A pool that resumes a session begins with a clean job, and on the same block it may be the same one.
    let notify = Notify { clean: true, ..notify() };
    let again = Notify { job_id: "again".into(), ntime: job.pool_ntime, ..notify };
    bench.board.offer(bench.now, POOL, again, bench.context).unwrap();
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    let repeated =
        share.replace(&format!("\"{}\"", job.serial), &format!("\"{}\"", bench.current().serial));
    assert_eq!(bench.say(&repeated), ["4: error 22"]);
}

#[test]
fn a_clean_job_makes_shares_for_the_earlier_ones_stale() {
    let mut bench = Bench::mining();
    let job = bench.current();
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    let [first, second, third] = std::array::from_fn(|_| bench.mine_below_pool(&job));
    assert_eq!(bench.say(&first), ["4: true"], "of the same epoch");
    bench.job_of(POOL, Clean::Yes);
    bench.give(Input::Work);
    assert_eq!(bench.say(&second), ["4: error 21"], "nothing that a pool would pay");
    bench.wait(crate::job::LATE);
    assert_eq!(bench.say(&third), ["4: error 21"]);
    assert_eq!(bench.drain_events(), ["below pool", "refused stale of 1", "refused stale of 1"]);
}

#[test]
fn a_share_that_a_clean_job_overtook_is_the_pools_to_judge_for_a_moment() {
    let mut bench = Bench::mining();
    let job = bench.current();
    let (first, second) = (bench.mine_due(&job), bench.mine_due(&job));
    bench.job_of(POOL, Clean::Yes);
    bench.give(Input::Work);
    assert_eq!(bench.say(&first), [""; 0], "many pools pay it");
    assert!(matches!(bench.forward.take(), Some(Forward::Due(..))));
    assert_eq!(bench.handed(HandOver::Written), ["4: true"]);
    assert_eq!(bench.say(&first), ["4: error 22"], "but once");
    bench.wait(crate::job::LATE);
    assert_eq!(bench.say(&second), ["4: error 21"]);
    assert!(bench.forward.is_none());
}

#[test]
fn after_a_move_shares_for_the_pool_that_was_left_go_to_it() {
    let mut bench = Bench::mining();
    let job = bench.current();
    bench.job_of(OTHER_POOL, Clean::Yes);
    bench.give(Input::Work);
    let due = bench.mine_due(&job);
    bench.say(&due);
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!() };
    assert_eq!(share.job().source, POOL);
    bench.handed(HandOver::Written);
    bench.board.withdraw(POOL);
    let late = bench.mine_due(&job);
    assert_eq!(bench.say(&late), ["4: error 21"], "until its session has ended");
}

/// Breaks one rule each; the answer's code and the reason that is booked.
#[test]
fn every_refusal_has_its_code() {
    let cases: [(&str, &str, &str, &str); 8] = [
        ("acct.w", "acct.x", "24", "unauthorized of nobody"),
        ("\"10\"", "\"ffff\"", "21", "unknown_job of nobody"),
        ("\"10\"", "\"zz\"", "21", "unknown_job of nobody"),
        ("\"00000000\"", "\"000000\"", "20", "extranonce2_size of 1"),
        ("\"00000000\"", "\"0000000000\"", "20", "extranonce2_size of 1"),
        ("504e86b1", "504e86b0", "20", "ntime_out_of_range of 1"),
        ("504e86b1", "504ef0b1", "20", "ntime_out_of_range of 1"),
        ("]}", ",\"00002000\"]}", "20", "version_bits of 1"),
    ];
    let mut bench = Bench::mining();
    let good = bench.mine_below_pool(&bench.current());
    for (from, to, code, reason) in cases {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        assert_eq!(bench.say(&bad), [format!("4: error {code}")], "{reason}");
        assert_eq!(bench.drain_events(), [format!("refused {reason}")]);
    }
    assert_eq!(bench.say(&good), ["4: true"], "no refusal has spent it");
}

#[test]
fn a_share_is_of_the_worker_that_its_submit_names() {
    let mut bench = Bench::mining();
    let finder = |bench: &Bench| bench.machine.finder().map(ToString::to_string);
    bench.say(r#"{"id":9,"method":"mining.authorize","params":["acct.v","x"]}"#);
    for (name, other) in
        [("acct.w", false), ("acct.v", true), ("acct.\\u0007v", true), ("acct.w", false)]
    {
        let share = bench.mine_below_pool(&bench.current()).replace("acct.w", name);
        assert_eq!(bench.say(&share), ["4: true"], "{name}");
        assert_eq!(finder(&bench).as_deref(), Some(if other { "acct.v" } else { "acct.w" }));
        assert_eq!(bench.machine.is_found_by_another(), other, "{name}");
    }
    let share = bench.mine_below_pool(&bench.current());
    bench.say(&share.replace("acct.w", "acct.v"));
    // The names are compared whole, and case counts.
    for name in ["acct.x", "acct", "acct.W", "acct.vv", ""] {
        assert_eq!(bench.say(&share.replace("acct.w", name)), ["4: error 24"], "{name}");
        assert_eq!(finder(&bench).as_deref(), Some("acct.w"), "nobody's is put down to the last");
    }
    assert_eq!(bench.machine.worker().map(ToString::to_string).as_deref(), Some("acct.w"));
}

#[test]
fn a_share_before_its_time_is_told_what_is_missing() {
    let share = r#"{"id":4,"method":"mining.submit","params":["acct.w","10","00000000","0","0"]}"#;
    let mut bench = Bench::new();
    assert_eq!(bench.say(share), ["4: error 25"]);
    bench.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(bench.say(share), ["4: error 24"]);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.say(share), ["4: error 24"], "at work, and still without a name");
    assert_eq!(
        bench.drain_events()[..2],
        ["refused not_subscribed of nobody", "refused unauthorized of nobody"]
    );
}

#[test]
fn a_share_without_an_id_is_answered_all_the_same() {
    let mut bench = Bench::mining();
    let share = bench.mine_below_pool(&bench.current());
    assert_eq!(bench.say(&share.replace("\"id\":4,", "")), ["null: true"]);
    let share = bench.mine_below_pool(&bench.current());
    assert_eq!(bench.say(&share.replace("\"id\":4", "\"id\":\"x\"")), ["\"x\": true"]);
}

#[test]
fn rolled_bits_reach_the_pool() {
    let mut bench = Bench::rolling();
    let job = bench.current();
    let due = bench.mine(&job, Some(0x0000_a000), |hash| job.pool_target.is_met_by(hash));
    bench.say(&due);
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!() };
    assert_eq!(share.version_bits_for_pool(), Some(0x0000_a000));
    bench.handed(HandOver::Written);
    let outside = due.replace("0000a000", "2000a000");
    assert_eq!(bench.say(&outside), ["4: error 20"]);
}

#[test]
fn shares_of_an_earlier_job_are_judged_by_the_mask_of_that_job() {
    let mut bench = Bench::rolling();
    let job = bench.current();
    bench.context.version_mask = VersionMask::NONE;
    bench.job_of(OTHER_POOL, Clean::Yes);
    assert_eq!(bench.give(Input::Work), ["set_version_mask 00000000", "notify clean"]);
    let due = bench.mine(&job, Some(0x0000_a000), |hash| job.pool_target.is_met_by(hash));
    assert_eq!(bench.say(&due), [""; 0]);
    assert!(bench.forward.is_some());
}

#[test]
fn a_job_that_was_sent_before_a_change_is_judged_at_the_easier_difficulty() {
    let mut bench = Bench::mining();
    let before = bench.current();
    let own = |hash: &ShareHash| {
        difficulty(INITIAL).target().is_met_by(hash) && !difficulty("5e-9").target().is_met_by(hash)
    };
    let said = bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[5e-9]}"#);
    assert_eq!(said, ["3: true", "set_difficulty 5e-9"]);
    let share = bench.mine(&before, None, own);
    assert_eq!(bench.say(&share), ["4: true"]);
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    let after = bench.current();
    let share = bench.mine(&after, None, own);
    assert_eq!(bench.say(&share), ["4: error 23"]);
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e-9]}"#);
    let share = bench.mine(&after, None, own);
    assert_eq!(bench.say(&share), ["4: true"], "firmware that applies an easier one at once");
}

#[test]
fn a_share_that_the_pool_pays_is_good_whatever_the_miner_was_told() {
    let mut bench = Bench::mining();
    bench.terms.vardiff.min = difficulty("9e-9");
    bench.context.difficulty = difficulty("9e-9");
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    bench.context.difficulty = difficulty("1e-9");
    bench.terms.vardiff.min = difficulty("1e-10");
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["set_difficulty 1e-9", "notify"]);
    let job = bench.current();
    let share = bench.mine_due(&job);
    assert_eq!(bench.say(&share), [""; 0]);
    assert!(bench.forward.is_some());
}

/// A network so easy that one hash in 256 is a block.
fn with_blocks(bench: &mut Bench, source: SourceId) {
    let notify =
        Notify { nbits: crate::types::NBits(0x2000_ffff), job_id: "blocks".into(), ..notify() };
    bench.board.offer(bench.now, source, notify, bench.context).unwrap();
    bench.board.activate(bench.now, source).unwrap();
    bench.give(Input::Work);
}

#[test]
fn a_stale_block_is_refused_and_sent_to_its_pool_once() {
    let mut bench = Bench::mining();
    with_blocks(&mut bench, POOL);
    let job = bench.current();
    let block = bench.mine(&job, None, |hash| job.network_target.is_met_by(hash));
    bench.job_of(POOL, Clean::Yes);
    bench.give(Input::Work);
    bench.wait(crate::job::LATE);
    assert_eq!(bench.say(&block), ["4: error 21"]);
    assert!(bench.machine.accepts_lines(), "nobody waits for it");
    let Some(Forward::Candidate(share)) = bench.forward.take() else { panic!() };
    assert!(share.block_candidate());
    assert_eq!(bench.say(&block), ["4: error 21"]);
    assert!(bench.forward.is_none());
    assert_eq!(bench.drain_events(), ["refused stale of 1"; 2]);
}

#[test]
fn a_stale_block_is_sent_whichever_of_two_masks_it_was_found_under() {
    let mut bench = Bench::rolling();
    with_blocks(&mut bench, POOL);
    let job = bench.current();
    let block = bench.mine(&job, Some(0x0000_a000), |hash| job.network_target.is_met_by(hash));
    bench.say(&configure("00000000"));
    bench.job_of(POOL, Clean::Yes);
    bench.give(Input::Work);
    bench.wait(crate::job::LATE);
    bench.say(&block);
    assert!(matches!(bench.forward, Some(Forward::Candidate(_))), "{:?}", bench.forward);
}

#[test]
fn a_block_below_the_pools_difficulty_is_due() {
    let mut bench = Bench::mining();
    bench.context.difficulty = difficulty("1e-3");
    with_blocks(&mut bench, OTHER_POOL);
    let job = bench.current();
    let block = bench.mine(&job, None, |hash| job.network_target.is_met_by(hash));
    assert_eq!(bench.say(&block), [""; 0]);
    let Some(Forward::Due(_, share)) = bench.forward.take() else { panic!() };
    assert!(share.block_candidate() && !share.meets_pool());
}

#[test]
fn a_job_of_another_layout_is_none_of_the_miners() {
    let mut bench = Bench::mining();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    bench.give(Input::Work);
    let line = format!(
        r#"{{"id":4,"method":"mining.submit","params":["acct.w","{}","0000","504e86b1","0"]}}"#,
        bench.current().serial
    );
    assert_eq!(bench.say(&line), ["4: error 21"]);
}
