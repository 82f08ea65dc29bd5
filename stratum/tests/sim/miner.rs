//! Simulated miners: firmware of several habits that does real work at a tiny difficulty, checks that it is answered
//! exactly once and in order, and now and then sends what no miner should.

use std::collections::VecDeque;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::chain::{Filled, Template, hex, meets, unhex, unhex32, word};

/// The habits of a firmware.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) handshake: Handshake,
    /// Asks for version rolling with this mask.
    pub(crate) mask: Option<u32>,
    /// Sends the whole handshake without waiting.
    pub(crate) pipelines: bool,
    /// Always mines the same extranonce2, as NerdMiner does.
    pub(crate) constant_extranonce2: bool,
    /// Goes on with its job while the new one is not clean, as minerd does.
    pub(crate) finishes_jobs: bool,
    /// Applies a difficulty at once and not from the next job on.
    pub(crate) hasty: bool,
    /// Asks for its former session, and sends again what had no answer, as cgminer does.
    pub(crate) resumes: bool,
    /// Asks to be told of another extranonce.
    pub(crate) follows_extranonce: bool,
    pub(crate) hashes_per_turn: u32,
    /// Turns in a hundred at which it sends something wrong.
    pub(crate) mischief_percent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
/// What is said first.
pub(crate) enum Handshake {
    Configure,
    Subscribe,
    Authorize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) answered_true: u64,
    pub(crate) answered_false: u64,
    /// Connections that ended with the answer on its way.
    pub(crate) cut_off: u64,
    /// Connections that went on with the session of the one before.
    pub(crate) resumed: u64,
    /// Times that it was told another extranonce.
    pub(crate) renumbered: u64,
}

#[derive(Debug)]
pub(crate) struct Miner {
    name: String,
    habits: Habits,
    rng: Rng,
    pub(crate) counts: Counts,
    session: Session,
    former: Option<Former>,
}

/// What it keeps of a connection that broke.
#[derive(Debug)]
struct Former {
    session: String,
    extranonce1: Vec<u8>,
    unanswered: Vec<Value>,
}

/// What belongs to one connection.
#[derive(Debug, Default)]
struct Session {
    to_say: VecDeque<String>,
    asked: VecDeque<(u64, &'static str)>,
    waiting: VecDeque<Submitted>,
    extranonce1: Option<Vec<u8>>,
    extranonce2_size: usize,
    authorized: bool,
    difficulty: Option<f64>,
    mask: u32,
    job: Option<Job>,
    next_id: u64,
    last_share: Option<String>,
    /// What the proxy calls it.
    name: Option<String>,
    /// From the next job on.
    next_extranonce: Option<(Vec<u8>, usize)>,
    to_send_again: Vec<Value>,
}

#[derive(Debug)]
struct Submitted {
    id: u64,
    honest: Honest,
    params: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Honest {
    No,
    Yes,
}

#[derive(Debug)]
struct Job {
    id: String,
    template: Template,
    difficulty: f64,
    mask: u32,
    extranonce1: Vec<u8>,
    extranonce2_size: usize,
    next: u32,
}

/// Ids of submits begin here.
pub(crate) const FIRST_SUBMIT: u64 = 1000;

impl Miner {
    pub(crate) fn new(index: usize, habits: Habits, rng: Rng) -> Self {
        let session = Session::default();
        let name = format!("acct.{index}");
        Self { name, habits, rng, counts: Counts::default(), session, former: None }
    }

    /// A new connection; returns what is said at once.
    pub(crate) fn connected(&mut self) -> Vec<String> {
        self.session = Session { next_id: FIRST_SUBMIT, ..Session::default() };
        let subscribe = match &self.former {
            Some(former) => json!(["sim/1", former.session]),
            None => json!(["sim/1"]),
        };
        let mut requests = vec![
            (2, "mining.subscribe", subscribe),
            (3, "mining.authorize", json!([self.name, "x"])),
        ];
        if let Some(mask) = self.habits.mask {
            let options = json!({"version-rolling.mask": format!("{mask:08x}")});
            requests.insert(0, (1, "mining.configure", json!([["version-rolling"], options])));
        }
        match self.habits.handshake {
            Handshake::Configure => {}
            Handshake::Subscribe => requests.sort_by_key(|(id, ..)| [9, 1, 0, 2, 3][*id as usize]),
            Handshake::Authorize => requests.sort_by_key(|(id, ..)| [9, 0, 2, 1, 3][*id as usize]),
        }
        if self.habits.follows_extranonce {
            requests.insert(0, (4, "mining.extranonce.subscribe", json!([])));
        }
        for (id, method, params) in requests {
            self.session.asked.push_back((id, method));
            let line = json!({"id": id, "method": method, "params": params});
            self.session.to_say.push_back(line.to_string());
        }
        let at_once = if self.habits.pipelines { self.session.to_say.len() } else { 1 };
        self.session.to_say.drain(..at_once).collect()
    }

