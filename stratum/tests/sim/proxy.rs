//! The machines under test and the least that a driver must do for them: one [`Downstream`] per miner, one [`Upstream`] per
//! pool, a [`WorkBoard`] between them. No runtime, no socket; every call is one instant of virtual time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::downstream::{
    Downstream, Event, Forward, HandOver, Input, Outbox, Registry, Remains, Resumable, Resume,
    SessionToken, Terms, Ticket, View,
};
use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};
use loka_stratum::frame::LineDecoder;
use loka_stratum::types::{JobSerial, SourceId};
use loka_stratum::work::{CleanEpoch, Now, Work, WorkBoard};

use crate::ledger::{Ledger, Underway};
use crate::miner::FIRST_SUBMIT;
use crate::world::Conn;

mod links;

pub(crate) use links::Link;

/// What the world must carry.
#[derive(Debug)]
pub(crate) enum Outgoing {
    ToMiner(Conn, Vec<u8>),
    ToPool(Conn, Vec<u8>),
    /// A link has given its pool up.
    CloseLink(usize),
    /// The work has changed; sessions hear of it sooner or later.
    Wake,
}

pub(crate) struct Proxy {
    board: WorkBoard,
    ids: RefCell<IdPool>,
    /// What the last connection of each miner has left.
    left: RefCell<Vec<Option<Box<Resumable>>>>,
    terms: Terms,
    sessions: Vec<Option<Session>>,
    pub(crate) links: Vec<Link>,
    pub(crate) ledger: Ledger,
    pub(crate) out: Vec<Outgoing>,
    next_source: u64,
    handed: VecDeque<(usize, Conn, Ticket, HandOver)>,
    published: (CleanEpoch, Option<JobSerial>, usize),
    pub(crate) failovers: u64,
    pub(crate) held_shares: u64,
    answered: u64,
    orphaned: u64,
    keep_alive: Duration,
}

struct Session {
    conn: Conn,
    machine: Downstream,
    decoder: LineDecoder,
    /// Submits that it has not answered yet.
    owed: u64,
    /// What the miner was last told.
    difficulty: Option<Difficulty>,
    epoch: Option<CleanEpoch>,
}

/// What sessions share, at one moment.
struct Ids<'a> {
    now: Instant,
    pool: &'a RefCell<IdPool>,
    left: &'a RefCell<Vec<Option<Box<Resumable>>>>,
}

impl Registry for Ids<'_> {
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        self.pool.borrow_mut().allocate(self.now, layout, banks)
    }

    fn release(&self, id: MinerId) {
        self.pool.borrow_mut().release(self.now, id);
    }

    fn resume(&self, session: &str) -> Resume {
        let token = SessionToken::parse(session);
        let is_it = |left: &&mut Option<Box<Resumable>>| {
            left.as_ref().is_some_and(|left| Some(left.token()) == token)
        };
        let mut left = self.left.borrow_mut();
        left.iter_mut().find(is_it).and_then(Option::take).map_or(Resume::Unknown, Resume::Ready)
    }
}

/// Longer than any line of a simulated miner.
const LINE_BYTES_MAX: usize = 1024;

// === impl Proxy ===

impl Proxy {
    pub(crate) fn new(miners: usize, pools: usize, terms: Terms, fixed: Option<Layout>) -> Self {
        Self {
            board: WorkBoard::new(JobSerial(1), fixed),
            ids: RefCell::new(IdPool::new(77, DEFAULT_QUARANTINE)),
            left: RefCell::new((0..miners).map(|_| None).collect()),
            terms,
            sessions: (0..miners).map(|_| None).collect(),
            links: (0..pools).map(|_| Link::default()).collect(),
            ledger: Ledger::default(),
            out: Vec::new(),
            next_source: 1,
            handed: VecDeque::new(),
            published: (CleanEpoch::default(), None, 0),
            failovers: 0,
            held_shares: 0,
            answered: 0,
            orphaned: 0,
            keep_alive: Duration::from_secs(20),
        }
    }

    pub(crate) fn assume_layout(&mut self, layout: Layout) {
        self.board.assume_layout(layout);
        self.out.push(Outgoing::Wake);
    }

