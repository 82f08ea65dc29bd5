//! One pool's task against a pool that plays a script, in virtual time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loka_api::runtime_config::Pool;
use loka_stratum::difficulty::Assignment;
use loka_stratum::extranonce::{Bank, Layout, MinerId};
use loka_stratum::job::Job;
use loka_stratum::message::Submit;
use loka_stratum::share::{Claim, Standing, verify};
use loka_stratum::types::{JobSerial, Nonce, UnixTime, VersionMask};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Clock;
use crate::policy::allow_list::AllowedPools;
use crate::sink::ledger::{Counts, Ledger, Row, RowKey, Unanswered};
use crate::telemetry::Telemetry;
use crate::transport::{Boxed, Dial, Transport};

mod addresses;
mod allowed;
mod asking;
mod full;
mod holding;
mod login;
mod losses;
mod names;
mod payout;
mod resubmission;

/// Longer than anything that a script waits for.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What the task is given and tells, from the outside.
struct Bench {
    dials: mpsc::Receiver<Dialled>,
    addresses: watch::Sender<Vec<SocketAddr>>,
    updates: mpsc::Receiver<Update>,
    submits: mpsc::Sender<Handoff>,
    questions: mpsc::Sender<Question>,
    settings: watch::Sender<Arc<Pool>>,
    wanted: watch::Sender<Wanted>,
    facts: watch::Receiver<Facts>,
    telemetry: Telemetry,
    ledger: Ledger,
    row: Arc<Row>,
}

/// A connection that the task wants.
struct Dialled {
    host: String,
    port: u16,
    answer: oneshot::Sender<io::Result<Box<dyn Transport>>>,
}

/// The pool's end of a connection.
struct Peer {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: WriteHalf<DuplexStream>,
    /// Of the next session that is opened.
    extranonce1: &'static str,
}

struct ScriptedDial {
    dials: mpsc::Sender<Dialled>,
    /// What every name stands for; nothing if names are all there is.
    addresses: watch::Receiver<Vec<SocketAddr>>,
}

// === impl ScriptedDial ===

impl Dial for ScriptedDial {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let dialled = Dialled { host: host.to_owned(), port, answer };
            self.dials.send(dialled).await.ok();
            answered.await.unwrap_or_else(|_| Err(io::ErrorKind::ConnectionRefused.into()))
        })
    }

    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(self.addresses.borrow().clone()) })
    }

    fn dial_at<'a>(
        &'a self,
        _: &'a str,
        address: SocketAddr,
    ) -> Boxed<'a, io::Result<Box<dyn Transport>>> {
        Box::pin(async move { self.dial(&address.ip().to_string(), address.port()).await })
    }
}

// === impl Dialled ===

impl Dialled {
    fn accept(self) -> Peer {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        self.answer.send(Ok(Box::new(theirs))).ok();
        let (read, write) = tokio::io::split(ours);
        Peer { lines: BufReader::new(read).lines(), write, extranonce1: "08000002" }
    }

    fn refuse(self) {
        self.answer.send(Err(io::ErrorKind::ConnectionRefused.into())).ok();
    }
}

// === impl Bench ===

impl Bench {
    async fn dialled(&mut self) -> Dialled {
        timeout(PATIENCE, self.dials.recv()).await.expect("a dial").expect("a task")
    }

    /// The next connection, accepted, logged in and with a job.
    async fn working(&mut self) -> Peer {
        let mut peer = self.dialled().await.accept();
        peer.log_in().await;
        peer.job("1").await;
        peer
    }

