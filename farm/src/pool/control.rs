//! The pool's levers: faults and changes on command, from any task.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use serde_json::json;
use tokio::time::Instant;

use crate::judge::{Difficulty, Reason};

use super::Shared;
use super::chain::Clean;
use super::core::Life;
use super::judged::Judged;
use super::peer::ConnectionId;

/// Commands to one practice pool; clones command the same one. Each takes effect at once in the
/// pool's records; what it sends or closes follows when the connections' tasks run.
#[derive(Clone, Debug)]
pub struct PoolControl {
    pub(super) shared: Arc<Shared>,
}

/// What a `client.reconnect` names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReconnectTo {
    /// No parameters: the same address.
    Same,
    Address {
        host: String,
        port: u16,
        wait_s: u32,
    },
}

// === impl PoolControl ===

impl PoolControl {
    /// Resets all connections and refuses new ones until [`Self::revive`].
    pub fn kill(&self) {
        self.shared.core().kill();
        self.shared.life.send_replace(Life::Dead);
    }

    pub fn revive(&self) {
        self.shared.core().revive();
        self.shared.life.send_replace(Life::Alive);
    }

    /// Closes all connections; new ones are welcome.
    pub fn drop_connections(&self) {
        self.shared.core().drop_connections();
    }

    /// Closes one connection; nothing happens if it has gone.
    pub fn drop_connection(&self, id: ConnectionId) {
        self.shared.core().drop_connection(id);
    }

    /// As after a restart of the pool's server: all connections are reset and no session can be
    /// resumed, so that everyone gets a new extranonce1.
    pub fn restart_session(&self) {
        self.shared.core().restart_session();
    }

    /// Keeps all connections and says nothing: lines are read and ignored until
    /// [`Self::speak_again`].
    pub fn go_silent(&self) {
        self.shared.core().go_silent();
    }

    pub fn speak_again(&self) {
        self.shared.core().speak_again();
    }

    /// Answers everything but sends no job, neither a first nor a next one, until
    /// [`Self::send_jobs`]. What a miner has stays good until a block is found.
    pub fn stop_jobs(&self) {
        self.shared.core().withhold_jobs();
    }

    /// Begins again, with a clean job.
    pub fn send_jobs(&self) {
        self.shared.core().send_jobs(Instant::now());
    }

    /// Refuses every login with this error until [`Self::admit_logins`]. Who is logged in stays so.
    pub fn refuse_logins(&self, code: i64, message: &str) {
        self.shared.core().refuse_logins(Some((code, message)));
    }

    pub fn admit_logins(&self) {
        self.shared.core().refuse_logins(None);
    }

    /// Refuses every share that should be paid, in books and replies, until
    /// [`Self::accept_shares`]. What is wrong with a share by itself goes first.
    pub fn refuse_shares(&self, reason: Reason) {
        self.shared.core().refuse_shares(Some(reason));
    }

    pub fn accept_shares(&self) {
        self.shared.core().refuse_shares(None);
    }

    /// Judges and books shares, but keeps the verdicts to itself until [`Self::answer_submits`].
    pub fn stop_answering_submits(&self) {
        self.shared.core().withhold_verdicts();
    }

    /// Judges and books shares at once, but tells the verdicts so much later; what else the pool
    /// says passes them. [`Self::answer_submits`] ends it for the shares to come.
    pub fn answer_submits_late(&self, delay: Duration) {
        self.shared.core().delay_verdicts(delay);
    }

    pub fn answer_submits(&self) {
        self.shared.core().answer_submits();
    }

    /// Announces a difficulty to all; it holds from each one's next job on.
    pub fn set_difficulty(&self, difficulty: Difficulty) {
        self.shared.core().set_difficulty(difficulty, Instant::now());
    }

    pub fn new_job(&self, clean: Clean) {
        self.shared.core().new_job(clean, Instant::now());
    }

    /// Somebody found a block: a clean job on a new previous hash.
    pub fn new_block(&self) {
        self.shared.core().new_block(None, Instant::now());
    }

    /// Somebody found this very block, which all pools of a world hear of.
    pub fn block_found(&self, hash: [u8; 32]) {
        let hash = BlockHash::from_byte_array(hash);
        self.shared.core().new_block(Some(hash), Instant::now());
    }

    /// The coinbase of this job and all further ones pays this key (P2PKH).
    pub fn pay(&self, key_hash: [u8; 20]) {
        self.shared.core().pay(key_hash, Instant::now());
    }

    /// From now on every judged share is kept for [`Self::take_judged`].
    pub fn keep_judged(&self) {
        self.shared.core().judged().keep();
    }

    /// What was judged since the last time, oldest first.
    #[must_use]
    pub fn take_judged(&self) -> Vec<Judged> {
        self.shared.core().judged().take()
    }

    /// Whether a share of this header and coinbase that arrived now would find its job alive, on
    /// a connection that is open. A pool that is dead or silent pays nothing.
    #[must_use]
    pub fn has_live_job(&self, header: &[u8; 80], coinbase: &[u8]) -> bool {
        self.shared.core().live_job(header, coinbase, Instant::now()).is_some()
    }

    /// Likewise, and whether it is as hard as that job asks for.
    #[must_use]
    pub fn would_pay(&self, header: &[u8; 80], coinbase: &[u8]) -> bool {
        let core = self.shared.core();
        let job = core.live_job(header, coinbase, Instant::now());
        let hash = BlockHash::from_raw_hash(bitcoin::hashes::sha256d::Hash::hash(header));
        job.is_some_and(|job| job.difficulty.target().is_met_by(hash))
    }

    /// Sends raw bytes to every connection, even from a silent pool. A line needs its `\n`.
    pub fn inject(&self, bytes: &[u8]) {
        self.shared.core().inject(bytes, Instant::now());
    }

    /// Likewise, to one connection.
    pub fn inject_to(&self, id: ConnectionId, bytes: &[u8]) {
        self.shared.core().inject_to(id, bytes, Instant::now());
    }

    /// Sends raw bytes to every connection and closes it: half a line, for instance.
    pub fn break_off(&self, bytes: &[u8]) {
        self.shared.core().break_off(bytes, Instant::now());
    }

    pub fn reconnect(&self, to: &ReconnectTo) {
        let params = match to {
            ReconnectTo::Same => json!([]),
            ReconnectTo::Address { host, port, wait_s } => json!([host, port, wait_s]),
        };
        self.shared.core().reconnect(&params, Instant::now());
    }

    /// `mining.set_extranonce` with a new extranonce1 and this size of the extranonce2, and a clean
    /// job, to those who subscribed to it; the others keep what they have.
    pub fn change_extranonce(&self, extranonce2_bytes: usize) {
        let size = extranonce2_bytes.min(super::settings::EXTRANONCE2_BYTES_MAX);
        self.shared.core().change_extranonce(size, Instant::now());
    }

    /// `mining.set_version_mask` to those who negotiated one. It holds at once, for older jobs
    /// too.
    pub fn set_version_mask(&self, mask: u32) {
        self.shared.core().set_version_mask(mask, Instant::now());
    }
}
