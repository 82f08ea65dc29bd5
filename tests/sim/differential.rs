//! Our judgement of shares beside one that shares no code with it: random jobs and shares, true ones and ones with each
//! field wrong in turn, are judged by us and by the farm's judge, which stands on the `bitcoin` crate.
//!
//! The judge is asked twice: with the job as the *miner* was sent it, read back from our own `mining.notify`; and, for what
//! we accept, with the job as the *pool* sent it and the share as we submit it to the pool. Verdict, hash and header must be
//! the same. A failure prints its seed; `LOKA_DIFFERENTIAL_SEED=N` runs that one only.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use loka_farm::judge::{self, AcceptedHashes, IssuedJob, JobOnRecord, Reason, Verdict, Work};
use loka_stratum::difficulty::{Assignment, Difficulty};
use loka_stratum::extranonce::{Bank, Layout, MinerId};
use loka_stratum::hex;
use loka_stratum::job::{Clean, Job, PoolContext};
use loka_stratum::message::{
    ClientMessage, Notify, ServerMessage, parse_client, parse_server, request,
};
use loka_stratum::share::{Claim, Reject, Standing, VerifiedShare, verify};
use loka_stratum::types::{Extranonce, JobSerial, SourceId, UnixTime, VersionMask};
use serde_json::{Value, json};

/// Random jobs, each with a share for every mutation: two seconds of one core.
const JOBS: u64 = 2000;

/// The name that everybody uses.
const USER: &str = "acct.rig";

/// What is wrong with a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    Nothing,
    UpperCase,
    NonceUnpadded,
    NonceOther,
    NonceNoHex,
    Extranonce2Other,
    Extranonce2Longer,
    Extranonce2Shorter,
    Extranonce2Odd,
    TimeOther,
    TimeEarly,
    TimeAheadOfJob,
    TimeFarAhead,
    TimeNoHex,
    BitsAbsent,
    BitsOutside,
    BitsNoHex,
    Stale,
}

const MUTATIONS: [Mutation; 18] = [
    Mutation::Nothing,
    Mutation::UpperCase,
    Mutation::NonceUnpadded,
    Mutation::NonceOther,
    Mutation::NonceNoHex,
    Mutation::Extranonce2Other,
    Mutation::Extranonce2Longer,
    Mutation::Extranonce2Shorter,
    Mutation::Extranonce2Odd,
    Mutation::TimeOther,
    Mutation::TimeEarly,
    Mutation::TimeAheadOfJob,
    Mutation::TimeFarAhead,
    Mutation::TimeNoHex,
    Mutation::BitsAbsent,
    Mutation::BitsOutside,
    Mutation::BitsNoHex,
    Mutation::Stale,
];

/// A pool, one of its jobs, and a miner of ours.
struct Scene {
    pool_job: Work,
    extranonce1: Vec<u8>,
    extranonce2_size: usize,
    /// Of the pool; none if it rolls nothing.
    pool_mask: u32,
    /// Of the miner, as it asked for it.
    wanted_mask: u32,
    layout: Layout,
    id: MinerId,
    pool_difficulty: String,
    miner_difficulty: String,
    now: u32,
    job: Arc<Job>,
}

/// A share as the miner writes it.
#[derive(Clone, Debug)]
struct Share {
    extranonce2: String,
    ntime: String,
    nonce: String,
    version_bits: Option<String>,
    standing: Standing,
}

/// How often what came out, so that the test cannot pass by trying nothing.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    below_pool: u64,
    reasons: BTreeSet<&'static str>,
}

