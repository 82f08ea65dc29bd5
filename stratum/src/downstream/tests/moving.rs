//! Miners whose extranonce does not fit: other pools, other connections, another extranonce.

use super::*;
use crate::extranonce::Bank;
use crate::firmware::SetExtranonce;
use crate::glob::Glob;

/// The lanes of both pools, the first of them on `POOL`.
const LANES: [LaneId; 2] = [LaneId(1), LaneId(2)];

const POOLS: [SourceId; 2] = [SourceId(1 << 32), SourceId(2 << 32)];

impl Bench {
    /// Two pools that are mined on at once and leave so many bytes; the miner is seated on the first.
    fn two_lanes(sizes: [u8; 2]) -> Self {
        let mut bench = Self::without_pool();
        bench.lane = Some(LANES[0]);
        for (source, size) in POOLS.into_iter().zip(sizes) {
            bench.lane_job(source, size, Clean::Yes);
        }
        let now = bench.now;
        assert_eq!(bench.board.set_active(now, &POOLS), []);
        bench
    }

    fn lane_job(&mut self, source: SourceId, size: u8, clean: Clean) {
        let serial = self.board.work().jobs.newest_serial();
        let notify = Notify {
            clean: clean == Clean::Yes,
            job_id: format!("{source}-{serial}").into(),
            ntime: NTime(self.now.unix.0 - 60),
            ..notify()
        };
        let context = PoolContext { extranonce2_size: size, ..self.context };
        self.board.offer(self.now, source, notify, context).unwrap();
    }

    fn shake_hands(&mut self, agent: &str) -> Vec<String> {
        self.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["{agent}"]}}"#));
        self.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#)
    }

    fn follow_set_extranonce(&mut self) {
        let said = self.say(r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#);
        assert_eq!(said[0], "3: true");
    }

    fn job_on(&self, lane: LaneId) -> Arc<Job> {
        Arc::clone(&self.board.work().lane(Some(lane)).unwrap().job)
    }

    /// Sends a due share and sees it handed over to its pool, as these bytes.
    fn pays(&mut self, share: &str, pool: SourceId) -> String {
        assert_eq!(self.say(share), [""; 0]);
        let Some(Forward::Due(_, share)) = self.forward.take() else { panic!("due") };
        assert_eq!(share.job().source, pool);
        assert_eq!(self.handed(HandOver::Written), ["4: true"]);
        share.extranonce2_for_pool().to_hex()
    }

    /// A miner with four bytes each, on a route that has come to a pool which leaves four in all.
    fn that_does_not_fit() -> Self {
        let mut bench = Self::mining();
        bench.context.extranonce2_size = 4;
        bench
    }
}

#[test]
fn a_miner_that_asked_for_it_is_told_another_extranonce_right_before_the_job() {
    for subscribed in [
        r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#,
        r#"{"id":3,"method":"mining.configure","params":[["subscribe-extranonce"],{}]}"#,
    ] {
        let mut bench = Bench::that_does_not_fit();
        bench.say(subscribed);
        bench.context.difficulty = difficulty("5e-10");
        bench.job_of(OTHER_POOL, Clean::No);
        assert_eq!(
            bench.give(Input::Work),
            ["set_extranonce 0c08 2", "set_difficulty 5e-10", "notify clean"]
        );
        assert_eq!(bench.drain_events(), ["renumbered", "difficulty 0.0000000005"]);
        let due = bench.mine_due(&bench.current());
        assert_eq!(bench.pays(&due, OTHER_POOL), "0c080000");
        assert_eq!(bench.wait(Duration::from_secs(20)), [""; 0]);
        assert_eq!(bench.closed, None);
    }
}

#[test]
fn all_that_changes_with_a_pool_is_told_in_one_order() {
    let mut bench = Bench::rolling();
    bench.follow_set_extranonce();
    bench.context.extranonce2_size = 4;
    bench.context.version_mask = VersionMask(0x0000_6000);
    bench.context.difficulty = difficulty("5e-10");
    bench.job_of(OTHER_POOL, Clean::No);
    let said = bench.give(Input::Work);
    assert_eq!(
        said,
        [
            "set_version_mask 00006000",
            "set_extranonce 0c08 2",
            "set_difficulty 5e-10",
            "notify clean"
        ]
    );
}