    pub(crate) fn gone(&mut self) {
        self.counts.cut_off += self.session.waiting.len() as u64;
        let session = std::mem::take(&mut self.session);
        let honest = |submitted: &Submitted| submitted.honest == Honest::Yes;
        if let (true, Some(name), Some(extranonce1)) =
            (self.habits.resumes, session.name, session.extranonce1)
        {
            let unanswered = session.waiting.into_iter().filter(honest).map(|share| share.params);
            let unanswered = unanswered.chain(session.to_send_again).collect();
            self.former = Some(Former { session: name, extranonce1, unanswered });
        }
    }

    pub(crate) fn is_mining(&self) -> bool {
        self.session.job.is_some() && self.session.authorized
    }

    pub(crate) fn waits_for_answers(&self) -> usize {
        self.session.waiting.len()
    }

    /// Takes a line; returns what is said to it.
    pub(crate) fn hear(&mut self, line: &str) -> Vec<String> {
        let line: Value = serde_json::from_str(line).expect("the proxy writes JSON");
        match line["method"].as_str() {
            Some(method) => {
                self.notified(method, &line["params"]);
                Vec::new()
            }
            None => self.answered(&line),
        }
    }

    fn answered(&mut self, line: &Value) -> Vec<String> {
        let id = line["id"].as_u64().unwrap_or(0);
        if id >= FIRST_SUBMIT {
            self.share_answered(id, line);
            return Vec::new();
        }
        if id == 0 {
            assert!(!line["error"].is_null(), "an answer that nobody asked for: {line}");
            return Vec::new();
        }
        let (asked, method) = self.session.asked.pop_front().expect("a request that waits");
        assert_eq!(id, asked, "answers in the order of the requests");
        assert!(line["error"].is_null(), "{line}");
        let result = &line["result"];
        match method {
            "mining.configure" => {
                self.session.mask = word(result["version-rolling.mask"].as_str().unwrap());
            }
            "mining.subscribe" => {
                self.session.extranonce1 = Some(unhex(result[1].as_str().unwrap()));
                self.session.extranonce2_size = result[2].as_u64().unwrap() as usize;
                self.session.name = result[0][1][1].as_str().map(str::to_owned);
                let extranonce1 = self.session.extranonce1.as_ref();
                if let Some(former) = self.former.take()
                    && self.session.name.as_ref() == Some(&former.session)
                {
                    self.counts.resumed += 1;
                    if extranonce1 == Some(&former.extranonce1) {
                        self.session.to_send_again = former.unanswered;
                    }
                }
            }
            "mining.authorize" => self.session.authorized = true,
            _ => {}
        }
        self.session.to_say.pop_front().into_iter().collect()
    }

    fn share_answered(&mut self, id: u64, line: &Value) {
        let submitted = self.session.waiting.pop_front().expect("a share without an answer yet");
        assert_eq!(submitted.id, id, "answers in the order of the shares");
        if line["result"] == true {
            assert!(line["error"].is_null());
            self.counts.answered_true += 1;
            return;
        }
        self.counts.answered_false += 1;
        let code = line["error"][0].as_u64().expect("a code");
        // An honest share can come too late, or repeat work that came back; it is never anything else.
        let fair = submitted.honest == Honest::No || matches!(code, 21 | 22);
        assert!(fair, "{}: an honest share was refused: {line} {:?}", self.name, self.habits);
    }

    fn notified(&mut self, method: &str, params: &Value) {
        if method != "client.show_message" {
            assert!(self.session.extranonce1.is_some(), "{method} before the answer to subscribe");
        }
        match method {
            "mining.set_difficulty" => {
                let difficulty = params[0].as_f64().unwrap();
                self.session.difficulty = Some(difficulty);
                if let Some(job) = self.session.job.as_mut().filter(|_| self.habits.hasty) {
                    job.difficulty = difficulty;
                }
            }
            "mining.set_version_mask" => {
                self.session.mask = word(params[0].as_str().unwrap());
            }
            "mining.set_extranonce" => {
                assert!(self.habits.follows_extranonce, "{}: only who asked for it", self.name);
                self.counts.renumbered += 1;
                let extranonce1 = unhex(params[0].as_str().unwrap());
                let size = params[1].as_u64().unwrap() as usize;
                self.session.next_extranonce = Some((extranonce1, size));
            }
            "mining.notify" => self.job(params),
            "client.show_message" => {}
            other => panic!("{}: {other} without a reason", self.name),
        }
    }

