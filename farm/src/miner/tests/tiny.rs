//! A tiny server for the miners' own tests: correct, but for one flaw at a time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::miner::job::{Header, Job, Unit, double_sha256};
use crate::miner::target::Target;
use crate::network::{Net, NetStream};
use crate::wire::{self, LineStream, Message, Request, decode_hex, encode_hex};

pub(super) const ADDRESS: &str = "tiny:3333";
pub(super) const DIFFICULTY: &str = "0.0000005";
pub(super) const MASK: u32 = 0x1fff_e000;
const NTIME: u32 = 1_700_000_000;

/// What a request must be like.
#[derive(Clone, Copy)]
pub(super) struct Demand(pub(super) fn(&Request) -> bool);

impl PartialEq for Demand {
    /// No two demands are alike: functions cannot be told apart.
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("demand")
    }
}

/// What is wrong with the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Flaw {
    None,
    CloseOn(&'static str),
    CoinbaseBytes(usize),
    ConfigureWithout(&'static str),
    ExtraReply,
    Extranonce2Size(usize),
    HangOnTls,
    IdsAsText,
    JobBeforeSubscribed,
    LateReply(&'static str, Duration),
    LongLine(usize),
    MaskBeforeConfigured,
    MaskToAll,
    NoJob,
    NoReply(&'static str),
    NoticeBefore(&'static str),
    NullIdsOnShares,
    RefuseUnless(&'static str, Demand),
    RepeatedJobId,
    ReversedReplies,
    SilentAfterJob,
    TenthParameter,
    VersionBits,
}

/// What the server has seen.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Methods, in order.
    pub(super) methods: Vec<String>,
    /// Whole lines, in order.
    pub(super) lines: Vec<String>,
    /// Verdicts on shares: `Ok` holds the job id.
    pub(super) verdicts: Vec<Result<String, &'static str>>,
    pub(super) connections: usize,
}

pub(super) type Shared = Arc<Mutex<Log>>;

/// Accepts for ever; the task ends with the set.
pub(super) fn serve(tasks: &mut JoinSet<()>, net: &Net, flaw: Flaw) -> Shared {
    let log = Shared::default();
    let listener = net.listen(ADDRESS).unwrap();
    let shared = Arc::clone(&log);
    tasks.spawn(async move {
        let mut listener = listener;
        let mut connections = JoinSet::new();
        while let Ok(stream) = listener.accept().await {
            shared.lock().unwrap().connections += 1;
            let tiny = Tiny::new(flaw.clone(), Arc::clone(&shared));
            connections.spawn(tiny.connection(stream));
        }
    });
    log
}

struct Tiny {
    flaw: Flaw,
    log: Shared,
    jobs: Vec<(Job, bool)>,
    rolling: bool,
    subscribed: bool,
    authorized: bool,
    held_back: Vec<String>,
}

impl Tiny {
    fn new(flaw: Flaw, log: Shared) -> Self {
        Self {
            flaw,
            log,
            jobs: Vec::new(),
            rolling: false,
            subscribed: false,
            authorized: false,
            held_back: Vec::new(),
        }
    }

    async fn connection(mut self, stream: NetStream) {
        let mut stream = BufReader::new(stream);
        let first = stream.fill_buf().await.map(|bytes| bytes.first().copied());
        if first.is_ok_and(|byte| byte == Some(0x16)) {
            if self.flaw == Flaw::HangOnTls {
                std::future::pending::<()>().await;
            }
            return;
        }
        let mut lines = LineStream::new(stream);
        if self.flaw == Flaw::JobBeforeSubscribed {
            lines.send(self.notify("0").as_bytes()).await.unwrap();
        }
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(Message::Request(request)) = wire::parse(&line) else { continue };
            {
                let mut log = self.log.lock().unwrap();
                log.methods.push(request.method.clone());
                log.lines.push(line);
            }
            if self.flaw == Flaw::CloseOn(leak(&request.method)) {
                return;
            }
            if self.flaw == Flaw::SilentAfterJob && request.method == "mining.submit" {
                // It goes on reading: the miner must not see a stalled write.
                while let Ok(Some(_)) = lines.next_line().await {}
                return;
            }
            if let Flaw::LateReply(method, by) = &self.flaw
                && *method == request.method
            {
                sleep(*by).await;
            }
            for line in self.answer(&request) {
                if lines.send(line.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn answer(&mut self, request: &Request) -> Vec<String> {
        let mut out = Vec::new();
        let method = request.method.as_str();
        if self.flaw == Flaw::NoticeBefore(leak(method)) {
            out.push(set_difficulty());
        }
        if self.flaw == Flaw::MaskBeforeConfigured && method == "mining.configure" {
            out.push(set_mask());
        }
        if self.flaw == Flaw::NoReply(leak(method)) {
            return out;
        }
        let verdict = self.verdict(request);
        let id = match &self.flaw {
            Flaw::IdsAsText => json!(request.id.to_string()),
            Flaw::NullIdsOnShares if method == "mining.submit" => Value::Null,
            _ => request.id.clone(),
        };
        let reply = match verdict {
            Ok(result) => wire::reply(&id, &result),
            Err(error) => format!("{{\"id\":{id},\"result\":null,\"error\":{error}}}\n"),
        };
        if self.flaw == Flaw::ReversedReplies && !self.authorized {
            self.held_back.push(reply);
            return out;
        }
        out.push(reply);
        out.extend(self.held_back.drain(..).rev());
        if self.flaw == Flaw::ExtraReply && method == "mining.authorize" {
            out.push(wire::reply(&json!(4), &json!(true)));
        }
        out.extend(self.first_job(method));
        out
    }

    /// `Err` is the error triple.
    fn verdict(&mut self, request: &Request) -> Result<Value, Value> {
        if let Flaw::RefuseUnless(method, fits) = &self.flaw
            && *method == request.method
            && !fits.0(request)
        {
            return Err(json!([20, "malformed", null]));
        }
        match request.method.as_str() {
            "mining.configure" => Ok(self.configured(&request.params)),
            "mining.subscribe" => {
                self.subscribed = true;
                let size = if let Flaw::Extranonce2Size(size) = self.flaw { size } else { 4 };
                Ok(json!([
                    [["mining.set_difficulty", "a1"], ["mining.notify", "a2"]],
                    "0800",
                    size
                ]))
            }
            "mining.authorize" => {
                self.authorized = true;
                Ok(json!(true))
            }
            "mining.submit" => {
                let judged = self.judge(&request.params);
                self.log().verdicts.push(judged.clone());
                judged.map(|_| json!(true)).map_err(|why| json!([23, why, null]))
            }
            "mining.get_transactions" => Ok(json!([])),
            _ => Ok(json!(true)),
        }
    }

    fn configured(&mut self, params: &[Value]) -> Value {
        let codes = params[0].as_array().unwrap();
        self.rolling = codes.contains(&json!("version-rolling"));
        let mut entries = serde_json::Map::new();
        for code in codes.iter().filter_map(Value::as_str) {
            if self.flaw != Flaw::ConfigureWithout(leak(code)) {
                entries.insert(code.to_owned(), json!(true));
            }
        }
        entries.insert("version-rolling.mask".to_owned(), json!(format!("{MASK:08x}")));
        Value::Object(entries)
    }

    /// After both the subscribe and the authorize reply, as a good server does.
    fn first_job(&mut self, method: &str) -> Vec<String> {
        let done = self.subscribed && self.authorized && self.jobs.is_empty();
        if !done || !matches!(method, "mining.subscribe" | "mining.authorize") {
            return Vec::new();
        }
        match self.flaw.clone() {
            Flaw::NoJob => Vec::new(),
            Flaw::MaskToAll => vec![set_mask(), set_difficulty(), self.notify("1")],
            Flaw::LongLine(bytes) => {
                let long = json!(["m".repeat(bytes)]);
                vec![wire::notification("client.show_message", &long)]
            }
            Flaw::RepeatedJobId => vec![set_difficulty(), self.notify("1"), self.notify("1")],
            _ => vec![set_difficulty(), self.notify("1")],
        }
    }

    fn notify(&mut self, id: &str) -> String {
        let version = match self.flaw {
            Flaw::VersionBits => 0x2000_2004,
            _ => 0x2000_0004,
        };
        let serial = u32::try_from(self.jobs.len()).unwrap();
        let coinbase = if let Flaw::CoinbaseBytes(bytes) = self.flaw { bytes - 6 } else { 194 };
        let job = Job {
            id: id.to_owned(),
            coinb1: vec![1; 60],
            coinb2: vec![2; coinbase - 60],
            branches: vec![[5; 32], [6; 32]],
            header: Header {
                version,
                prev_hash: [9; 32],
                nbits: 0x1d00_ffff,
                ntime: NTIME + serial,
            },
            clean: serial == 0,
        };
        let mut params = json!([
            id,
            wire::prev_hash_to_notify(&job.header.prev_hash),
            encode_hex(&job.coinb1),
            encode_hex(&job.coinb2),
            job.branches.iter().map(|branch| encode_hex(branch)).collect::<Vec<_>>(),
            format!("{version:08x}"),
            format!("{:08x}", job.header.nbits),
            format!("{:08x}", job.header.ntime),
            job.clean,
        ]);
        if self.flaw == Flaw::TenthParameter {
            params.as_array_mut().unwrap().push(json!("extra"));
        }
        self.jobs.push((job, self.rolling));
        wire::notification("mining.notify", &params)
    }

    /// From the parameters alone, as BIP310 has it.
    fn judge(&self, params: &[Value]) -> Result<String, &'static str> {
        let text = |index: usize| params.get(index).and_then(Value::as_str);
        let number = |index: usize| u32::from_str_radix(text(index)?, 16).ok();
        let id = text(1).ok_or("job id")?;
        let (job, rolling) =
            self.jobs.iter().rev().find(|(job, _)| job.id == id).ok_or("unknown job")?;
        let extranonce2 = text(2).and_then(decode_hex).ok_or("extranonce2")?;
        if extranonce2.len() != 4 {
            return Err("extranonce2 size");
        }
        let bits = number(5).unwrap_or(0);
        if bits & !MASK != 0 || (bits != 0 && !rolling) {
            return Err("version bits");
        }
        let ntime = number(3).ok_or("ntime")?;
        let mask = if *rolling { MASK } else { 0 };
        let version = (job.header.version & !mask) | bits;
        let unit = Unit {
            root: job.root(&[8, 0], &extranonce2),
            header: Header { version, ntime, ..job.header },
        };
        let hash = double_sha256(&[&unit.bytes(number(4).ok_or("nonce")?)]);
        if target().is_met_by(&hash) { Ok(id.to_owned()) } else { Err("above target") }
    }
}

fn set_difficulty() -> String {
    let number: Value = serde_json::from_str(DIFFICULTY).unwrap();
    wire::notification("mining.set_difficulty", &json!([number]))
}

fn target() -> Target {
    Target::of_difficulty(DIFFICULTY).unwrap()
}

fn set_mask() -> String {
    wire::notification("mining.set_version_mask", &json!([format!("{MASK:08x}")]))
}

/// Flaws name methods by `'static` text; the few that tests use are known.
fn leak(name: &str) -> &'static str {
    const NAMES: [&str; 11] = [
        "mining.authorize",
        "mining.configure",
        "mining.extranonce.subscribe",
        "mining.get_transactions",
        "mining.multi_version",
        "mining.submit",
        "mining.subscribe",
        "mining.suggest_difficulty",
        "minimum-difficulty",
        "subscribe-extranonce",
        "version-rolling",
    ];
    NAMES.into_iter().find(|known| *known == name).unwrap_or("")
}
