//! The board, judged by the picture that it publishes.

use super::*;
use crate::difficulty::Difficulty;
use crate::fixtures::{difficulty, known_share, origin};
use crate::job::{LATE, Lookup};
use crate::types::{Extranonce, VersionMask};

const A: SourceId = SourceId(1 << 32);
const B: SourceId = SourceId(2 << 32);
const C: SourceId = SourceId(3 << 32);
const NTIME: u32 = 0x504e_86b9;

struct Bench {
    board: WorkBoard,
    now: Now,
}

/// What a pool sends, with what matters here open to change.
#[derive(Clone, Copy)]
struct Sent {
    id: &'static str,
    clean: bool,
    size: u8,
    mask: VersionMask,
}

const JOB: Sent = Sent { id: "1", clean: false, size: 8, mask: VersionMask::ALL };
const CLEAN: Sent = Sent { clean: true, ..JOB };

impl Bench {
    fn new() -> Self {
        Self::with_layout(None)
    }

    fn with_layout(layout: Option<Layout>) -> Self {
        let now = Now { instant: origin(), unix: UnixTime(NTIME) };
        Self { board: WorkBoard::new(JobSerial(100), layout), now }
    }

    fn offer(&mut self, source: SourceId, sent: Sent) -> Result<(), LayoutMisfit> {
        self.offer_at(source, sent, Difficulty::ONE)
    }

    fn offer_at(
        &mut self,
        source: SourceId,
        sent: Sent,
        difficulty: Difficulty,
    ) -> Result<(), LayoutMisfit> {
        let notify = crate::fixtures::notify(&known_share("A").notify);
        let notify = Notify { job_id: sent.id.into(), clean: sent.clean, ..notify };
        let context = PoolContext {
            extranonce1: extranonce1(source),
            extranonce2_size: sent.size,
            difficulty,
            version_mask: sent.mask,
            received_at: self.now.unix,
        };
        self.board.offer(self.now, source, notify, context)
    }

    fn activate(&mut self, source: SourceId) -> Result<(), LayoutMisfit> {
        self.board.activate(self.now, source)
    }

    fn active(&self) -> Option<SourceId> {
        self.board.active().next()
    }

    fn job(&self) -> Arc<Job> {
        Arc::clone(&self.board.work().lane(None).unwrap().job)
    }

    fn pass(&mut self, seconds: u32) {
        self.now.instant += Duration::from_secs(seconds.into());
        self.now.unix.0 += seconds;
    }

    /// Source, serial and nTime after the pool's of the current job.
    fn current(&self) -> Option<(SourceId, u64, u32)> {
        let job = &self.board.work().lane(None)?.job;
        Some((job.source, job.serial.0, job.notify.ntime.0 - NTIME))
    }

    fn epoch(&self) -> u64 {
        self.board.work().epoch.0
    }

    /// When nothing is merely late any more.
    fn standing(&self, serial: u64) -> &'static str {
        self.standing_at(serial, self.now.instant + LATE)
    }

    fn standing_at(&self, serial: u64, now: Instant) -> &'static str {
        match self.board.work().jobs.lookup(JobSerial(serial), now) {
            Lookup::Live(_) => "live",
            Lookup::Late(_) => "late",
            Lookup::Stale(_) => "stale",
            Lookup::Unknown => "unknown",
        }
    }
}

fn extranonce1(source: SourceId) -> Extranonce {
    Extranonce::from_bytes(&source.0.to_be_bytes()).unwrap()
}

fn layout(id: u8, miner: u8) -> Option<Layout> {
    Layout::new(id, miner)
}

#[test]
fn a_pool_that_is_not_active_changes_nothing_that_miners_see() {
    let mut bench = Bench::new();
    bench.offer(A, CLEAN).unwrap();
    assert!(bench.board.has_offer(A) && !bench.board.has_offer(B));
    assert_eq!((bench.current(), bench.epoch(), bench.active()), (None, 0, None));
    assert_eq!(bench.board.work().layout, None, "other pools may be smaller");
    bench.activate(B).unwrap();
    assert_eq!(bench.active(), None, "it has no job");
}

#[test]
fn the_first_pool_brings_job_layout_and_epoch() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    assert_eq!((bench.current(), bench.epoch()), (Some((A, 100, 0)), 1));
    assert_eq!(bench.board.work().layout, layout(4, 4));
    bench.activate(A).unwrap();
    assert_eq!((bench.current(), bench.epoch()), (Some((A, 100, 0)), 1), "nothing to do");
}

