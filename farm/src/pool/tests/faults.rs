//! Every lever of the pool, seen from a miner.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_dead_pool_ends_its_connections_and_refuses_new_ones_until_revived() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    pool.control().kill();
    assert!(miner.next().await.is_none());
    let mut refused = TestMiner::new(stream(&pool));
    assert!(refused.next().await.is_none());
    pool.control().revive();
    let (mut again, job) = started(&pool).await;
    assert!(again.submit(&job.share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn dropped_connections_may_come_back_and_resume() {
    let pool = pool(PoolSettings { resumption: Resumption::Resumes, ..settings() });
    let (mut miner, _) = started(&pool).await;
    pool.control().drop_connections();
    assert!(miner.next().await.is_none());
    let mut again = TestMiner::new(stream(&pool));
    again.subscribe(json!([null, miner.session])).await;
    assert_eq!(again.extranonce1, miner.extranonce1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_session_cannot_be_resumed_and_its_job_ids_come_again() {
    let pool = pool(PoolSettings { resumption: Resumption::Resumes, ..settings() });
    let (mut miner, job) = started(&pool).await;
    pool.control().restart_session();
    assert!(miner.next().await.is_none());
    let mut again = TestMiner::new(stream(&pool));
    again.subscribe(json!([null, miner.session])).await;
    assert_ne!(again.extranonce1, miner.extranonce1);
    again.authorize(USER).await;
    let fresh = again.job().await;
    assert_eq!(fresh.id, job.id);
    assert!(!again.submit(&job.share(1)).await.is_success(), "work of the lost session was paid");
    assert!(again.submit(&fresh.share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_silent_pool_keeps_the_connection_and_says_and_books_nothing() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    pool.control().go_silent();
    let silence = timeout(Duration::from_secs(86_400), miner.submit(&job.share(1))).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!((pool.counts().received, pool.counts().ignored_lines), (0, 1));
    let mut newcomer = TestMiner::new(stream(&pool));
    assert!(timeout(SOON, newcomer.authorize(USER)).await.is_err());
    pool.control().speak_again();
    pool.control().new_job(Clean::Clean);
    assert!(miner.job().await.clean);
}

#[tokio::test(start_paused = true)]
async fn a_withheld_verdict_is_booked_but_never_told() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    pool.control().stop_answering_submits();
    assert!(timeout(SOON, miner.submit(&job.share(1))).await.is_err());
    assert!(timeout(SOON, miner.submit(&job.low_share(1))).await.is_err());
    let counts = pool.counts();
    assert_eq!((counts.received, counts.accepted, counts.unanswered), (2, 1, 2));
    // Everything else is answered as ever.
    assert!(miner.authorize("account.other").await.is_success());
    pool.control().answer_submits();
    assert!(miner.submit(&job.share(2)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_new_difficulty_holds_from_the_next_job_on() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    let harder = difficulty("0.000001");
    pool.control().set_difficulty(harder);
    assert_eq!(miner.heard_of("mining.set_difficulty").await, [json!(0.000_001)]);
    miner.difficulty = Some(harder);
    assert!(miner.submit(&job.share(1)).await.is_success());
    pool.control().new_job(Clean::Continues);
    let next = miner.job().await;
    assert!(miner.submit(&next.share(2)).await.is_success());
    assert_eq!(pool.counts().credited.to_string(), "0.0000011");
    let (newcomer, _) = started(&pool).await;
    assert_eq!(newcomer.difficulty, Some(harder));
}

#[tokio::test(start_paused = true)]
async fn injected_bytes_and_reconnects_arrive_as_they_are() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    let line = r#"{"id":null,"method":"mining.notify","params":["evil"]}"#;
    pool.control().inject(format!("{line}\n").as_bytes());
    assert_eq!(miner.heard_of("mining.notify").await, [json!("evil")]);
    pool.control().reconnect(&ReconnectTo::Same);
    assert_eq!(miner.heard_of("client.reconnect").await.len(), 0);
    let elsewhere = ReconnectTo::Address { host: "evil.example".into(), port: 3333, wait_s: 5 };
    pool.control().reconnect(&elsewhere);
    let expected = [json!("evil.example"), json!(3333), json!(5)];
    assert_eq!(miner.heard_of("client.reconnect").await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_new_extranonce_reaches_only_those_who_asked() {
    let pool = pool(settings());
    let (mut deaf, job) = started(&pool).await;
    let (mut miner, old) = started(&pool).await;
    let before = miner.extranonce1.clone();
    assert!(miner.ask("mining.extranonce.subscribe", json!([])).await.is_success());
    pool.control().change_extranonce(6);
    let new = miner.job().await;
    assert!(new.clean);
    assert_ne!(miner.extranonce1, before);
    assert_eq!(miner.extranonce2_bytes, 6);
    assert!(miner.submit(&new.share(1)).await.is_success());
    assert_rejected(&miner.submit(&old.share(1)).await, Reason::Stale);
    assert!(timeout(SOON, deaf.heard()).await.is_err());
    assert!(deaf.submit(&job.share(1)).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_new_version_mask_holds_at_once_for_those_who_negotiated_one() {
    let pool = pool(settings());
    let (mut plain, _) = started(&pool).await;
    let mut miner = TestMiner::new(stream(&pool));
    let params = json!([["version-rolling"], {"version-rolling.mask": "00ffe000"}]);
    miner.ask("mining.configure", params).await;
    miner.subscribe(json!([])).await;
    miner.authorize(USER).await;
    let job = miner.job().await;
    pool.control().set_version_mask(0x1f00_e000);
    // Never more than the miner asked for.
    assert_eq!(miner.heard_of("mining.set_version_mask").await, [json!("0000e000")]);
    let narrow = 0x0000_e000;
    assert!(miner.submit(&job.rolled_share(1, 0x2000, narrow)).await.is_success());
    let wide = job.rolled_share(2, 0x0010_0000, 0x00ff_e000);
    assert_rejected(&miner.submit(&wide).await, Reason::VersionBits);
    assert!(timeout(SOON, plain.heard()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_connection_can_be_dropped_and_one_be_told() {
    let pool = pool(settings());
    let (mut first, _) = started(&pool).await;
    let (mut second, job) = started(&pool).await;
    let ids: Vec<ConnectionId> = pool.connections().iter().map(|view| view.id).collect();
    pool.control().inject_to(ids[0], b"{\"method\":\"client.show_message\",\"params\":[]}\n");
    first.heard_of("client.show_message").await;
    pool.control().drop_connection(ids[0]);
    assert!(first.next().await.is_none());
    assert!(timeout(SOON, second.heard()).await.is_err());
    assert!(second.submit(&job.share(1)).await.is_success());
    pool.control().drop_connection(ids[0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_without_jobs_answers_all_the_same_and_returns_with_a_clean_one() {
    let pool = pool(PoolSettings { job_interval: Duration::from_secs(30), ..settings() });
    let (mut miner, job) = started(&pool).await;
    pool.control().stop_jobs();
    assert!(timeout(Duration::from_secs(3600), miner.heard()).await.is_err());
    assert!(miner.submit(&job.share(1)).await.is_success());
    let mut newcomer = TestMiner::new(stream(&pool));
    newcomer.subscribe(json!([])).await;
    assert!(newcomer.authorize(USER).await.is_success());
    newcomer.heard_of("mining.set_difficulty").await;
    assert!(timeout(Duration::from_secs(3600), newcomer.heard()).await.is_err());
    pool.control().send_jobs();
    assert!(miner.job().await.clean);
    assert_eq!(newcomer.heard_of("mining.notify").await[8], json!(true));
}

#[tokio::test(start_paused = true)]
async fn logins_are_refused_on_command_in_the_given_words() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    pool.control().refuse_logins(-2, "account suspended");
    let mut newcomer = TestMiner::new(stream(&pool));
    newcomer.subscribe(json!([])).await;
    let refused = newcomer.authorize(USER).await;
    assert_eq!(
        (refused.error_code(), refused.error_text().as_str()),
        (Some(-2), "account suspended")
    );
    assert!(timeout(SOON, newcomer.heard()).await.is_err());
    assert!(miner.submit(&job.share(1)).await.is_success());
    assert_eq!(pool.counts().authorizations_refused, 1);
    pool.control().admit_logins();
    assert!(newcomer.authorize(USER).await.is_success());
    newcomer.job().await;
}

#[tokio::test(start_paused = true)]
async fn shares_are_refused_on_command_with_every_code_and_paid_afterwards() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    let share = job.share(1);
    for (count, reason) in (1..).zip(Reason::ALL) {
        pool.control().refuse_shares(reason);
        assert_rejected(&miner.submit(&share).await, reason);
        let counts = pool.counts();
        assert_eq!((counts.rejected_for(reason), counts.refused_on_command), (1, count));
        assert_eq!((counts.accepted, counts.received), (0, count));
    }
    // What is wrong by itself keeps its reason.
    assert_rejected(&miner.submit(&job.low_share(1)).await, Reason::LowDifficulty);
    assert_eq!(pool.counts().refused_on_command, 10);
    pool.control().accept_shares();
    assert!(miner.submit(&share).await.is_success());
    assert_rejected(&miner.submit(&share).await, Reason::Duplicate);
}

#[tokio::test(start_paused = true)]
async fn late_verdicts_are_booked_at_once_and_let_jobs_pass() {
    let pool = pool(settings());
    let (mut miner, job) = started(&pool).await;
    let delay = Duration::from_secs(20);
    pool.control().answer_submits_late(delay);
    let asked = Instant::now();
    miner.send(&crate::wire::request(77, "mining.submit", &job.share(1).params())).await;
    miner.ask("mining.ping", json!([])).await;
    assert_eq!(pool.counts().accepted, 1);
    pool.control().new_job(Clean::Continues);
    miner.job().await;
    assert!(asked.elapsed() < SOON);
    assert!(miner.reply(77).await.is_success());
    assert!(asked.elapsed() >= delay && asked.elapsed() < delay + SOON);
    pool.control().answer_submits();
    assert!(miner.submit(&job.share(2)).await.is_success());
    assert!(asked.elapsed() < delay + SOON);
}

#[tokio::test(start_paused = true)]
async fn half_a_line_can_be_the_last_word() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    pool.control().break_off(br#"{"id":null,"method":"mining.noti"#);
    assert!(miner.lines.next_line().await.expect("an orderly close").is_none());
    let (mut again, job) = started(&pool).await;
    assert!(again.submit(&job.share(1)).await.is_success());
    // The half line was there: the next words would have completed it.
    pool.control().inject(b"{\"method\":");
    pool.control().break_off(b"\"client.show_message\",\"params\":[]}\n{");
    again.heard_of("client.show_message").await;
    assert!(again.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dead_pool_does_not_finish_its_last_words() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    pool.control().break_off(b"{\"method\":\"client.show_message\",\"params\":[]}\n");
    pool.control().kill();
    assert!(miner.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn garbage_and_giant_lines_arrive_as_they_are() {
    let pool = pool(settings());
    let (mut miner, _) = started(&pool).await;
    for garbage in ["not json", "{\"id\":", "[]", "\u{7}\u{1b}[31m"] {
        pool.control().inject(format!("{garbage}\n").as_bytes());
        let line = miner.lines.next_line().await.expect("open");
        assert_eq!(line.as_deref(), Some(garbage));
    }
    pool.control().inject(&vec![b'x'; 1 << 20]);
    let error = miner.lines.next_line().await.expect_err("a line over the limit");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