    /// What the task has told its route, in short, up to and with something that begins so.
    async fn news_until(&mut self, last: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let news = timeout(PATIENCE, self.updates.recv()).await;
            let news = brief(&news.expect(last).expect("a task").news);
            heard.push(news.clone());
            if news.starts_with(last) {
                return heard;
            }
        }
    }

    /// The next job that the task offers, after other news.
    async fn offered(&mut self) -> Arc<Job> {
        loop {
            let news =
                timeout(PATIENCE, self.updates.recv()).await.expect("a job").expect("a task");
            if let News::Job { source, notify, context, .. } = news.news {
                return Arc::new(Job::new(JobSerial(1), source, *notify, &context, Bank(0)));
            }
        }
    }

    /// Hands in a share of `miner`; the nonce tells it from others.
    async fn submit(&self, job: &Arc<Job>, nonce: u32, miner: &str) -> oneshot::Receiver<HandOver> {
        let (handoff, answered) = self.handoff(share(job, nonce), miner);
        self.submits.send(handoff).await.expect("a task");
        answered
    }

    /// A share of `miner` as its session hands it over, and its answer.
    fn handoff(
        &self,
        share: Box<VerifiedShare>,
        miner: &str,
    ) -> (Handoff, oneshot::Receiver<HandOver>) {
        let (answer, answered) = oneshot::channel();
        let due = Some(self.row.due(1.0, 1.0));
        let handoff = Handoff {
            share,
            due,
            miner: Some(miner.into()),
            answer: Some(answer),
            sequel: Sequel::default(),
            record: None,
        };
        (handoff, answered)
    }

    /// What the ledger holds, balanced.
    fn counts(&self) -> Counts {
        let counts = self.ledger.snapshot().total;
        counts.balance().expect("a ledger that adds up");
        counts
    }

    /// How often people were told that the pool is down.
    fn downs(&self) -> u64 {
        self.counted("loka_pool_down_total")
    }

    /// The sum of a metric's series.
    fn counted(&self, name: &str) -> u64 {
        let (mut exposed, scraped) =
            (String::new(), prometheus_client::registry::Registry::default());
        self.telemetry.metrics().encode(&mut exposed, &scraped).expect("metrics");
        let counts = exposed.lines().filter(|line| line.starts_with(name));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

// === impl Peer ===

impl Peer {
    async fn say(&mut self, line: &str) {
        self.write.write_all(format!("{line}\n").as_bytes()).await.expect("room");
    }

    /// The next line of the task, as method and parameters.
    async fn hear(&mut self) -> (Value, String, Value) {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line");
        let line: Value = serde_json::from_str(&line.expect("open").expect("a line")).unwrap();
        let method = line["method"].as_str().unwrap_or_default().to_owned();
        (line["id"].clone(), method, line["params"].clone())
    }

    /// The next request, which must be this one; its id and parameters.
    async fn asked(&mut self, method: &str) -> (Value, Value) {
        let (id, heard, params) = self.hear().await;
        assert_eq!(heard, method, "{params}");
        (id, params)
    }

    async fn grant(&mut self, method: &str, result: Value) -> Value {
        let (id, params) = self.asked(method).await;
        self.say(&json!({"id": id, "result": result, "error": null}).to_string()).await;
        params
    }

    async fn log_in(&mut self) {
        let mask = json!({"version-rolling": true, "version-rolling.mask": "1fffe000"});
        self.grant("mining.configure", mask).await;
        let session = json!([[["mining.notify", "s1"]], self.extranonce1, 8]);
        self.grant("mining.subscribe", session).await;
        self.grant("mining.authorize", json!(true)).await;
        self.grant("mining.extranonce.subscribe", json!(true)).await;
    }

    /// A clean job that any hash is a share for.
    async fn job(&mut self, id: &str) {
        self.job_with(id, &json!(true), ("00", "01")).await;
    }

    async fn job_with(&mut self, id: &str, clean: &Value, coinbase: (&str, &str)) {
        self.job_on("1c2ac4af", id, clean, coinbase).await;
    }

    /// The same, for a block of this target.
    async fn job_on(
        &mut self,
        bits: &str,
        id: &str,
        clean: &Value,
        (coinb1, coinb2): (&str, &str),
    ) {
        let easy = json!({"id": null, "method": "mining.set_difficulty", "params": [1e-10]});
        self.say(&easy.to_string()).await;
        let notify = json!({"id": null, "method": "mining.notify", "params":
            [id, "ab".repeat(32), coinb1, coinb2, [], "20000000", bits, "504e86b9", clean]});
        self.say(&notify.to_string()).await;
    }

    /// The next share, with the login that it came under and its nonce; not answered yet.
    async fn submitted(&mut self) -> (Value, String, String) {
        let (id, params) = self.asked("mining.submit").await;
        let text = |index: usize| params[index].as_str().unwrap_or_default().to_owned();
        (id, text(0), text(4))
    }

    async fn answer(&mut self, id: &Value, result: Value, error: Value) {
        self.say(&json!({"id": id, "result": result, "error": error}).to_string()).await;
    }

    /// Until the task hangs up.
    async fn closed(&mut self) {
        while timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("an end")
            .expect("open")
            .is_some()
        {}
    }
}

/// A share for `job`; the nonce tells it from others.
fn share(job: &Arc<Job>, nonce: u32) -> Box<VerifiedShare> {
    let submit = Submit {
        worker: "rig".into(),
        job_id: "1".into(),
        extranonce2: "0000".into(),
        ntime: job.pool_ntime,
        nonce: Nonce(nonce),
        version_bits: None,
    };
    let claim = Claim {
        submit: &submit,
        miner: MinerId::new(Layout::CONSERVATIVE, 1),
        mask: VersionMask::NONE,
        assigned: Assignment::new(job.pool_difficulty),
        standing: Standing::Live,
    };
    Box::new(verify(job, &claim).expect("an easy share"))
}

/// A pool with whatever `changes` say, as a configuration would write it.
fn pool(changes: &Value) -> Pool {
    let mut pool = json!({
        "name": "alpha",
        "priority": 0,
        "endpoint": {"host": "pool.example", "port": 3333},
        "user": "acct.proxy",
        "account": "acct",
        "password": "x",
        "timeouts": {
            "connectMs": 5000, "handshakeMs": 10000, "firstJobMs": 30000, "jobSilenceMs": 600_000, "submitMs": 60000
        },
        "versionRolling": "Enabled",
    });
    for (field, value) in changes.as_object().expect("an object") {
        pool[field] = value.clone();
    }
    serde_json::from_value(pool).expect("a pool")
}

/// Lets virtual time pass: [`play`] has `start_paused` it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Runs `script` beside the task of `pool`.
fn play(pool: Pool, script: impl AsyncFnOnce(Bench)) {
    play_within(AllowedPools::default(), pool, script);
}

/// The same, with an allow-list.
fn play_within(allowed: AllowedPools, pool: Pool, script: impl AsyncFnOnce(Bench)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (dials_in, dials) = mpsc::channel(8);
        let (submits, submits_out) = mpsc::channel(SUBMITS_MAX + BLOCKS_MAX);
        let (questions, questions_out) = mpsc::channel(QUESTIONS_MAX);
        let (updates_in, updates) = mpsc::channel(UPDATES_MAX);
        let (settings, settings_out) = watch::channel(Arc::new(pool));
        let (wanted, wanted_out) = watch::channel(Wanted::default());
        let (facts_in, facts) = watch::channel(Facts::default());
        let (addresses, addresses_out) = watch::channel(Vec::new());
        let telemetry = Telemetry::silent();
        let task = PoolTask::new(TaskParts {
            id: PoolId(7),
            route: "main".into(),
            settings: settings_out,
            wanted: wanted_out,
            facts: facts_in,
            pulse: Arc::new(Pulse::new(tokio::time::Instant::now().into_std())),
            version_mask: VersionMask::ALL,
            submits: submits_out,
            questions: questions_out,
            updates: updates_in,
            dial: Arc::new(ScriptedDial { dials: dials_in, addresses: addresses_out }),
            clock: Clock::starting_at(UnixTime(1_767_225_600)),
            telemetry: telemetry.clone(),
            allowed,
            stop: CancellationToken::new(),
            random: fastrand::Rng::with_seed(1),
        });
        let ledger = Ledger::default();
        let row = ledger.row(&RowKey {
            listener: "v1".into(),
            route: "main".into(),
            pool: "alpha".into(),
            account: "acct".into(),
            class: "other".into(),
        });
        let bench = Bench {
            dials,
            addresses,
            updates,
            submits,
            questions,
            settings,
            wanted,
            facts,
            telemetry,
            ledger,
            row,
        };
        tokio::select! {
            // The script first: what it sets up is there when the task begins.
            biased;
            () = script(bench) => {}
            () = task.run() => panic!("the task ended"),
        }
    });
}

fn brief(news: &News) -> String {
    match news {
        News::Connecting => "connecting".to_owned(),
        News::Down { reason, notice, source: _, detail: _ } => format!("{notice:?} {reason}"),
        News::Moved => "moved".to_owned(),
        News::Job { notify, source, .. } => format!("job {} of {}", notify.job_id, source.0 & 0xff),
        News::Ready { source, .. } => format!("ready {}", source.0 & 0xff),
        News::Unfit { detail, .. } => format!("unfit: {detail}"),
    }
}
