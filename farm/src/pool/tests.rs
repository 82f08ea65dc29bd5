//! Conversations with a pool over a stream in memory, under paused time.

mod bounds;
mod faults;
mod forms;
mod miner;
mod sockets;

use std::time::Duration;

use serde_json::json;
use tokio::io::DuplexStream;
use tokio::time::timeout;

use super::*;
use crate::judge::{Difficulty, Reason};
use crate::wire::{Message, Reply};
use miner::{Job, TestMiner, USER};

/// So easy that a share takes some hundred hashes.
const EASY: &str = "0.0000001";
const SOON: Duration = Duration::from_secs(2);

fn difficulty(text: &str) -> Difficulty {
    text.parse().expect("a difficulty in a test")
}

/// An easy pool that sends no job by itself within a test's time.
fn settings() -> PoolSettings {
    PoolSettings {
        difficulty: DifficultyPolicy::Fixed(difficulty(EASY)),
        job_interval: Duration::from_secs(3600),
        block_interval: Duration::from_secs(36_000),
        ..PoolSettings::new("pool-a", 1)
    }
}

fn pool(settings: PoolSettings) -> PracticePool {
    PracticePool::start(settings).expect("settings in bounds")
}

fn stream(pool: &PracticePool) -> DuplexStream {
    let (near, far) = tokio::io::duplex(16_384);
    pool.serve(far);
    near
}

async fn started(pool: &PracticePool) -> (TestMiner<DuplexStream>, Job) {
    TestMiner::started(stream(pool)).await
}

fn assert_rejected(reply: &Reply, reason: Reason) {
    assert_eq!(reply.error_code(), Some(reason.code()), "{reply:?}");
    assert_eq!(reply.error_text(), reason.message());
}

