//! Simulated pools: they hand out jobs, keep sessions or forget them, and judge every share by their own rule.

use std::collections::{BTreeMap, HashSet};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::chain::{Filled, Hash, Template, hex, meets, unhex, word};
use crate::world::Conn;

/// What tells one pool from another.
#[derive(Clone, Debug)]
pub(crate) struct PoolSettings {
    pub(crate) extranonce1_len: usize,
    pub(crate) extranonce2_size: usize,
    pub(crate) mask: u32,
    pub(crate) configure: Configure,
    pub(crate) difficulty: &'static str,
    /// Difficulty and job right after the reply to subscribe, as ckpool does.
    pub(crate) job_before_login: bool,
    pub(crate) verdict_ms: u64,
    pub(crate) job_every_ms: u64,
    pub(crate) clean_percent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configure {
    Grants,
    Refuses,
    Silent,
}

/// A line and how long the pool takes to say it.
pub(crate) type Saying = (u64, String);

#[derive(Debug)]
pub(crate) struct Pool {
    settings: PoolSettings,
    rng: Rng,
    sessions: BTreeMap<String, Session>,
    conns: BTreeMap<Conn, Peer>,
    prev_hash: [u8; 32],
    next_id: u64,
    pub(crate) counts: Counts,
    /// The next verdict is never said.
    pub(crate) swallow_verdict: bool,
    /// Every share that was ever accepted.
    accepted: HashSet<Hash>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) sessions: u64,
    pub(crate) resumed: u64,
    pub(crate) jobs: u64,
}

#[derive(Debug)]
struct Session {
    extranonce1: Vec<u8>,
    mask: u32,
    difficulty: &'static str,
    jobs: Vec<Job>,
    seen: HashSet<Hash>,
}

#[derive(Debug)]
struct Job {
    id: String,
    template: Template,
    extranonce1: Vec<u8>,
    mask: u32,
    difficulty: &'static str,
    live: bool,
}

#[derive(Debug, Default)]
struct Peer {
    mask: u32,
    session: Option<String>,
    authorized: bool,
}

/// Jobs that a session remembers.
const JOBS_MAX: usize = 100;

impl Pool {
    pub(crate) fn new(settings: PoolSettings, prev_hash: [u8; 32], rng: Rng) -> Self {
        Self {
            settings,
            rng,
            sessions: BTreeMap::new(),
            conns: BTreeMap::new(),
            prev_hash,
            next_id: 1,
            counts: Counts::default(),
            swallow_verdict: false,
            accepted: HashSet::new(),
        }
    }

    pub(crate) fn connected(&mut self, conn: Conn) {
        self.conns.insert(conn, Peer::default());
    }

    pub(crate) fn gone(&mut self, conn: Conn) {
        self.conns.remove(&conn);
    }

    /// A restart: whoever comes back gets another extranonce1.
    pub(crate) fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    pub(crate) fn hear(&mut self, conn: Conn, line: &str, unix: u32) -> Vec<Saying> {
        let line: Value = serde_json::from_str(line).expect("the proxy writes JSON");
        let (id, params) = (line["id"].as_u64().expect("an id of the proxy's"), &line["params"]);
        match line["method"].as_str().expect("a request") {
            "mining.configure" => self.configure(conn, id, params),
            "mining.subscribe" => self.subscribe(conn, id, params, unix),
            "mining.authorize" => self.authorize(conn, id, unix),
            "mining.extranonce.subscribe" => vec![(0, refusal(id, 20, "Not supported."))],
            "mining.submit" => self.submit(conn, id, params),
            other => panic!("the proxy sent {other}"),
        }
    }

    /// A new job for everyone who is logged in.
    pub(crate) fn tick(&mut self, unix: u32) -> Vec<(Conn, Saying)> {
        let clean = self.rng.u8(..100) < self.settings.clean_percent;
        self.broadcast(clean, unix)
    }

