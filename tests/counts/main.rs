//! One path of the core, so many times over: `loka-counts PATH TIMES`. `cargo xtask counts` runs it under callgrind, twice with
//! different numbers, and holds the difference against `budget.json`.

#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on says so")]

use std::hint::black_box;
use std::ops::Range;

use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{
    Downstream, Forward, HandOver, Input, Nameless, NoPool, Outbox, Registry, SessionToken, Terms,
    View,
};
use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};
use loka_stratum::firmware::Profiles;
use loka_stratum::job::PoolContext;
use loka_stratum::message::{Notify, ServerMessage, parse_client, parse_server};
use loka_stratum::types::{Extranonce, JobSerial, LaneId, SourceId, UnixTime, VersionMask};
use loka_stratum::vardiff::VardiffSettings;
use loka_stratum::work::{Now, WorkBoard};

/// Every hash meets it.
const EASIEST: &str = "1e-10";

/// None of these does.
const HARD: &str = "1000000";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a path");
    let times: u32 = arguments.next().and_then(|text| text.parse().ok()).expect("a number");
    match path.as_str() {
        "parse" => parse(times),
        "submit" => submit(times, HARD),
        "submit-due" => submit(times, EASIEST),
        "notify" => notify(times),
        other => panic!("no path `{other}`: parse, submit, submit-due or notify"),
    }
}

/// A submit as a miner writes it, read.
fn parse(times: u32) {
    for number in 0..times {
        let line = submit_line(number, "1");
        let read = parse_client(line.as_bytes());
        assert!(black_box(read).is_ok(), "{line}");
    }
}

/// A share from its line to its answer; each under an extranonce2 of its own.
fn submit(times: u32, pool_difficulty: &str) {
    let mut farm = Farm::new(pool_difficulty);
    farm.job(1);
    farm.log_in();
    let job = farm.job_id.clone();
    for number in 0..times {
        // So seldom that no retarget is due in between.
        farm.give(Input::Line(submit_line(number, &job).as_bytes()));
        if let Some(Forward::Due(ticket, share)) = farm.out.forward.take() {
            drop(black_box(share));
            farm.give(Input::HandedOver(ticket, HandOver::Written));
        }
        assert!(farm.out.wire.starts_with(b"{\"id\":4,\"result\":true"), "{}", farm.said());
        farm.clear();
    }
}

/// A pool's job from its line to a miner's line.
fn notify(times: u32) {
    let mut farm = Farm::new(HARD);
    farm.job(1);
    farm.log_in();
    for number in 0..times {
        farm.job(2 + number);
        farm.give(Input::Work);
        assert!(farm.said().contains("mining.notify"), "{}", farm.said());
        farm.clear();
    }
}

/// One miner, and what it needs.
struct Farm {
    machine: Downstream,
    board: WorkBoard,
    terms: Terms,
    now: Now,
    ids: Ids,
    out: Outbox,
    context: PoolContext,
    job_id: String,
}

struct Ids(std::cell::RefCell<IdPool>, Instant);

// === impl Farm ===

impl Farm {
    fn new(pool_difficulty: &str) -> Self {
        let now = Now { instant: Instant::now(), unix: UnixTime(1_700_000_000) };
        let context = PoolContext {
            extranonce1: Extranonce::from_bytes(&[8, 0, 0, 2]).expect("four bytes"),
            extranonce2_size: 8,
            difficulty: Difficulty::parse(pool_difficulty).expect("a difficulty"),
            version_mask: VersionMask(0x1fff_e000),
            received_at: now.unix,
        };
        Self {
            machine: Downstream::new(now, Duration::from_secs(3), SessionToken(1)),
            board: WorkBoard::new(JobSerial(1), None),
            terms: terms(),
            now,
            ids: Ids(IdPool::new(5, DEFAULT_QUARANTINE).into(), now.instant),
            out: Outbox::default(),
            context,
            job_id: String::new(),
        }
    }

    /// The pool's job of this number, on a block of its own.
    fn job(&mut self, number: u32) {
        let source = SourceId::new(LaneId(1), 1);
        let offered = self.board.offer(self.now, source, pool_job(number), self.context);
        offered.expect("a job");
        self.board.activate(self.now, source).expect("room");
    }

    fn log_in(&mut self) {
        let rolling = r#"["version-rolling"],{"version-rolling.mask":"1fffe000"}"#;
        let configure = format!(r#"{{"id":0,"method":"mining.configure","params":[{rolling}]}}"#);
        self.give(Input::Line(configure.as_bytes()));
        self.give(Input::Line(br#"{"id":1,"method":"mining.subscribe","params":["counts/1"]}"#));
        self.give(Input::Line(br#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#));
        let said = self.said().to_owned();
        let notify = said.lines().rfind(|line| line.contains("mining.notify")).expect("a job");
        let Ok(ServerMessage::Notify(job)) = parse_server(notify.as_bytes()) else {
            panic!("no job: {notify}");
        };
        self.job_id = job.job_id.to_string();
        self.clear();
    }

    fn give(&mut self, input: Input<'_>) {
        let view = View {
            now: self.now,
            work: self.board.work(),
            lane: None,
            former: None,
            terms: &self.terms,
            registry: &self.ids,
        };
        self.machine.handle(&view, input, &mut self.out);
    }

    fn said(&self) -> &str {
        std::str::from_utf8(&self.out.wire).expect("text")
    }

    fn clear(&mut self) {
        self.out.wire.clear();
        self.out.events.clear();
    }
}

// === impl Ids ===

impl Registry for Ids {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        self.0.borrow_mut().allocate(self.1, layout, banks)
    }

    fn release(&self, id: MinerId) {
        self.0.borrow_mut().release(self.1, id);
    }
}

fn submit_line(number: u32, job: &str) -> String {
    format!(
        "{{\"id\":4,\"method\":\"mining.submit\",\
         \"params\":[\"acct.w\",\"{job}\",\"{number:08x}\",\"6553f100\",\"{number:08x}\",\"00002000\"]}}"
    )
}

/// Of a full block: twelve branches, and a coinbase as ckpool's.
fn pool_job(number: u32) -> Notify {
    let branches = (1..=12_u8).map(|byte| format!("\"{}\"", format!("{byte:02x}").repeat(32)));
    let branches: Vec<String> = branches.collect();
    let line = format!(
        "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{number:x}\",\"{number:064x}\",\
         \"02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff3503a0bb0d\
         00045c3c066804{number:08x}10\",\"0a636b706f6f6c0b2f736f6c6f2f6d696e65722fffffffff0203b1c41200\
         00001600145\
         1ed61d2f6aa260cc72cdf743e4e436a82c010270000000000000000266a24aa21a9ed{number:064x}00000000\",\
         [{}],\"20000000\",\"17021369\",\"6553f100\",true]}}",
        branches.join(","),
    );
    let Ok(ServerMessage::Notify(job)) = parse_server(line.as_bytes()) else {
        panic!("no job: {line}")
    };
    job
}

fn terms() -> Terms {
    let difficulty = |text| Difficulty::parse(text).expect("a difficulty");
    let easiest = difficulty(EASIEST);
    Terms {
        vardiff: VardiffSettings {
            initial: easiest,
            min: easiest,
            max: easiest,
            share_interval: Duration::from_secs(6),
        },
        handshake_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        nameless: Nameless::Served,
        no_pool: NoPool::Hold,
        version_mask: VersionMask::ALL,
        firmware: Profiles::shipped(),
    }
}