    fn job(&mut self, params: &Value) {
        let text = |index: usize| params[index].as_str().unwrap();
        let clean = params[8].as_bool().unwrap();
        let difficulty = self.session.difficulty.expect("a difficulty before the first job");
        if self.session.job.is_none() {
            assert!(clean, "the first job is clean");
        }
        if let Some((extranonce1, size)) = self.session.next_extranonce.take() {
            self.session.extranonce1 = Some(extranonce1);
            self.session.extranonce2_size = size;
        }
        if self.session.job.is_some() && self.habits.finishes_jobs && !clean {
            return;
        }
        let branches = params[4].as_array().unwrap().iter();
        let template = Template {
            prev_hash: unhex32(text(1)),
            coinb1: unhex(text(2)),
            coinb2: unhex(text(3)),
            branches: branches.map(|branch| unhex32(branch.as_str().unwrap())).collect(),
            version: word(text(5)),
            nbits: word(text(6)),
            ntime: word(text(7)),
        };
        let mask = self.habits.mask.map_or(0, |_| self.session.mask);
        assert_eq!(template.version & mask, 0, "bits inside the mask are the miner's");
        let id = text(0).to_owned();
        let extranonce1 = self.session.extranonce1.clone().expect("subscribed before");
        let extranonce2_size = self.session.extranonce2_size;
        let job = Job { id, template, difficulty, mask, extranonce1, extranonce2_size, next: 0 };
        self.session.job = Some(job);
    }

    /// A turn of work: returns the shares that it found, and its mischief.
    pub(crate) fn work(&mut self) -> Vec<String> {
        if !self.is_mining() {
            return Vec::new();
        }
        let again = std::mem::take(&mut self.session.to_send_again);
        let mut said: Vec<String> =
            again.iter().map(|params| self.submit(params, Honest::Yes)).collect();
        for _ in 0..self.habits.hashes_per_turn {
            said.extend(self.try_hash());
        }
        if self.rng.u8(..100) < self.habits.mischief_percent {
            said.extend(self.mischief());
        }
        said
    }

    fn try_hash(&mut self) -> Option<String> {
        let session = &mut self.session;
        let job = session.job.as_mut()?;
        let step = job.next;
        job.next += 1;
        // Every way of searching from its beginning, as firmware does: a job that comes back is hashed again.
        let (extranonce2, roll) = match self.habits.constant_extranonce2 {
            true => (1_u64, step / 64),
            false => (u64::from(step / 16), step % 4),
        };
        let extranonce2 = extranonce2.to_be_bytes()[8 - job.extranonce2_size.min(8)..].to_vec();
        let bits = spread(roll, job.mask);
        let filled = Filled {
            extranonce: [job.extranonce1.as_slice(), &extranonce2].concat(),
            version: job.template.version | bits,
            ntime: job.template.ntime + step / 400,
            nonce: step,
        };
        let hash = job.template.hash(&filled);
        if !meets(&hash, job.difficulty) {
            return None;
        }
        let mut params = json!([
            self.name,
            job.id,
            hex(&extranonce2),
            format!("{:08x}", filled.ntime),
            format!("{:08x}", filled.nonce)
        ]);
        if job.mask != 0 {
            params.as_array_mut()?.push(json!(format!("{bits:08x}")));
        }
        Some(self.submit(&params, Honest::Yes))
    }

    fn submit(&mut self, params: &Value, honest: Honest) -> String {
        let session = &mut self.session;
        let id = session.next_id;
        session.next_id += 1;
        self.counts.submitted += 1;
        session.waiting.push_back(Submitted { id, honest, params: params.clone() });
        let line = json!({"id": id, "method": "mining.submit", "params": params}).to_string();
        session.last_share = Some(params.to_string());
        line
    }

    /// Something that no miner should send.
    fn mischief(&mut self) -> Option<String> {
        let last = self.session.last_share.clone();
        let Some(mut params) = last.and_then(|last| serde_json::from_str::<Value>(&last).ok())
        else {
            return Some(
                r#"{"id":null,"method":"mining.extranonce.subscribe","params":[]}"#.into(),
            );
        };
        match self.rng.u8(..7) {
            // The same share once more, as it is or in upper case.
            0 => {}
            1 => params[2] = json!(params[2].as_str()?.to_uppercase()),
            2 => params[1] = json!("ffffffffff"),
            3 => params[2] = json!("00"),
            4 => params[3] = json!("00000001"),
            5 => params[0] = json!("somebody.else"),
            _ => params[4] = json!(format!("{:08x}", self.rng.u32(..))),
        }
        Some(self.submit(&params, Honest::No))
    }
}

/// The low bits of `counter`, spread over the set bits of `mask`.
fn spread(counter: u32, mask: u32) -> u32 {
    let mut counter = counter;
    (0..32).map(|bit| 1_u32 << bit).filter(|bit| mask & bit != 0).fold(0, |bits, bit| {
        let set = counter & 1 != 0;
        counter >>= 1;
        if set { bits | bit } else { bits }
    })
}