    pub(crate) fn miner_connected(&mut self, now: Now, miner: usize, conn: Conn) {
        let machine = Downstream::new(now, Duration::from_secs(1), SessionToken(conn));
        let decoder = LineDecoder::new(LINE_BYTES_MAX);
        let session = Session { conn, machine, decoder, owed: 0, difficulty: None, epoch: None };
        self.sessions[miner] = Some(session);
    }

    pub(crate) fn miner_gone(&mut self, now: Now, miner: usize) {
        let Some(mut session) = self.sessions[miner].take() else { return };
        self.orphaned += session.owed;
        let former = match session.machine.end(now.instant) {
            Remains::Ids(ids) => {
                ids.into_iter().for_each(|id| self.ids.borrow_mut().release(now.instant, id));
                return;
            }
            Remains::Session(session) => self.left.borrow_mut()[miner].replace(session),
        };
        for id in former.iter().flat_map(|former| former.ids()) {
            self.ids.borrow_mut().release(now.instant, id);
        }
    }

    pub(crate) fn miner_bytes(&mut self, now: Now, miner: usize, bytes: &[u8]) {
        if let Some(session) = &mut self.sessions[miner] {
            session.decoder.push(bytes);
        }
        self.pump(now, miner);
    }

    /// A session hears that the work has changed.
    pub(crate) fn wake(&mut self, now: Now, miner: usize) {
        self.drive(now, miner, Input::Work);
        self.settle(now);
        // A subscribe that waited is answered now, and lines behind it were left where they were.
        self.pump(now, miner);
    }

