//! The one place where a share's outcome becomes a booking, a hand-over and telemetry.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loka_ops::said::cut;
use loka_stratum::downstream::{Event, Forward, Ticket};
use loka_stratum::share::{Reject, VerifiedShare};
use loka_stratum::types::SourceId;
use loka_stratum::work::Now;
use tokio::sync::oneshot;

use super::driver::Session;
use super::under_way::Known;
use super::{Answers, Feed, Stage};
use crate::policy::visitors::Visit;
use crate::sink::blocks::{BlockOnItsWay, Found};
use crate::sink::ledger::{Lost, Row, RowKey, Unanswered};
use crate::telemetry::MinerEvent;
use crate::telemetry::traces::{HandshakeTrace, ShareOutcome, ShareTrace};
use crate::upstream::{Handoff, PoolId, Sequel, ShareRecord, give_up};

/// How long a miner with a pool connection of its own waits for the pool's verdict: a pool that is slower is about to be
/// left, and what the miner finds meanwhile must not wait behind it.
const VERDICT_WAIT: Duration = Duration::from_secs(2);

// === impl Session ===

impl Session {
    pub(super) fn observe(&mut self, feed: &Feed, now: Now, event: &Event) {
        let (listener, peer) = (&*self.context.listener, self.peer());
        let said = match event {
            // Told by the last phase of the pipeline.
            Event::Authorized(_) => return,
            Event::BelowPool(share) => return self.below_pool(feed, now, share),
            Event::Refused(reject, source) => return self.refused(feed, now, *reject, *source),
            Event::Mining => {
                self.arrived(now.instant);
                return self.handshake_done(now);
            }
            Event::Difficulty(difficulty) => {
                MinerEvent::DifficultyChanged { listener, peer, difficulty }
            }
            Event::CoinbaseTooLong { len, max } => {
                let (class, len, max) = (self.machine.class(), *len, *max);
                MinerEvent::CoinbaseTooLong { listener, peer, class, len, max }
            }
            Event::Renumbered => MinerEvent::Renumbered { listener, peer },
            Event::Resumed => MinerEvent::Resumed { listener, peer },
            Event::Malformed(what) => MinerEvent::Malformed { listener, peer, what },
        };
        self.context.telemetry.emit(said);
    }

    /// Carries a share to the pool of its job; its miner is answered when that has it.
    pub(super) fn forward(&mut self, feed: &Feed, now: Now, forward: Forward) {
        match forward {
            Forward::Candidate(share) => {
                let block = Some(self.block_found(feed, now, &share));
                if let Some(pool) = self.pool(feed, PoolId::of(share.job().source)) {
                    let sequel = Sequel { verdict: None, block };
                    let (due, miner, answer, record) = (None, None, None, None);
                    let handoff = Handoff { share, due, miner, answer, sequel, record };
                    // Refused already and booked so: a queue that is full of blocks loses nothing that was promised.
                    drop(pool.handle.hand_over(handoff));
                }
            }
            Forward::Due(ticket, share) => self.due(feed, now, ticket, share),
        }
    }

    fn due(&mut self, feed: &Feed, now: Now, ticket: Ticket, share: Box<VerifiedShare>) {
        let block = share.block_candidate().then(|| self.block_found(feed, now, &share));
        self.valid(now, &share);
        self.card.due();
        let (answer, answered) = oneshot::channel();
        let known = match feed.answers {
            Answers::WhenWritten => Known::Handed,
            Answers::ByThePool => Known::Judged { by: now.instant + VERDICT_WAIT },
        };
        self.under_way.add(ticket, known, answered);
        let credited = share.credited().as_f64();
        let pool_difficulty = share.job().pool_difficulty.as_f64();
        let pool = self.pool(feed, PoolId::of(share.job().source));
        let row = pool.map_or(&feed.unknown, |pool| &pool.rows).of(self.class());
        let due = row.due(credited, pool_difficulty);
        let Some(pool) = pool else {
            // The configuration has just dropped the pool; dropping `answer` tells the miner.
            due.abandoned(Unanswered::ConnectionLost, Lost::SessionLost);
            return;
        };
        let record = self.record(&row, now, pool_difficulty);
        let handle = Arc::clone(&pool.handle);
        let wants_name = handle.wants_names.load(Ordering::Relaxed);
        let miner = wants_name.then(|| self.finder(feed, handle.id)).flatten();
        let (answer, verdict) = match feed.answers {
            Answers::WhenWritten => (Some(answer), None),
            Answers::ByThePool => (None, Some(answer)),
        };
        let sequel = Sequel { verdict, block };
        let handoff = Handoff { share, due: Some(due), miner, answer, sequel, record };
        if let Err(refused) = handle.hand_over(handoff) {
            let (reason, handoff) = *refused;
            give_up(handoff, reason);
        }
    }

