//! One path of the core, so many times over: `loka-counts PATH TIMES`. `cargo xtask counts` runs it under callgrind, twice with
//! different numbers, and holds the difference against `budget.json`. Only what is in [`measured`] is counted.
//!
//! `loka-counts verification TIMES` runs without a counter, and prints [`ratio`].

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement says what it found, or why it cannot go on"
)]

mod ratio;

use std::hint::black_box;
use std::ops::Range;

use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{
    Downstream, HandOver, Input, Outbox, Registry, SessionToken, Terms, View,
};
use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};
use loka_stratum::job::PoolContext;
use loka_stratum::message::{ServerMessage, parse_client, parse_server};
use loka_stratum::types::{Extranonce, JobSerial, LaneId, SourceId, UnixTime, VersionMask};
use loka_stratum::vardiff::VardiffSettings;
use loka_stratum::work::{Now, WorkBoard};

/// Every hash meets it.
const EASIEST: &str = "1e-10";

/// Where a line's number goes: eight hex digits.
const PLACE: &str = "0a0b0c0d";

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
        "job" => job(times),
        "notify" => notify(times),
        "verification" => println!("{:.3}", ratio::verification(times)),
        other => {
            panic!("no path `{other}`: parse, submit, submit-due, job, notify or verification")
        }
    }
}

/// What is counted, and nothing else is.
mod measured {
    use super::{Farm, HandOver, Input, black_box, parse_client};
    use loka_stratum::downstream::Forward;

    /// A submit as a miner writes it, read.
    #[inline(never)]
    pub(super) fn parse(line: &[u8]) -> bool {
        black_box(parse_client(black_box(line))).is_ok()
    }

    /// A share from its line to its answer.
    #[inline(never)]
    pub(super) fn submit(farm: &mut Farm, line: &[u8]) {
        farm.give(Input::Line(line));
        if let Some(Forward::Due(ticket, share)) = farm.out.forward.take() {
            drop(black_box(share));
            farm.give(Input::HandedOver(ticket, HandOver::Written));
        }
    }

    /// A pool's job, from its line to what miners are given.
    #[inline(never)]
    pub(super) fn job(farm: &mut Farm) {
        farm.job();
    }

    /// A job for one miner more.
    #[inline(never)]
    pub(super) fn notify(farm: &mut Farm) {
        farm.give(Input::Work);
    }
}

fn parse(times: u32) {
    let line = Numbered::new(submit_line("1"));
    for _ in 0..times {
        assert!(measured::parse(&line.0), "a submit");
    }
}

/// Each share is under an extranonce2 of its own.
fn submit(times: u32, pool_difficulty: &str) {
    let mut farm = Farm::new(pool_difficulty);
    farm.job();
    farm.log_in();
    let mut line = Numbered::new(submit_line(&farm.job_id));
    for number in 0..times {
        line.number(number);
        measured::submit(&mut farm, &line.0);
        assert!(farm.out.wire.starts_with(b"{\"id\":4,\"result\":true"), "{}", farm.said());
        farm.clear();
    }
}

fn job(times: u32) {
    let mut farm = Farm::new(HARD);
    for _ in 0..times {
        measured::job(&mut farm);
    }
}

fn notify(times: u32) {
    let mut farm = Farm::new(HARD);
    farm.job();
    let miners: Vec<Downstream> = (0..times).map(|_| farm.next_miner()).collect();
    farm.job();
    for miner in miners {
        farm.machine = miner;
        measured::notify(&mut farm);
        assert!(farm.said().contains("mining.notify"), "{}", farm.said());
        farm.clear();
    }
}

/// A line with a number in it that costs next to nothing to change.
struct Numbered(Vec<u8>, usize);

/// One miner, and what it needs.
struct Farm {
    machine: Downstream,
    board: WorkBoard,
    terms: Terms,
    now: Now,
    ids: Ids,
    out: Outbox,
    context: PoolContext,
    /// As the miner was told.
    job_id: String,
    jobs: u32,
    /// Of the pool.
    line: Numbered,
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
            jobs: 0,
            line: Numbered::new(job_line()),
        }
    }

    /// The pool's next job, which is a clean one.
    fn job(&mut self) {
        self.jobs += 1;
        self.line.number(self.jobs);
        let Ok(ServerMessage::Notify(job)) = parse_server(&self.line.0) else {
            panic!("a job");
        };
        let source = SourceId::new(LaneId(1), 1);
        self.board.offer(self.now, source, job, self.context).expect("a job");
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

    /// One that is logged in; another stands in its place.
    fn next_miner(&mut self) -> Downstream {
        let other = Downstream::new(self.now, Duration::from_secs(3), SessionToken(2));
        self.log_in();
        std::mem::replace(&mut self.machine, other)
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

// === impl Numbered ===

impl Numbered {
    /// Its number stands where the text has [`PLACE`].
    fn new(text: String) -> Self {
        let place = text.find(PLACE).expect("a place");
        Self(text.into_bytes(), place)
    }

    fn number(&mut self, number: u32) {
        let digits = self.0.iter_mut().skip(self.1).take(PLACE.len());
        for (place, digit) in digits.enumerate() {
            let nibble = number >> (28 - 4 * place) & 0xf;
            *digit = char::from_digit(nibble, 16).map_or(b'0', |digit| digit as u8);
        }
    }
}

fn submit_line(job: &str) -> String {
    format!(
        "{{\"id\":4,\"method\":\"mining.submit\",\
         \"params\":[\"acct.w\",\"{job}\",\"{PLACE}\",\"6553f100\",\"12345678\",\"00002000\"]}}"
    )
}

/// Of a full block: twelve branches, and a coinbase as ckpool's.
fn job_line() -> String {
    let branches = (1..=12_u8).map(|byte| format!("\"{}\"", format!("{byte:02x}").repeat(32)));
    let branches: Vec<String> = branches.collect();
    format!(
        "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{PLACE}\",\"{:064x}\",\
         \"02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff3503a0bb0d\
         00045c3c0668041234567810\",\"0a636b706f6f6c0b2f736f6c6f2f6d696e65722fffffffff0203b1c41200\
         000016001451ed61d2f6aa260cc72cdf743e4e436a82c010270000000000000000266a24aa21a9ed{:064x}00000000\",\
         [{}],\"20000000\",\"17021369\",\"6553f100\",true]}}",
        7,
        7,
        branches.join(","),
    )
}

fn terms() -> Terms {
    let difficulty = |text| Difficulty::parse(text).expect("a difficulty");
    let easiest = difficulty(EASIEST);
    Terms::generous(VardiffSettings {
        initial: easiest,
        min: easiest,
        max: easiest,
        share_interval: Duration::from_secs(6),
    })
}
