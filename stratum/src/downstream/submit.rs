//! A share: verdict first, then exactly one place that answers, books and forwards.

use std::sync::Arc;

use super::answers::{Answer, Ticket};
use super::{Downstream, Event, Forward, HandOver, Mining, Outbox, Phase, View};
use crate::job::{Job, Lookup};
use crate::message::Submit;
use crate::rpc::{RejectCode, RequestId};
use crate::share::{Claim, Novelty, Refusal, Reject, Standing, VerifiedShare, verify};
use crate::types::{JobSerial, SourceId, VersionMask};
use crate::upstream::PoolReject;

/// What our validation says of a share.
enum Judgement {
    Good(Box<VerifiedShare>),
    Refused(Reject, Option<SourceId>, Option<Box<VerifiedShare>>),
}

// === impl Downstream ===

impl Downstream {
    pub(super) fn submit(
        &mut self,
        view: &View<'_>,
        id: RequestId,
        submit: &Submit<'_>,
        out: &mut Outbox,
    ) {
        match self.judge(view, submit) {
            Judgement::Good(share) => self.good(view, id, share, out),
            Judgement::Refused(reject, source, candidate) => {
                let answer = Answer::Bad(reject.code(), reject.message());
                self.answers.say(&mut out.wire, id, answer);
                out.events.push(Event::Refused(reject, source));
                out.forward = candidate.map(Forward::Candidate);
            }
        }
    }

    /// The pool has the share, or its session is gone: only now is the miner answered.
    pub(super) fn handed_over(
        &mut self,
        view: &View<'_>,
        ticket: Ticket,
        result: HandOver,
        out: &mut Outbox,
    ) {
        let answer = match result {
            HandOver::Written => Answer::Good,
            HandOver::Lost => Answer::Bad(Reject::PoolLost.code(), Reject::PoolLost.message()),
            HandOver::Refused(reason) => refusal(reason),
            HandOver::Unanswered => {
                Answer::Bad(RejectCode::JobNotFound, "No verdict from the pool")
            }
        };
        if let Some(line) = self.answers.settle(&mut out.wire, ticket, answer) {
            self.line(view, &line, out);
        }
    }

    fn judge(&mut self, view: &View<'_>, submit: &Submit<'_>) -> Judgement {
        let refused = |reject| Judgement::Refused(reject, None, None);
        let is_known = self.peer.submits(&submit.worker);
        let mining = match &mut self.phase {
            Phase::Mining(mining) => mining,
            Phase::Fresh(_) | Phase::Waiting(_) => return refused(Reject::NotSubscribed),
            Phase::Subscribed(_) => return refused(Reject::Unauthorized),
        };
        if !is_known {
            return refused(Reject::Unauthorized);
        }
        let Some(serial) = JobSerial::parse(&submit.job_id) else {
            return refused(Reject::UnknownJob);
        };
        let now = view.now.instant;
        let mut found = view.work.jobs.lookup(serial, now);
        if let (Lookup::Unknown, Some(former)) = (&found, view.former) {
            found = former.lookup(serial, now);
        }
        let (job, standing) = match found {
            Lookup::Live(job) => (job, Standing::Live),
            Lookup::Late(job) => (job, Standing::Late),
            Lookup::Stale(job) => (job, Standing::Stale),
            Lookup::Unknown => return refused(Reject::UnknownJob),
        };
        mining.judge(submit, job, standing)
    }

    fn good(
        &mut self,
        view: &View<'_>,
        id: RequestId,
        share: Box<VerifiedShare>,
        out: &mut Outbox,
    ) {
        if let Phase::Mining(mining) = &mut self.phase {
            mining.vardiff.on_share(view.now.instant, share.credited());
            mining.proven =
                mining.vardiff.is_settled().then(|| mining.assigned.difficulty()).or(mining.proven);
        }
        if share.meets_pool() || share.block_candidate() {
            let ticket = self.answers.await_verdict(id);
            out.forward = Some(Forward::Due(ticket, share));
        } else {
            self.answers.say(&mut out.wire, id, Answer::Good);
            out.events.push(Event::BelowPool(share));
        }
        self.retarget(view, out);
    }
}

/// A pool's refusal in the words that firmware and people know.
fn refusal(reason: PoolReject) -> Answer {
    let ours = |reject: Reject| Answer::Bad(reject.code(), reject.message());
    match reason {
        PoolReject::Duplicate => ours(Reject::Duplicate),
        PoolReject::LowDifficulty => ours(Reject::LowDifficulty),
        PoolReject::NotSubscribed => ours(Reject::NotSubscribed),
        PoolReject::Other => Answer::Bad(RejectCode::Other, "Rejected by the pool"),
        PoolReject::Stale => ours(Reject::Stale),
        PoolReject::Unauthorized => ours(Reject::Unauthorized),
    }
}

// === impl Mining ===

impl Mining {
    /// Judges a share as the miner's words had to be read when it was sent the job. Where it may have been sent it under
    /// either of two extranonces, the hash tells which it was: it is good under one at most.
    fn judge(&mut self, submit: &Submit<'_>, job: &Arc<Job>, standing: Standing) -> Judgement {
        let place = self.sent.place(job.serial);
        let assigned = self.assigned.easiest(place);
        let mut verdict = None;
        for face in self.faces.since(place) {
            // A job that it could not work on: its bytes would not fit the pool's.
            if !job.serves(face.id) {
                continue;
            }
            let mask = face.mask.map_or(VersionMask::NONE, |mask| mask.intersect(job.version_mask));
            let claim = Claim { submit, miner: face.id, mask, assigned, standing };
            let this = verify(job, &claim);
            let is_good = this.is_ok();
            // Of several refusals the first one counts, unless a later one shows a block.
            let is_block = matches!(&this, Err(Refusal { candidate: Some(_), .. }));
            if is_good || is_block || verdict.is_none() {
                verdict = Some(this);
            }
            if is_good {
                break;
            }
        }
        match verdict {
            Some(verdict) => self.novel(verdict, job.source),
            None => Judgement::Refused(Reject::UnknownJob, None, None),
        }
    }

    /// Target before duplicate: a repeated low share is refused as low each time, and only good ones are remembered.
    fn novel(&mut self, verdict: Result<VerifiedShare, Refusal>, source: SourceId) -> Judgement {
        match verdict {
            Ok(share) => match self.seen.insert(&share) {
                Novelty::New => Judgement::Good(Box::new(share)),
                Novelty::Seen => Judgement::Refused(Reject::Duplicate, Some(source), None),
            },
            Err(Refusal { reject, candidate }) => {
                // A block candidate goes to the pool even when stale by our rule, but only once.
                let candidate = candidate.filter(|share| self.seen.insert(share) == Novelty::New);
                Judgement::Refused(reject, Some(source), candidate)
            }
        }
    }
}