#[test]
fn shares_found_before_another_extranonce_are_judged_by_the_former() {
    let mut bench = Bench::that_does_not_fit();
    bench.follow_set_extranonce();
    let former = bench.current();
    let (first, second) = (bench.mine_due(&former), bench.mine_due(&former));
    bench.job_of(OTHER_POOL, Clean::No);
    bench.give(Input::Work);
    assert_eq!(bench.pays(&first, POOL), "0a0b0c0900000000");
    assert_eq!(bench.say(&first), ["4: error 22"], "once");
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.pays(&due, OTHER_POOL), "0c080000");
    assert_eq!(bench.registry.released.borrow().len(), 0, "its jobs are worth something");
    bench.board.withdraw(POOL);
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
    let released: Vec<String> =
        bench.registry.released.borrow().iter().map(MinerId::to_string).collect();
    assert_eq!(released, ["0a0b0c09"], "and now they are not");
    assert_eq!(bench.say(&second), ["4: error 20"], "nothing is left to read it by");
    let ids: Vec<String> = match bench.machine.end(bench.now.instant) {
        Remains::Session(session) => session.ids().map(|id| id.to_string()).collect(),
        Remains::Ids(_) => panic!("it was at work"),
    };
    assert_eq!(ids, ["0c08"]);
}

/// The same job is given to a miner twice, the second time with another extranonce: the hash says which a share is of.
#[test]
fn a_job_that_was_sent_under_two_extranonces_takes_shares_of_either() {
    // Subscribed when only the large pool was known.
    let mut bench = Bench::without_pool();
    bench.lane = Some(LANES[0]);
    bench.lane_job(POOLS[0], 8, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS);
    bench.shake_hands("t/1");
    bench.lane_job(POOLS[1], 4, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS);
    bench.follow_set_extranonce();
    let large = bench.job_on(LANES[0]);
    let under_the_first = bench.mine_due(&large);
    bench.lane = Some(LANES[1]);
    assert_eq!(bench.give(Input::Work), ["set_extranonce 0c08 2", "notify clean"]);
    bench.lane = Some(LANES[0]);
    assert_eq!(bench.give(Input::Work), ["notify clean"], "the short one fits here as well");
    let under_the_second = bench.mine_due(&large);
    assert_eq!(bench.pays(&under_the_first, POOLS[0]), "0a0b0c0900000000");
    assert_eq!(bench.pays(&under_the_second, POOLS[0]), "000000000c080000");
    let low = bench.mine_low(&large);
    assert_eq!(bench.say(&low), ["4: error 23"]);
}

#[test]
fn firmware_that_does_not_follow_is_never_told_another_extranonce() {
    let mut bench = Bench::new();
    let mut deaf = Profile::new("deaf", vec![Glob::of_any_case("deaf*")]);
    deaf.set_extranonce = SetExtranonce::Forbidden;
    bench.terms.firmware = Profiles::new(vec![deaf]);
    bench.shake_hands("Deaf/1");
    assert_eq!(&**bench.machine.class(), "deaf");
    bench.follow_set_extranonce();
    bench.context.extranonce2_size = 4;
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), [""; 0]);
    assert_eq!(bench.wait(Duration::from_secs(3)), ["client.reconnect"]);
    // Whoever changes the profile while it waits is heard.
    let mut bench = Bench::that_does_not_fit();
    bench.follow_set_extranonce();
    let mut other = Profile::new("mine", vec![Glob::of_any_case("t/*")]);
    other.set_extranonce = SetExtranonce::Forbidden;
    bench.terms.firmware = Profiles::new(vec![other]);
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), [""; 0]);
    bench.terms.firmware = Profiles::shipped();
    assert_eq!(bench.give(Input::Work), ["set_extranonce 0c08 2", "notify clean"]);
}