#[test]
fn our_verdict_is_the_judges() {
    let only = env::var("LOKA_DIFFERENTIAL_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let mut tally = Tally::default();
    for seed in only.map_or(0..=JOBS, |seed| seed..=seed) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::draw(&mut random);
        for mutation in MUTATIONS {
            let Some(share) = scene.share(mutation, &mut random) else { continue };
            let told = format!(
                "LOKA_DIFFERENTIAL_SEED={seed} cargo test -p loka-tests --test sim \
                 our_verdict_is_the_judges: {mutation:?} {share:?}"
            );
            scene.compare(&share, &told, &mut tally);
        }
    }
    if only.is_none() {
        assert!(tally.accepted > JOBS / 2 && tally.below_pool > JOBS / 8, "{tally:?}");
        let reasons = ["extranonce2_size", "low_difficulty", "malformed", "ntime", "stale"];
        assert!(tally.reasons.iter().eq(reasons.iter().chain(&["version_bits"])), "{tally:?}");
    }
}

// === impl Scene ===

impl Scene {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let layout = Layout::new(random.u8(1..=4), random.u8(2..=8)).unwrap();
        let extranonce2_size = usize::from(layout.total()) + random.usize(0..=6);
        let extranonce1 = bytes(random, 1..=12);
        let (coinb1, coinb2) = coinbase(random, extranonce1.len() + extranonce2_size);
        let now = 1_767_225_600 + random.u32(0..1_000_000);
        let pool_job = Work {
            coinb1,
            coinb2,
            branches: (0..random.usize(0..=16)).map(|_| hash(random)).collect(),
            prev_block: BlockHash::from_byte_array(hash(random)),
            version: random.u32(..),
            nbits: 0x1705_6102,
            ntime: now - random.u32(0..900),
        };
        let masks = [0, 0x1fff_e000, 0x1fff_ffe0, 0x0000_6000, random.u32(..)];
        let (pool_mask, wanted_mask) = (masks[random.usize(0..5)], masks[random.usize(0..5)]);
        let (pool_difficulty, miner_difficulty) = (difficulty(random), difficulty(random));
        let context = PoolContext {
            extranonce1: Extranonce::from_bytes(&extranonce1).unwrap(),
            extranonce2_size: u8::try_from(extranonce2_size).unwrap(),
            difficulty: Difficulty::parse(&pool_difficulty).unwrap(),
            version_mask: VersionMask(pool_mask),
            received_at: UnixTime(now),
        };
        let notify = notify_of(&pool_job);
        let job = Job::new(JobSerial(7), SourceId(1), notify, &context, Bank(0));
        Self {
            id: MinerId::new(layout, random.u32(..)),
            job: Arc::new(job),
            pool_job,
            extranonce1,
            extranonce2_size,
            pool_mask,
            wanted_mask,
            layout,
            pool_difficulty,
            miner_difficulty,
            now,
        }
    }

    /// The bits that the miner may roll.
    fn mask(&self) -> u32 {
        self.pool_mask & self.wanted_mask
    }

    /// `None` where the mutation means nothing.
    fn share(&self, mutation: Mutation, random: &mut fastrand::Rng) -> Option<Share> {
        let extranonce2 = hex::encode(&bytes_of(random, self.layout.miner_len().into()));
        let ntime = random.u32(self.pool_job.ntime..=self.now);
        let mask = self.mask();
        let mut share = Share {
            extranonce2,
            ntime: format!("{ntime:08x}"),
            nonce: format!("{:08x}", random.u32(..)),
            version_bits: (mask != 0).then(|| format!("{:08x}", random.u32(..) & mask)),
            standing: Standing::Live,
        };
        let outside = !mask & random.u32(1..);
        match mutation {
            Mutation::Nothing => {}
            Mutation::UpperCase => {
                share.extranonce2 = share.extranonce2.to_uppercase();
                share.nonce = share.nonce.to_uppercase();
            }
            Mutation::NonceUnpadded => share.nonce = format!("{:x}", random.u32(..0x1000)),
            Mutation::NonceOther => share.nonce = format!("{:08x}", random.u32(..)),
            Mutation::NonceNoHex => share.nonce.replace_range(3..4, "g"),
            Mutation::Extranonce2Other => share.extranonce2.replace_range(0..2, "fe"),
            Mutation::Extranonce2Longer => share.extranonce2.push_str("00"),
            Mutation::Extranonce2Shorter => share.extranonce2.truncate(2),
            Mutation::Extranonce2Odd => share.extranonce2.truncate(3),
            Mutation::TimeOther => share.ntime = format!("{:08x}", ntime + random.u32(0..6000)),
            Mutation::TimeEarly => share.ntime = format!("{:08x}", self.pool_job.ntime - 1),
            Mutation::TimeAheadOfJob => {
                share.ntime = format!("{:08x}", self.pool_job.ntime + 7000 + random.u32(0..2));
            }
            Mutation::TimeFarAhead => {
                share.ntime = format!("{:08x}", self.now + 7200 + random.u32(0..2));
            }
            Mutation::TimeNoHex => share.ntime.push('0'),
            Mutation::BitsAbsent => share.version_bits = None,
            Mutation::BitsOutside if outside == 0 => return None,
            Mutation::BitsOutside => share.version_bits = Some(format!("{outside:08x}")),
            Mutation::BitsNoHex => share.version_bits = Some("0x2000".to_owned()),
            Mutation::Stale => share.standing = Standing::Stale,
        }
        Some(share)
    }

    fn compare(&self, share: &Share, told: &str, tally: &mut Tally) {
        let ours = self.judge_ours(share);
        let mut seen = AcceptedHashes::new();
        let sent = self.job_as_sent();
        let theirs = self.judge_theirs(share, &sent, &mut seen);
        match (&ours, theirs) {
            (Ok(verified), Verdict::Accepted(accepted)) => {
                assert_eq!(verified.hash().as_bytes(), accepted.hash.as_byte_array(), "{told}");
                tally.accepted += 1;
                tally.below_pool += u64::from(!verified.meets_pool());
                self.check_at_pool(verified, told);
            }
            (Err(reject), Verdict::Rejected(reason)) => {
                assert!(is_the_same(*reject, reason), "{reject:?}, {reason:?}: {told}");
                tally.reasons.insert(reason.label());
            }
            (ours, theirs) => panic!("we say {ours:?}, the judge says {theirs:?}: {told}"),
        }
    }

    /// As a session would: through the line that the miner writes.
    fn judge_ours(&self, share: &Share) -> Result<VerifiedShare, Reject> {
        let mut params = json!([USER, "7", share.extranonce2, share.ntime, share.nonce]);
        params.as_array_mut().unwrap().extend(share.version_bits.clone().map(Value::from));
        let line = json!({"id": 4, "method": "mining.submit", "params": params}).to_string();
        let Ok(request) = parse_client(line.as_bytes()) else { return Err(Reject::Malformed) };
        let ClientMessage::Submit(submit) = request.message else { panic!("{line}") };
        let claim = Claim {
            submit: &submit,
            miner: self.id,
            mask: VersionMask(self.mask()),
            assigned: Assignment::new(Difficulty::parse(&self.miner_difficulty).unwrap()),
            standing: share.standing,
        };
        verify(&self.job, &claim).map_err(|refusal| refusal.reject)
    }

    fn judge_theirs(&self, share: &Share, job: &IssuedJob, seen: &mut AcceptedHashes) -> Verdict {
        let users = BTreeSet::from([USER.to_owned()]);
        let claim = judge::Claim {
            user: USER,
            extranonce2: &share.extranonce2,
            ntime: &share.ntime,
            nonce: &share.nonce,
            version_bits: share.version_bits.as_deref(),
        };
        let mask = self.mask();
        let case = judge::Case {
            claim,
            standing: judge::Standing::Subscribed(&users),
            job: match share.standing {
                Standing::Live => JobOnRecord::Live(job),
                Standing::Late | Standing::Stale => JobOnRecord::Stale(job),
            },
            version_mask: (mask != 0).then_some(mask),
            unix_time: self.now,
        };
        judge::judge(&case, seen)
    }

    /// The job as a miner reads it: from our line, with its extranonce1.
    fn job_as_sent(&self) -> IssuedJob {
        let line = self.job.notify_line(VersionMask(self.mask()), Clean::Yes, self.id);
        let line: Value = serde_json::from_slice(&line).unwrap();
        let params = &line["params"];
        assert_eq!(params.as_array().unwrap().len(), 9, "{line}");
        let word = |index: usize| u32::from_str_radix(params[index].as_str().unwrap(), 16).unwrap();
        let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let mut prev: [u8; 32] = bytes(&params[1]).try_into().unwrap();
        prev.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
        let branches = params[4].as_array().unwrap().iter();
        let work = Work {
            coinb1: bytes(&params[2]),
            coinb2: bytes(&params[3]),
            branches: branches.map(|branch| bytes(branch).try_into().unwrap()).collect(),
            prev_block: BlockHash::from_byte_array(prev),
            version: word(5),
            nbits: word(6),
            ntime: word(7),
        };
        // A share that the pool pays is good whatever the miner was told, so the easier of both decides.
        let parse = |text: &str| judge::Difficulty::parse(text).unwrap();
        let difficulty = parse(&self.pool_difficulty).min(parse(&self.miner_difficulty));
        IssuedJob {
            work: Arc::new(work),
            extranonce1: self.id.bytes().as_bytes().to_vec(),
            extranonce2_size: self.layout.miner_len().into(),
            difficulty,
        }
    }

    /// The share as we submit it, judged by the job as the pool sent it.
    fn check_at_pool(&self, verified: &VerifiedShare, told: &str) {
        let mut line = Vec::new();
        let submit = request::PoolSubmit {
            user: USER,
            job_id: &verified.job().notify.job_id,
            extranonce2: verified.extranonce2_for_pool(),
            ntime: verified.ntime(),
            nonce: verified.nonce(),
            version_bits: verified.version_bits_for_pool(),
        };
        request::submit(&mut line, 9, &submit);
        let line: Value = serde_json::from_slice(&line).unwrap();
        let param = |index: usize| line["params"].get(index).and_then(Value::as_str);
        let job = IssuedJob {
            work: Arc::new(self.pool_job.clone()),
            extranonce1: self.extranonce1.clone(),
            extranonce2_size: self.extranonce2_size,
            difficulty: judge::Difficulty::parse(&self.pool_difficulty).unwrap(),
        };
        let users = BTreeSet::from([USER.to_owned()]);
        let claim = judge::Claim {
            user: param(0).unwrap(),
            extranonce2: param(2).unwrap(),
            ntime: param(3).unwrap(),
            nonce: param(4).unwrap(),
            version_bits: param(5),
        };
        let case = judge::Case {
            claim,
            standing: judge::Standing::Subscribed(&users),
            job: JobOnRecord::Live(&job),
            version_mask: (self.pool_mask != 0).then_some(self.pool_mask),
            unix_time: self.now,
        };
        match judge::judge(&case, &mut AcceptedHashes::new()) {
            Verdict::Accepted(accepted) => {
                assert_eq!(verified.hash().as_bytes(), accepted.hash.as_byte_array(), "{told}");
                assert!(verified.meets_pool(), "{told}");
            }
            Verdict::Rejected(Reason::LowDifficulty) => assert!(!verified.meets_pool(), "{told}"),
            Verdict::Rejected(reason) => panic!("the pool refuses it as {reason:?}: {told}"),
        }
        self.check_header(verified, &job, param(2).unwrap(), told);
    }

    /// Our header is, byte by byte, the one that the pool builds.
    fn check_header(
        &self,
        verified: &VerifiedShare,
        job: &IssuedJob,
        extranonce2: &str,
        told: &str,
    ) {
        let extranonce2 = hex::decode(extranonce2).unwrap();
        let (version, ntime) = (verified.header_version(), verified.ntime());
        let theirs = job.header(&extranonce2, version.0, ntime.0, verified.nonce().0).unwrap();
        let root = self.job.merkle_root(&Extranonce::from_bytes(&extranonce2).unwrap());
        let ours = self.job.header(root, version, ntime, verified.nonce());
        assert_eq!(ours.to_bytes().as_slice(), serialize(&theirs), "{told}");
        assert_eq!(ours.hash(), verified.hash(), "{told}");
    }
}

