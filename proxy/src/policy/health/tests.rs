use super::*;

const FAILBACK: Duration = Duration::from_secs(120);
const LIMITS: HealthLimits = HealthLimits { submit_stall: None, block_lag: Duration::from_secs(5) };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[track_caller]
fn check_stall(slowest_ms: Option<u64>, configured_ms: Option<u64>, expected_ms: u64) {
    let start = Instant::now();
    let limits = HealthLimits { submit_stall: configured_ms.map(ms), ..LIMITS };
    let signs = Signs {
        oldest_outstanding: Some(start),
        slowest_verdict: slowest_ms.map(ms),
        ..Signs::default()
    };
    let mut health = Health::default();
    assert_eq!(health.due_at(&signs, &limits), Some(start + ms(expected_ms)));
    health.judge(start + ms(expected_ms - 1), &signs, &limits);
    assert_eq!(health.suspicion(), None);
    health.judge(start + ms(expected_ms), &signs, &limits);
    assert_eq!(health.suspicion(), Some(Suspicion::SubmitStall));
}

#[test]
fn a_pool_may_owe_a_verdict_for_a_second_or_four_times_its_slowest() {
    check_stall(None, None, 850);
    check_stall(Some(40), None, 850);
    check_stall(Some(600), None, 2100);
    check_stall(Some(60_000), None, 10_000);
    check_stall(Some(600), Some(3000), 3000);
    check_stall(Some(600), Some(300), 300);
}

#[test]
fn a_verdict_that_comes_cures_it() {
    let start = Instant::now();
    let owed = Signs { oldest_outstanding: Some(start), ..Signs::default() };
    let mut health = Health::default();
    health.judge(start + seconds(2), &owed, &LIMITS);
    assert!(health.suspicion().is_some());
    health.judge(start + seconds(3), &Signs::default(), &LIMITS);
    assert_eq!(health.suspicion(), None);
    assert_eq!(health.trusted_from(start, FAILBACK), start + seconds(3) + FAILBACK);
}

#[test]
fn a_pool_that_is_behind_is_left_after_the_lag_that_is_allowed() {
    let start = Instant::now();
    let signs = Signs { behind_since: Some(start), ..Signs::default() };
    let mut health = Health::default();
    assert_eq!(health.due_at(&signs, &LIMITS), Some(start + seconds(5)));
    health.judge(start + ms(4999), &signs, &LIMITS);
    assert_eq!(health.suspicion(), None);
    health.judge(start + seconds(5), &signs, &LIMITS);
    assert_eq!(health.suspicion(), Some(Suspicion::BlockLag));
}

/// A pool that sent a job each `gap_s`, the last at 0; the others' last came at `others_at_s`.
#[track_caller]
fn check_silence(gap_s: u64, others_at_s: Option<u64>, at_s: u64, expected: bool) {
    let first = Instant::now();
    let mut health = Health::default();
    for job in 0..=6_u32 {
        health.job(first + seconds(gap_s) * job);
    }
    let last = first + seconds(gap_s) * 6;
    let others_job = others_at_s.map(|at| last + seconds(at));
    let signs = Signs { others_job, ..Signs::default() };
    health.judge(last + seconds(at_s), &signs, &LIMITS);
    assert_eq!(health.suspicion() == Some(Suspicion::JobSilence), expected);
}

#[test]
fn silence_counts_by_what_is_usual_and_only_while_another_pool_speaks() {
    check_silence(30, Some(100), 179, false);
    check_silence(30, Some(100), 180, true);
    check_silence(30, None, 500, false);
    check_silence(30, Some(10), 500, false);
    // One that only sends a job when there is a block.
    check_silence(600, Some(1000), 2399, false);
    check_silence(600, Some(1000), 2400, true);
}

#[test]
fn without_a_habit_silence_says_nothing() {
    let start = Instant::now();
    let mut health = Health::default();
    health.job(start);
    let signs = Signs { others_job: Some(start + seconds(500)), ..Signs::default() };
    health.judge(start + seconds(501), &signs, &LIMITS);
    assert_eq!(health.suspicion(), None);
}

#[track_caller]
fn check_refusals(stretches: &[(u64, u64)], expected: bool) {
    let now = Instant::now();
    let mut health = Health::default();
    let mut signs = Signs::default();
    for (accepted, rejected) in stretches {
        signs.accepted += accepted;
        signs.rejected += rejected;
        health.judge(now, &signs, &LIMITS);
    }
    assert_eq!(health.suspicion() == Some(Suspicion::Refusals), expected, "{stretches:?}");
}

#[test]
fn a_pool_that_refuses_more_than_half_is_left() {
    check_refusals(&[(0, 25)], false);
    check_refusals(&[(0, 26)], true);
    check_refusals(&[(25, 25)], false);
    check_refusals(&[(1000, 0), (10, 26)], true);
    check_refusals(&[(1000, 0), (10, 10)], false);
    check_refusals(&[(40, 400)], true);
    // A pool that was left is not judged again by what it was left for.
    check_refusals(&[(0, 26), (0, 0)], false);
    // Long ago is over.
    check_refusals(&[(0, 26), (30, 0), (10, 0)], false);
}

#[test]
fn each_trouble_doubles_the_time_until_it_is_taken_back_and_an_hour_forgives() {
    let start = Instant::now();
    let mut health = Health::default();
    assert_eq!(health.trusted_from(start, FAILBACK), start + FAILBACK);
    for times in [1, 2, 4, 8, 16, 32, 32] {
        health.lost(start, Duty::Mined);
        assert_eq!(health.trusted_from(start, FAILBACK), start + FAILBACK * times);
    }
    let later = start + FORGIVEN_AFTER;
    health.lost(later, Duty::Mined);
    assert_eq!(health.trusted_from(later, FAILBACK), later + FAILBACK);
}

#[test]
fn a_connection_that_ends_takes_the_suspicion_with_it() {
    let start = Instant::now();
    let mut health = Health::default();
    let signs = Signs { oldest_outstanding: Some(start), duty: Duty::Mined, ..Signs::default() };
    health.judge(start + seconds(20), &signs, &LIMITS);
    health.lost(start + seconds(21), Duty::Mined);
    assert_eq!(health.suspicion(), None);
    let ready = start + seconds(22);
    assert_eq!(health.trusted_from(ready, FAILBACK), ready + FAILBACK, "one trouble, not two");
}

#[test]
fn the_troubles_of_a_stand_by_make_nobody_wait() {
    let start = Instant::now();
    let mut health = Health::default();
    let lagging = Signs { behind_since: Some(start), ..Signs::default() };
    for round in 1..=20 {
        health.judge(start + seconds(round * 10), &lagging, &LIMITS);
        health.judge(start + seconds(round * 10 + 1), &Signs::default(), &LIMITS);
        health.lost(start + seconds(round * 10 + 2), Duty::StandBy);
    }
    let ready = start + seconds(300);
    assert_eq!(health.trusted_from(ready, FAILBACK), ready + FAILBACK);
}
