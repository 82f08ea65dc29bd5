//! A miner's life beyond the handshake: clocks, jobs, reconnects, names, paces.

use serde_json::json;
use tokio::task::JoinSet;

use super::tiny::DIFFICULTY;
use super::*;
use crate::miner::target::Target;
use crate::miner::ticket::{Fate, TicketLog};
use crate::network::NetStream;
use crate::wire::{self, LineStream, Message};

/// A server that the test plays by hand.
struct Hand {
    net: Net,
    listener: crate::network::NetListener,
    tasks: JoinSet<MinerStatus>,
    power_off: CancellationToken,
    status: watch::Receiver<MinerStatus>,
}

struct Line {
    lines: LineStream<NetStream>,
}

impl Hand {
    fn new(profile: &str, sink: Arc<dyn TicketSink>) -> Self {
        Self::with(setup(Profile::named(profile).unwrap()), sink)
    }

    fn with(setup: MinerSetup, sink: Arc<dyn TicketSink>) -> Self {
        let net = Net::new(3, Conditions::PERFECT);
        let listener = net.listen(ADDRESS).unwrap();
        let dial = NetDial { net: net.clone(), from: "rig1".to_owned(), to: ADDRESS.to_owned() };
        let miner = Miner::new(setup, dial, sink).unwrap();
        let status = miner.status();
        let power_off = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(miner.run(power_off.clone()));
        Self { net, listener, tasks, power_off, status }
    }

    async fn accept(&mut self) -> Line {
        Line { lines: LineStream::new(self.listener.accept().await.unwrap()) }
    }

    async fn power_off(mut self) -> MinerStatus {
        self.power_off.cancel();
        self.tasks.join_next().await.unwrap().unwrap()
    }

    fn counts(&self) -> MinerCounts {
        self.status.borrow().counts
    }
}

impl Line {
    /// `None` once the miner has closed.
    async fn request(&mut self) -> Option<Request> {
        let line = self.lines.next_line().await.unwrap()?;
        match wire::parse(&line).unwrap() {
            Message::Request(request) => Some(request),
            Message::Reply(reply) => panic!("{reply:?}"),
        }
    }

    /// The next request of that method, while there is one; others are answered.
    async fn find(&mut self, method: &str) -> Option<Request> {
        loop {
            let request = self.request().await?;
            if request.method == method {
                return Some(request);
            }
            let result = match request.method.as_str() {
                "mining.configure" => json!({ "version-rolling": false }),
                _ => json!(true),
            };
            self.say(&wire::reply(&request.id, &result)).await;
        }
    }

    /// The next request of that method.
    async fn until(&mut self, method: &str) -> Request {
        self.find(method).await.unwrap()
    }

    async fn say(&mut self, line: &str) {
        self.lines.send(line.as_bytes()).await.unwrap();
    }

    async fn handshake(&mut self, extranonce1: &str) {
        let subscribe = self.until("mining.subscribe").await;
        let result = json!([[["mining.notify", "s1"]], extranonce1, 4]);
        self.say(&wire::reply(&subscribe.id, &result)).await;
        let authorize = self.until("mining.authorize").await;
        self.say(&wire::reply(&authorize.id, &json!(true))).await;
        self.difficulty(DIFFICULTY).await;
    }

    async fn difficulty(&mut self, difficulty: &str) {
        self.say(&wire::notification("mining.set_difficulty", &json!([difficulty]))).await;
    }

    async fn job(&mut self, id: &str, clean: bool) {
        let params = json!([
            id,
            "00".repeat(32),
            "01".repeat(40),
            "02".repeat(60),
            [],
            "20000000",
            "1d00ffff",
            "65000000",
            clean
        ]);
        self.say(&wire::notification("mining.notify", &params)).await;
    }

    /// The next share, answered with yes.
    async fn share(&mut self) -> Request {
        self.next_share().await.unwrap()
    }

    async fn next_share(&mut self) -> Option<Request> {
        let share = self.find("mining.submit").await?;
        self.say(&wire::reply(&share.id, &json!(true))).await;
        Some(share)
    }

    /// Answers shares for so long, or until the miner closes.
    async fn shares_for(&mut self, time: Duration) -> Vec<Request> {
        let mut shares = Vec::new();
        let end = Instant::now() + time;
        while let Ok(Some(share)) = tokio::time::timeout_at(end, self.next_share()).await {
            shares.push(share);
        }
        shares
    }
}

