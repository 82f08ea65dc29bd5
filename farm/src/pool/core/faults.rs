//! What is done to the pool on command: its deaths, silences, changes and lies.

use serde_json::json;
use tokio::time::Instant;

use crate::judge::Difficulty;
use crate::pool::chain::Clean;
use crate::pool::peer::{Ending, ExtranonceNews};
use crate::wire::{self, encode_hex};

use super::{Core, Life, Verdicts, Voice};

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

    /// Everything about the sessions is forgotten; the chain and the books go on.
    pub(in crate::pool) fn restart_session(&mut self) {
        self.sessions.forget_all();
        for peer in self.peers.values_mut() {
            peer.session = None;
        }
        self.end_all(Ending::Reset);
    }

    pub(in crate::pool) fn go_silent(&mut self) {
        self.voice = Voice::Silent;
        self.peers.values_mut().for_each(|peer| peer.outbox.clear());
    }

    pub(in crate::pool) fn speak_again(&mut self) {
        self.voice = Voice::Speaking;
    }

    pub(in crate::pool) fn withhold_verdicts(&mut self) {
        self.verdicts = Verdicts::Withheld;
    }

    pub(in crate::pool) fn answer_submits(&mut self) {
        self.verdicts = Verdicts::Answered;
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
        for peer in self.peers.values_mut() {
            if !peer.send(now, bytes.to_vec()) {
                self.books.counts.slow_readers += 1;
            }
        }
    }

    pub(in crate::pool) fn reconnect(&mut self, params: &serde_json::Value, now: Instant) {
        let line = wire::notification("client.reconnect", params);
        for id in self.ids() {
            self.send(id, line.clone(), now);
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
            self.send(id, wire::notification("mining.set_extranonce", &params), now);
            self.notify(id, Clean::Clean, now);
        }
    }

    /// A new mask for those who negotiated one. BIP310: it holds at once, also for older jobs.
    pub(in crate::pool) fn set_version_mask(&mut self, mask: u32, now: Instant) {
        self.settings.version_rolling.regrant(mask);
        for id in self.ids() {
            let rolling = self.peers.get_mut(&id).and_then(|peer| peer.rolling.as_mut());
            if let Some(mask) = rolling.map(|rolling| rolling.regrant(mask)) {
                let params = json!([format!("{mask:08x}")]);
                self.send(id, wire::notification("mining.set_version_mask", &params), now);
            }
        }
    }

    fn end_all(&mut self, ending: Ending) {
        self.peers.values_mut().for_each(|peer| peer.end(ending));
    }
}
