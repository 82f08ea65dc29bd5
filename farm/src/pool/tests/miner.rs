//! A tiny miner for the pool's own tests: it speaks plain Stratum and does real work.

use std::collections::VecDeque;
use std::sync::Arc;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Target};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::judge::{Difficulty, IssuedJob, Work};
use crate::wire::{
    self, LineStream, Message, Reply, Request, decode_hex, encode_hex, prev_hash_to_header,
};

pub(super) const USER: &str = "account.worker";

pub(super) struct TestMiner<S> {
    pub(super) lines: LineStream<S>,
    /// Everything that was received, as it came.
    pub(super) transcript: Vec<String>,
    notifications: VecDeque<Request>,
    requests: u64,
    pub(super) extranonce1: String,
    pub(super) extranonce2_bytes: usize,
    pub(super) session: Option<String>,
    pub(super) difficulty: Option<Difficulty>,
}

/// A job as the miner received it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) issued: IssuedJob,
    pub(super) clean: bool,
}

/// The parameters of one submit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) user: String,
    pub(super) job_id: String,
    pub(super) extranonce2: String,
    pub(super) ntime: String,
    pub(super) nonce: String,
    pub(super) version_bits: Option<String>,
}

fn number(hex: &Value) -> u32 {
    u32::from_str_radix(hex.as_str().expect("hex"), 16).expect("hex")
}

/// A text, or the text of a number.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn bytes(hex: &Value) -> Vec<u8> {
    decode_hex(hex.as_str().expect("hex")).expect("hex")
}

// === impl TestMiner ===

impl<S: AsyncRead + AsyncWrite + Unpin> TestMiner<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            lines: LineStream::new(stream),
            transcript: Vec::new(),
            notifications: VecDeque::new(),
            requests: 0,
            extranonce1: String::new(),
            extranonce2_bytes: 0,
            session: None,
            difficulty: None,
        }
    }

    /// Subscribed, logged in, and with the first job in hand.
    pub(super) async fn started(stream: S) -> (Self, Job) {
        let mut miner = Self::new(stream);
        miner.subscribe(json!(["tiny/1"])).await;
        assert!(miner.authorize(USER).await.is_success());
        let job = miner.job().await;
        (miner, job)
    }

    pub(super) async fn send(&mut self, line: &str) {
        self.lines.send(line.as_bytes()).await.expect("an open connection");
    }

    /// The next line, or `None` when the connection has ended in whatever way.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let line = self.lines.next_line().await.ok().flatten()?;
        self.transcript.push(line.clone());
        Some(wire::parse(&line).expect("a Stratum message"))
    }

    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Reply {
        self.requests += 1;
        self.send(&wire::request(self.requests, method, &params)).await;
        self.reply(self.requests).await
    }

    pub(super) async fn reply(&mut self, id: u64) -> Reply {
        loop {
            match self.next().await.expect("a reply") {
                Message::Reply(reply) => {
                    assert_eq!(reply.id, json!(id));
                    return reply;
                }
                Message::Request(request) => self.notifications.push_back(request),
            }
        }
    }

    pub(super) async fn subscribe(&mut self, params: Value) {
        let reply = self.ask("mining.subscribe", params).await;
        let [subscriptions, extranonce1, size] = reply.result.as_array().expect("three").as_slice()
        else {
            panic!("not three items: {:?}", reply.result);
        };
        // The last text of the nested lists is the session's id, in every form.
        let flat = subscriptions.to_string();
        self.session = flat.rsplit('"').nth(1).map(str::to_owned);
        self.extranonce1 = extranonce1.as_str().expect("hex").to_owned();
        self.extranonce2_bytes = plain(size).parse().expect("a size");
    }

    pub(super) async fn authorize(&mut self, user: &str) -> Reply {
        self.ask("mining.authorize", json!([user, "x"])).await
    }

    /// The next notification, in the order of arrival.
    pub(super) async fn heard(&mut self) -> Request {
        if let Some(request) = self.notifications.pop_front() {
            return request;
        }
        match self.next().await.expect("a notification") {
            Message::Request(request) => request,
            Message::Reply(reply) => panic!("an unasked reply: {reply:?}"),
        }
    }

    /// The next notification, which must be of this method.
    pub(super) async fn heard_of(&mut self, method: &str) -> Vec<Value> {
        let heard = self.heard().await;
        assert_eq!(heard.method, method);
        heard.params
    }

    /// The next job; the difficulty and the extranonce that are told before it are taken over.
    pub(super) async fn job(&mut self) -> Job {
        loop {
            let Request { method, params, .. } = self.heard().await;
            match method.as_str() {
                "mining.set_difficulty" => {
                    self.difficulty = Some(plain(&params[0]).parse().expect("a difficulty"));
                }
                "mining.set_extranonce" => {
                    self.extranonce1 = params[0].as_str().expect("hex").to_owned();
                    let size = params[1].as_u64().expect("a size");
                    self.extranonce2_bytes = usize::try_from(size).expect("small");
                }
                "mining.notify" => return self.read_job(&params),
                other => panic!("{other} instead of a job"),
            }
        }
    }

    fn read_job(&self, params: &[Value]) -> Job {
        let hash = |hex: &Value| bytes(hex).try_into().expect("32 bytes");
        let prev = prev_hash_to_header(params[1].as_str().expect("hex")).expect("32 bytes");
        let work = Work {
            coinb1: bytes(&params[2]),
            coinb2: bytes(&params[3]),
            branches: params[4].as_array().expect("branches").iter().map(hash).collect(),
            prev_block: BlockHash::from_byte_array(prev),
            version: number(&params[5]),
            nbits: number(&params[6]),
            ntime: number(&params[7]),
        };
        let issued = IssuedJob {
            work: Arc::new(work),
            extranonce1: decode_hex(&self.extranonce1).expect("hex"),
            extranonce2_size: self.extranonce2_bytes,
            difficulty: self.difficulty.expect("a difficulty before the first job"),
        };
        let clean = params.get(8).is_some_and(|flag| flag.as_bool().expect("a flag"));
        Job { id: plain(&params[0]), issued, clean }
    }

    pub(super) async fn submit(&mut self, share: &Share) -> Reply {
        self.ask("mining.submit", share.params()).await
    }
}

