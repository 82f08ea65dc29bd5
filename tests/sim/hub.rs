//! A connection behind which several machines mine, each under a name of its own: what they say on it, and shares that are
//! found by trying.

use std::time::Duration;

use loka_farm::network::NetStream;
use loka_farm::wire::LineStream;
use loka_stratum::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::farm::Farm;

/// Hashes that a share of a test costs at most.
const HASHES_MAX: u32 = 1_000_000;

/// The connection.
pub(crate) struct Hub {
    lines: LineStream<NetStream>,
    next_id: u64,
    next_nonce: u32,
    extranonce1: Vec<u8>,
    extranonce2_bytes: usize,
    /// The parameters of the latest one.
    job: Value,
}

// === impl Hub ===

impl Hub {
    /// Subscribed, with these names authorized, and with a job.
    pub(crate) async fn at(farm: &Farm, names: &[&str]) -> Self {
        let mut hub = Self {
            lines: LineStream::new(farm.connect().await),
            next_id: 1,
            next_nonce: 0,
            extranonce1: Vec::new(),
            extranonce2_bytes: 0,
            job: Value::Null,
        };
        let granted = hub.call("mining.subscribe", json!(["hub/1"])).await;
        let extranonce1 = granted["result"][1].as_str().expect("an extranonce1");
        hub.extranonce1 = hex::decode(extranonce1).expect("hex");
        let size = granted["result"][2].as_u64().expect("a size");
        hub.extranonce2_bytes = usize::try_from(size).expect("a size");
        for name in names {
            let reply = hub.authorize(name).await;
            assert_eq!(reply["result"], true, "{name}: {reply}");
        }
        while hub.job.is_null() {
            hub.hear().await;
        }
        hub
    }

    pub(crate) async fn authorize(&mut self, name: &str) -> Value {
        self.call("mining.authorize", json!([name, "x"])).await
    }

    /// A share of `difficulty` or more for the latest job under `name`; what it is answered.
    pub(crate) async fn submit(&mut self, name: &str, difficulty: f64) -> Value {
        // Whatever has been said in the meantime.
        while let Ok(line) = timeout(Duration::from_millis(200), self.lines.next_line()).await {
            self.take(&line.expect("connected").expect("connected"));
        }
        let (extranonce2, nonce) = (vec![0; self.extranonce2_bytes], self.find(difficulty));
        let params = json!([
            name,
            self.job[0],
            hex::encode(&extranonce2),
            self.job[7],
            format!("{nonce:08x}"),
        ]);
        self.call("mining.submit", params).await
    }

    /// How many bytes it fills in itself.
    pub(crate) fn extranonce2_bytes(&self) -> usize {
        self.extranonce2_bytes
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let line = json!({"id": id, "method": method, "params": params});
        self.lines.send(format!("{line}\n").as_bytes()).await.expect("connected");
        loop {
            let line = self.hear().await;
            if line["id"] == id && line.get("method").is_none() {
                return line;
            }
        }
    }

    async fn hear(&mut self) -> Value {
        let line = timeout(Duration::from_secs(120), self.lines.next_line()).await;
        let line = line.expect("a line in time").expect("connected").expect("connected");
        self.take(&line)
    }

    fn take(&mut self, line: &str) -> Value {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        if line["method"] == "mining.notify" {
            self.job = line["params"].take();
        }
        line
    }

    fn find(&mut self, difficulty: f64) -> u32 {
        let header = self.header();
        // Of a hash read as a number, the upper half is enough.
        let most = 65_535.0 * 2f64.powi(80) / difficulty;
        let first = self.next_nonce;
        let is_good = |nonce: &u32| {
            let header = [&header[..], &nonce.to_le_bytes()].concat();
            let mut hash = sha256d(&header);
            hash.reverse();
            let upper: [u8; 16] = hash[..16].try_into().expect("half of it");
            (u128::from_be_bytes(upper) as f64) < most
        };
        let found = (first..first + HASHES_MAX).find(is_good).expect("a share in so many hashes");
        self.next_nonce = found + 1;
        found
    }

    /// All of it but the nonce.
    fn header(&self) -> Vec<u8> {
        let text = |at: usize| self.job[at].as_str().expect("a text");
        let bytes = |at: usize| hex::decode(text(at)).expect("hex");
        let turned = |at: usize| bytes(at).into_iter().rev();
        let mut coinbase = bytes(2);
        coinbase.extend(&self.extranonce1);
        coinbase.extend(vec![0; self.extranonce2_bytes]);
        coinbase.extend(bytes(3));
        let branches = self.job[4].as_array().expect("branches");
        let root = branches.iter().fold(sha256d(&coinbase), |root, branch| {
            let branch = hex::decode(branch.as_str().expect("hex")).expect("hex");
            sha256d(&[&root[..], &branch].concat())
        });
        let mut header: Vec<u8> = turned(5).collect();
        header.extend(bytes(1).chunks(4).flat_map(|word| word.iter().rev()));
        header.extend(root);
        header.extend(turned(7));
        header.extend(turned(6));
        header
    }
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
