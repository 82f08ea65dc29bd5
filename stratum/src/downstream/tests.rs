//! The machine towards miners, judged by what a miner would see on its socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::difficulty::ShareHash;
use crate::extranonce::{Layout, pool_extranonce2};
use crate::fixtures::{difficulty, known_share, origin};
use crate::job::{Clean, Job, PoolContext};
use crate::message::Notify;
use crate::types::{Extranonce, JobSerial, NTime, Nonce, SourceId, UnixTime};
use crate::work::WorkBoard;

mod awaited;
mod guarded;
mod handshake;
mod manners;
mod mining;
mod moved;
mod moving;
mod resuming;
mod shares;
mod timers;

/// So easy that one hash in forty is due.
const POOL_DIFFICULTY: &str = "0.00000001";

/// What a miner begins with: one hash in four is good.
const INITIAL: &str = "0.000000001";

const POOL: SourceId = SourceId(1);
const OTHER_POOL: SourceId = SourceId(2);

const TOKEN: SessionToken = SessionToken(0x0123_4567_89ab_cdef);

/// One machine, the route that feeds it, and the hands of its driver.
struct Bench {
    machine: Downstream,
    board: WorkBoard,
    terms: Terms,
    now: Now,
    context: PoolContext,
    registry: Shared,
    next_nonce: Cell<u32>,
    events: Vec<Event>,
    forward: Option<Forward>,
    /// Of due shares on their way, the oldest first.
    tickets: VecDeque<Ticket>,
    closed: Option<Close>,
    lane: Option<LaneId>,
    former: Option<JobTable>,
}

/// What the other sessions of the listener left, and what was asked of it.
struct Shared {
    ids_left: Cell<u32>,
    released: RefCell<Vec<MinerId>>,
    former: RefCell<Option<Box<Resumable>>>,
    /// How often a former connection is still up when it is asked for.
    busy: Cell<u32>,
    remembered: Cell<Option<Difficulty>>,
    /// Of the next id.
    bank: Cell<u32>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            ids_left: Cell::new(10),
            released: RefCell::default(),
            former: RefCell::default(),
            busy: Cell::default(),
            remembered: Cell::default(),
            bank: Cell::default(),
        }
    }
}

impl Registry for Shared {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        let left = self.ids_left.get().checked_sub(1)?;
        self.ids_left.set(left);
        Some(MinerId::new(layout, 0x0a0b_0c00 + left).in_bank(banks.start.max(self.bank.take())))
    }

    fn release(&self, id: MinerId) {
        self.released.borrow_mut().push(id);
    }

    fn resume(&self, session: &str) -> Resume {
        let token = SessionToken::parse(session);
        if token != Some(TOKEN) {
            return Resume::Unknown;
        }
        if let Some(left) = self.busy.get().checked_sub(1) {
            self.busy.set(left);
            return Resume::Busy;
        }
        self.former.take().map_or(Resume::Unknown, Resume::Ready)
    }

    fn remembered(&self, worker: &WorkerName) -> Option<Difficulty> {
        self.remembered.get().filter(|_| worker.as_str() == "acct.w")
    }
}

impl Bench {
    /// A route without any pool yet.
    fn without_pool() -> Self {
        let now = Now { instant: origin(), unix: UnixTime(0x504e_86ed) };
        Self {
            machine: Downstream::new(now, Duration::from_secs(3), TOKEN),
            board: WorkBoard::new(JobSerial(0x10), None),
            terms: terms(),
            now,
            context: context(),
            registry: Shared::default(),
            next_nonce: Cell::new(0),
            events: Vec::new(),
            forward: None,
            tickets: VecDeque::new(),
            closed: None,
            lane: None,
            former: None,
        }
    }

    /// A route that has a job.
    fn new() -> Self {
        let mut bench = Self::without_pool();
        bench.job_of(POOL, Clean::Yes);
        bench
    }

    /// A miner that has just been sent its first job.
    fn mining() -> Self {
        let mut bench = Self::new();
        bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
        bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#);
        assert_eq!(bench.drain_events(), ["mining", "difficulty 0.000000001"]);
        bench
    }

