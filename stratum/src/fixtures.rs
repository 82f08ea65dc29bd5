//! What this crate's tests share: the vectors as values, and a place where time begins.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::difficulty::{Assignment, Difficulty, ShareHash};
use crate::extranonce::{Bank, Layout, MinerId};
use crate::hex;
use crate::job::{Job, PoolContext};
use crate::message::{Notify, ServerMessage, Submit, parse_server};
use crate::share::{Claim, Standing};
use crate::types::{Extranonce, JobSerial, NTime, Nonce, SourceId, UnixTime, Version, VersionMask};

/// A share of `vectors/shares.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct KnownShare {
    pub(crate) name: String,
    pub(crate) notify: serde_json::Value,
    pub(crate) extranonce1: String,
    pub(crate) extranonce2: String,
    pub(crate) ntime: String,
    pub(crate) nonce: String,
    pub(crate) version_bits: Option<String>,
    pub(crate) version_mask: Option<String>,
    pub(crate) header: String,
    pub(crate) hash: String,
    pub(crate) difficulty: f64,
    #[serde(default)]
    pub(crate) pool_difficulty: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) upstream_extranonce1: Option<String>,
    #[serde(default)]
    pub(crate) upstream_extranonce2: Option<String>,
}

/// A share that can be judged, with every condition of its judgement open to change.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) notify: Notify,
    pub(crate) pool: PoolContext,
    pub(crate) layout: Layout,
    pub(crate) id: u32,
    pub(crate) submit: Submit<'static>,
    pub(crate) mask: VersionMask,
    pub(crate) assigned: Difficulty,
    pub(crate) standing: Standing,
}

/// Any moment: only differences count.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be had from anywhere else")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn vectors<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn known_shares() -> Vec<KnownShare> {
    vectors(include_str!("../vectors/shares.json"))
}

/// The share whose name begins so.
pub(crate) fn known_share(name: &str) -> KnownShare {
    known_shares().into_iter().find(|share| share.name.starts_with(name)).unwrap()
}

pub(crate) fn difficulty(text: &str) -> Difficulty {
    Difficulty::parse(text).unwrap()
}

pub(crate) fn word(hex: &str) -> u32 {
    hex::parse_u32(hex).unwrap()
}

pub(crate) fn notify(params: &serde_json::Value) -> Notify {
    let line = serde_json::json!({"id": null, "method": "mining.notify", "params": params});
    let line = line.to_string();
    let message = parse_server(line.as_bytes()).unwrap();
    let ServerMessage::Notify(notify) = message else { panic!("{message:?}") };
    notify
}

// === impl KnownShare ===

impl KnownShare {
    pub(crate) fn hash(&self) -> ShareHash {
        let mut bytes: [u8; 32] = hex::decode(&self.hash).unwrap().try_into().unwrap();
        bytes.reverse();
        ShareHash::from_bytes(bytes)
    }

    pub(crate) fn mask(&self) -> VersionMask {
        self.version_mask.as_deref().map_or(VersionMask::NONE, |mask| VersionMask(word(mask)))
    }

    /// The coinbase bytes between the halves that the pool sent.
    pub(crate) fn extranonce(&self) -> String {
        format!("{}{}", self.extranonce1, self.extranonce2)
    }

    /// The extranonce1 and extranonce2 of the connection to the pool.
    pub(crate) fn pool_extranonces(&self) -> (&str, &str) {
        (
            self.upstream_extranonce1.as_deref().unwrap_or(&self.extranonce1),
            self.upstream_extranonce2.as_deref().unwrap_or(&self.extranonce2),
        )
    }

    /// This share as a miner of ours would find it in a layout, at difficulties that hide nothing;
    /// `None` if the bytes before the id are not the zeros that padding is.
    pub(crate) fn case(&self, layout: Layout) -> Option<Case> {
        let (extranonce1, extranonce2) = self.pool_extranonces();
        let bytes = hex::decode(extranonce2).unwrap();
        let (pad, rest) =
            bytes.split_at_checked(bytes.len().checked_sub(layout.total().into())?)?;
        let (id, miner) = rest.split_at(layout.id_len().into());
        if pad.iter().any(|byte| *byte != 0) {
            return None;
        }
        let easy = difficulty("1e-10");
        Some(Case {
            notify: notify(&self.notify),
            pool: PoolContext {
                extranonce1: Extranonce::from_hex(extranonce1).unwrap(),
                extranonce2_size: u8::try_from(bytes.len()).unwrap(),
                difficulty: easy,
                version_mask: self.mask(),
                received_at: UnixTime(word(&self.ntime)),
            },
            layout,
            id: id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)),
            submit: Submit {
                worker: "acct.worker1".into(),
                job_id: "1".into(),
                extranonce2: hex::encode(miner).into(),
                ntime: NTime(word(&self.ntime)),
                nonce: Nonce(word(&self.nonce)),
                version_bits: self.version_bits.as_deref().map(word),
            },
            mask: self.mask(),
            assigned: easy,
            standing: Standing::Live,
        })
    }
}

// === impl Case ===

impl Case {
    pub(crate) fn job(&self) -> Arc<Job> {
        let serial = JobSerial(1);
        Arc::new(Job::new(serial, SourceId(1), self.notify.clone(), &self.pool, Bank(0)))
    }

    pub(crate) fn miner(&self) -> MinerId {
        MinerId::new(self.layout, self.id)
    }

    pub(crate) fn claim(&self) -> Claim<'_> {
        Claim {
            submit: &self.submit,
            miner: self.miner(),
            mask: self.mask,
            assigned: Assignment::new(self.assigned),
            standing: self.standing,
        }
    }

    pub(crate) fn with_version(mut self, version: u32) -> Self {
        self.notify.version = Version(version);
        self
    }
}