#[test]
fn the_layout_fits_the_smallest_pool_that_is_known() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, Sent { size: 5, ..JOB }).unwrap();
    bench.offer(C, Sent { size: 1, ..JOB }).unwrap();
    bench.activate(A).unwrap();
    assert_eq!(bench.board.work().layout, layout(3, 2));
    bench.activate(B).unwrap();
    assert_eq!(bench.board.work().layout, layout(3, 2), "so a move changes no layout");
    let misfit = bench.activate(C).unwrap_err();
    assert_eq!(misfit, LayoutMisfit::Sharing { given: 1 });
    assert_eq!(bench.active(), Some(B), "the route stays where it is");
}

#[test]
fn jobs_of_one_epoch_stay_live_and_a_clean_one_ends_them() {
    let mut bench = Bench::new();
    bench.offer(A, CLEAN).unwrap();
    bench.activate(A).unwrap();
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    assert_eq!((bench.epoch(), bench.standing(100), bench.standing(101)), (1, "live", "live"));
    bench.offer(A, Sent { id: "3", ..CLEAN }).unwrap();
    assert_eq!((bench.epoch(), bench.current().unwrap().1), (2, 102));
    assert_eq!(
        (bench.standing(100), bench.standing(101), bench.standing(102)),
        ("stale", "stale", "live")
    );
}

#[test]
fn a_move_leaves_the_jobs_of_the_pool_that_is_left_answerable() {
    let mut bench = Bench::new();
    bench.offer(A, CLEAN).unwrap();
    bench.offer(B, CLEAN).unwrap();
    bench.activate(A).unwrap();
    bench.activate(B).unwrap();
    assert_eq!((bench.epoch(), bench.current()), (2, Some((B, 101, 0))));
    assert_eq!(bench.standing(100), "live");
    bench.pass(5);
    bench.activate(A).unwrap();
    assert_eq!((bench.epoch(), bench.standing(100)), (3, "live"), "its clean flag is spent");
    assert_eq!(bench.current(), Some((A, 102, 5)), "and no header is hashed twice");
}

#[test]
fn a_clean_job_of_a_pool_that_was_left_ends_only_its_own() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.activate(B).unwrap();
    bench.offer(A, Sent { id: "2", ..CLEAN }).unwrap();
    assert_eq!((bench.standing(100), bench.standing(101)), ("stale", "live"));
    assert_eq!((bench.epoch(), bench.current()), (2, Some((B, 101, 0))));
}

#[test]
fn an_id_that_a_pool_uses_again_names_the_later_job_only() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.activate(B).unwrap();
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    assert_eq!((bench.standing(100), bench.standing(101)), ("live", "live"));
    bench.offer(A, JOB).unwrap();
    assert_eq!((bench.standing(100), bench.standing(101)), ("stale", "live"), "B's is B's");
    assert_eq!(bench.epoch(), 2, "nobody works on it");
    bench.offer(B, Sent { id: "2", ..JOB }).unwrap();
    bench.offer(B, JOB).unwrap();
    assert_eq!((bench.standing(101), bench.epoch()), ("stale", 3), "and here somebody does");
}

#[test]
fn a_session_that_has_ended_takes_the_work_along() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.board.withdraw(A);
    assert_eq!((bench.current(), bench.active()), (None, None));
    assert_eq!((bench.standing(100), bench.board.has_offer(A)), ("stale", false));
    assert_eq!(bench.board.keep_alive_at(Duration::from_secs(60)), None);
    assert!(!bench.board.keep_alive(bench.now, Duration::ZERO));
    bench.offer(B, JOB).unwrap();
    bench.activate(B).unwrap();
    assert_eq!((bench.epoch(), bench.current()), (2, Some((B, 101, 0))));
}

#[test]
fn a_session_that_ends_after_the_move_disturbs_nobody() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.activate(B).unwrap();
    bench.board.withdraw(A);
    assert_eq!((bench.epoch(), bench.current()), (2, Some((B, 101, 0))));
    assert_eq!((bench.standing(100), bench.standing(101)), ("stale", "live"));
}

#[test]
fn miners_hear_of_the_job_again_when_nothing_came_for_the_period() {
    let period = Duration::from_secs(60);
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.pass(59);
    assert!(!bench.board.keep_alive(bench.now, period));
    bench.pass(1);
    assert_eq!(bench.board.keep_alive_at(period), Some(bench.now.instant));
    assert!(bench.board.keep_alive(bench.now, period));
    assert_eq!((bench.current(), bench.epoch()), (Some((A, 101, 60)), 1));
    assert_eq!((bench.standing(100), bench.standing(101)), ("live", "live"));
    let job = bench.job();
    assert_eq!(job.pool_ntime.0, NTIME, "the pool judges by its own time");
    assert!(!bench.board.keep_alive(bench.now, period));
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    bench.pass(60);
    assert!(bench.board.keep_alive(bench.now, period));
    assert_eq!(bench.current(), Some((A, 103, 60)), "from the latest job's own time");
}

