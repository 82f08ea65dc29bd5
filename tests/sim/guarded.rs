//! Promises that no other scenario looks at: each is here because a seeded bug (`cargo xtask bugs`) went unnoticed.

use std::time::Duration;

use loka_api::runtime_config::RuntimeConfig;
use loka_farm::judge::Difficulty;
use loka_farm::network::{Conditions, NetStream};
use loka_farm::pool::{DifficultyPolicy, PoolSettings, PracticePool, ReconnectTo};
use loka_farm::wire::LineStream;
use loka_tests::books::{Books as _, MinerLinks, total};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::farm::{
    self, Change, DIFFICULTY, Farm, Outcome, RATE, Site, UNIX_START, in_virtual_time, seconds,
    shared,
};
use super::faults::Fault;
use super::named::{MINERS, play, unlike_pools};

/// Lines that a miner sends at once: several times of what its listener takes in one go.
const FLOOD: u64 = 400;

/// Subscribes, authorizes, and says everything else without waiting for an answer.
async fn flood(stream: NetStream) -> Vec<u64> {
    let mut lines = LineStream::new(stream);
    let line = |id: u64, method: &str, params: Value| {
        format!("{}\n", json!({"id": id, "method": method, "params": params}))
    };
    let mut said = line(1, "mining.subscribe", json!(["flood/1"]));
    said.push_str(&line(2, "mining.authorize", json!(["acct.flood", "x"])));
    for id in 3..FLOOD + 3 {
        // A share for a job of nobody's: what it is does not matter, that it is answered does.
        let share = json!(["acct.flood", "fffffff", "00000000", "69560000", "00000000"]);
        said.push_str(&line(id, "mining.submit", share));
    }
    lines.send(said.as_bytes()).await.expect("the proxy reads");
    let mut answered = Vec::new();
    while (answered.len() as u64) < FLOOD + 2 {
        let line = timeout(seconds(120), lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else { break };
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line.get("method").is_none() {
            answered.extend(line["id"].as_u64());
        }
    }
    answered
}

/// A limiter stops reading; it never drops a line, which could be a share that a pool pays.
#[test]
fn a_flood_is_slowed_down_and_every_line_of_it_is_answered_in_order() {
    let (answered, took, ledger) = in_virtual_time(11, async {
        let mut farm = Farm::with(11, Conditions::ORDINARY, unlike_pools(), 2).await;
        farm.mine_until(seconds(10)).await;
        let before = farm.ledger().total.received;
        let start = Instant::now();
        let answered = flood(farm.connect().await).await;
        let (took, ledger) = (start.elapsed(), farm.ledger());
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
        (answered, took, ledger.total.received - before)
    });
    assert_eq!(answered, (1..FLOOD + 3).collect::<Vec<u64>>());
    assert!(took > seconds(5), "{FLOOD} lines within {took:?}: nothing was slowed down");
    assert!(ledger >= FLOOD, "{ledger} shares received");
}

/// Its queue is far from full: what it leaves unread is a little more than a socket holds.
#[test]
fn a_miner_that_stops_reading_is_closed_after_a_minute() {
    let (closed, outcome) = in_virtual_time(12, async {
        let mut farm = Farm::with(12, Conditions::ORDINARY, unlike_pools(), 2).await;
        farm.mine_until(seconds(10)).await;
        let mut lines = LineStream::new(farm.connect().await);
        for line in [
            json!({"id": 1, "method": "mining.subscribe", "params": []}),
            json!({"id": 2, "method": "mining.authorize", "params": ["acct.deaf", "x"]}),
        ] {
            lines.send(format!("{line}\n").as_bytes()).await.expect("the proxy reads");
        }
        let id = "x".repeat(200);
        let said = format!("{}\n", json!({"id": id, "method": "no.such", "params": []}));
        for _ in 0..1200 {
            lines.send(said.as_bytes()).await.expect("the proxy reads");
        }
        // Twenty lines a second are answered, and then nothing but jobs comes.
        farm.mine_until(seconds(90)).await;
        let still = lines.send(said.as_bytes()).await.is_ok();
        farm.mine_until(seconds(180)).await;
        (still && lines.send(said.as_bytes()).await.is_err(), farm.finish(MinerLinks::Whole).await)
    });
    assert!(closed, "open for ever, or closed before its time");
    outcome.assert_books_agree_but_for_strangers();
}

/// Nothing wakes its session but the time.
#[test]
fn who_connects_and_says_nothing_is_closed_when_the_time_for_a_handshake_is_over() {
    let took = in_virtual_time(13, async {
        let mut farm = Farm::with(13, Conditions::ORDINARY, unlike_pools(), 1).await;
        farm.mine_until(seconds(5)).await;
        let (start, mut lines) = (Instant::now(), LineStream::new(farm.connect().await));
        let said = timeout(seconds(60), lines.next_line()).await;
        assert!(matches!(said, Ok(Ok(None))), "{said:?}");
        let took = start.elapsed();
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
        took
    });
    assert!(took > seconds(9) && took < seconds(12), "{took:?}");
}

/// Lines for a minute at the pace that a document without a word on it allows.
const PACED: u64 = 1200;

/// Reads until the answer to a request, within a minute.
async fn is_answered(lines: &mut LineStream<NetStream>, id: u64) -> bool {
    let answer = async {
        while let Ok(Some(line)) = lines.next_line().await {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line["id"] == id && line["result"] == "pong" {
                return true;
            }
        }
        false
    };
    timeout(seconds(60), answer).await.unwrap_or(false)
}

/// Firmware sends a line with each segment, so what a line costs is what counts, and not what a flood does.
#[test]
fn a_miner_that_sends_one_line_at_a_time_may_send_as_many_as_the_document_says() {
    let took = in_virtual_time(12, async {
        let mut farm = Farm::with(12, Conditions::ORDINARY, unlike_pools(), 1).await;
        farm.mine_until(seconds(5)).await;
        let mut lines = LineStream::new(farm.connect().await);
        for (id, method, params) in [
            (1, "mining.subscribe", json!(["paced/1"])),
            (2, "mining.authorize", json!(["acct.paced", "x"])),
        ] {
            let line = format!("{}\n", json!({"id": id, "method": method, "params": params}));
            lines.send(line.as_bytes()).await.expect("the proxy reads");
        }
        let start = Instant::now();
        for id in 0..PACED {
            let ping = format!("{}\n", json!({"id": id, "method": "mining.ping", "params": []}));
            lines.send(ping.as_bytes()).await.expect("the proxy reads");
            assert!(is_answered(&mut lines, id).await, "{id}");
            sleep_until(start + Duration::from_millis(50 * (id + 1))).await;
        }
        let took = start.elapsed();
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
        took
    });
    assert!(took < seconds(61), "{PACED} lines took {took:?}: they were slowed down");
}

/// Plays fast miners on pools that start far too low, where every share is due, under limits which are for what nobody pays:
/// each is paid.
pub(super) fn assert_low_pools_are_paid_every_share(seed: u64, limits: fn(&mut RuntimeConfig)) {
    let settings = unlike_pools().map(|pool| PoolSettings {
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).expect("a difficulty")),
        ..pool
    });
    // Some five shares a second each.
    let rates = vec![5 * RATE; 4];
    let (conditions, change) = (Conditions::ORDINARY, Change(limits));
    let site = Site { seed, conditions, settings, rates, change };
    let outcome = farm::play(site, MinerLinks::Whole, async |mut farm| {
        farm.mine_until(seconds(130)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let sums = &outcome.ledger.total;
    // 130 s of four miners at 2000 hashes a second, and 430 hashes a share.
    assert!(sums.pool_accepted > 2000, "{sums:?}");
    assert_eq!(sums.pool_accepted + total(&sums.pool_rejected), sums.due, "{sums:?}");
}

#[test]
fn a_pool_that_starts_low_is_paid_every_share_of_a_fast_miner() {
    assert_low_pools_are_paid_every_share(14, |config| {
        shared(config);
        for listener in &mut config.listeners {
            (listener.limits.submits_per_second, listener.limits.submit_burst) = (1, 2);
        }
    });
}

#[test]
fn a_share_that_is_held_for_a_pool_which_stays_away_is_given_up_in_two_seconds() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.suffer(&Fault::Kill(1)).await;
        for at in [20, 60, 100] {
            farm.mine_until(seconds(at)).await;
            farm.suffer(&Fault::Kill(0)).await;
            // Shares still come for the two seconds in which the session may be resumed, and each waits for two.
            farm.mine_until(seconds(at + 5)).await;
            assert_eq!(farm.ledger().total.held, 0, "{:?}", farm.ledger().total);
            farm.suffer(&Fault::Revive(0)).await;
        }
        farm.mine_until(seconds(140)).await;
        farm
    });
    outcome.assert_books_agree();
    let lost = outcome.ledger.total.lost.get("session_lost").copied().unwrap_or_default();
    assert!(lost > 0, "no share was held: {:?}", outcome.ledger.total);
    let miners: u64 = outcome.miners.iter().map(|miner| miner.counts.rejected.total()).sum();
    assert!(miners >= lost, "{lost} lost, and {miners} of all refused to their miners");
}