// === impl Job ===

impl Job {
    /// Looks for a share at the job's own difficulty; different salts give different shares.
    pub(super) fn share(&self, salt: u8) -> Share {
        self.work(salt, None, |target, hash| target.is_met_by(hash))
    }

    /// A share under these version bits and mask.
    pub(super) fn rolled_share(&self, salt: u8, bits: u32, mask: u32) -> Share {
        let version = (self.issued.work.version & !mask) | bits;
        self.work(salt, Some((version, bits)), |target, hash| target.is_met_by(hash))
    }

    /// Work that is not good enough.
    pub(super) fn low_share(&self, salt: u8) -> Share {
        self.work(salt, None, |target, hash| !target.is_met_by(hash))
    }

    fn work(
        &self,
        salt: u8,
        rolled: Option<(u32, u32)>,
        wanted: fn(&Target, BlockHash) -> bool,
    ) -> Share {
        let mut extranonce2 = vec![0; self.issued.extranonce2_size];
        *extranonce2.first_mut().expect("room for an extranonce2") = salt;
        let (work, target) = (&self.issued.work, self.issued.difficulty.target());
        let version = rolled.map_or(work.version, |(version, _)| version);
        let header = self.issued.header(&extranonce2, version, work.ntime, 0);
        let mut header = header.expect("a coinbase that is a transaction");
        while !wanted(&target, header.block_hash()) {
            header.nonce += 1;
        }
        Share {
            user: USER.to_owned(),
            job_id: self.id.clone(),
            extranonce2: encode_hex(&extranonce2),
            ntime: format!("{:08x}", header.time),
            nonce: format!("{:08x}", header.nonce),
            version_bits: rolled.map(|(_, bits)| format!("{bits:08x}")),
        }
    }
}

// === impl Share ===

impl Share {
    pub(super) fn params(&self) -> Value {
        let mut params = json!([self.user, self.job_id, self.extranonce2, self.ntime, self.nonce]);
        if let Some(bits) = &self.version_bits {
            params.as_array_mut().expect("an array").push(json!(bits));
        }
        params
    }
}
