//! A miner's session, driven by a script: lines of the miner, time, jobs, answers of pools, an end and a new connection.
//!
//! Each line of the input is a step; what its first byte means stands at [`Session::step`], and any other line is the
//! miner's. What must hold: each request has its one answer, in the order of the requests; each share that is handed to a
//! pool verifies there as the pool sent the job, and is handed over once; ids are given back; what is written is bounded; a
//! timer that has fired moves on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{
    ANSWERS_MAX, Close, Downstream, Event, Forward, HandOver, Input, NoPool, Outbox, Registry,
    Remains, Resumable, Resume, SessionToken, Terms, Ticket, View,
};
use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};
use loka_stratum::job::PoolContext;
use loka_stratum::message::{
    ClientMessage, Malformed, Notify, ServerMessage, parse_client, parse_server,
};
use loka_stratum::rpc::RequestId;
use loka_stratum::types::{
    Extranonce, JobSerial, LaneId, NTime, SourceId, UnixTime, VersionMask, WorkerName,
};
use loka_stratum::upstream::PoolReject;
use loka_stratum::vardiff::VardiffSettings;
use loka_stratum::work::{Banks, Now, Work, WorkBoard};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::judge::{Offered, Pools};
use crate::script::{Bytes, steps};

/// As the shipped limit; a longer one never reaches the machine.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What one input may make the machine write: some notices, one job, one answer.
const WIRE_BYTES_MAX: usize = 16 * 1024;

/// What one input may make happen.
const EVENTS_MAX: usize = 16;

/// Timers that may fire one after the other while no time passes.
const TIMERS_AT_ONCE_MAX: usize = 8;

const TOKEN: SessionToken = SessionToken(0x0123_4567_89ab_cdef);

/// So easy that nearly every hash is due, one that some are, and one that none is.
const DIFFICULTIES: [&str; 4] = ["1e-10", "0.000000001", "0.00000001", "1024"];

/// What the session shares with others.
struct Ids {
    now: Cell<Instant>,
    pool: RefCell<IdPool>,
    held: RefCell<BTreeSet<u64>>,
    /// What the former connection has left.
    left: RefCell<Option<Box<Resumable>>>,
    /// How often it is still up when it is asked for.
    busy: Cell<u8>,
}

struct Session {
    machine: Downstream,
    board: WorkBoard,
    pools: Pools,
    terms: Terms,
    now: Now,
    ids: Ids,
    lane: Option<LaneId>,
    /// Requests that are not answered yet.
    owed: VecDeque<RequestId>,
    /// Shares of the miner that nothing is said of yet.
    judging: u32,
    /// Due shares that are with their pools, the oldest first.
    waiting: Vec<Ticket>,
    /// Of what the miner was told: jobs, and the length of its extranonce2.
    jobs: Vec<Notify>,
    extranonce2_size: usize,
    forwarded: BTreeSet<[u8; 32]>,
    closed: Option<Close>,
    next_nonce: u32,
}

/// A line of ours, as far as it matters here.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a str>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

pub(crate) fn run(data: &[u8]) {
    let mut session = Session::new();
    for step in steps(data) {
        session.step(step);
        if session.closed.is_some() {
            break;
        }
    }
    session.end();
}

// === impl Ids ===

impl Registry for Ids {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        let id = self.pool.borrow_mut().allocate(self.now.get(), layout, banks)?;
        assert!(self.held.borrow_mut().insert(id.pack()) || layout.is_for_one(), "{id:?} twice");
        Some(id)
    }

    fn release(&self, id: MinerId) {
        assert!(self.held.borrow_mut().remove(&id.pack()), "{id:?} is nobody's");
        self.pool.borrow_mut().release(self.now.get(), id);
    }

    fn resume(&self, session: &str) -> Resume {
        if SessionToken::parse(session) != Some(TOKEN) || self.left.borrow().is_none() {
            return Resume::Unknown;
        }
        if let Some(left) = self.busy.get().checked_sub(1) {
            self.busy.set(left);
            return Resume::Busy;
        }
        self.left.take().map_or(Resume::Unknown, Resume::Ready)
    }

    fn remembered(&self, worker: &WorkerName) -> Option<Difficulty> {
        (worker.as_str() == "acct.w").then_some(Difficulty::ONE)
    }
}

// === impl Session ===