#[test]
fn a_route_whose_layout_changes_moves_nobody_who_fits() {
    let mut bench = Bench::mining();
    bench.board.fix_layout(Some(Layout::CONSERVATIVE));
    bench.job_of(POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
    bench.context.extranonce2_size = 12;
    bench.job_of(OTHER_POOL, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.pays(&due, OTHER_POOL), "000000000a0b0c0900000000");
    assert_eq!(bench.wait(Duration::from_secs(20)), [""; 0]);
    assert_eq!(bench.closed, None);
}

#[test]
fn a_miner_stays_on_another_lane_rather_than_break_off() {
    let mut bench = Bench::without_pool();
    bench.lane = Some(LANES[0]);
    bench.lane_job(POOLS[0], 8, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS);
    bench.shake_hands("t/1");
    bench.lane_job(POOLS[1], 4, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS);
    bench.lane = Some(LANES[1]);
    assert_eq!(bench.give(Input::Work), [""; 0], "it goes on where it fits");
    bench.lane_job(POOLS[0], 8, Clean::No);
    assert_eq!(bench.give(Input::Work), ["notify"]);
    assert_eq!(bench.wait(Duration::from_secs(20)), [""; 0]);
    bench.board.withdraw(POOLS[0]);
    assert_eq!(bench.give(Input::Work), [""; 0]);
    assert_eq!(bench.wait(Duration::from_secs(3)), ["client.reconnect"], "until there is none");
}

#[test]
fn a_miner_of_another_bank_waits_for_its_connection_and_is_not_let_go() {
    let mut bench = Bench::without_pool();
    bench.board.allow_banks(crate::work::Banks(4));
    bench.context.extranonce2_size = 4;
    bench.lane_job(POOLS[0], 4, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS[..1]);
    bench.registry.bank.set(1);
    let said = bench.shake_hands("t/1");
    assert_eq!(said, ["2: true", "client.show_message"], "no connection for its bank yet");
    bench.board.serve_bank(LANES[1], LANES[0], Bank(1));
    bench.lane_job(POOLS[1], 4, Clean::Yes);
    bench.board.set_active(bench.now, &POOLS);
    let said = bench.give(Input::Work);
    assert_eq!(said, ["set_difficulty 1e-9", "notify clean"]);
    let due = bench.mine_due(&bench.job_on(LANES[1]));
    assert_eq!(bench.pays(&due, POOLS[1]), "0c090000");
    assert_eq!(bench.closed, None);
}

#[test]
fn a_bank_is_told_in_the_pad_where_there_is_room() {
    let mut bench = Bench::new();
    bench.board.assume_layout(Layout::CONSERVATIVE);
    bench.registry.bank.set(0x0102);
    bench.board.fix_layout(Some(Layout::CONSERVATIVE));
    bench.job_of(POOL, Clean::No);
    bench.shake_hands("t/1");
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.pays(&due, POOL), "000001020c090000");
}

#[test]
fn a_coinbase_that_the_software_cannot_hold_is_said_once_and_no_reason_to_refuse_work() {
    let mut bench = Bench::new();
    let mut small = Profile::new("small", vec![Glob::of_any_case("small*")]);
    small.coinbase_bytes_max = Some(100);
    bench.terms.firmware = Profiles::new(vec![small]);
    let said = bench.shake_hands("small/1");
    assert_eq!(said, ["2: true", "set_difficulty 1e-9", "notify clean"]);
    assert_eq!(bench.drain_events(), ["mining", "coinbase 121 of 100", "difficulty 0.000000001"]);
    bench.job_of(POOL, Clean::No);
    bench.give(Input::Work);
    assert_eq!(bench.drain_events(), [""; 0]);
    let due = bench.mine_due(&bench.current());
    bench.pays(&due, POOL);
}