    /// Somebody has found a block.
    pub(crate) fn block(&mut self, prev_hash: [u8; 32], unix: u32) -> Vec<(Conn, Saying)> {
        self.prev_hash = prev_hash;
        self.broadcast(true, unix)
    }

    pub(crate) fn has_accepted(&self, hash: &Hash) -> bool {
        self.accepted.contains(hash)
    }

    pub(crate) fn job_every_ms(&self) -> u64 {
        self.settings.job_every_ms
    }

    fn broadcast(&mut self, clean: bool, unix: u32) -> Vec<(Conn, Saying)> {
        let conns: Vec<Conn> = self.logged_in().collect();
        conns.into_iter().map(|conn| (conn, (0, self.job(conn, clean, unix)))).collect()
    }

    /// A whim: another difficulty, mask or extranonce1 for everyone, and a job that it holds for.
    pub(crate) fn change_terms(&mut self, unix: u32) -> Vec<(Conn, Saying)> {
        let whim = self.rng.u8(..3);
        let conns: Vec<Conn> = self.logged_in().collect();
        let mut said = Vec::new();
        for conn in conns {
            said.push((conn, (0, self.change_terms_of(conn, whim))));
            // A changed mask holds for the job that there is.
            if whim != 1 || self.rng.bool() {
                said.push((conn, (0, self.job(conn, whim == 2, unix))));
            }
        }
        said
    }

    fn change_terms_of(&mut self, conn: Conn, whim: u8) -> String {
        let rolls = self.conns[&conn].mask != 0;
        let extranonce1 = self.new_extranonce1();
        let size = self.settings.extranonce2_size;
        let difficulties = ["0.000000005", "1e-8", "0.00000002"];
        let difficulty = difficulties[self.rng.usize(..difficulties.len())];
        let mask = [0x1fff_e000, 0x0000_e000, 0][self.rng.usize(..3)] & self.settings.mask;
        let session = self.session_of(conn);
        match whim {
            1 if rolls => {
                session.mask = mask;
                notification("mining.set_version_mask", &json!([format!("{mask:08x}")]))
            }
            2 => {
                session.extranonce1.clone_from(&extranonce1);
                notification("mining.set_extranonce", &json!([hex(&extranonce1), size]))
            }
            _ => {
                session.difficulty = difficulty;
                let number: Value = serde_json::from_str(difficulty).unwrap();
                notification("mining.set_difficulty", &json!([number]))
            }
        }
    }

    fn logged_in(&self) -> impl Iterator<Item = Conn> {
        self.conns.iter().filter(|(_, peer)| peer.authorized).map(|(conn, _)| *conn)
    }

    fn session_of(&mut self, conn: Conn) -> &mut Session {
        let name = self.conns[&conn].session.as_ref().expect("subscribed");
        self.sessions.get_mut(name).expect("a session of this run")
    }

    fn new_extranonce1(&mut self) -> Vec<u8> {
        let mut extranonce1 = vec![0; self.settings.extranonce1_len];
        self.rng.fill(&mut extranonce1);
        extranonce1
    }

    fn configure(&mut self, conn: Conn, id: u64, params: &Value) -> Vec<Saying> {
        let asked = word(params[1]["version-rolling.mask"].as_str().unwrap());
        match self.settings.configure {
            Configure::Silent => Vec::new(),
            Configure::Refuses => vec![(0, refusal(id, 20, "Method not found"))],
            Configure::Grants => {
                let mask = asked & self.settings.mask;
                self.conns.get_mut(&conn).unwrap().mask = mask;
                let granted = json!({
                    "version-rolling": mask != 0,
                    "version-rolling.mask": format!("{mask:08x}"),
                });
                vec![(0, reply(id, &granted))]
            }
        }
    }