#[test]
fn ntime_is_moved_on_within_what_pools_accept() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.pass(100_000);
    assert!(bench.board.keep_alive(bench.now, Duration::from_secs(60)));
    assert_eq!(bench.current(), Some((A, 101, 3500)));
}

#[test]
fn the_same_work_sent_again_goes_on_where_it_was() {
    let mut bench = Bench::new();
    bench.offer(A, CLEAN).unwrap();
    bench.activate(A).unwrap();
    bench.pass(20);
    // A mask that changes, or a session that is resumed, brings the same job once more.
    bench.offer(A, CLEAN).unwrap();
    assert_eq!(bench.current(), Some((A, 101, 20)));
    bench.pass(5);
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    assert_eq!(bench.current(), Some((A, 102, 0)), "another job has its own time");
}

#[test]
fn a_job_carries_what_was_in_force_when_it_came() {
    let mut bench = Bench::new();
    bench.offer_at(A, JOB, difficulty("512")).unwrap();
    bench.activate(A).unwrap();
    bench.offer_at(A, Sent { id: "2", ..JOB }, difficulty("1024")).unwrap();
    let jobs = &bench.board.work().jobs;
    for (serial, expected) in [(100, "512"), (101, "1024")] {
        let Lookup::Live(job) = jobs.lookup(JobSerial(serial), bench.now.instant) else { panic!() };
        assert_eq!(job.pool_difficulty, difficulty(expected));
    }
}

#[test]
fn an_assumed_layout_gives_way_only_to_a_pool_that_it_does_not_fit() {
    let mut bench = Bench::new();
    bench.board.assume_layout(Layout::CONSERVATIVE);
    bench.board.assume_layout(Layout::new(4, 4).unwrap());
    assert_eq!(bench.board.work().layout, Some(Layout::CONSERVATIVE));
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    assert_eq!(bench.board.work().layout, Some(Layout::CONSERVATIVE));
    bench.offer(B, Sent { size: 3, ..JOB }).unwrap();
    assert_eq!(bench.board.work().layout, layout(1, 2), "who comes now shall fit both");
    bench.activate(B).unwrap();
    assert_eq!(bench.board.work().layout, layout(1, 2));
}

#[test]
fn a_configured_layout_is_never_given_up() {
    let mut bench = Bench::with_layout(layout(2, 4));
    assert_eq!(bench.board.work().layout, layout(2, 4));
    bench.offer(A, Sent { size: 5, ..JOB }).unwrap();
    let misfit = bench.activate(A).unwrap_err();
    assert_eq!(misfit, LayoutMisfit::Layout { needed: 6, given: 5 });
    bench.offer(B, JOB).unwrap();
    bench.activate(B).unwrap();
    assert_eq!((bench.current(), bench.board.work().layout), (Some((B, 100, 0)), layout(2, 4)));
}

#[test]
fn a_configured_layout_that_changes_holds_from_the_next_job() {
    let mut bench = Bench::new();
    bench.board.fix_layout(layout(3, 3));
    assert_eq!(bench.board.work().layout, layout(3, 3), "nobody has work yet");
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.board.fix_layout(layout(2, 2));
    assert_eq!(bench.board.work().layout, layout(3, 3), "who subscribes now must fit the job");
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    assert_eq!(bench.board.work().layout, layout(2, 2));
    bench.board.fix_layout(None);
    bench.offer(A, Sent { id: "3", ..JOB }).unwrap();
    assert_eq!(bench.board.work().layout, layout(2, 2), "no reason to change");
}

#[test]
fn a_pool_that_shrinks_below_the_layout_leaves_no_worthless_job() {
    let mut bench = Bench::with_layout(layout(4, 4));
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.offer(A, Sent { id: "2", size: 4, clean: false, ..JOB }).unwrap_err();
    assert_eq!(bench.current(), Some((A, 100, 0)), "still worth something");
    bench.offer(A, Sent { id: "3", size: 4, clean: true, ..JOB }).unwrap_err();
    assert_eq!((bench.current(), bench.standing(100)), (None, "stale"));
    bench.offer(A, Sent { id: "4", ..CLEAN }).unwrap();
    assert_eq!(bench.current(), Some((A, 101, 0)));
    assert_eq!(bench.epoch(), 2);
}