#[test]
fn a_lane_whose_coinbase_fits_is_taken_before_one_whose_does_not() {
    // Two bytes of extranonce2 less are two bytes of coinbase less.
    let mut bench = Bench::two_lanes([8, 6]);
    let mut small = Profile::new("small", vec![Glob::of_any_case("small*")]);
    small.coinbase_bytes_max = Some(119);
    bench.terms.firmware = Profiles::new(vec![small]);
    bench.shake_hands("small/1");
    let due = bench.mine_due(&bench.job_on(LANES[1]));
    bench.pays(&due, POOLS[1]);
    assert!(!bench.drain_events().iter().any(|event| event.starts_with("coinbase")));
}

#[test]
fn firmware_is_given_a_size_that_it_can_work_with() {
    let mut bench = Bench::new();
    let mut odd = Profile::new("odd", vec![Glob::of_any_case("odd*")]);
    odd.extranonce2_sizes = vec![3];
    bench.terms.firmware = Profiles::new(vec![odd]);
    let said = bench.say(r#"{"id":1,"method":"mining.subscribe","params":["odd"]}"#);
    assert_eq!(said, ["1: 0a0b0c09 3"]);
    bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#);
    let due = bench.mine_due(&bench.current());
    assert_eq!(bench.pays(&due, POOL), "000a0b0c09000000");
}

/// The serials of two lanes are no order: a job that was published early can be sent late.
#[test]
fn a_job_of_another_lane_is_judged_by_what_held_when_it_was_sent() {
    let mut bench = Bench::two_lanes([8, 8]);
    bench.shake_hands("t/1");
    let (first, second) = (bench.job_on(LANES[0]), bench.job_on(LANES[1]));
    assert!(first.serial < second.serial);
    // On the second lane, whose job came later, and told another difficulty there.
    bench.lane = Some(LANES[1]);
    bench.give(Input::Work);
    let before = bench.mine_below_pool(&second);
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[5e-9]}"#);
    assert_eq!(bench.say(&before), ["4: true"], "sent before the change");
    bench.lane_job(POOLS[1], 8, Clean::No);
    bench.give(Input::Work);
    let easy = |hash: &ShareHash| {
        difficulty(INITIAL).target().is_met_by(hash) && !difficulty("5e-9").target().is_met_by(hash)
    };
    let after = bench.job_on(LANES[1]);
    let share = bench.mine(&after, None, easy);
    assert_eq!(bench.say(&share), ["4: error 23"]);
    // The third lane's job is older than the change, and is sent after it for the first time.
    bench.lane_job(SourceId(3 << 32), 8, Clean::No);
    let (now, sources) = (bench.now, [POOLS[0], POOLS[1], SourceId(3 << 32)]);
    bench.board.set_active(now, &sources);
    let third = bench.job_on(LaneId(3));
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e-9]}"#);
    bench.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[5e-9]}"#);
    bench.lane = Some(LaneId(3));
    assert_eq!(bench.give(Input::Work), ["notify clean"]);
    let share = bench.mine(&third, None, easy);
    assert_eq!(bench.say(&share), ["4: error 23"], "it was never easier for this miner");
}

#[test]
fn a_duplicate_is_found_while_another_lanes_jobs_are_live() {
    let mut bench = Bench::two_lanes([8, 8]);
    bench.shake_hands("t/1");
    let job = bench.job_on(LANES[0]);
    let share = bench.mine_below_pool(&job);
    assert_eq!(bench.say(&share), ["4: true"]);
    // Blocks that only the other pool has seen, and some shares on each.
    bench.lane = Some(LANES[1]);
    for block in 0..5_u8 {
        let mut notify = notify();
        notify.prev_hash =
            crate::types::PrevHash::from_notify_hex(&format!("{block:02x}").repeat(32)).unwrap();
        notify.clean = true;
        notify.job_id = format!("block {block}").into();
        let context = bench.context;
        bench.board.offer(bench.now, POOLS[1], notify, context).unwrap();
        assert_eq!(bench.give(Input::Work), ["notify clean"]);
        let own = bench.mine_below_pool(&bench.job_on(LANES[1]));
        assert_eq!(bench.say(&own), ["4: true"]);
    }
    assert_eq!(bench.say(&share), ["4: error 22"], "its job is as live as ever");
}
