//! The side of the driver that faces pools: sessions that resume or restart, shares that wait for them, and the choice of
//! the pool that is mined on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use loka_stratum::downstream::{HandOver, Ticket};
use loka_stratum::job::LATE;
use loka_stratum::share::VerifiedShare;
use loka_stratum::types::{SourceId, VersionMask};
use loka_stratum::upstream::{
    Event, Login, Outbox, PoolError, Ready, Resumable, Resumed, Submission, Timeouts, Upstream,
};
use loka_stratum::work::Now;

use super::{Outgoing, Proxy};
use crate::chain::Hash;
use crate::world::Conn;

/// A due share and the miner that waits for its answer.
#[derive(Debug)]
pub(crate) struct Handoff {
    pub(crate) miner: usize,
    pub(crate) conn: Conn,
    pub(crate) ticket: Ticket,
    pub(crate) share: Box<VerifiedShare>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    Due(Hash),
    Candidate,
}

/// One pool, connected or not.
#[derive(Debug, Default)]
pub(crate) struct Link {
    up: Option<(Conn, Upstream<Token>)>,
    ready_since: Option<Instant>,
    session: Option<SourceId>,
    resume: Option<Resumable>,
    pub(crate) held: VecDeque<(Instant, Handoff)>,
    lingers_until: Option<Instant>,
    /// The pool's jobs that are worth something, as far as it has said.
    live_jobs: Vec<Box<str>>,
    /// Those that it has called stale, and when.
    ended_jobs: Vec<(Instant, Box<str>)>,
}

/// How long a share, and the jobs of a session, wait for it to come back.
const HOLD: Duration = Duration::from_secs(2);

/// How long a better pool must be well before the route goes back to it.
const FAIL_BACK: Duration = Duration::from_secs(15);

// === impl Link ===

impl Link {
    pub(crate) fn outstanding(&self) -> usize {
        self.up.as_ref().map_or(0, |(_, machine)| machine.outstanding())
    }

    pub(crate) fn conn(&self) -> Option<Conn> {
        self.up.as_ref().map(|(conn, _)| *conn)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready_since.is_some()
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let machine = self.up.as_ref().map(|(_, machine)| machine.poll_timeout());
        let held = self.held.front().map(|(until, _)| *until);
        [machine, held, self.lingers_until].into_iter().flatten().min()
    }
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn link_up(&mut self, now: Now, pool: usize, conn: Conn) {
        let login = Login {
            user: "acct.proxy".into(),
            password: "x".into(),
            user_agent: "sim/1".into(),
            version_mask: VersionMask::ALL,
            resume: self.links[pool].resume.clone(),
        };
        let timeouts = Timeouts {
            handshake: Duration::from_secs(20),
            first_job: Duration::from_secs(20),
            job_silence: Duration::from_secs(60),
            submit: Duration::from_secs(30),
        };
        let mut out = Outbox::default();
        let machine = Upstream::new(now, login, timeouts, &mut out);
        self.links[pool].up = Some((conn, machine));
        self.out.push(Outgoing::ToPool(conn, out.wire));
    }

    /// The connection to a pool has ended: what was written may be paid or not, what was not may still be sent.
    pub(crate) fn link_down(&mut self, now: Now, pool: usize) {
        let link = &mut self.links[pool];
        let Some((_, machine)) = link.up.take() else { return };
        link.ready_since = None;
        link.lingers_until = link.session.map(|_| now.instant + HOLD);
        for token in machine.into_outstanding() {
            match token {
                Token::Due(_) => self.ledger.unanswered += 1,
                Token::Candidate => self.ledger.candidates_ended += 1,
            }
        }
        self.select(now);
        self.settle(now);
    }

    pub(crate) fn pool_line(&mut self, now: Now, pool: usize, line: &str) {
        self.with_machine(now, pool, |machine, out| machine.handle_line(now, line.as_bytes(), out));
        self.select(now);
        self.settle(now);
    }

    pub(super) fn link_timers(&mut self, now: Now) {
        for pool in 0..self.links.len() {
            self.with_machine(now, pool, |machine, out| machine.handle_timeout(now, out));
            let link = &mut self.links[pool];
            while link.held.front().is_some_and(|(until, _)| *until <= now.instant) {
                let (_, handoff) = link.held.pop_front().unwrap();
                self.ledger.lost += 1;
                self.handed.push_back((
                    handoff.miner,
                    handoff.conn,
                    handoff.ticket,
                    HandOver::Lost,
                ));
            }
            if link.lingers_until.is_some_and(|until| until <= now.instant) {
                link.lingers_until = None;
                if let Some(session) = link.session.take() {
                    self.board.withdraw(session);
                }
            }
        }
    }

    /// Hands a share to the session that it belongs to, keeps it for a moment, or gives it up.
    pub(super) fn hand_over(&mut self, now: Now, handoff: Handoff) {
        let source = handoff.share.job().source;
        let link = self.links.iter().position(|link| link.session == Some(source));
        let result = match link {
            Some(pool) if self.links[pool].is_ready() => {
                let token = Token::Due(*handoff.share.hash().as_bytes());
                self.submit(now, pool, &handoff.share, token);
                HandOver::Written
            }
            Some(pool) => {
                self.held_shares += 1;
                self.links[pool].held.push_back((now.instant + HOLD, handoff));
                return;
            }
            None => {
                self.ledger.lost += 1;
                HandOver::Lost
            }
        };
        self.handed.push_back((handoff.miner, handoff.conn, handoff.ticket, result));
    }

