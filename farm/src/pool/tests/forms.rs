//! The many ways of saying the same: whatever the form, it can be mined with.

use super::*;

#[tokio::test(start_paused = true)]
async fn every_form_of_a_refusal_is_a_refusal() {
    for rejection in [
        Rejection::NullAndArray,
        Rejection::FalseAndArray,
        Rejection::Object,
        Rejection::JsonRpc,
        Rejection::Text,
        Rejection::RejectReason,
        Rejection::BareFalse,
        Rejection::CodeAsText,
        Rejection::Mixed,
    ] {
        let forms = Forms { rejection, ..Forms::default() };
        let pool = pool(PoolSettings { forms, ..settings() });
        let (mut miner, job) = started(&pool).await;
        let reply = miner.submit(&job.low_share(1)).await;
        assert!(!reply.is_success(), "{rejection:?}: {reply:?}");
        assert!(miner.submit(&job.share(1)).await.is_success(), "{rejection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_form_of_an_acceptance_is_an_acceptance() {
    for acceptance in [Acceptance::NullError, Acceptance::NoError, Acceptance::JsonRpc] {
        let forms = Forms { acceptance, ..Forms::default() };
        let pool = pool(PoolSettings { forms, ..settings() });
        let (mut miner, job) = started(&pool).await;
        assert!(miner.submit(&job.share(1)).await.is_success(), "{acceptance:?}");
        let last = miner.transcript.last().expect("a reply");
        assert_eq!(last.contains("error"), acceptance == Acceptance::NullError, "{last}");
        assert_eq!(last.contains("jsonrpc"), acceptance == Acceptance::JsonRpc, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_form_of_subscription_number_and_job_id_can_be_mined_with() {
    for (subscription, number, job_id, session) in [
        (Subscription::Pairs, Number::Plain, JobId::Counter, true),
        (Subscription::OnePair, Number::Exponent, JobId::Decorated, true),
        (Subscription::FlatPair, Number::Text, JobId::Counter, true),
        (Subscription::Empty, Number::Plain, JobId::Decorated, false),
        (Subscription::Null, Number::Plain, JobId::Number, false),
        (Subscription::SizeAsText, Number::Plain, JobId::Number, true),
    ] {
        let forms = Forms { subscription, number, job_id, ..Forms::default() };
        let pool = pool(PoolSettings { forms, ..settings() });
        let (mut miner, job) = started(&pool).await;
        assert_eq!(miner.session.is_some(), session);
        assert_eq!(miner.difficulty, Some(difficulty(EASY)), "{number:?}");
        assert!(miner.submit(&job.share(1)).await.is_success());
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_id_that_is_a_number_is_taken_back_as_a_number_or_a_text() {
    let forms = Forms { job_id: JobId::Number, ..Forms::default() };
    let pool = pool(PoolSettings { forms, ..settings() });
    let (mut miner, job) = started(&pool).await;
    assert!(miner.transcript.iter().any(|line| line.contains(r#""params":[1,"#)));
    assert!(miner.submit(&job.share(1)).await.is_success());
    let mut params = job.share(2).params();
    params[1] = json!(1);
    assert!(miner.ask("mining.submit", params).await.is_success());
}

#[tokio::test(start_paused = true)]
async fn every_form_of_a_notification_is_a_notification() {
    for (notification, written) in [
        (Notification::NullId, r#"{"id":null,"method":"#),
        (Notification::NoId, r#"{"method":"#),
        (Notification::NumberId, r#"{"id":1,"method":"#),
    ] {
        let forms = Forms { notification, ..Forms::default() };
        let pool = pool(PoolSettings { forms, ..settings() });
        let (mut miner, _) = started(&pool).await;
        pool.control().reconnect(&ReconnectTo::Same);
        assert!(miner.heard_of("client.reconnect").await.is_empty());
        let notified = miner.transcript.iter().filter(|line| line.starts_with(written));
        assert_eq!(notified.count(), 3, "{notification:?}: {:?}", miner.transcript);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_flag_of_false_can_go_without_saying() {
    let forms = Forms { clean_flag: CleanFlag::OnlyTrue, ..Forms::default() };
    let pool = pool(PoolSettings { forms, ..settings() });
    let (mut miner, _) = started(&pool).await;
    for (clean, parameters) in [(Clean::Continues, 8), (Clean::Clean, 9)] {
        pool.control().new_job(clean);
        assert_eq!(miner.heard_of("mining.notify").await.len(), parameters);
    }
}

#[tokio::test(start_paused = true)]
async fn a_configure_reply_can_be_terse_or_be_followed_by_the_mask() {
    let params = json!([
        ["version-rolling", "minimum-difficulty"],
        {"version-rolling.mask": "00ffe000"}
    ]);
    for configuration in
        [Configuration::Complete, Configuration::OnlyGranted, Configuration::ThenMask]
    {
        let forms = Forms { configuration, ..Forms::default() };
        let pool = pool(PoolSettings { forms, ..settings() });
        let mut miner = TestMiner::new(stream(&pool));
        let reply = miner.ask("mining.configure", params.clone()).await;
        let mut granted = json!({"version-rolling": true, "version-rolling.mask": "00ffe000"});
        if configuration != Configuration::OnlyGranted {
            granted["minimum-difficulty"] = json!(false);
        }
        assert_eq!(reply.result, granted, "{configuration:?}");
        if configuration == Configuration::ThenMask {
            assert_eq!(miner.heard_of("mining.set_version_mask").await, [json!("00ffe000")]);
        } else {
            assert!(timeout(SOON, miner.heard()).await.is_err(), "{configuration:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_difficulty_can_come_before_the_subscribe_reply_and_then_comes_once() {
    let first_difficulty = FirstDifficulty::BeforeSubscribeReply;
    let pool = pool(PoolSettings { first_difficulty, ..settings() });
    let (mut miner, job) = started(&pool).await;
    let telling = |line: &String| line.contains(r#""method":"mining.set_difficulty""#);
    assert!(telling(&miner.transcript[0]), "{:?}", miner.transcript);
    assert_eq!(miner.transcript.iter().filter(|line| telling(line)).count(), 1);
    assert!(miner.submit(&job.share(1)).await.is_success());
}