#[test]
fn an_account_that_changes_is_paid_from_then_on_and_the_old_one_no_more() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(40)).await;
        farm.edit(|documents| documents.pools[0].account = "other".to_owned()).await;
        farm.mine_until(seconds(50)).await;
        let received = |farm: &Farm, account: &str| {
            let accounts = farm.pool(0).counts().accounts();
            accounts.get(account).map_or(0, |counts| counts.received)
        };
        let (old, new) = (received(&farm, "acct"), received(&farm, "other"));
        assert!(old > 20 && new > 0, "{old} for the old account, {new} for the new one");
        farm.mine_until(seconds(100)).await;
        assert_eq!(received(&farm, "acct"), old, "the old account is still paid");
        assert!(received(&farm, "other") > new + 20, "the new account is not paid");
        farm
    });
    outcome.assert_nobody_noticed();
}

/// `client.reconnect` was used to steal hashrate.
#[test]
fn a_pool_that_sends_us_to_another_host_is_not_obeyed() {
    let outcome = in_virtual_time(13, async {
        let mut farm = Farm::with(13, Conditions::ORDINARY, unlike_pools(), MINERS).await;
        let thief = PoolSettings { base_unix_time: UNIX_START, ..PoolSettings::new("thief", 3) };
        let thief = PracticePool::start(thief).expect("good settings");
        thief.listen_in(farm.net(), "thief.test:3333").await.expect("a free name");
        farm.mine_until(seconds(20)).await;
        let to = ReconnectTo::Address { host: "thief.test".to_owned(), port: 3333, wait_s: 0 };
        farm.pool(0).control().reconnect(&to);
        farm.mine_until(seconds(60)).await;
        assert_eq!(thief.counts().sessions, 0, "the thief was dialled");
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        thief.shutdown().await;
        farm.finish(MinerLinks::Whole).await
    });
    outcome.assert_nobody_noticed();
    assert_eq!(outcome.pools[0].sessions, 1, "the session was left");
}

// === impl Outcome ===

impl Outcome {
    /// As [`Outcome::assert_books_agree`], where a connection was no miner of the rack.
    #[track_caller]
    pub(super) fn assert_books_agree_but_for_strangers(&self) {
        self.ledger.assert_balanced();
        assert!(self.ledger.is_quiet() && total(&self.ledger.total.lost) == 0, "{:?}", self.ledger);
        self.ledger.assert_agrees_with_pool("alpha", &self.pools[0]);
    }
}