    fn subscribe(&mut self, conn: Conn, id: u64, params: &Value, unix: u32) -> Vec<Saying> {
        let asked = params[1].as_str().map(str::to_owned);
        let known = asked.filter(|asked| self.sessions.contains_key(asked));
        let mask = self.conns[&conn].mask;
        let name = if let Some(name) = known {
            self.counts.resumed += 1;
            self.sessions.get_mut(&name).unwrap().mask = mask;
            name
        } else {
            self.counts.sessions += 1;
            self.open_session(mask)
        };
        self.conns.get_mut(&conn).unwrap().session = Some(name.clone());
        let extranonce1 = hex(&self.session_of(conn).extranonce1);
        let pair = json!([[["mining.notify", name]], extranonce1, self.settings.extranonce2_size]);
        let mut said = vec![(0, reply(id, &pair))];
        if self.settings.job_before_login {
            said.extend(self.first_job(conn, unix));
        }
        said
    }

    fn open_session(&mut self, mask: u32) -> String {
        let name = format!("s{}", self.rng.u64(..));
        let session = Session {
            extranonce1: self.new_extranonce1(),
            mask,
            difficulty: self.settings.difficulty,
            jobs: Vec::new(),
            seen: HashSet::new(),
        };
        self.sessions.insert(name.clone(), session);
        name
    }

    fn authorize(&mut self, conn: Conn, id: u64, unix: u32) -> Vec<Saying> {
        self.conns.get_mut(&conn).unwrap().authorized = true;
        let mut said = vec![(0, reply(id, &json!(true)))];
        if !self.settings.job_before_login {
            said.extend(self.first_job(conn, unix));
        }
        said
    }

    fn first_job(&mut self, conn: Conn, unix: u32) -> Vec<Saying> {
        let number: Value = serde_json::from_str(self.session_of(conn).difficulty).unwrap();
        let difficulty = notification("mining.set_difficulty", &json!([number]));
        let clean = self.rng.bool();
        // A session that goes on may do so with the very job that it was broken off in.
        let again = self.rng.bool();
        let prev_hash = self.prev_hash;
        let session = self.session_of(conn);
        let last = session.jobs.last().filter(|job| {
            let same_terms = job.extranonce1 == session.extranonce1
                && job.mask == session.mask
                && job.difficulty == session.difficulty;
            again && job.live && same_terms && job.template.prev_hash == prev_hash
        });
        let job = match last {
            Some(job) => notification("mining.notify", &params(&job.id, &job.template, false)),
            None => self.job(conn, clean, unix),
        };
        vec![(0, difficulty), (0, job)]
    }

    fn job(&mut self, conn: Conn, clean: bool, unix: u32) -> String {
        self.counts.jobs += 1;
        let id = format!("{:x}", self.next_id % 50);
        self.next_id += 1;
        let template = self.template(unix);
        let session = self.session_of(conn);
        if clean {
            session.jobs.iter_mut().for_each(|job| job.live = false);
        }
        // Ids are used again, as real pools do; the former owner is out of reach by then.
        session.jobs.retain(|job| job.id != id);
        if session.jobs.len() >= JOBS_MAX {
            session.jobs.remove(0);
        }
        let line = notification("mining.notify", &params(&id, &template, clean));
        session.jobs.push(Job {
            id,
            template,
            extranonce1: session.extranonce1.clone(),
            mask: session.mask,
            difficulty: session.difficulty,
            live: true,
        });
        line
    }

    fn template(&mut self, unix: u32) -> Template {
        let mut bytes = |len: usize| {
            let mut bytes = vec![0; len];
            self.rng.fill(&mut bytes);
            bytes
        };
        let (coinb1, coinb2) = (bytes(40), bytes(60));
        let branches = (0..bytes(1)[0] % 5).map(|_| bytes(32).try_into().unwrap()).collect();
        Template {
            prev_hash: self.prev_hash,
            coinb1,
            coinb2,
            branches,
            // Bits inside the mask, half of the time.
            version: 0x2000_0000 | if self.rng.bool() { self.rng.u32(..) & 0x1fff_e004 } else { 0 },
            // One hash in 256 is a block.
            nbits: 0x2000_ffff,
            ntime: unix,
        }
    }

