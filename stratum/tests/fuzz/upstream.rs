//! The conversation with a pool, driven by a script: lines of the pool, time, shares of ours.
//!
//! Each line of the input is a step; what its first byte means stands at [`Session::step`], and any other line is the
//! pool's. What must hold: each share that was written ends once, with a verdict or without; no more are awaited than may be;
//! what a pool sends is within bounds when it comes out; the password goes into a login and nowhere else; requests are
//! numbered upwards, and the next of a handshake follows the answer to the one before.

use std::collections::BTreeSet;
use std::time::Duration;

use loka_stratum::difficulty::Difficulty;
use loka_stratum::message::Notify;
use loka_stratum::types::{Extranonce, NTime, Nonce, UnixTime, VersionMask};
use loka_stratum::upstream::{
    Event, Login, LoginOf, Outbox, PoolError, Resumable, Submission, Timeouts, Upstream, Worth,
};
use loka_stratum::work::Now;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::script::{Bytes, steps};

/// As the shipped limit; a longer one never reaches the machine.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// What one input may make the machine write: one request, one answer.
const WIRE_BYTES_MAX: usize = 2048;

/// Of words of a pool, the most that comes out of the machine at once.
const TEXT_MAX: usize = 1024;

/// Shares and blocks that may be awaited.
const OUTSTANDING_MAX: usize = 10_064;

/// Of one script: enough to fill all that is awaited. A whole word, so that few scripts take that long.
const SHARES_MAX: u32 = 10_100;
const FLOOD: &[u8] = b"flood";

const PASSWORD: &str = "a-password-of-ours";
const MINERS_PASSWORD: &str = "a-password-of-a-miner";

/// A line of ours. The id is as it was written: in an answer it is the pool's, who may ask under a number beyond all numbers.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Option<&'a str>,
}

struct Session {
    machine: Upstream<u32>,
    now: Now,
    ended: Option<PoolError>,
    /// Shares that were written and have no verdict.
    awaited: BTreeSet<u32>,
    next_token: u32,
    last_request: u64,
    ready: bool,
    /// A miner's password was asked about.
    told: bool,
}

pub(crate) fn run(data: &[u8]) {
    let mut session = Session::new(data.first().copied().unwrap_or_default());
    for step in steps(data) {
        session.step(step);
        if session.ended.is_some() {
            break;
        }
    }
    session.end();
}

// === impl Session ===

impl Session {
    /// Some sessions are asked for again; that the first byte says so costs a script nothing.
    fn new(how: u8) -> Self {
        let resume = (how == b'r').then(|| Resumable {
            session: "deadbeef".into(),
            extranonce1: Extranonce::from_bytes(&[8, 0, 0, 2]).expect("four bytes"),
            extranonce2_size: 8,
        });
        let login = Login {
            user: "acct.proxy".into(),
            password: PASSWORD.into(),
            user_agent: "fuzz/1".into(),
            version_mask: if how == b'n' { VersionMask::NONE } else { VersionMask(0x1fff_e000) },
            resume,
        };
        let now = Now { instant: crate::origin(), unix: UnixTime(1_000) };
        let mut out = Outbox::default();
        let machine = Upstream::new(now, login, timeouts(), &mut out);
        let (ended, awaited) = (None, BTreeSet::new());
        let mut session = Self {
            machine,
            now,
            ended,
            awaited,
            next_token: 0,
            last_request: 0,
            ready: false,
            told: false,
        };
        session.take(out, Ok(()));
        session
    }

