//! Every bound of the pool's memory, hit.

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;

use super::super::books::{Books, Entry, SHARES_KEPT_MAX, USERS_MAX};
use super::super::session::{JOBS_MAX, SESSIONS_MAX, Sessions};
use super::*;
use crate::judge::{Accepted, Verdict};

fn entry(user: &str) -> Entry<'_> {
    Entry { connection: ConnectionId(1), user, job_id: "1", unix_time: 0 }
}

#[test]
fn names_beyond_the_last_line_of_the_books_share_one() {
    let mut books = Books::default();
    let refused = Verdict::Rejected(Reason::Stale);
    for name in 0..USERS_MAX + 3 {
        books.enter(entry(&name.to_string()), refused);
    }
    books.enter(entry("0"), refused);
    assert_eq!(books.counts.users.len(), USERS_MAX + 1);
    assert_eq!(books.counts.users[OTHER_USERS].received, 3);
    assert_eq!(books.counts.users["0"].rejected[&Reason::Stale], 2);
    assert_eq!(books.counts.received, books.counts.rejected_total());
}

#[test]
fn the_newest_accepted_shares_are_kept() {
    let mut books = Books::default();
    let hash = BlockHash::all_zeros();
    let paid = Verdict::Accepted(Accepted { difficulty: Difficulty::ONE, hash, block: false });
    for number in 0..=SHARES_KEPT_MAX {
        books.enter(entry(if number == 0 { "first" } else { "later" }), paid);
    }
    let shares = books.shares();
    assert_eq!(shares.len(), SHARES_KEPT_MAX);
    assert!(shares.iter().all(|share| share.user == "later"));
    assert_eq!(books.counts.credited.to_string(), (SHARES_KEPT_MAX + 1).to_string());
}

#[tokio::test(start_paused = true)]
async fn the_newest_sessions_are_remembered() {
    let settings = settings();
    let mut sessions = Sessions::new(&mut fastrand::Rng::with_seed(1));
    let first = sessions.open(&settings, Instant::now());
    let second = sessions.open(&settings, Instant::now());
    for _ in 1..SESSIONS_MAX {
        sessions.open(&settings, Instant::now());
    }
    assert!(sessions.of(first).is_none() && sessions.of(second).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_newest_jobs_of_a_session_are_on_record() {
    let pool = pool(settings());
    let (mut miner, first) = started(&pool).await;
    let mut second = None;
    for _ in 0..JOBS_MAX {
        pool.control().new_job(Clean::Continues);
        second.get_or_insert(miner.job().await);
    }
    assert_rejected(&miner.submit(&first.share(1)).await, Reason::UnknownJob);
    assert!(miner.submit(&second.expect("a job").share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn one_connection_logs_in_only_so_many_names_and_none_too_long() {
    let pool = pool(settings());
    let mut miner = TestMiner::new(stream(&pool));
    assert_rejected(&miner.authorize(&"a".repeat(256)).await, Reason::Unauthorized);
    assert!(miner.authorize(&"a".repeat(255)).await.is_success());
    for worker in 1..1024 {
        assert!(miner.authorize(&format!("a.{worker}")).await.is_success());
    }
    assert_rejected(&miner.authorize("a.1024").await, Reason::Unauthorized);
}