    /// Nobody waits for it, so it is sent if it can be.
    pub(super) fn forward_candidate(&mut self, now: Now, share: &VerifiedShare) {
        let source = share.job().source;
        let link = self.links.iter().position(|link| link.session == Some(source));
        if let Some(pool) = link.filter(|pool| self.links[*pool].is_ready()) {
            self.ledger.candidates += 1;
            self.submit(now, pool, share, Token::Candidate);
        }
    }

    fn submit(&mut self, now: Now, pool: usize, share: &VerifiedShare, token: Token) {
        let job_id = &share.job().notify.job_id;
        let link = &self.links[pool];
        let live = link.live_jobs.contains(job_id);
        // What a clean job overtook is the pool's to judge, and may have been held on top of that.
        let late = |(at, id): &(Instant, Box<str>)| id == job_id && now.instant < *at + LATE + HOLD;
        let late = link.ended_jobs.iter().any(late);
        assert!(
            live || late || matches!(token, Token::Candidate),
            "a share that the pool has called stale"
        );
        let Some((conn, machine)) = &mut self.links[pool].up else { panic!("a link that is up") };
        let submission = Submission {
            user: "acct.proxy",
            job_id,
            extranonce2: share.extranonce2_for_pool(),
            ntime: share.ntime(),
            nonce: share.nonce(),
            version_bits: share.version_bits_for_pool(),
        };
        let mut wire = Vec::new();
        machine.submit(now, &submission, token, &mut wire).expect("room for a share");
        self.out.push(Outgoing::ToPool(*conn, wire));
    }

    fn with_machine(
        &mut self,
        now: Now,
        pool: usize,
        act: impl FnOnce(&mut Upstream<Token>, &mut Outbox<Token>) -> Result<(), PoolError>,
    ) {
        let Some((conn, machine)) = &mut self.links[pool].up else { return };
        let conn = *conn;
        let mut out = Outbox::default();
        let result = act(machine, &mut out);
        if !out.wire.is_empty() {
            self.out.push(Outgoing::ToPool(conn, out.wire));
        }
        for event in out.events {
            self.pool_event(now, pool, event);
        }
        match result {
            Ok(()) => {}
            // The faults that the world makes; anything else would be ours.
            Err(PoolError::SubmitTimeout(_) | PoolError::HandshakeTimeout { .. }) => {
                self.out.push(Outgoing::CloseLink(pool));
            }
            Err(PoolError::JobSilence(_) | PoolError::FirstJobTimeout(_)) => {
                self.out.push(Outgoing::CloseLink(pool));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn pool_event(&mut self, now: Now, pool: usize, event: Event<Token>) {
        match event {
            Event::Ready(ready) => self.logged_in(now, pool, ready),
            Event::Job { notify, context } => {
                let link = &mut self.links[pool];
                let session = link.session.expect("a session");
                if notify.clean {
                    let ended = link.live_jobs.drain(..).map(|id| (now.instant, id));
                    link.ended_jobs.extend(ended);
                }
                link.live_jobs.push(notify.job_id.clone());
                self.board.offer(now, session, notify, context).expect("a layout that fits");
            }
            Event::Verdict { token: Token::Due(hash), verdict, .. } => {
                self.ledger.verdicts.insert(hash, verdict.is_ok());
                match verdict {
                    Ok(()) => self.ledger.pool_accepted += 1,
                    Err(reason) => {
                        assert_eq!(reason.label(), "stale", "a verified share was refused");
                        *self.ledger.pool_rejected.entry(reason.label()).or_default() += 1;
                    }
                }
            }
            Event::Verdict { token: Token::Candidate, .. } => self.ledger.candidates_ended += 1,
            Event::Login { .. } | Event::Message(_) | Event::Reconnect { .. } => {}
            Event::Misbehaved(what) => panic!("a sound pool was misunderstood: {what}"),
        }
    }

    fn logged_in(&mut self, now: Now, pool: usize, ready: Ready) {
        let former = self.links[pool].session;
        if ready.resumed == Resumed::No || former.is_none() {
            let source = self.new_source();
            self.links[pool].session = Some(source);
            self.links[pool].live_jobs.clear();
            self.links[pool].ended_jobs.clear();
            if let Some(former) = former {
                self.board.withdraw(former);
            }
        }
        let link = &mut self.links[pool];
        link.resume = ready.resumable;
        link.ready_since = Some(now.instant);
        link.lingers_until = None;
        for (_, handoff) in std::mem::take(&mut link.held) {
            self.hand_over(now, handoff);
        }
    }

    /// Moves the route to the pool that is best now.
    pub(super) fn select(&mut self, now: Now) {
        // Only when both pools could tell how much they leave; the first alone would choose for itself.
        if self.board.work().layout.is_none() {
            return;
        }
        let usable = |link: &Link| {
            link.session.filter(|session| link.is_ready() && self.board.has_offer(*session))
        };
        let active = self.board.active().next();
        let position =
            self.links.iter().position(|link| active.is_some() && link.session == active);
        let best = self.links.iter().enumerate().find_map(|(index, link)| {
            let well = link.ready_since.is_some_and(|since| now.instant >= since + FAIL_BACK);
            let active_is_up =
                position.is_some_and(|position| usable(&self.links[position]).is_some());
            let allowed = !active_is_up || Some(index) == position || well;
            usable(link).filter(|_| allowed)
        });
        let Some(best) = best.filter(|best| Some(*best) != active) else { return };
        self.board.activate(now, best).expect("a layout that fits");
        self.failovers += u64::from(active.is_some());
    }
}