    fn submit(&mut self, conn: Conn, id: u64, params: &Value) -> Vec<Saying> {
        assert!(self.conns[&conn].authorized, "a share before the login");
        let text = |index: usize| params[index].as_str().unwrap_or_default();
        assert_eq!(text(0), "acct.proxy");
        let verdict = match self.judge(conn, &text) {
            Judgement::Accepted(hash) => {
                self.accepted.insert(hash);
                self.counts.accepted += 1;
                reply(id, &json!(true))
            }
            Judgement::Refused(code, why) => {
                self.counts.refused += 1;
                refusal(id, code, why)
            }
        };
        if std::mem::take(&mut self.swallow_verdict) {
            return Vec::new();
        }
        vec![(self.rng.u64(..=2 * self.settings.verdict_ms), verdict)]
    }

    /// The pool's own rule. What it cannot even understand is a fault of the proxy's and ends the run.
    fn judge<'a>(&mut self, conn: Conn, text: &impl Fn(usize) -> &'a str) -> Judgement {
        let (extranonce2, ntime, nonce) = (unhex(text(2)), word(text(3)), word(text(4)));
        assert_eq!(extranonce2.len(), self.settings.extranonce2_size, "extranonce2 size");
        let session = self.session_of(conn);
        let job = session.jobs.iter().find(|job| job.id == text(1));
        let job = job.unwrap_or_else(|| panic!("the pool never sent job {:?}", text(1)));
        let job_time = job.template.ntime;
        let bits = text(5);
        // While a mask changes, shares by the old one are on their way: a fair pool takes both.
        let hash = [job.mask, session.mask].into_iter().find_map(|mask| {
            let bits = if bits.is_empty() { job.template.version } else { word(bits) };
            let version = job.template.version & !mask | bits & mask;
            let extranonce = [&job.extranonce1[..], &extranonce2].concat();
            let hash = job.template.hash(&Filled { extranonce, version, ntime, nonce });
            let block = meets(&hash, NETWORK_DIFFICULTY);
            (block || meets(&hash, job.difficulty.parse().unwrap())).then_some(hash)
        });
        match hash {
            _ if !job.live => Judgement::Refused(21, "Job not found"),
            _ if !(job_time..=job_time + 7000).contains(&ntime) => {
                Judgement::Refused(20, "Ntime out of range")
            }
            None => Judgement::Refused(23, "Low difficulty share"),
            Some(hash) if !session.seen.insert(hash) => Judgement::Refused(22, "Duplicate share"),
            Some(hash) => Judgement::Accepted(hash),
        }
    }
}

/// 0xffff·2^208 over 0x00ffff·256^29.
const NETWORK_DIFFICULTY: f64 = 1.0 / 16_777_216.0;

enum Judgement {
    Accepted(Hash),
    Refused(u8, &'static str),
}

fn params(id: &str, template: &Template, clean: bool) -> Value {
    let branches: Vec<String> = template.branches.iter().map(|branch| hex(branch)).collect();
    json!([
        id,
        hex(&template.prev_hash),
        hex(&template.coinb1),
        hex(&template.coinb2),
        branches,
        format!("{:08x}", template.version),
        format!("{:08x}", template.nbits),
        format!("{:08x}", template.ntime),
        clean,
    ])
}

fn reply(id: u64, result: &Value) -> String {
    json!({"id": id, "result": result, "error": null}).to_string()
}

fn refusal(id: u64, code: u8, text: &str) -> String {
    json!({"id": id, "result": null, "error": [code, text, null]}).to_string()
}

fn notification(method: &str, params: &Value) -> String {
    json!({"id": null, "method": method, "params": params}).to_string()
}