    /// The name that the share was submitted under. Made for each due share that wants it, which is one in seconds: kept, it
    /// would cost every session the room. None where the plain login is that of the miner's first name.
    fn finder(&self, feed: &Feed, pool: PoolId) -> Option<Arc<str>> {
        let is_of_one_miner = feed.stage == Stage::Private && feed.pool(pool).is_some();
        let is_plain = is_of_one_miner && !self.machine.is_found_by_another();
        let finder = self.machine.finder().filter(|_| !is_plain);
        finder.map(|finder| finder.as_str().into())
    }

    fn record(&self, row: &Arc<Row>, now: Now, difficulty: f64) -> Option<Box<ShareRecord>> {
        self.context.telemetry.traces().enabled().then(|| {
            Box::new(ShareRecord {
                connection: self.trace,
                row: Arc::clone(row),
                peer: self.peer(),
                received: now.instant,
                verified: self.context.clock.now().instant,
                handed: None,
                difficulty,
            })
        })
    }

    /// A share was valid: whoever finds such is a miner.
    fn valid(&mut self, now: Now, share: &VerifiedShare) {
        self.credited += 1;
        self.card.accepted(now.unix, share.credited().as_f64());
        self.come_to(Visit::Credited);
    }

    fn below_pool(&mut self, feed: &Feed, now: Now, share: &VerifiedShare) {
        self.valid(now, share);
        let row = self.row(feed, Some(share.job().source));
        let credited = share.credited().as_f64();
        row.below_pool_difficulty(credited);
        self.trace(&row, now, ShareOutcome::BelowPool, credited);
    }

    fn refused(&mut self, feed: &Feed, now: Now, reject: Reject, source: Option<SourceId>) {
        let row = self.row(feed, source);
        row.rejected(reject);
        self.card.refused();
        self.trace(&row, now, ShareOutcome::Refused(reject.label()), 0.0);
        self.context.telemetry.emit(MinerEvent::ShareRefused {
            listener: &self.context.listener,
            peer: self.peer(),
            worker: self.machine.finder().map_or("", |worker| worker.as_str()),
            reason: reject.label(),
            trace: self.trace,
        });
    }

    fn block_found(&self, feed: &Feed, now: Now, share: &VerifiedShare) -> BlockOnItsWay {
        let row = self.row(feed, Some(share.job().source));
        row.block_candidate();
        let RowKey { listener, route, pool, account, class: _ } = row.key();
        let worker = self.machine.finder().map_or("", |worker| worker.as_str());
        let hash = share.hash();
        let telemetry = &self.context.telemetry;
        telemetry.emit(MinerEvent::BlockFound { listener, route, pool, worker, hash: &hash });
        self.context.ledger.blocks().found(Found {
            at: u64::from(now.unix.0),
            hash: hash.to_string(),
            listener: listener.to_string(),
            route: route.to_string(),
            pool: pool.to_string(),
            account: account.to_string(),
            worker: cut(worker),
        })
    }

    fn handshake_done(&self, now: Now) {
        let (listener, peer) = (&*self.context.listener, self.peer());
        let user_agent = self.machine.user_agent().unwrap_or_default();
        let worker = self.machine.worker().map_or("", |worker| worker.as_str());
        self.card.named(worker, user_agent);
        let telemetry = &self.context.telemetry;
        telemetry.traces().handshake(HandshakeTrace {
            connection: self.trace,
            listener,
            peer,
            user_agent,
            accepted: self.opened,
            done: now.instant,
        });
        telemetry.emit(MinerEvent::HandshakeDone {
            listener,
            peer,
            worker,
            user_agent,
            after: now.instant.saturating_duration_since(self.opened),
            trace: self.trace,
        });
    }

    /// Where shares for the jobs of `source` are booked.
    fn row(&self, feed: &Feed, source: Option<SourceId>) -> Arc<Row> {
        let pool = source.and_then(|source| self.pool(feed, PoolId::of(source)));
        pool.map_or(&feed.unknown, |pool| &pool.rows).of(self.class())
    }

    fn trace(&self, row: &Row, now: Now, outcome: ShareOutcome, difficulty: f64) {
        let traces = self.context.telemetry.traces();
        if !traces.enabled() {
            return;
        }
        let key = row.key();
        let verified = self.context.clock.now().instant;
        traces.share(&ShareTrace {
            connection: self.trace,
            listener: &key.listener,
            route: &key.route,
            pool: &key.pool,
            peer: self.peer(),
            received: now.instant,
            verified,
            handed: None,
            answered: Some(verified),
            verdict: None,
            outcome,
            difficulty,
        });
    }
}