#[test]
fn offers_are_bounded_and_the_active_one_is_kept() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    for source in 0..3 * SOURCES_MAX as u64 {
        bench.offer(SourceId(1000 + source), JOB).unwrap();
        assert!(bench.board.offers.len() <= SOURCES_MAX);
    }
    assert!(bench.board.has_offer(A));
    assert!(!bench.board.has_offer(SourceId(1000)));
}

#[test]
fn of_several_lanes_each_has_its_own_jobs_and_epoch() {
    let mut bench = Bench::new();
    for source in [A, B, C] {
        bench.offer(source, JOB).unwrap();
    }
    assert_eq!(bench.board.set_active(bench.now, &[B, A]), []);
    let lanes = |bench: &Bench| -> Vec<(u32, u64, u64)> {
        let lanes = &bench.board.work().lanes;
        lanes.iter().map(|lane| (lane.id.0, lane.epoch.0, lane.job.serial.0)).collect()
    };
    assert_eq!(lanes(&bench), [(2, 1, 100), (1, 2, 101)]);
    bench.offer(A, Sent { id: "2", ..CLEAN }).unwrap();
    assert_eq!(lanes(&bench), [(2, 1, 100), (1, 3, 102)], "a clean job is clean for its lane");
    assert_eq!((bench.standing(100), bench.standing(101)), ("live", "stale"));
    assert_eq!(bench.board.set_active(bench.now, &[A, B, C]), []);
    assert_eq!(
        lanes(&bench),
        [(1, 3, 102), (2, 1, 100), (3, 4, 103)],
        "who stays is not disturbed"
    );
    bench.board.withdraw(B);
    assert_eq!(lanes(&bench), [(1, 3, 102), (3, 4, 103)]);
    assert_eq!(bench.board.set_active(bench.now, &[C, B]), []);
    assert_eq!(lanes(&bench), [(3, 4, 103)], "what has no job cannot be mined on");
    assert_eq!(bench.standing(102), "live", "what was left is still answerable");
}

#[test]
fn a_session_works_on_its_seat_and_on_the_first_lane_without_one() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, JOB).unwrap();
    bench.board.set_active(bench.now, &[A, B]);
    let lane = |bench: &Bench, seat| bench.board.work().lane(seat).map(|lane| lane.id);
    assert_eq!(lane(&bench, Some(B.lane())), Some(B.lane()));
    assert_eq!(lane(&bench, Some(C.lane())), Some(A.lane()), "a lane that is gone");
    assert_eq!(lane(&bench, None), Some(A.lane()));
    bench.board.set_active(bench.now, &[]);
    assert_eq!(lane(&bench, Some(B.lane())), None);
}

#[test]
fn each_lane_is_kept_alive_by_its_own_time() {
    let period = Duration::from_secs(60);
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, JOB).unwrap();
    bench.board.set_active(bench.now, &[A, B]);
    bench.pass(30);
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    bench.pass(30);
    assert!(bench.board.keep_alive(bench.now, period));
    let serials: Vec<u64> = bench.board.work().lanes.iter().map(|lane| lane.job.serial.0).collect();
    assert_eq!(serials, [102, 103]);
    assert_eq!(bench.board.keep_alive_at(period), Some(bench.now.instant + period / 2));
}

#[test]
fn further_connections_to_a_pool_serve_further_miners() {
    let mut bench = Bench::new();
    let (a, c) = (A.lane(), C.lane());
    bench.board.serve_bank(c, a, Bank(1));
    for (source, size) in [(A, 4), (B, 8), (C, 4)] {
        bench.offer(source, Sent { size, ..JOB }).unwrap();
    }
    bench.board.set_active(bench.now, &[A, B, C]);
    let work = bench.board.work();
    let small = Layout::CONSERVATIVE;
    assert_eq!(work.layout, Some(small));
    let lane = |seat: SourceId, bank| {
        let miner = MinerId::new(small, 7).in_bank(bank);
        let lane = work.lane_for(Some(seat.lane()), miner).unwrap();
        (lane.id, lane.job.serves(miner))
    };
    assert_eq!(lane(A, 0), (a, true));
    assert_eq!(lane(A, 1), (c, true), "another connection to the pool that it is seated on");
    assert_eq!(lane(C, 0), (a, true));
    assert_eq!(lane(A, 2), (a, false), "none is open yet");
    assert_eq!(lane(B, 2), (B.lane(), true), "and this pool has room for all");
    assert_eq!(work.banks_of(small), 0..crate::extranonce::BANKS_MAX);
    bench.board.set_active(bench.now, &[A, C]);
    assert_eq!(bench.board.work().banks_of(small), 0..2);
    bench.board.allow_banks(Banks(16));
    assert_eq!(bench.board.work().banks_of(small), 0..16, "as many as may be opened");
    bench.board.allow_banks(Banks(0));
    assert_eq!(bench.board.work().banks_of(Layout::new(4, 4).unwrap()), 0..1);
    for lane in 10..100 {
        bench.board.serve_bank(LaneId(lane), a, Bank(1));
        assert!(bench.board.further.len() <= SOURCES_MAX);
    }
}