    /// One line of a script.
    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes::new(step.get(1..).unwrap_or_default());
        if step == FLOOD {
            self.submit(SHARES_MAX, 0);
            return;
        }
        match step.first() {
            // Time passes: milliseconds.
            Some(b't') => self.wait(Duration::from_millis(bytes.number().into())),
            // Shares of ours, so many, and whether they are blocks.
            Some(b's') => self.submit(u32::from(bytes.digit() % 10), bytes.byte()),
            // A wish, a further login, and one of a miner's.
            Some(b'd') => {
                self.ask(|machine, wire| machine.suggest_difficulty(Difficulty::ONE, wire))
            }
            Some(b'a') => self.ask(|machine, wire| machine.authorize("acct.second", wire)),
            Some(b'm') => {
                self.ask(|machine, wire| machine.authorize_miner("acct.m", MINERS_PASSWORD, wire))
            }
            // Somebody wants the latest job anew.
            Some(b'o') => {
                let mut out = Outbox::default();
                self.machine.offer_again(&mut out);
                self.take(out, Ok(()));
            }
            // The answer to the latest request, with this for its result.
            Some(b'+') => {
                let result = String::from_utf8_lossy(bytes.rest());
                let line = format!("{{\"id\":{},\"result\":{result}}}", self.last_request);
                self.line(line.as_bytes());
            }
            // The same with this for its error.
            Some(b'-') => {
                let error = String::from_utf8_lossy(bytes.rest());
                let line = format!("{{\"id\":{},\"error\":{error}}}", self.last_request);
                self.line(line.as_bytes());
            }
            _ => self.line(step),
        }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        let mut fired = 0;
        while self.ended.is_none() && self.machine.poll_timeout() <= end {
            let at = self.machine.poll_timeout().max(self.now.instant);
            fired = if at > self.now.instant { 1 } else { fired + 1 };
            assert!(fired <= 4, "a timer that does not move on");
            self.now.instant = at;
            let mut out = Outbox::default();
            let result = self.machine.handle_timeout(self.now, &mut out);
            self.take(out, result);
        }
        if self.ended.is_none() {
            self.now.instant = end;
        }
    }

    fn submit(&mut self, count: u32, worth: u8) {
        let worth = if worth == b'b' { Worth::Block } else { Worth::Share };
        let extranonce2 = Extranonce::from_bytes(&[0; 8]).expect("eight bytes");
        for _ in 0..count.min(SHARES_MAX - self.next_token) {
            let token = self.next_token;
            self.next_token += 1;
            let submission = Submission {
                user: "acct.proxy",
                job_id: "j",
                extranonce2: &extranonce2,
                ntime: NTime(1_000),
                nonce: Nonce(token),
                version_bits: None,
            };
            let takes = self.machine.takes(worth);
            assert!(!takes || self.ready, "a share before the login");
            let mut wire = Vec::new();
            let taken = self.machine.submit(self.now, &submission, token, &mut wire).is_ok();
            assert!(taken || !takes, "it has said that there is room");
            assert_eq!(taken, !wire.is_empty());
            if taken {
                self.awaited.insert(token);
                self.last_request += 1;
                // Not taken apart as the others are: there may be thousands.
                let head = format!("{{\"id\":{},\"method\":\"mining.submit\"", self.last_request);
                assert!(wire.starts_with(head.as_bytes()), "{}", wire.escape_ascii());
            }
        }
        assert!(self.machine.outstanding() <= OUTSTANDING_MAX);
    }

    fn ask(&mut self, ask: impl FnOnce(&mut Upstream<u32>, &mut Vec<u8>)) {
        let mut wire = Vec::new();
        ask(&mut self.machine, &mut wire);
        assert!(wire.is_empty() || self.ready, "a request before the login");
        self.written(&wire);
    }

    fn line(&mut self, line: &[u8]) {
        if line.len() > LINE_BYTES_MAX {
            return;
        }
        let mut out = Outbox::default();
        let result = self.machine.handle_line(self.now, line, &mut out);
        self.take(out, result);
    }

    fn take(&mut self, out: Outbox<u32>, result: Result<(), PoolError>) {
        assert!(out.wire.len() <= WIRE_BYTES_MAX, "{} bytes at once", out.wire.len());
        assert!(out.events.len() <= 4, "{:?}", out.events);
        self.written(&out.wire);
        out.events.into_iter().for_each(|event| self.observe(event));
        if let Err(error) = result {
            let text = error.to_string();
            self.short(&text);
            self.ended = Some(error);
        }
        assert_eq!(self.machine.outstanding(), self.awaited.len());
    }

    fn written(&mut self, wire: &[u8]) {
        assert!(wire.is_empty() || wire.ends_with(b"\n"));
        let before = self.last_request;
        for line in wire.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let said: Said<'_> = serde_json::from_slice(line).expect("we write JSON");
            let Some(method) = said.method else { continue };
            let id = said.id.get().parse().expect("a number of ours");
            assert!(id > self.last_request, "{id} after {}", self.last_request);
            self.last_request = id;
            self.told |= String::from_utf8_lossy(line).contains(MINERS_PASSWORD);
            assert_eq!(holds_secret(&String::from_utf8_lossy(line)), method == "mining.authorize");
        }
        // Until it is logged in, it has said one thing at most, and then waits.
        assert!(self.ready || self.last_request <= before + 2, "{}", self.last_request);
    }

    fn observe(&mut self, event: Event<u32>) {
        match event {
            Event::Job { notify, context } => {
                assert!(self.ready, "a job before the login");
                assert!(context.extranonce1.len() <= 32 && context.extranonce2_size <= 32);
                let difficulty = context.difficulty.as_f64();
                assert!(difficulty.is_finite() && difficulty > 0.0);
                assert_eq!(context.version_mask.0 & !0x1fff_e000, 0, "more than was asked for");
                bounded(&notify);
            }
            Event::Login { user, of, outcome } => {
                assert_eq!(of == LoginOf::Miner, &*user == "acct.m", "{user}");
                outcome.err().iter().for_each(|text| self.short(text));
            }
            Event::Message(text) | Event::Misbehaved(text) => self.short(&text),
            Event::Ready(ready) => {
                assert!(!std::mem::replace(&mut self.ready, true), "twice");
                assert_eq!(ready.version_mask.0 & !0x1fff_e000, 0);
            }
            Event::Reconnect { host, wait, .. } => {
                // Where a pool wants us is no word of its own: a miner's password there has been made the name of a host.
                let ours = |host: &String| host.len() > TEXT_MAX || host.contains(PASSWORD);
                assert!(!host.as_ref().is_some_and(ours), "{host:?}");
                assert!(wait <= Duration::from_secs(600));
            }
            Event::Verdict { token, .. } => {
                assert!(self.awaited.remove(&token), "a second verdict on {token}");
            }
        }
    }

    /// A pool that was never told a miner's password has it from elsewhere.
    fn short(&self, text: &str) {
        assert!(text.len() <= TEXT_MAX, "{} bytes", text.len());
        assert!(!text.contains(char::is_control) && !text.contains(PASSWORD), "{text:?}");
        assert!(!self.told || !text.contains(MINERS_PASSWORD), "{text:?}");
    }

    fn end(self) {
        let left: BTreeSet<u32> = self.machine.into_outstanding().collect();
        assert_eq!(left, self.awaited, "each share ends once");
    }
}

fn bounded(notify: &Notify) {
    assert!(notify.job_id.len() <= 64 && notify.branches.len() <= 24);
    assert!(notify.coinb1.len() <= 32 * 1024 && notify.coinb2.len() <= 32 * 1024);
}

fn holds_secret(text: &str) -> bool {
    [PASSWORD, MINERS_PASSWORD].iter().any(|secret| text.contains(secret))
}

fn timeouts() -> Timeouts {
    Timeouts {
        handshake: Duration::from_secs(20),
        first_job: Duration::from_secs(30),
        job_silence: Duration::from_secs(600),
        submit: Duration::from_secs(60),
    }
}