#[tokio::test(start_paused = true)]
async fn a_share_goes_from_subscription_to_credit() {
    let pool = pool(settings());
    let mut miner = TestMiner::new(stream(&pool));
    miner.subscribe(json!(["tiny/1"])).await;
    assert_eq!((miner.extranonce1.len(), miner.extranonce2_bytes), (8, 8));
    assert!(miner.authorize(USER).await.is_success());
    miner.heard_of("mining.set_difficulty").await;
    miner.difficulty = Some(difficulty(EASY));
    let job = miner.job().await;
    assert!(job.clean);
    for salt in 0..3 {
        assert!(miner.submit(&job.share(salt)).await.is_success());
    }
    let counts = pool.counts();
    assert_eq!((counts.received, counts.accepted, counts.rejected_total()), (3, 3, 0));
    assert_eq!(counts.credited.to_string(), "0.0000003");
    let user = &counts.users[USER];
    assert_eq!((user.received, user.accepted), (3, 3));
    assert_eq!(user.credited, counts.credited);
    assert_eq!((counts.connections, counts.sessions, counts.authorizations), (1, 1, 1));
    let shares = pool.accepted_shares();
    assert!(shares.iter().all(|share| share.user == USER && share.job_id == job.id));
    assert_eq!(shares.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_answered_and_booked() {
    let pool = pool(settings());
    let (mut miner, old) = started(&pool).await;
    pool.control().new_job(Clean::Clean);
    let job = miner.job().await;
    let good = job.share(1);
    assert!(miner.submit(&good).await.is_success());
    for (share, reason) in [
        (good.clone(), Reason::Duplicate),
        (job.low_share(2), Reason::LowDifficulty),
        (old.share(3), Reason::Stale),
        (miner::Share { job_id: "beef".into(), ..good.clone() }, Reason::UnknownJob),
        (miner::Share { user: "thief.worker".into(), ..good.clone() }, Reason::Unauthorized),
        (miner::Share { extranonce2: "00".into(), ..good.clone() }, Reason::Extranonce2Size),
        (miner::Share { ntime: "00000000".into(), ..good.clone() }, Reason::NTime),
        (miner::Share { nonce: "nonsense".into(), ..good.clone() }, Reason::Malformed),
        (miner::Share { version_bits: Some("2".into()), ..good }, Reason::VersionBits),
    ] {
        assert_rejected(&miner.submit(&share).await, reason);
        assert_eq!(pool.counts().rejected_for(reason), 1, "{reason:?}");
    }
    let counts = pool.counts();
    assert_eq!((counts.received, counts.accepted, counts.rejected_total()), (10, 1, 9));
    assert_eq!(counts.users["(unauthorized)"].received, 1);
    assert!(!counts.users.contains_key("thief.worker"));
}

#[tokio::test(start_paused = true)]
async fn a_share_before_the_subscription_is_refused() {
    let pool = pool(settings());
    let (_, job) = started(&pool).await;
    let mut stranger = TestMiner::new(stream(&pool));
    assert_rejected(&stranger.submit(&job.share(1)).await, Reason::NotSubscribed);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_one_epoch_stay_good_until_the_next_clean_one() {
    let pool = pool(settings());
    let (mut miner, first) = started(&pool).await;
    pool.control().new_job(Clean::Continues);
    let second = miner.job().await;
    assert!(!second.clean);
    assert_eq!(second.issued.work.prev_block, first.issued.work.prev_block);
    assert!(miner.submit(&first.share(1)).await.is_success());
    // Clean without a change of block, then with one.
    pool.control().new_job(Clean::Clean);
    let third = miner.job().await;
    assert!(third.clean);
    assert_eq!(third.issued.work.prev_block, first.issued.work.prev_block);
    assert_rejected(&miner.submit(&second.share(2)).await, Reason::Stale);
    pool.control().new_block();
    let fourth = miner.job().await;
    assert!(fourth.clean);
    assert_ne!(fourth.issued.work.prev_block, third.issued.work.prev_block);
    assert_rejected(&miner.submit(&third.share(3)).await, Reason::Stale);
    assert!(miner.submit(&fourth.share(4)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_grace_pays_stale_shares_for_as_long_as_it_lasts() {
    let pool = pool(PoolSettings { stale_grace: SOON, ..settings() });
    let (mut miner, job) = started(&pool).await;
    pool.control().new_block();
    assert!(miner.submit(&job.share(1)).await.is_success());
    tokio::time::advance(SOON + Duration::from_millis(1)).await;
    assert_rejected(&miner.submit(&job.share(2)).await, Reason::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_granted_mask_is_what_both_sides_know_and_bits_reach_the_hash() {
    let granted = PoolSettings { seed: 5, ..settings() };
    let pool = pool(granted);
    let mut miner = TestMiner::new(stream(&pool));
    let params = json!([
        ["version-rolling", "minimum-difficulty", "subscribe-extranonce"],
        {"version-rolling.mask": "00ffffff", "version-rolling.min-bit-count": 2}
    ]);
    let reply = miner.ask("mining.configure", params).await;
    let granted = json!({
        "version-rolling": true, "version-rolling.mask": "00ffe000",
        "minimum-difficulty": false, "subscribe-extranonce": true
    });
    assert_eq!(reply.result, granted);
    miner.subscribe(json!([])).await;
    miner.authorize(USER).await;
    let job = miner.job().await;
    let mask = 0x00ff_e000;
    let share = job.rolled_share(1, 0x0012_2000, mask);
    assert!(miner.submit(&share).await.is_success());
    let outside = miner::Share { version_bits: Some("01000000".into()), ..share };
    assert_rejected(&miner.submit(&outside).await, Reason::VersionBits);
    let view = pool.connections().remove(0);
    assert_eq!(view.version_mask, Some(mask));
    assert!(view.wants_extranonce_news);
}

#[tokio::test(start_paused = true)]
async fn bits_inside_the_mask_of_a_job_belong_to_the_miner() {
    let pool = pool(settings());
    let mut miner = TestMiner::new(stream(&pool));
    miner.ask("mining.configure", json!([["version-rolling"], {}])).await;
    miner.subscribe(json!([])).await;
    miner.authorize(USER).await;
    let mut job = miner.job().await;
    while job.issued.work.version & BIP320_MASK == 0 {
        pool.control().new_job(Clean::Continues);
        job = miner.job().await;
    }
    // No bits at all leave the job's version alone; bits of zero clear what the job had set.
    assert!(miner.submit(&job.share(1)).await.is_success());
    assert!(miner.submit(&job.rolled_share(2, 0, BIP320_MASK)).await.is_success());
    let rolled = job.rolled_share(3, 0x0000_2000, BIP320_MASK);
    assert!(miner.submit(&rolled).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_pool_without_version_rolling_says_so_in_its_own_way() {
    let configure = json!([["version-rolling"], {"version-rolling.mask": "1fffe000"}]);
    let refusing = pool(PoolSettings { version_rolling: VersionRolling::Refused, ..settings() });
    let mut miner = TestMiner::new(stream(&refusing));
    let reply = miner.ask("mining.configure", configure.clone()).await;
    assert_eq!(reply.result, json!({"version-rolling": false}));
    let version_rolling = VersionRolling::UnknownMethod;
    let ignorant = pool(PoolSettings { version_rolling, ..settings() });
    let mut miner = TestMiner::new(stream(&ignorant));
    assert_eq!(miner.ask("mining.configure", configure.clone()).await.error_code(), Some(20));
    let version_rolling = VersionRolling::Unanswered;
    let mute = pool(PoolSettings { version_rolling, ..settings() });
    let mut miner = TestMiner::new(stream(&mute));
    let silence = timeout(SOON, miner.ask("mining.configure", configure)).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn only_known_accounts_may_log_in() {
    let accounts = Accounts::Only(vec!["alice".into()]);
    let pool = pool(PoolSettings { accounts, ..settings() });
    let mut miner = TestMiner::new(stream(&pool));
    miner.subscribe(json!([])).await;
    for name in ["bob.worker", "alicex", "", "bob.alice"] {
        assert_rejected(&miner.authorize(name).await, Reason::Unauthorized);
    }
    assert!(miner.authorize("alice.rig-7").await.is_success());
    assert!(miner.authorize("alice").await.is_success());
    let counts = pool.counts();
    assert_eq!((counts.authorizations, counts.authorizations_refused), (2, 4));
    assert_eq!(pool.connections()[0].users, ["alice", "alice.rig-7"]);
}

#[tokio::test(start_paused = true)]
async fn jobs_wait_for_the_login_unless_the_pool_is_hasty() {
    let polite = pool(settings());
    let mut miner = TestMiner::new(stream(&polite));
    miner.subscribe(json!([])).await;
    assert!(timeout(SOON, miner.heard()).await.is_err());
    let hasty = pool(PoolSettings { first_job: FirstJob::AfterSubscribe, ..settings() });
    let mut miner = TestMiner::new(stream(&hasty));
    miner.subscribe(json!([])).await;
    miner.job().await;
}

#[tokio::test(start_paused = true)]
async fn a_login_before_the_subscription_and_a_repeated_subscription_both_work() {
    let pool = pool(settings());
    let mut miner = TestMiner::new(stream(&pool));
    assert!(miner.authorize(USER).await.is_success());
    miner.subscribe(json!([])).await;
    let first = miner.extranonce1.clone();
    let job = miner.job().await;
    miner.subscribe(json!([])).await;
    assert_eq!(miner.extranonce1, first);
    assert!(miner.submit(&job.share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn replies_take_their_time_and_keep_their_order() {
    let reply_latency = Duration::from_millis(300);
    let reply_jitter = Duration::from_millis(200);
    let pool = pool(PoolSettings { reply_latency, reply_jitter, ..settings() });
    let begin = Instant::now();
    let mut miner = TestMiner::new(stream(&pool));
    for line in [
        crate::wire::request(1, "mining.subscribe", &json!([])),
        crate::wire::request(2, "mining.authorize", &json!([USER])),
    ] {
        miner.send(&line).await;
    }
    for id in 1..=2 {
        miner.reply(id).await;
        assert!(begin.elapsed() >= reply_latency);
    }
    miner.heard_of("mining.set_difficulty").await;
    assert!(begin.elapsed() <= reply_latency + reply_jitter + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn malformed_lines_and_unknown_methods_are_answered_and_counted() {
    let pool = pool(settings());
    let mut miner = TestMiner::new(stream(&pool));
    for line in ["nonsense\n", "[]\n", "{\"id\":7}\n"] {
        miner.send(line).await;
        let Some(Message::Reply(reply)) = miner.next().await else { panic!("no reply") };
        assert_eq!(reply.error_code(), Some(20));
    }
    assert_eq!(miner.ask("mining.dance", json!([])).await.error_code(), Some(20));
    assert_eq!(miner.ask("mining.ping", json!([])).await.result, json!("pong"));
    let counts = pool.counts();
    assert_eq!((counts.malformed_lines, counts.unknown_methods), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_pool_pings_and_counts_the_answers() {
    let ping_interval = Some(Duration::from_secs(10));
    let pool = pool(PoolSettings { ping_interval, ..settings() });
    let (mut miner, _) = started(&pool).await;
    miner.heard_of("mining.ping").await;
    miner.send("{\"id\":42,\"result\":\"pong\",\"error\":null}\n").await;
    miner.heard_of("mining.ping").await;
    assert_eq!(pool.counts().replies, 1);
}

#[tokio::test(start_paused = true)]
async fn jobs_and_blocks_come_at_their_pace() {
    let pool = pool(PoolSettings {
        job_interval: Duration::from_secs(30),
        block_interval: Duration::from_secs(600),
        clean_jobs_percent: 20,
        ..settings()
    });
    let (mut miner, mut last) = started(&pool).await;
    let begin = Instant::now();
    let (mut jobs, mut blocks, mut clean_without_block) = (0, 0, 0);
    while begin.elapsed() < Duration::from_secs(6 * 3600) {
        let job = miner.job().await;
        let is_new_block = job.issued.work.prev_block != last.issued.work.prev_block;
        assert!(job.clean || !is_new_block);
        assert!(job.issued.work.ntime >= last.issued.work.ntime);
        jobs += 1;
        blocks += u32::from(is_new_block);
        clean_without_block += u32::from(job.clean && !is_new_block);
        last = job;
    }
    assert!((700..760).contains(&jobs), "{jobs} jobs");
    assert!((27..46).contains(&blocks), "{blocks} blocks");
    assert!((90..190).contains(&clean_without_block), "{clean_without_block} clean jobs");
}

#[tokio::test(start_paused = true)]
async fn a_found_block_is_built_upon() {
    let network_difficulty = Some(difficulty("0.000000001"));
    let pool = pool(PoolSettings { network_difficulty, ..settings() });
    let (mut miner, job) = started(&pool).await;
    assert!(miner.submit(&job.share(1)).await.is_success());
    let next = miner.job().await;
    assert!(next.clean);
    assert_eq!(next.issued.work.prev_block.to_string(), pool.accepted_shares()[0].hash);
    assert_eq!(pool.counts().blocks, 1);
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_pool_follows_the_work_from_the_next_job_on() {
    let (start, min) = (difficulty("0.000002"), difficulty(EASY));
    let policy = DifficultyPolicy::Adaptive { start, min, shares_per_second: 0.5 };
    let pool = pool(PoolSettings { difficulty: policy, ..settings() });
    let (mut miner, job) = started(&pool).await;
    assert_eq!(miner.difficulty, Some(start));
    for salt in 0..20 {
        assert!(miner.submit(&job.share(salt)).await.is_success());
    }
    let raised = miner.job().await;
    assert!(!raised.clean && raised.issued.difficulty > start);
    // The old job keeps the difficulty under which it was sent.
    assert!(miner.submit(&job.share(100)).await.is_success());
    let last = pool.accepted_shares().pop().expect("an accepted share");
    assert_eq!(last.difficulty, start);
    // Without any share it falls to the floor and stays there.
    while miner.difficulty != Some(min) {
        miner.job().await;
    }
    assert!(timeout(Duration::from_secs(600), miner.job()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_shares_is_answered_by_a_difficulty_at_once() {
    let easy = difficulty(EASY);
    let policy = DifficultyPolicy::Adaptive { start: easy, min: easy, shares_per_second: 1.0 };
    let pool = pool(PoolSettings { difficulty: policy, ..settings() });
    let (mut miner, job) = started(&pool).await;
    let flooding = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    for salt in 0..64 {
        assert!(miner.submit(&job.share(salt)).await.is_success());
    }
    let raised = miner.job().await;
    assert!(flooding.elapsed() < SOON, "{:?}", flooding.elapsed());
    assert_eq!(raised.issued.difficulty, difficulty("0.0000064"));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_obeys_takes_a_suggestion_with_a_job_and_none_below_its_least() {
    let least = difficulty("0.0000002");
    let suggestions = Suggestions::Obeyed { min: least };
    let pool = pool(PoolSettings { suggestions, ..settings() });
    let (mut miner, job) = started(&pool).await;
    for (suggested, taken) in [("0.0000004", "0.0000004"), ("0.0000000001", "0.0000002")] {
        let params = json!([suggested.parse::<f64>().expect("a number")]);
        assert!(miner.ask("mining.suggest_difficulty", params).await.is_success());
        assert_eq!(miner.job().await.issued.difficulty, difficulty(taken));
    }
    assert!(miner.submit(&job.share(1)).await.is_success(), "the job before is as it was");
    let deaf = PracticePool::start(settings()).expect("settings in bounds");
    let (mut miner, _) = started(&deaf).await;
    assert!(miner.ask("mining.suggest_difficulty", json!([5])).await.is_success());
    assert!(timeout(SOON, miner.job()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_pool_pays_whom_it_is_told_to_from_a_job_on() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    let key = [7; 20];
    pool.control().pay(key);
    let next = miner.job().await;
    let pays = |job: &Job| job.issued.work.coinb2.windows(20).any(|window| window == key);
    assert!(!pays(&job) && pays(&next) && next.clean);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_paid_what_its_workers_are_paid() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    for (salt, user) in [(1, USER), (2, "account"), (3, "account.2.a"), (4, "accountant.x")] {
        assert!(miner.authorize(user).await.is_success());
        let share = miner::Share { user: user.into(), ..job.share(salt) };
        assert!(miner.submit(&share).await.is_success());
        assert_rejected(&miner.submit(&share).await, Reason::Duplicate);
    }
    let accounts = pool.counts().accounts();
    assert_eq!(accounts.keys().collect::<Vec<_>>(), ["account", "accountant"]);
    let account = &accounts["account"];
    assert_eq!((account.received, account.accepted), (6, 3));
    assert_eq!(account.rejected[&Reason::Duplicate], 3);
    assert_eq!(account.credited.to_string(), "0.0000003");
    assert_eq!(account.credited.attos(), 300_000_000_000);
    let shares = pool.accepted_shares();
    assert!(shares.iter().all(|share| share.connection == pool.connections()[0].id));
}

#[tokio::test(start_paused = true)]
async fn two_sessions_never_share_an_extranonce1_even_of_one_byte() {
    let pool = pool(PoolSettings { extranonce1_bytes: 1, ..settings() });
    let mut seen = std::collections::BTreeSet::new();
    let mut open = Vec::new();
    for _ in 0..200 {
        let (miner, _) = started(&pool).await;
        assert_eq!(miner.extranonce1.len(), 2);
        assert!(seen.insert(miner.extranonce1.clone()), "{} twice", miner.extranonce1);
        open.push(miner);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_session_has_its_extranonce_its_jobs_and_its_difficulty_back() {
    let pool = pool(PoolSettings { resumption: Resumption::Resumes, ..settings() });
    let (first, job) = started(&pool).await;
    let (session, extranonce1) = (first.session.clone(), first.extranonce1.clone());
    drop(first);
    for (salt, presented) in [(1, session.clone()), (2, Some(extranonce1.clone()))] {
        let mut again = TestMiner::new(stream(&pool));
        again.subscribe(json!(["tiny/1", presented])).await;
        assert_eq!(again.extranonce1, extranonce1);
        again.authorize(USER).await;
        let next = again.job().await;
        assert_ne!((&next.id, &next.issued.work), (&job.id, &job.issued.work));
        // What was found before the gap is paid after it, although the first job is clean.
        assert!(next.clean);
        assert!(again.submit(&job.share(salt)).await.is_success());
    }
    assert_eq!((pool.counts().sessions, pool.counts().sessions_resumed), (1, 2));
    // But not after a block that was found while nobody was there to be told.
    tokio::task::yield_now().await;
    assert!(pool.connections().is_empty());
    pool.control().new_block();
    let mut late = TestMiner::new(stream(&pool));
    late.subscribe(json!(["tiny/1", session])).await;
    late.authorize(USER).await;
    assert_rejected(&late.submit(&job.share(3)).await, Reason::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_taken_over_from_a_connection_that_is_still_open() {
    let pool = pool(PoolSettings { resumption: Resumption::Resumes, ..settings() });
    let (mut first, _) = started(&pool).await;
    let mut second = TestMiner::new(stream(&pool));
    second.subscribe(json!(["tiny/1", first.session])).await;
    assert_eq!(second.extranonce1, first.extranonce1);
    assert!(first.next().await.is_none());
    assert_eq!(pool.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_forgets_gives_a_new_extranonce() {
    let pool = pool(settings());
    let (first, _) = started(&pool).await;
    let (session, extranonce1) = (first.session.clone(), first.extranonce1.clone());
    drop(first);
    let mut again = TestMiner::new(stream(&pool));
    again.subscribe(json!(["tiny/1", session])).await;
    assert_ne!(again.extranonce1, extranonce1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_closed() {
    let pool = pool(settings());
    let near = stream(&pool);
    let mut miner = TestMiner::started(near).await.0;
    for _ in 0..6000 {
        pool.control().inject(b"{\"id\":null,\"method\":\"client.show_message\",\"params\":[]}\n");
    }
    while miner.next().await.is_some() {}
    assert_eq!(pool.counts().slow_readers, 1);
}

/// Everything that one miner hears in an eventful hour.
async fn transcript(seed: u64) -> Vec<String> {
    let pool = pool(PoolSettings {
        job_interval: Duration::from_secs(30),
        reply_latency: Duration::from_millis(50),
        reply_jitter: Duration::from_millis(50),
        forms: Forms { rejection: Rejection::Mixed, ..Forms::default() },
        seed,
        ..settings()
    });
    let (mut miner, job) = started(&pool).await;
    for salt in 0..5 {
        miner.submit(&job.share(salt)).await;
        miner.submit(&job.low_share(salt)).await;
    }
    pool.control().restart_session();
    let (mut again, _) = started(&pool).await;
    for _ in 0..50 {
        again.job().await;
    }
    miner.transcript.append(&mut again.transcript);
    miner.transcript
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_transcript() {
    let first = transcript(7).await;
    assert!(first.len() > 60);
    assert_eq!(first, transcript(7).await);
    assert_ne!(first, transcript(8).await);
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_the_connections_and_joins_every_task() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    pool.shutdown().await;
    assert!(miner.next().await.is_none());
    assert!(pool.shared.tracker.is_empty());
    assert_eq!(pool.counts().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_bounds_name_the_field_the_value_and_the_remedy() {
    let good = settings();
    let zero = DifficultyPolicy::Adaptive {
        start: Difficulty::ONE,
        min: Difficulty::ONE,
        shares_per_second: 0.0,
    };
    for (bad, field) in [
        (PoolSettings { name: "Pool A".into(), ..good.clone() }, "name"),
        (PoolSettings { extranonce1_bytes: 17, ..good.clone() }, "extranonce1_bytes"),
        (PoolSettings { extranonce2_bytes: 0, ..good.clone() }, "extranonce2_bytes"),
        (PoolSettings { branches_max: 17, ..good.clone() }, "branches_max"),
        (PoolSettings { clean_jobs_percent: 101, ..good.clone() }, "clean_jobs_percent"),
        (PoolSettings { job_interval: Duration::ZERO, ..good.clone() }, "job_interval"),
        (PoolSettings { difficulty: zero, ..good.clone() }, "shares_per_second"),
    ] {
        let error = PracticePool::start(bad).expect_err("out of bounds");
        assert_eq!(error.field, field);
        assert!(error.to_string().contains(&error.value), "{error}");
    }
}