#[test]
fn what_a_clean_job_ends_is_late_for_a_moment_and_what_is_gone_is_not() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.activate(A).unwrap();
    bench.offer(A, Sent { id: "2", ..CLEAN }).unwrap();
    let ended = bench.now.instant;
    assert_eq!(bench.standing_at(100, ended), "late");
    bench.pass(1);
    bench.offer(A, Sent { id: "3", ..CLEAN }).unwrap();
    let just_before = ended + LATE - Duration::from_millis(1);
    assert_eq!(bench.standing_at(100, just_before), "late", "from the first clean job on");
    assert_eq!(
        (bench.standing_at(100, ended + LATE), bench.standing_at(101, ended + LATE)),
        ("stale", "late")
    );
    bench.offer(A, Sent { id: "2", ..JOB }).unwrap();
    assert_eq!(bench.standing_at(101, just_before), "stale", "its id names other work now");
    bench.board.withdraw(A);
    assert_eq!(bench.standing_at(102, just_before), "stale", "its session is over");
}

#[test]
fn a_pool_that_leaves_two_bytes_is_shared_where_enough_version_bits_roll() {
    // 14 bits, the byte and the nonce are 2^54 headers: a minute of 200 TH/s and more.
    for (mask, fits) in [(0x1fff_e000, true), (0x07ff_e000, true), (0x03ff_e000, false), (0, false)]
    {
        let mut bench = Bench::new();
        bench.offer(A, Sent { size: 2, mask: VersionMask(mask), ..JOB }).unwrap();
        let activated = bench.activate(A);
        let bits = mask.count_ones();
        match fits {
            true => assert_eq!(bench.board.work().layout, Layout::narrow(2, Sharing::Shared)),
            false => assert_eq!(
                activated,
                Err(LayoutMisfit::Space { given: 2, bits, needed: 14 }),
                "{mask:x}"
            ),
        }
        assert_eq!(bench.active(), fits.then_some(A));
    }
}

#[test]
fn a_miner_alone_has_all_that_its_pool_leaves_and_is_served_nowhere_else() {
    for size in 1..=2 {
        let mut bench = Bench::new();
        bench.board.share(bench.now, Sharing::Alone);
        bench.offer(A, Sent { size, ..JOB }).unwrap();
        bench.activate(A).unwrap();
        let work = bench.board.work();
        let layout = work.layout.unwrap();
        assert_eq!((layout.id_len(), layout.miner_len()), (0, size));
        let miner = MinerId::new(layout, 7);
        assert!(work.lane(None).unwrap().job.serves(miner));
        assert_eq!(miner.head(size).map(|head| head.len()), Some(0));
        // Others work there now, and all of them would fill in the same bytes.
        bench.board.share(bench.now, Sharing::Shared);
        let served = bench.board.work().lane(None).is_some_and(|lane| lane.job.serves(miner));
        assert!(!served, "{size}");
    }
    let mut bench = Bench::new();
    bench.board.share(bench.now, Sharing::Alone);
    bench.offer(A, Sent { size: 1, mask: VersionMask(0x2000), ..JOB }).unwrap();
    let misfit = bench.activate(A).unwrap_err();
    assert_eq!(misfit, LayoutMisfit::Space { given: 1, bits: 1, needed: 14 });
}

#[test]
fn a_narrow_layout_is_given_out_only_while_it_is_needed() {
    let mut bench = Bench::new();
    bench.offer(A, JOB).unwrap();
    bench.offer(B, Sent { size: 2, ..JOB }).unwrap();
    bench.activate(A).unwrap();
    assert_eq!(bench.board.work().layout, layout(4, 4), "not for the sake of a stand-by");
    bench.activate(B).unwrap();
    assert_eq!(bench.board.work().layout, Layout::narrow(2, Sharing::Shared));
    bench.offer(A, JOB).unwrap();
    assert_eq!(bench.board.work().layout, Layout::narrow(2, Sharing::Shared), "it is mined on");
    bench.activate(A).unwrap();
    assert_eq!(bench.board.work().layout, layout(4, 4));
}
