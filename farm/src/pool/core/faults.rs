//! What is done to the pool on command: its deaths, silences, changes and lies.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::judge::{Difficulty, Reason};
use crate::pool::chain::Clean;
use crate::pool::outbox::Lane;
use crate::pool::peer::{ConnectionId, Ending, ExtranonceNews};
use crate::wire::encode_hex;

use super::{Core, Jobs, Life, Refusal, Verdicts, Voice};

// === impl Core ===

impl Core {
    pub(in crate::pool) fn kill(&mut self) {
        self.life = Life::Dead;
        self.end_all(Ending::Reset);
    }

    pub(in crate::pool) fn revive(&mut self) {
        self.life = Life::Alive;
    }

    pub(in crate::pool) fn drop_connections(&mut self) {
        self.end_all(Ending::Close);
    }

    pub(in crate::pool) fn drop_connection(&mut self, id: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.end(Ending::Close);
        }
    }

    /// Everything about the sessions is forgotten; the chain and the books go on.
    pub(in crate::pool) fn restart_session(&mut self) {
        self.sessions.forget_all();
        for peer in self.peers.values_mut() {
            peer.session = None;
        }
        self.end_all(Ending::Reset);
    }

    pub(in crate::pool) fn go_silent(&mut self) {
        self.faults.voice = Voice::Silent;
        self.peers.values_mut().for_each(|peer| peer.outbox.clear());
    }

    pub(in crate::pool) fn speak_again(&mut self) {
        self.faults.voice = Voice::Speaking;
    }

    pub(in crate::pool) fn withhold_jobs(&mut self) {
        self.faults.jobs = Jobs::Withheld;
    }

    /// With a clean job at once: nobody knows what was missed.
    pub(in crate::pool) fn send_jobs(&mut self, now: Instant) {
        self.faults.jobs = Jobs::Sent;
        self.new_job(Clean::Clean, now);
    }

    pub(in crate::pool) fn withhold_verdicts(&mut self) {
        self.faults.verdicts = Verdicts::Withheld;
    }

    pub(in crate::pool) fn delay_verdicts(&mut self, delay: Duration) {
        self.faults.verdicts = Verdicts::Late(delay);
    }

    pub(in crate::pool) fn answer_submits(&mut self) {
        self.faults.verdicts = Verdicts::Prompt;
    }

    /// `None` admits them again.
    pub(in crate::pool) fn refuse_logins(&mut self, refusal: Option<(i64, &str)>) {
        let told =
            |(code, message): (i64, &str)| Refusal { code, message: message.to_owned().into() };
        self.faults.login_refusal = refusal.map(told);
    }

    /// `None` pays them again.
    pub(in crate::pool) fn refuse_shares(&mut self, reason: Option<Reason>) {
        self.faults.share_refusal = reason;
    }

    /// In force from each session's next job on; new sessions start with it.
    pub(in crate::pool) fn set_difficulty(&mut self, difficulty: Difficulty, now: Instant) {
        self.settings.difficulty.restart_at(difficulty);
        for id in self.ids() {
            if let Some((_, session)) = self.subscribed(id) {
                session.difficulty = difficulty;
            }
            if self.flowing_session(id).is_some() {
                self.tell_difficulty(id, now);
            }
        }
    }

    /// Hostile or merely odd bytes, to everyone, as they are.
    pub(in crate::pool) fn inject(&mut self, bytes: &[u8], now: Instant) {
        for id in self.ids() {
            self.inject_to(id, bytes, now);
        }
    }

    pub(in crate::pool) fn inject_to(&mut self, id: ConnectionId, bytes: &[u8], now: Instant) {
        self.queue(id, Lane::Ordered, now, bytes.to_vec());
    }

    /// These are the last words of every connection.
    pub(in crate::pool) fn break_off(&mut self, bytes: &[u8], now: Instant) {
        self.inject(bytes, now);
        self.end_all(Ending::CloseOnceSent);
    }

    /// With a clean job at once.
    pub(in crate::pool) fn pay(&mut self, key_hash: [u8; 20], now: Instant) {
        self.chain.pay(key_hash);
        self.new_job(Clean::Clean, now);
    }

    pub(in crate::pool) fn reconnect(&mut self, params: &Value, now: Instant) {
        for id in self.ids() {
            self.tell(id, "client.reconnect", params, now);
        }
    }

    /// A new extranonce1 for those who asked to be told, followed by a clean job.
    pub(in crate::pool) fn change_extranonce(&mut self, extranonce2_bytes: usize, now: Instant) {
        for id in self.ids() {
            let extranonce1 = self.sessions.fresh_extranonce1(self.settings.extranonce1_bytes);
            let Some((peer, session)) = self.subscribed(id) else { continue };
            if peer.extranonce_news == ExtranonceNews::NotWanted {
                continue;
            }
            let params = json!([encode_hex(&extranonce1), extranonce2_bytes]);
            session.extranonce1 = extranonce1;
            session.extranonce2_bytes = extranonce2_bytes;
            session.retire_jobs(now);
            self.tell(id, "mining.set_extranonce", &params, now);
            self.notify(id, Clean::Clean, now);
        }
    }

    /// A new mask for those who negotiated one. BIP310: it holds at once, also for older jobs.
    pub(in crate::pool) fn set_version_mask(&mut self, mask: u32, now: Instant) {
        self.settings.version_rolling.regrant(mask);
        for id in self.ids() {
            let rolling = self.peers.get_mut(&id).and_then(|peer| peer.rolling.as_mut());
            if let Some(mask) = rolling.map(|rolling| rolling.regrant(mask)) {
                self.tell_mask(id, mask, now);
            }
        }
    }

    pub(super) fn tell_mask(&mut self, id: ConnectionId, mask: u32, now: Instant) {
        self.tell(id, "mining.set_version_mask", &json!([format!("{mask:08x}")]), now);
    }

    fn end_all(&mut self, ending: Ending) {
        self.peers.values_mut().for_each(|peer| peer.end(ending));
    }
}
