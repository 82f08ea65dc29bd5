//! Hashing in slices, and what becomes of the shares found.

use tokio::time::Instant;

use super::Session;
use super::asked::{About, Share};
use crate::miner::search::{Find, Order, Walk};
use crate::miner::speech::{self, Json};
use crate::miner::ticket::{Fate, Ticket};
use crate::profile::{Method, NonceText, SixthParameter, SubmitId, Submits};
use crate::wire::encode_hex;

/// Hashes between two looks at the socket: about a tenth of a millisecond of a core.
const SLICE_HASHES: u32 = 512;

impl Session<'_> {
    /// Whether hashes are owed and can be done.
    pub(crate) fn has_work(&self) -> bool {
        self.is_mining() && self.lasting.pace.owed() > 0 && !self.asked.is_full()
    }

    /// Does at most a slice of the hashes owed.
    pub(crate) fn slice(&mut self, now: Instant) {
        let owed = u32::try_from(self.lasting.pace.owed()).unwrap_or(u32::MAX);
        self.refill(now);
        let interest = self.sink.interest();
        let Some(walk) = &mut self.walk else { return };
        let slice = walk.slice(owed.min(SLICE_HASHES), interest);
        self.lasting.pace.paid(slice.tried);
        self.lasting.counts.hashes += u64::from(slice.tried);
        if let Some(find) = slice.find {
            self.found(now, find);
        }
    }

    /// The next unit once the nonces are used up: of the parked job, if there is one.
    fn refill(&mut self, now: Instant) {
        let unix = self.lasting.clock.unix(now);
        let Some(walk) = self.walk.as_mut().filter(|walk| walk.is_used_up()) else { return };
        match self.parked.take() {
            Some(order) => {
                *walk = Walk::new(self.setup.profile, order, self.standing.mask, unix);
            }
            None => walk.advance(unix),
        }
    }

    fn found(&mut self, now: Instant, find: Find) {
        let Some(walk) = &self.walk else { return };
        let Order { job, extranonce1, arrived, extranonce2_size: _, target: _ } = &walk.order;
        let (job, arrived) = (std::sync::Arc::clone(job), *arrived);
        let coinbase = [&job.coinb1, &**extranonce1, &find.extranonce2, &job.coinb2].concat();
        let fate =
            if walk.order.target.is_met_by(&find.hash) { Fate::Submitted } else { Fate::Hidden };
        match fate {
            Fate::Hidden => self.lasting.counts.hidden += 1,
            Fate::Submitted => {
                self.lasting.counts.found += 1;
                self.lasting.counts.submitted += 1;
                let params = self.submit_params(&job.id, &find);
                self.submit(Share { params, found: now });
            }
        }
        self.sink.ticket(Ticket {
            worker: self.setup.worker.as_str().into(),
            at: self.lasting.clock.since_power_on(now),
            job_came: self.lasting.clock.since_unix(arrived),
            header: find.header,
            hash: find.hash,
            coinbase,
            job,
            fate,
        });
    }

    /// Shares of an earlier connection, now that its extranonce1 is back.
    pub(super) fn resend_held(&mut self, now: Instant) {
        let Submits::Resend(within) = self.setup.profile.submits else { return };
        for share in std::mem::take(&mut self.lasting.held) {
            self.lasting.counts.outstanding -= 1;
            if now.duration_since(share.found) < within && !self.asked.is_full() {
                self.lasting.counts.resent += 1;
                self.submit(share);
            } else {
                self.lasting.counts.unanswered += 1;
            }
        }
    }

    fn submit(&mut self, share: Share) {
        let profile = self.setup.profile;
        let id = match profile.ids.submit {
            SubmitId::Fixed(id) => id,
            SubmitId::Counting => {
                self.next_id += 1;
                self.next_id - 1
            }
        };
        self.lasting.counts.outstanding += 1;
        self.out.push_str(&speech::request(profile.dialect, id, Method::Submit, &share.params));
        self.asked.push(id, About::Share(share));
    }

    fn submit_params(&self, job_id: &str, find: &Find) -> Json {
        let profile = self.setup.profile;
        let nonce = match profile.search.nonce_text {
            NonceText::Padded => format!("{:08x}", find.nonce),
            NonceText::Unpadded => format!("{:x}", find.nonce),
            NonceText::Upper => format!("{:08X}", find.nonce),
        };
        let mut params = vec![
            speech::text(&self.setup.worker),
            speech::text(job_id),
            Json::Text(encode_hex(&find.extranonce2)),
            Json::Text(format!("{:08x}", find.ntime)),
            Json::Text(nonce),
        ];
        let always = profile.rolling.is_some_and(|r| r.sixth == SixthParameter::Always);
        let bits = if always { find.bits.or(Some(0)) } else { find.bits };
        params.extend(bits.map(|bits| Json::Text(format!("{bits:08x}"))));
        Json::List(params)
    }
}