fn quiet() -> Arc<dyn TicketSink> {
    Arc::new(NoTickets)
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_the_hashrate_and_time_without_a_job_is_idle() {
    let mut hand = Hand::new("bosminer", quiet());
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    sleep(seconds(5)).await;
    line.job("1", true).await;
    line.shares_for(seconds(10)).await;
    let counts = hand.power_off().await.counts;
    assert!(counts.idle.abs_diff(seconds(5)) < TICK, "{:?}", counts.idle);
    assert!(counts.mining.abs_diff(seconds(10)) < TICK, "{:?}", counts.mining);
    assert!(counts.hashes.abs_diff(10 * RATE) <= RATE / 10, "{}", counts.hashes);
    assert_eq!(counts.hashes_shed, 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_life() {
    let first = play("cgminer", Flaw::SilentAfterJob, seconds(300)).await;
    let second = play("cgminer", Flaw::SilentAfterJob, seconds(300)).await;
    assert_eq!(first.0.counts, second.0.counts);
    assert_eq!(first.1.lines, second.1.lines);
}

#[tokio::test(start_paused = true)]
async fn minerd_uses_up_its_nonces_before_a_job_that_is_not_clean() {
    let mut hand = Hand::new("cpuminer", quiet());
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    line.job("a", true).await;
    line.share().await;
    line.job("b", false).await;
    // 2^18 nonces at this rate are 13.1 s.
    let early = line.shares_for(seconds(12)).await;
    assert!(early.iter().all(|share| share.params[1] == "a"));
    sleep(seconds(2)).await;
    let late = line.shares_for(seconds(2)).await;
    assert_eq!(late.last().unwrap().params[1], "b");
    line.job("c", true).await;
    let after_clean = line.shares_for(seconds(2)).await;
    assert_eq!(after_clean.last().unwrap().params[1], "c");
}

#[tokio::test(start_paused = true)]
async fn cgminer_sends_its_shares_again_when_the_session_resumes() {
    let mut hand = Hand::new("cgminer", quiet());
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    line.job("1", true).await;
    let lost = line.until("mining.submit").await;
    drop(line);
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    let again = line.share().await;
    assert_eq!(again.params, lost.params);
    let resent = hand.counts().resent;
    let counts = hand.power_off().await.counts;
    assert!(counts.resent >= 1 && resent <= counts.resent);
    assert_eq!(counts.submitted, counts.accepted + counts.unanswered);
}

#[tokio::test(start_paused = true)]
async fn shares_of_another_session_are_given_up() {
    for profile in ["cgminer", "whatsminer"] {
        let mut hand = Hand::new(profile, quiet());
        let mut line = hand.accept().await;
        line.handshake("0800").await;
        line.job("1", true).await;
        line.until("mining.submit").await;
        drop(line);
        let mut line = hand.accept().await;
        line.handshake("0801").await;
        sleep(seconds(1)).await;
        let counts = hand.counts();
        assert!(counts.unanswered >= 1, "{profile}");
        assert_eq!((counts.outstanding, counts.resent), (0, 0), "{profile}");
        assert_eq!((counts.connects, counts.reconnects), (2, 1), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_miner_that_is_switched_off_waits_for_its_answers() {
    let mut hand = Hand::new("bmminer", quiet());
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    line.job("1", true).await;
    let share = line.until("mining.submit").await;
    hand.power_off.cancel();
    sleep(seconds(1)).await;
    line.say(&wire::reply(&share.id, &json!(true))).await;
    let rest = line.shares_for(seconds(3)).await;
    let counts = hand.power_off().await.counts;
    assert_eq!(counts.accepted, 1 + u64::try_from(rest.len()).unwrap());
    assert_eq!((counts.accepted, counts.unanswered), (counts.submitted, 0));
}

/// What each of two nerdminers with these extranonces submits, worker names apart.
async fn nerdminers_shares(extranonce1s: [&str; 2]) -> [Vec<Vec<Value>>; 2] {
    let mut submitted = [Vec::new(), Vec::new()];
    for (shares, extranonce1) in submitted.iter_mut().zip(extranonce1s) {
        let mut hand = Hand::new("nerdminer", quiet());
        let mut line = hand.accept().await;
        line.handshake(extranonce1).await;
        line.job("1", true).await;
        let sent = line.shares_for(seconds(5)).await;
        shares.extend(sent.into_iter().map(|share| share.params[1..].to_vec()));
    }
    submitted
}

#[tokio::test(start_paused = true)]
async fn two_nerdminers_with_one_extranonce1_do_the_same_work_twice() {
    let [first, second] = nerdminers_shares(["0800", "0800"]).await;
    assert!(first.len() > 5);
    assert!(first.iter().all(|share| second.contains(share)), "{first:?} {second:?}");
    let [first, second] = nerdminers_shares(["0800", "0801"]).await;
    assert!(first.iter().all(|share| !second.contains(share)), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn only_those_that_asked_follow_a_new_extranonce_and_from_the_next_job_on() {
    for (profile, follows) in [("nicehash", true), ("whatsminer", false)] {
        let log = Arc::new(TicketLog::default());
        let sink: Arc<dyn TicketSink> = log.clone();
        let mut hand = Hand::new(profile, sink);
        let mut line = hand.accept().await;
        line.handshake("0800").await;
        let extranonce = json!(["0999", 8]);
        line.job("1", true).await;
        line.share().await;
        line.say(&wire::notification("mining.set_extranonce", &extranonce)).await;
        let before = line.shares_for(seconds(1)).await;
        assert_eq!(before.last().unwrap().params[2].as_str().unwrap().len(), 8);
        line.job("2", true).await;
        let after = line.shares_for(seconds(1)).await;
        let digits = if follows { 16 } else { 8 };
        assert_eq!(after.last().unwrap().params[2].as_str().unwrap().len(), digits, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_difficulty_hides_is_told_to_a_sink_that_cares() {
    let log = Arc::new(TicketLog::interested_in(Target::of_difficulty(DIFFICULTY).unwrap()));
    let sink: Arc<dyn TicketSink> = log.clone();
    let mut hand = Hand::new("bosminer", sink);
    let mut line = hand.accept().await;
    line.handshake("0800").await;
    line.difficulty("0.000002").await;
    line.job("1", true).await;
    line.shares_for(seconds(10)).await;
    let counts = hand.power_off().await.counts;
    let tickets = log.take();
    let hidden = tickets.iter().filter(|ticket| ticket.fate == Fate::Hidden).count();
    assert_eq!(u64::try_from(hidden), Ok(counts.hidden));
    assert_eq!(tickets.len() - hidden, usize::try_from(counts.submitted).unwrap());
    // A quarter is found, three quarters are hidden; about 93 tickets in all.
    assert!(counts.hidden > counts.submitted && counts.submitted > 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn reconnects_are_obeyed_as_far_as_the_firmware_does() {
    for (profile, params, obeyed) in [
        ("cpuminer", json!([]), false),
        ("cpuminer", json!(["other.example", 3333, 1]), true),
        ("cgminer", json!([]), true),
        ("cgminer", json!(["evil.example", 3333, 0]), false),
        ("cgminer", json!(["eu.tiny", 3333, 0]), true),
        ("esp-miner", json!(["other.example", 3333, 0]), true),
    ] {
        let mut hand = Hand::new(profile, quiet());
        let mut line = hand.accept().await;
        line.handshake("0800").await;
        line.say(&wire::notification("client.reconnect", &params)).await;
        sleep(seconds(2)).await;
        let left = hand.counts().disconnects.of(Disconnect::AskedTo);
        assert_eq!(left, u64::from(obeyed), "{profile} {params}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_cut_or_refused_as_the_firmware_holds_them() {
    let long = "w".repeat(130);
    let named = |profile: &str| {
        let profile = Profile::named(profile).unwrap();
        let setup = MinerSetup { worker: long.clone(), ..setup(profile) };
        let net = Net::new(1, Conditions::PERFECT);
        let dial = NetDial { net, from: String::new(), to: ADDRESS.to_owned() };
        Miner::new(setup, dial, quiet()).map(|miner| miner.setup.worker.len())
    };
    assert_eq!(named("avalon"), Ok(63));
    assert_eq!(named("cgminer"), Ok(130));
    let refused = SetupError { profile: "whatsminer", bytes: 130, limit: 127 };
    assert_eq!(named("whatsminer"), Err(refused));
    assert!(named("nerdminer").is_err());
}

#[tokio::test(start_paused = true)]
async fn servers_that_ask_are_answered() {
    for (profile, expected) in [
        ("cgminer", r#"{"id": 42, "result": "pong", "error": null}"#),
        ("esp-miner", r#"{"id":42,"method":"pong","params":[]}"#),
    ] {
        let mut hand = Hand::new(profile, quiet());
        let mut line = hand.accept().await;
        line.handshake("0800").await;
        line.shares_for(seconds(1)).await;
        line.say("{\"id\":42,\"method\":\"mining.ping\",\"params\":[]}\n").await;
        let pong = line.lines.next_line().await.unwrap().unwrap();
        assert_eq!(pong, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_dialled_again() {
    let mut hand = Hand::new("esp-miner", quiet());
    hand.net.refuse(ADDRESS);
    sleep(seconds(30)).await;
    let counts = hand.counts();
    assert!(counts.dial_failures >= 3, "{counts:?}");
    assert!(counts.idle.abs_diff(seconds(30)) <= seconds(1), "{counts:?}");
    hand.net.admit(ADDRESS);
    hand.accept().await.handshake("0800").await;
}