    /// When something is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        let sessions = self.sessions.iter().flatten();
        let sessions = sessions.filter_map(|session| session.machine.poll_timeout(&self.terms));
        let links = self.links.iter().filter_map(Link::next_timer);
        let keep_alive = self.board.keep_alive_at(self.keep_alive);
        sessions.chain(links).chain(keep_alive).min()
    }

    pub(crate) fn timers(&mut self, now: Now) {
        for miner in 0..self.sessions.len() {
            let due = self.sessions[miner].as_ref();
            let due = due.and_then(|session| session.machine.poll_timeout(&self.terms));
            if due.is_some_and(|at| at <= now.instant) {
                self.drive(now, miner, Input::Timeout);
                self.pump(now, miner);
            }
        }
        self.link_timers(now);
        self.board.keep_alive(now, self.keep_alive);
        self.select(now);
        self.settle(now);
    }

    /// The sums that hold at every moment.
    pub(crate) fn check(&self) {
        let outstanding: usize = self.links.iter().map(Link::outstanding).sum();
        let candidates = self.ledger.candidates - self.ledger.candidates_ended;
        let held = self.links.iter().map(|link| link.held.len() as u64).sum();
        self.ledger.check(Underway { outstanding: outstanding as u64 - candidates, held });
        let owed: u64 = self.sessions.iter().flatten().map(|session| session.owed).sum();
        let answers = self.answered + owed + self.orphaned;
        assert_eq!(self.ledger.received, answers, "each share has one answer: {:?}", self.ledger);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.links.iter().all(|link| link.outstanding() == 0 && link.held.is_empty())
    }

    pub(crate) fn has_session(&self, miner: usize) -> bool {
        self.sessions[miner].is_some()
    }

    /// Takes lines as long as the machine takes them.
    fn pump(&mut self, now: Now, miner: usize) {
        loop {
            let Some(session) = &mut self.sessions[miner] else { return };
            if !session.machine.accepts_lines() {
                return;
            }
            let Some(line) = session.decoder.next_line().expect("lines of honest length") else {
                return;
            };
            let line = line.to_vec();
            self.drive(now, miner, Input::Line(&line));
            self.settle(now);
        }
    }

    /// Gives the machine one input and does what it wants done.
    fn drive(&mut self, now: Now, miner: usize, input: Input<'_>) {
        let Some(session) = &mut self.sessions[miner] else { return };
        let submitted = match &input {
            Input::Line(line) => u64::from(is_submit(line)),
            Input::HandedOver(..) | Input::Leave { .. } | Input::Timeout | Input::Work => 0,
            Input::Message { .. } | Input::Turned(_) => unreachable!("lines only"),
        };
        let mut out = Outbox::default();
        let registry = Ids { now: now.instant, pool: &self.ids, left: &self.left };
        let work = self.board.work();
        let view =
            View { now, work, lane: None, former: None, terms: &self.terms, registry: &registry };
        session.machine.handle(&view, input, &mut out);
        assert_eq!(out.close, None, "a miner was let go: {:?}", session.machine);
        let answers = count_share_answers(&out.wire);
        let owed = session.machine.answers_owed() as u64;
        assert_eq!(session.owed + submitted, answers + owed, "each submit is answered once");
        session.owed = owed;
        session.check_job(&out.wire, self.board.work());
        let conn = session.conn;
        self.ledger.received += submitted;
        self.answered += answers;
        if !out.wire.is_empty() {
            self.out.push(Outgoing::ToMiner(conn, out.wire));
        }
        out.events.iter().for_each(|event| self.observe(event));
        match out.forward {
            Some(Forward::Due(ticket, share)) => {
                self.ledger.accept(&share);
                self.ledger.due += 1;
                self.hand_over(now, links::Handoff { miner, conn, ticket, share });
            }
            Some(Forward::Candidate(share)) => self.forward_candidate(now, &share),
            None => {}
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::BelowPool(share) => {
                self.ledger.accept(share);
                self.ledger.below_pool += 1;
            }
            Event::Refused(reject, _) => {
                *self.ledger.rejected.entry(reject.label()).or_default() += 1;
            }
            Event::Malformed(what) => panic!("a miner was misunderstood: {what}"),
            Event::Authorized(_)
            | Event::CoinbaseTooLong { .. }
            | Event::Difficulty(_)
            | Event::Mining
            | Event::Renumbered
            | Event::Resumed => {}
        }
    }

    /// Tells miners what became of their shares, publishes the work, and takes the lines that waited for it.
    fn settle(&mut self, now: Now) {
        while let Some((miner, conn, ticket, result)) = self.handed.pop_front() {
            if self.sessions[miner].as_ref().is_some_and(|session| session.conn == conn) {
                self.drive(now, miner, Input::HandedOver(ticket, result));
                self.pump(now, miner);
            }
        }
        let work = self.board.work();
        let serial = work.lane(None).map(|lane| lane.job.serial);
        let published = (work.epoch, serial, work.jobs.live_count());
        if published != self.published {
            self.published = published;
            self.out.push(Outgoing::Wake);
        }
    }

    fn new_source(&mut self) -> SourceId {
        self.next_source += 1;
        SourceId(self.next_source)
    }
}

// === impl Session ===

impl Session {
    /// A job is clean exactly when the epoch has changed since the one before, and no difficulty hides work that its pool
    /// would pay.
    fn check_job(&mut self, wire: &[u8], work: &Work) {
        for line in String::from_utf8_lossy(wire).lines() {
            if let Some((_, rest)) =
                line.split_once("\"method\":\"mining.set_difficulty\",\"params\":[")
            {
                let (number, _) = rest.split_once(']').unwrap();
                self.difficulty = Some(Difficulty::parse(number).unwrap());
            }
            if line.contains("\"method\":\"mining.notify\"") {
                let clean = line.ends_with(",true]}");
                let lane = work.lane(None).expect("a job to send");
                assert_eq!(clean, self.epoch.replace(lane.epoch) != Some(lane.epoch), "{line}");
                assert!(self.difficulty.unwrap() <= lane.job.pool_difficulty, "work is hidden");
            }
        }
    }
}

fn is_submit(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.contains("\"mining.submit\"")
}

/// Replies in these bytes that are for shares.
fn count_share_answers(wire: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(wire);
    let ids = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("{\"id\":")?;
        let (id, rest) = rest.split_once(',')?;
        rest.starts_with("\"result\"").then(|| id.parse::<u64>().ok()).flatten()
    });
    ids.filter(|id| *id >= FIRST_SUBMIT).count() as u64
}