    /// The same, with version rolling negotiated.
    fn rolling() -> Self {
        let mut bench = Self::new();
        bench.say(&configure("ffffffff"));
        bench.say(r#"{"id":1,"method":"mining.subscribe","params":["t/1"]}"#);
        bench.say(r#"{"id":2,"method":"mining.authorize","params":["acct.w","x"]}"#);
        bench.events.clear();
        bench
    }

    /// The difficulty that the miner was last told.
    fn assigned(&self) -> Difficulty {
        match &self.machine.phase {
            Phase::Mining(mining) => mining.assigned.difficulty(),
            Phase::Fresh(_) | Phase::Waiting(_) | Phase::Subscribed(_) => panic!("not at work"),
        }
    }

    /// A pool sends a job and is mined on from now on, in this context.
    fn job_of(&mut self, source: SourceId, clean: Clean) {
        let mut notify = notify();
        notify.clean = clean == Clean::Yes;
        notify.job_id = format!("{}", self.board.work().jobs.live_count()).into();
        notify.ntime = NTime(self.now.unix.0 - 60);
        self.board.offer(self.now, source, notify, self.context).unwrap();
        self.board.activate(self.now, source).unwrap();
    }

    fn give(&mut self, input: Input<'_>) -> Vec<String> {
        let mut out = Outbox::default();
        let (now, work) = (self.now, self.board.work());
        let registry = &self.registry;
        let (lane, terms, former) = (self.lane, &self.terms, self.former.as_ref());
        let view = View { now, work, lane, former, terms, registry };
        self.machine.handle(&view, input, &mut out);
        self.events.append(&mut out.events);
        assert!(self.forward.is_none() || out.forward.is_none(), "two shares at once");
        if let Some(Forward::Due(ticket, _)) = &out.forward {
            self.tickets.push_back(*ticket);
        }
        self.forward = self.forward.take().or(out.forward);
        self.closed = self.closed.or(out.close);
        let wire = String::from_utf8(out.wire).unwrap();
        assert!(wire.is_empty() || wire.ends_with('\n'));
        wire.lines().map(|line| brief(&serde_json::from_str(line).unwrap())).collect()
    }

    /// What has become of the oldest of the due shares.
    fn handed(&mut self, result: HandOver) -> Vec<String> {
        self.handed_later(0, result)
    }

    /// What has become of the due share behind so many others.
    fn handed_later(&mut self, place: usize, result: HandOver) -> Vec<String> {
        let ticket = self.tickets.remove(place).expect("a share on its way");
        self.give(Input::HandedOver(ticket, result))
    }

    fn say(&mut self, line: &str) -> Vec<String> {
        assert!(self.machine.accepts_lines(), "{line}");
        self.give(Input::Line(line.as_bytes()))
    }

    /// Lets time pass, and fires every timer at its very time.
    fn wait(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now.instant + duration;
        let mut said = Vec::new();
        for _ in 0..10_000 {
            let due = self.machine.poll_timeout(&self.terms).filter(|at| *at <= end);
            let Some(at) = due.filter(|_| self.closed.is_none()) else {
                self.move_clock(end);
                return said;
            };
            self.move_clock(at.max(self.now.instant));
            said.extend(self.give(Input::Timeout));
        }
        panic!("a timer that does not move on");
    }

    fn move_clock(&mut self, to: Instant) {
        // Whole seconds are enough for the wall clock of a test.
        let seconds = to.saturating_duration_since(self.now.instant).as_secs();
        let seconds = u32::try_from(seconds).unwrap();
        self.now = Now { instant: to, unix: UnixTime(self.now.unix.0 + seconds) };
    }

    fn drain_events(&mut self) -> Vec<String> {
        // That a name was taken is told by the reply, and has a test of its own.
        self.events.retain(|event| !matches!(event, Event::Authorized(_)));
        self.events.drain(..).map(|event| brief_event(&event)).collect()
    }

    fn current(&self) -> Arc<Job> {
        Arc::clone(&self.board.work().lane(self.lane).unwrap().job)
    }

    /// A share for `job` whose hash is as `wanted`, as the miner would send it.
    fn mine(&self, job: &Job, bits: Option<u32>, wanted: impl Fn(&ShareHash) -> bool) -> String {
        let id = self.machine.miner_id().unwrap();
        let extranonce2 = vec![0; usize::from(id.layout().miner_len())];
        let whole = pool_extranonce2(job.extranonce2_size, id, &extranonce2).unwrap();
        let root = job.merkle_root(&whole);
        let version = match bits {
            Some(bits) => job.notify.version.rolled(job.version_mask, bits),
            None => job.notify.version,
        };
        let first = self.next_nonce.get();
        let nonce = (first..first + 1_000_000)
            .find(|nonce| {
                wanted(&job.header(root, version, job.notify.ntime, Nonce(*nonce)).hash())
            })
            .expect("a share in a million hashes");
        self.next_nonce.set(nonce + 1);
        let bits = bits.map_or(String::new(), |bits| format!(",\"{bits:08x}\""));
        format!(
            r#"{{"id":4,"method":"mining.submit","params":["acct.w","{}","{}","{}","{}"{bits}]}}"#,
            job.serial,
            crate::hex::encode(&extranonce2),
            job.notify.ntime,
            Nonce(nonce),
        )
    }

    /// One that the pool pays.
    fn mine_due(&self, job: &Job) -> String {
        self.mine(job, None, |hash| job.pool_target.is_met_by(hash))
    }

    /// One that is good for the miner only.
    fn mine_below_pool(&self, job: &Job) -> String {
        let own = difficulty(INITIAL).target();
        self.mine(job, None, |hash| own.is_met_by(hash) && !job.pool_target.is_met_by(hash))
    }

    /// One that is good for nothing.
    fn mine_low(&self, job: &Job) -> String {
        let own = difficulty(INITIAL).target();
        self.mine(job, None, |hash| !own.is_met_by(hash))
    }
}

fn terms() -> Terms {
    Terms::generous(VardiffSettings {
        initial: difficulty(INITIAL),
        min: difficulty("1e-10"),
        max: difficulty("1e15"),
        share_interval: Duration::from_secs(6),
    })
}

fn context() -> PoolContext {
    PoolContext {
        extranonce1: Extranonce::from_hex("08000002").unwrap(),
        extranonce2_size: 8,
        difficulty: difficulty(POOL_DIFFICULTY),
        version_mask: VersionMask::ALL,
        received_at: UnixTime(0x504e_86ed),
    }
}

fn notify() -> Notify {
    crate::fixtures::notify(&known_share("A").notify)
}

fn configure(mask: &str) -> String {
    format!(
        r#"{{"id":0,"method":"mining.configure","params":[["version-rolling"],{{"version-rolling.mask":"{mask}"}}]}}"#
    )
}

/// A line for people: `1: true`, `2: error 21`, `set_difficulty 8`, `notify clean`.
fn brief(line: &Value) -> String {
    let params = &line["params"];
    match line["method"].as_str() {
        Some("mining.notify") if params[8] == true => "notify clean".into(),
        Some("mining.notify") => "notify".into(),
        Some("mining.set_difficulty") => format!("set_difficulty {}", params[0]),
        Some("mining.set_extranonce") => {
            format!("set_extranonce {} {}", params[0].as_str().unwrap(), params[1])
        }
        Some("mining.set_version_mask") => {
            format!("set_version_mask {}", params[0].as_str().unwrap())
        }
        Some(method) => method.into(),
        None => brief_reply(line),
    }
}

fn brief_reply(line: &Value) -> String {
    let (id, result) = (&line["id"], &line["result"]);
    if !line["error"].is_null() {
        return format!("{id}: error {}", line["error"][0]);
    }
    match result.get("version-rolling.mask") {
        Some(mask) => format!("{id}: mask {}", mask.as_str().unwrap()),
        None => match result[2].as_u64() {
            Some(size) => format!("{id}: {} {size}", result[1].as_str().unwrap()),
            None => format!("{id}: {result}"),
        },
    }
}

fn brief_event(event: &Event) -> String {
    match event {
        Event::Authorized(worker) => format!("authorized {worker}"),
        Event::BelowPool(_) => "below pool".into(),
        Event::CoinbaseTooLong { len, max } => format!("coinbase {len} of {max}"),
        Event::Difficulty(difficulty) => format!("difficulty {difficulty}"),
        Event::Mining => "mining".into(),
        Event::Renumbered => "renumbered".into(),
        Event::Resumed => "resumed".into(),
        Event::Malformed(_) => "malformed".into(),
        Event::Refused(reject, source) => {
            let of = source.map_or("nobody".into(), |source| source.to_string());
            format!("refused {} of {of}", reject.label())
        }
    }
}

/// Every miner that is connected has one, whatever it does.
#[test]
fn a_machine_stays_small() {
    assert!(size_of::<Downstream>() <= 224, "{}", size_of::<Downstream>());
}