impl Session {
    fn new() -> Self {
        let now = Now { instant: crate::origin(), unix: UnixTime(0x504e_86ed) };
        Self {
            machine: Downstream::new(now, Duration::from_secs(3), TOKEN),
            board: WorkBoard::new(JobSerial(1), None),
            pools: Pools::default(),
            terms: terms(),
            now,
            ids: Ids {
                now: Cell::new(now.instant),
                pool: RefCell::new(IdPool::new(5, DEFAULT_QUARANTINE)),
                held: RefCell::default(),
                left: RefCell::default(),
                busy: Cell::default(),
            },
            lane: None,
            owed: VecDeque::new(),
            judging: 0,
            waiting: Vec::new(),
            jobs: Vec::new(),
            extranonce2_size: 0,
            forwarded: BTreeSet::new(),
            closed: None,
            next_nonce: 0,
        }
    }

    /// One line of a script.
    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes::new(step.get(1..).unwrap_or_default());
        match step.first() {
            // Time passes: milliseconds.
            Some(b't') => self.wait(Duration::from_millis(bytes.number().into())),
            // A pool's job: pool, extranonce2 size, difficulty, mask, clean, whether it is mined on from now on.
            Some(b'j') => self.job(&mut bytes),
            // A pool's session ends.
            Some(b'w') => {
                self.board.withdraw(source(bytes.digit()));
                self.give(Input::Work);
            }
            // What became of a share that is with its pool, and of which.
            Some(b'h') => self.handed_over(bytes.digit(), bytes.digit()),
            // The session is to end.
            Some(b'l') => {
                let reason =
                    [Close::Drained, Close::ListenerRemoved][usize::from(bytes.digit() % 2)];
                let after = Duration::from_secs(bytes.digit().into());
                self.give(Input::Leave { reason, after });
            }
            // A share as the miner would send it: job, time, version bits, extranonce2, nonce.
            Some(b's') => self.share(&mut bytes),
            // The terms change.
            Some(b'n') => self.terms(&mut bytes),
            // What the board may do.
            Some(b'b') => self.board_rules(&mut bytes),
            // The connection breaks, and the miner comes back.
            Some(b'r') => self.come_back(bytes.digit()),
            _ => self.line(step),
        }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        let mut fired = 0;
        while let Some(at) = self.machine.poll_timeout(&self.terms).filter(|at| *at <= end) {
            if at > self.now.instant {
                fired = 0;
            }
            fired += 1;
            assert!(fired <= TIMERS_AT_ONCE_MAX, "a timer that does not move on");
            self.move_clock(at.max(self.now.instant));
            self.give(Input::Timeout);
            if self.closed.is_some() {
                return;
            }
        }
        self.move_clock(end);
    }

    fn move_clock(&mut self, to: Instant) {
        let passed = to.saturating_duration_since(self.now.instant);
        let unix = self.now.unix.0.saturating_add(u32::try_from(passed.as_secs()).unwrap_or(0));
        self.now = Now { instant: to, unix: UnixTime(unix) };
        self.ids.now.set(to);
    }

    fn job(&mut self, bytes: &mut Bytes<'_>) {
        let source = source(bytes.digit());
        let size = bytes.digit() % 17;
        let difficulty = DIFFICULTIES[usize::from(bytes.digit()) % DIFFICULTIES.len()];
        let mask = [0x1fff_e000, 0, 0x00c0_0000, u32::MAX][usize::from(bytes.digit() % 4)];
        let (clean, mined) = (!bytes.digit().is_multiple_of(2), bytes.digit().is_multiple_of(2));
        let context = PoolContext {
            extranonce1: Extranonce::from_bytes(&[source.lane().0 as u8; 4]).expect("four bytes"),
            extranonce2_size: size,
            difficulty: Difficulty::parse(difficulty).expect("a difficulty"),
            version_mask: VersionMask(mask),
            received_at: self.now.unix,
        };
        let notify = self.pools.next_job(NTime(self.now.unix.0), clean);
        let offered = Offered { source, notify: notify.clone(), context };
        if self.board.offer(self.now, source, notify, context).is_ok() && mined {
            self.board.activate(self.now, source).ok();
        }
        self.pools.offered(offered);
        self.give(Input::Work);
    }

    fn handed_over(&mut self, result: u8, which: u8) {
        if self.waiting.is_empty() {
            return;
        }
        let ticket = self.waiting.remove(usize::from(which) % self.waiting.len());
        let result = match result % 5 {
            0 | 1 => HandOver::Written,
            2 => HandOver::Lost,
            3 => HandOver::Unanswered,
            _ => HandOver::Refused(PoolReject::ALL[usize::from(result) % PoolReject::ALL.len()]),
        };
        self.give(Input::HandedOver(ticket, result));
    }

    fn share(&mut self, bytes: &mut Bytes<'_>) {
        let back = usize::from(bytes.digit());
        let Some(job) = self.jobs.iter().rev().nth(back % 8) else { return };
        let ntime = match bytes.digit() {
            0 => job.ntime,
            1 => job.ntime.plus(7000),
            2 => job.ntime.plus(7001),
            3 => NTime(job.ntime.0.saturating_sub(1)),
            other => job.ntime.plus(other.into()),
        };
        let bits = match bytes.digit() {
            0 => String::new(),
            1 => ",\"00002000\"".to_owned(),
            other => format!(",\"{:08x}\"", u32::from(other) << 20),
        };
        let extranonce2 = format!("{:02x}", bytes.byte()).repeat(self.extranonce2_size);
        let nonce = match bytes.number() {
            0 => {
                self.next_nonce += 1;
                self.next_nonce
            }
            nonce => nonce,
        };
        let job_id = &job.job_id;
        let params =
            format!("\"acct.w\",\"{job_id}\",\"{extranonce2}\",\"{ntime}\",\"{nonce:08x}\"");
        let line = format!("{{\"id\":4,\"method\":\"mining.submit\",\"params\":[{params}{bits}]}}");
        self.line(line.as_bytes());
    }

    fn terms(&mut self, bytes: &mut Bytes<'_>) {
        self.terms.no_pool = match bytes.digit() % 3 {
            0 => NoPool::Hold,
            1 => NoPool::Wait,
            _ => NoPool::Close { after: Duration::from_secs(60), since: Some(self.now.instant) },
        };
        let mask = [0x1fff_e000, 0, 0x0000_2000][usize::from(bytes.digit() % 3)];
        self.terms.version_mask = VersionMask(mask);
        self.give(Input::Work);
    }

    fn board_rules(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.digit() % 4 {
            0 => self.board.allow_banks(Banks(bytes.digit().into())),
            1 => self.board.assume_layout(Layout::CONSERVATIVE),
            2 => self.board.fix_layout(Layout::new(bytes.digit(), bytes.digit())),
            _ => {
                self.board.keep_alive(self.now, Duration::from_secs(bytes.digit().into()));
            }
        }
        self.lane = match bytes.digit() {
            0 => None,
            lane => Some(LaneId(u32::from(lane) % 4)),
        };
        self.give(Input::Work);
    }

    /// The connection ends, and what was owed on it with it.
    fn come_back(&mut self, busy: u8) {
        self.leave_behind();
        self.ids.busy.set(busy % 3);
        self.machine = Downstream::new(self.now, Duration::from_secs(3), TOKEN);
        self.owed.clear();
        self.waiting.clear();
        self.judging = 0;
    }

    fn leave_behind(&mut self) {
        let former = match self.machine.end(self.now.instant) {
            Remains::Ids(ids) => {
                ids.into_iter().for_each(|id| self.ids.release(id));
                return;
            }
            Remains::Session(session) => self.ids.left.borrow_mut().replace(session),
        };
        former.iter().flat_map(|former| former.ids()).for_each(|id| self.ids.release(id));
    }

    fn line(&mut self, line: &[u8]) {
        if !self.machine.accepts_lines() || line.len() > LINE_BYTES_MAX {
            return;
        }
        match parse_client(line) {
            Ok(request) => match request.message {
                ClientMessage::Submit(_) => {
                    self.judging += 1;
                    self.owed.push_back(request.id.unwrap_or(RequestId::NULL));
                }
                ClientMessage::Pong | ClientMessage::Response => {}
                _ => self.owed.extend(request.reply_id().cloned()),
            },
            Err(fault) => {
                self.judging += u32::from(fault.kind == Malformed::BadSubmit);
                self.owed.push_back(fault.id.unwrap_or(RequestId::NULL));
            }
        }
        self.give(Input::Line(line));
        let kept = !self.waiting.is_empty() || self.machine.is_kept_waiting();
        let may_wait = kept || self.closed.is_some();
        assert!(self.owed.is_empty() || may_wait, "unanswered: {:?}", self.owed);
        assert!(self.machine.answers_owed() <= ANSWERS_MAX);
    }

    fn give(&mut self, input: Input<'_>) {
        let mut out = Outbox::default();
        let (now, work): (Now, &Work) = (self.now, self.board.work());
        let (lane, terms, registry) = (self.lane, &self.terms, &self.ids);
        let view = View { now, work, lane, former: None, terms, registry };
        self.machine.handle(&view, input, &mut out);
        assert!(out.wire.len() <= WIRE_BYTES_MAX, "{} bytes at once", out.wire.len());
        assert!(out.events.len() <= EVENTS_MAX, "{} events at once", out.events.len());
        self.hear(&out.wire);
        self.closed = self.closed.or(out.close);
        out.events.iter().for_each(|event| self.observe(event));
        if let Some(forward) = &out.forward {
            self.forward(forward);
        }
    }

    /// What the miner hears: answers in the order of its requests, and jobs.
    fn hear(&mut self, wire: &[u8]) {
        assert!(wire.is_empty() || wire.ends_with(b"\n"));
        for line in wire.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let said: Said<'_> = serde_json::from_slice(line).expect("we write JSON");
            match said.method {
                None => {
                    let id = said.id.and_then(RequestId::from_json).unwrap_or(RequestId::NULL);
                    assert_eq!(
                        self.owed.pop_front(),
                        Some(id),
                        "{}",
                        String::from_utf8_lossy(line)
                    );
                    self.subscribed(said.result);
                }
                Some("mining.notify") => {
                    let Ok(ServerMessage::Notify(job)) = parse_server(line) else {
                        panic!("a job")
                    };
                    self.jobs.push(job);
                }
                Some("mining.set_extranonce") => {
                    let message = parse_server(line).expect("an extranonce");
                    if let ServerMessage::SetExtranonce { extranonce2_size, .. } = message {
                        self.extranonce2_size = extranonce2_size.into();
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn subscribed(&mut self, result: Option<&RawValue>) {
        let granted =
            result.and_then(|result| loka_stratum::message::SubscribeReply::parse(result).ok());
        if let Some(granted) = granted {
            self.extranonce2_size = granted.extranonce2_size.into();
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::BelowPool(share) => {
                self.judged();
                assert!(!share.meets_pool(), "it is due");
                self.pools.assert_verifies(share);
            }
            Event::Refused(..) => self.judged(),
            Event::Malformed(text) => assert!(text.len() <= 1024),
            Event::Authorized(_)
            | Event::CoinbaseTooLong { .. }
            | Event::Difficulty(_)
            | Event::Mining
            | Event::Renumbered
            | Event::Resumed => {}
        }
    }

    fn judged(&mut self) {
        self.judging = self.judging.checked_sub(1).expect("one verdict for each share");
    }

    fn forward(&mut self, forward: &Forward) {
        let share = match forward {
            Forward::Candidate(share) => {
                assert!(share.block_candidate());
                share
            }
            Forward::Due(ticket, share) => {
                self.judged();
                self.waiting.push(*ticket);
                assert!(share.meets_pool() || share.block_candidate());
                share
            }
        };
        self.pools.assert_verifies(share);
        assert!(self.forwarded.insert(*share.hash().as_bytes()), "handed over twice");
    }

    /// Whatever happened, nothing stays behind.
    fn end(mut self) {
        if self.closed.is_none() {
            while !self.waiting.is_empty() && self.closed.is_none() {
                self.handed_over(0, 0);
            }
            assert!(self.judging == 0 || self.closed.is_some(), "a share without a verdict");
            let kept = self.machine.is_kept_waiting() || self.closed.is_some();
            assert!(self.owed.is_empty() || kept, "unanswered at the end: {:?}", self.owed);
        }
        self.leave_behind();
        if let Some(left) = self.ids.left.take() {
            left.ids().for_each(|id| self.ids.release(id));
        }
        assert!(self.ids.held.borrow().is_empty(), "ids are lost");
    }
}

fn source(pool: u8) -> SourceId {
    SourceId::new(LaneId(1 + u32::from(pool % 3)), 1 + u32::from(pool / 3))
}

fn terms() -> Terms {
    let difficulty = |text| Difficulty::parse(text).expect("a difficulty");
    Terms::generous(VardiffSettings {
        initial: difficulty("0.000000001"),
        min: difficulty("1e-10"),
        max: difficulty("1e15"),
        share_interval: Duration::from_secs(6),
    })
}
