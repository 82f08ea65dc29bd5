//! Shares on one connection: written, judged, booked; and once more where their session was resumed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_stratum::downstream::HandOver;
use loka_stratum::message::request::PoolSubmit;
use loka_stratum::upstream::{PoolReject, Worth};
use loka_stratum::work::Now;
use tokio::sync::oneshot;

use super::{BATCH_MAX, Connection, End};
use crate::policy::worker_name::Miner;
use crate::sink::ledger::{Lost, Unanswered};
use crate::telemetry::PoolEvent;
use crate::telemetry::reasons::{PoolDownReason, UnnamedReason, Verdict};
use crate::telemetry::traces::ShareOutcome;
use crate::upstream::held::give_up;
use crate::upstream::names::{Under, Unnamed};
use crate::upstream::{Handoff, InFlight, Time};

// === impl Connection ===

impl Connection<'_> {
    pub(super) async fn submit_batch(&mut self) -> Result<(), End> {
        let batch = std::mem::take(&mut self.batch);
        self.submit(batch).await
    }

    /// Writes shares in one go; when the socket has them, their miners are answered.
    pub(super) async fn submit(&mut self, batch: Vec<Handoff>) -> Result<(), End> {
        let now = self.now();
        let mut wire = Vec::new();
        let mut waiting = Vec::new();
        for handoff in batch {
            match self.ready {
                Some(source) if handoff.source() == source => {
                    self.submit_one(now, handoff, &mut wire, &mut waiting);
                }
                // Not logged in yet: the session may be resumed. Else it is another session's share.
                None => self.task.held.hold(now.instant, handoff),
                Some(_) => give_up(handoff, Lost::SessionLost),
            }
        }
        self.broken = waiting.len();
        self.write(&wire).await?;
        self.broken = 0;
        for answer in waiting.into_iter().flatten() {
            answer.send(HandOver::Written).ok();
        }
        Ok(())
    }

    fn submit_one(
        &mut self,
        now: Now,
        mut handoff: Handoff,
        wire: &mut Vec<u8>,
        waiting: &mut Vec<Option<oneshot::Sender<HandOver>>>,
    ) {
        let worth = match handoff.share.block_candidate() {
            true => Worth::Block,
            false => Worth::Share,
        };
        if !self.machine.takes(worth) {
            return give_up(handoff, Lost::Backlog);
        }
        // Booked as written before the write: if that fails half way, the pool may have the share.
        if let Some(due) = &mut handoff.due {
            due.written();
        }
        if let Some(record) = &mut handoff.record {
            record.handed = Some(now.instant);
        }
        let login = self.login_of(now, &handoff, wire);
        let Handoff { share, due, miner: _, answer, sequel, record } = handoff;
        let difficulty = share.job().pool_difficulty.as_f64();
        let written = now.instant;
        let share = InFlight { share, due, record, sequel, login, written, time: Time::First };
        match self.write_share(now, share, wire) {
            Ok(()) => {
                self.task.measures.written(difficulty);
                // Nobody waits for a stale block candidate; it counts as one that was broken off all the same.
                waiting.push(answer);
            }
            Err(share) => {
                if let Some(due) = share.due {
                    due.abandoned(Unanswered::TimedOut, Lost::Backlog);
                }
                if let Some(answer) = answer {
                    answer.send(HandOver::Lost).ok();
                }
            }
        }
    }

    fn write_share(
        &mut self,
        now: Now,
        token: InFlight,
        wire: &mut Vec<u8>,
    ) -> Result<(), InFlight> {
        self.last_submit = Some(now.instant);
        // The machine takes the token, so what is submitted must outlive it apart.
        let (login, pool) = (token.login.clone(), Arc::clone(&self.pool));
        let share = (*token.share).clone();
        let submission = PoolSubmit {
            user: login.as_deref().unwrap_or(&pool.user),
            job_id: &share.job().notify.job_id,
            extranonce2: share.extranonce2_for_pool(),
            ntime: share.ntime(),
            nonce: share.nonce(),
            version_bits: share.version_bits_for_pool(),
        };
        self.machine.submit(now, &submission, token, wire)
    }

    /// The further login that a share goes under. A new one is asked for; until the pool has said yes, the plain login
    /// serves.
    fn login_of(&mut self, now: Now, handoff: &Handoff, wire: &mut Vec<u8>) -> Option<Arc<str>> {
        let (name, due) = (handoff.miner.as_deref()?, handoff.due.as_ref()?);
        let miner = Miner { name, listener: &due.row().key().listener };
        let login = self.further_login(miner).filter(|login| *login != *self.pool.user)?;
        let reason = match self.names.under(now.instant, &login, self.further_logins_max()) {
            Under::Named(login) => return Some(login),
            Under::Ask(login) => {
                self.machine.authorize(&login, wire);
                Unnamed::Asked
            }
            Under::Plain(reason) => reason,
        };
        let reason = match reason {
            Unnamed::Asked => UnnamedReason::Asked,
            Unnamed::Refused => UnnamedReason::Refused,
            Unnamed::TooMany => UnnamedReason::TooMany,
        };
        let (route, pool) = (&*self.task.parts.route, self.pool.name.as_str());
        let login = login.as_str();
        self.task.parts.telemetry.emit(PoolEvent::Unnamed { route, pool, login, reason });
        None
    }

    /// What was written before the connection was lost goes to the session once more, now that the pool has given it back:
    /// it has a share or it has not. What the session cannot take is unanswered for good.
    pub(super) async fn resubmit(&mut self) -> Result<(), End> {
        let now = self.now();
        let (again, gone) = self.task.unsettled.split(now.instant, &self.task.jobs);
        for (share, reason) in gone {
            self.task.unanswered(share, reason);
        }
        let mut wire = Vec::new();
        let mut again = again.into_iter().peekable();
        while again.peek().is_some() {
            for share in again.by_ref().take(BATCH_MAX) {
                // A login of the former connection is none of this one.
                let share = InFlight { login: None, time: Time::Again, ..share };
                if let Err(share) = self.write_share(now, share, &mut wire) {
                    self.task.unanswered(share, Unanswered::ConnectionLost);
                }
            }
            let batch = std::mem::take(&mut wire);
            self.write(&batch).await?;
        }
        Ok(())
    }

    pub(super) fn verdict(
        &mut self,
        now: Instant,
        token: InFlight,
        verdict: Result<(), PoolReject>,
        after: Duration,
    ) {
        let (label, outcome) = match (verdict, token.time) {
            (Ok(()), _) => (Verdict::Accepted, ShareOutcome::PoolAccepted),
            (Err(reason), Time::First) => {
                (Verdict::Rejected, ShareOutcome::PoolRejected(reason.label()))
            }
            (Err(reason), Time::Again) => return self.refused_again(token, reason),
        };
        self.task.parts.pulse.answered(now, token.written);
        let difficulty = token.share.job().pool_difficulty.as_f64();
        self.task.measures.verdict(verdict.map_err(|_| difficulty), after);
        if let (Err(PoolReject::Unauthorized), Some(login)) = (verdict, &token.login) {
            self.login_judged(login, Err("its share was refused as unauthorized".to_owned()));
        }
        if let Some(due) = token.due {
            match verdict {
                Ok(()) => due.pool_accepted(),
                Err(reason) => due.pool_rejected(reason),
            }
        }
        let telemetry = &self.task.parts.telemetry;
        if let Some(block) = token.sequel.judged(verdict) {
            let (route, pool, hash) = (&*self.task.parts.route, &*self.pool.name, block.hash());
            telemetry.emit(PoolEvent::BlockJudged { route, pool, hash, verdict: label, outcome });
        }
        if let Some(record) = token.record {
            record.end(telemetry, now, outcome);
        }
        telemetry.emit(PoolEvent::Verdict {
            route: &self.task.parts.route,
            pool: &self.pool.name,
            verdict: label,
            after,
        });
    }

    /// A second no says nothing about the first time: a duplicate was received then, and anything else may have been.
    fn refused_again(&mut self, token: InFlight, reason: PoolReject) {
        let reason = match reason {
            PoolReject::Duplicate => Unanswered::ReceivedBefore,
            PoolReject::LowDifficulty
            | PoolReject::NotSubscribed
            | PoolReject::Other
            | PoolReject::Stale
            | PoolReject::Unauthorized => Unanswered::RefusedAgain,
        };
        self.task.unanswered(token, reason);
    }

    /// Ends the connection with what was written on it: kept for the session if that may come back, and else unanswered.
    pub(super) fn settle(self, end: &End) {
        let Self { task, machine, batch, broken, .. } = self;
        let now = task.parts.clock.now().instant;
        if let PoolDownReason::SubmitTimeout | PoolDownReason::JobSilence = end.reason {
            task.parts.pulse.is_missed();
        }
        let reason = match end.reason {
            PoolDownReason::SubmitTimeout => Unanswered::TimedOut,
            PoolDownReason::Stopped => Unanswered::Shutdown,
            _ => Unanswered::ConnectionLost,
        };
        // Of what was being written when the connection broke, the miners are told that it is lost.
        let kept = machine.outstanding() - broken.min(machine.outstanding());
        for (place, mut share) in machine.into_outstanding().enumerate() {
            // Should the session come back with a verdict, it is the ledger's; a miner is not kept waiting for it.
            share.sequel.unanswered();
            let may_come_back = place < kept && end.reason != PoolDownReason::Stopped;
            let unkept = match may_come_back {
                true => task.unsettled.keep(share, reason).err(),
                false => Some(share),
            };
            if let Some(share) = unkept {
                task.unanswered(share, reason);
            }
        }
        for handoff in batch {
            task.held.hold(now, handoff);
        }
    }
}