/// Whether both refuse for one reason. Half a byte of extranonce2 is a wrong size to us and no hexadecimal to the judge;
/// miners are sent 20 for either.
fn is_the_same(reject: Reject, reason: Reason) -> bool {
    match (reject, reason) {
        (Reject::NTimeOutOfRange, Reason::NTime) | (Reject::Extranonce2Size, Reason::Malformed) => {
            true
        }
        (reject, reason) => reject.label() == reason.label(),
    }
}

/// The job as the pool sends it, read back by our parser.
fn notify_of(work: &Work) -> Notify {
    let mut prev = work.prev_block.to_byte_array();
    prev.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
    let branches: Vec<String> = work.branches.iter().map(|branch| hex::encode(branch)).collect();
    let word = |word: u32| format!("{word:08x}");
    let params = json!([
        "pool-job",
        hex::encode(&prev),
        hex::encode(&work.coinb1),
        hex::encode(&work.coinb2),
        branches,
        word(work.version),
        word(work.nbits),
        word(work.ntime),
        true
    ]);
    let line = json!({"id": null, "method": "mining.notify", "params": params}).to_string();
    let message = parse_server(line.as_bytes()).unwrap();
    let ServerMessage::Notify(notify) = message else { panic!("{line}") };
    notify
}

/// A coinbase transaction around `middle` bytes of extranonce: one input, some outputs, of any size that pools send.
fn coinbase(random: &mut fastrand::Rng, middle: usize) -> (Vec<u8>, Vec<u8>) {
    let (before, after) = (bytes(random, 4..=120), bytes(random, 0..=90));
    let mut coinb1 = vec![1 + random.u8(0..2), 0, 0, 0, 1];
    coinb1.extend([0; 32]);
    coinb1.extend([0xff; 4]);
    push_length(&mut coinb1, before.len() + middle + after.len());
    coinb1.extend(before);
    let mut coinb2 = after;
    coinb2.extend([0xff; 4]);
    let outputs = random.u8(1..=20);
    coinb2.push(outputs);
    for _ in 0..outputs {
        coinb2.extend(random.u64(0..5_000_000_000).to_le_bytes());
        let script = bytes(random, 0..=300);
        push_length(&mut coinb2, script.len());
        coinb2.extend(script);
    }
    coinb2.extend([0; 4]);
    (coinb1, coinb2)
}

/// A length as Bitcoin writes it.
fn push_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0xfd => out.push(short),
        _ => {
            out.push(0xfd);
            out.extend(u16::try_from(length).unwrap().to_le_bytes());
        }
    }
}

/// Between nearly everything and one hash in a hundred.
fn difficulty(random: &mut fastrand::Rng) -> String {
    match random.u8(0..4) {
        0 => format!("0.00000000{:02}", random.u8(3..100)),
        1 => format!("{}e-12", random.u32(233..20_000)),
        2 => format!("0.0000000{:011}", random.u64(2_400_000_000..90_000_000_000)),
        _ => format!("{:.3}e-9", random.f64() * 5.0 + 0.24),
    }
}

fn hash(random: &mut fastrand::Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    bytes
}

fn bytes(random: &mut fastrand::Rng, length: std::ops::RangeInclusive<usize>) -> Vec<u8> {
    let length = random.usize(length);
    bytes_of(random, length)
}

fn bytes_of(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}
