//! The handshake with a pool, one struct per state: configure → subscribe → authorize → working.
//!
//! `mining.configure` is tolerated to fail or to stay unanswered (old pools): the session goes on without version
//! rolling. `mining.extranonce.subscribe` is sent when logged in and its answer does not matter.

use std::time::{Duration, Instant};

use super::asides::Aside;
use super::{
    Event, Outbox, Phase, PoolError, PoolReject, Ready, Resumable, Resumed, Upstream, usable_size,
};
use crate::message::{ConfigureReply, Outcome, Reply, SubscribeReply, request};
use crate::types::VersionMask;
use crate::work::Now;

/// How long a pool may leave `mining.configure` unanswered before we go on without version rolling.
const CONFIGURE_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Configuring {
    pub(super) request: u64,
    pub(super) give_up_at: Instant,
}

#[derive(Debug)]
pub(super) struct Subscribing {
    pub(super) request: u64,
    pub(super) form: SubscribeForm,
}

/// How much a subscribe says. A pool that refuses one is asked with less, as miners do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscribeForm {
    /// Our name, and the session to resume.
    Resume,
    /// Our name.
    Named,
    /// Nothing.
    Bare,
}

#[derive(Debug)]
pub(super) struct Authorizing {
    request: u64,
    resumed: Resumed,
    resumable: Option<Resumable>,
}

// === impl Phase ===

impl Phase {
    /// The request whose reply the handshake waits for.
    pub(super) fn awaited(&self) -> Option<&'static str> {
        match self {
            Self::Configuring(_) => Some("mining.configure"),
            Self::Subscribing(_) => Some("mining.subscribe"),
            Self::Authorizing(_) => Some("mining.authorize"),
            Self::Working => None,
        }
    }
}

// === impl Upstream ===

impl<T> Upstream<T> {
    pub(super) fn open(&mut self, now: Now, wire: &mut Vec<u8>) {
        if self.login.version_mask.is_none() {
            self.subscribe(wire);
            return;
        }
        let request = self.request_id();
        request::configure(wire, request, self.login.version_mask);
        // Half of the handshake's time is left for the rest of it.
        let patience = CONFIGURE_PATIENCE.min(self.timeouts.handshake / 2);
        self.phase =
            Phase::Configuring(Configuring { request, give_up_at: now.instant + patience });
    }

    pub(super) fn subscribe(&mut self, wire: &mut Vec<u8>) {
        let form = match self.login.resume {
            Some(_) => SubscribeForm::Resume,
            None => SubscribeForm::Named,
        };
        self.subscribe_as(form, wire);
    }

    fn subscribe_as(&mut self, form: SubscribeForm, wire: &mut Vec<u8>) {
        let request = self.request_id();
        let agent = &self.login.user_agent;
        let session = self.login.resume.as_ref().map(|resume| &*resume.session);
        match form {
            SubscribeForm::Resume => request::subscribe(wire, request, agent, session),
            SubscribeForm::Named => request::subscribe(wire, request, agent, None),
            SubscribeForm::Bare => request::subscribe_bare(wire, request),
        }
        self.phase = Phase::Subscribing(Subscribing { request, form });
    }

    pub(super) fn reply(
        &mut self,
        now: Now,
        reply: &Reply<'_>,
        out: &mut Outbox<T>,
    ) -> Result<(), PoolError> {
        match &self.phase {
            Phase::Configuring(state) if state.request == reply.id => {
                self.configured(reply);
                self.subscribe(&mut out.wire);
                Ok(())
            }
            Phase::Subscribing(state) if state.request == reply.id => {
                self.subscribed(state.form, reply, out)
            }
            Phase::Authorizing(state) if state.request == reply.id => {
                self.authorized(now, reply, out)
            }
            Phase::Working => {
                self.late_or_verdict(now, reply, out);
                Ok(())
            }
            // A late reply to mining.configure, after we went on without it: too late for this session.
            Phase::Configuring(_) | Phase::Subscribing(_) | Phase::Authorizing(_) => Ok(()),
        }
    }

    fn configured(&mut self, reply: &Reply<'_>) {
        let granted = match &reply.outcome {
            Outcome::Ok(result) => ConfigureReply::parse(result).ok().and_then(|r| r.version_mask),
            Outcome::Error { .. } => None,
        };
        self.session.version_mask =
            granted.unwrap_or(VersionMask::NONE).intersect(self.login.version_mask);
    }

    fn subscribed(
        &mut self,
        form: SubscribeForm,
        reply: &Reply<'_>,
        out: &mut Outbox<T>,
    ) -> Result<(), PoolError> {
        let unusable = |message| PoolError::Unusable { request: "mining.subscribe", message };
        let subscription = match (&reply.outcome, form) {
            (Outcome::Ok(result), _) => {
                SubscribeReply::parse(result).map_err(|e| unusable(e.to_string()))?
            }
            (Outcome::Error { .. }, SubscribeForm::Resume) => {
                self.subscribe_as(SubscribeForm::Named, &mut out.wire);
                return Ok(());
            }
            (Outcome::Error { .. }, SubscribeForm::Named) => {
                self.subscribe_as(SubscribeForm::Bare, &mut out.wire);
                return Ok(());
            }
            (Outcome::Error { message, .. }, SubscribeForm::Bare) => {
                return Err(unusable(message.clone()));
            }
        };
        usable_size(subscription.extranonce2_size).map_err(unusable)?;
        self.session.extranonce1 = subscription.extranonce1;
        self.session.extranonce2_size = subscription.extranonce2_size;
        let same = |resume: &Resumable| {
            resume.extranonce1 == subscription.extranonce1
                && resume.extranonce2_size == subscription.extranonce2_size
        };
        let resumed = match self.login.resume.as_ref().is_some_and(same) {
            true => Resumed::Yes,
            false => Resumed::No,
        };
        // Pools that give no session id take the extranonce1 itself (ckpool, para).
        let session = subscription
            .session
            .filter(|session| !session.is_empty())
            .unwrap_or_else(|| subscription.extranonce1.to_hex());
        let resumable = Some(Resumable {
            session: session.into(),
            extranonce1: subscription.extranonce1,
            extranonce2_size: subscription.extranonce2_size,
        });
        let request = self.request_id();
        request::authorize(&mut out.wire, request, &self.login.user, &self.login.password);
        self.phase = Phase::Authorizing(Authorizing { request, resumed, resumable });
        Ok(())
    }

    fn authorized(
        &mut self,
        now: Now,
        reply: &Reply<'_>,
        out: &mut Outbox<T>,
    ) -> Result<(), PoolError> {
        if let Outcome::Error { message, .. } = &reply.outcome {
            let user = self.login.user.clone();
            return Err(PoolError::LoginRefused { user, message: message.clone() });
        }
        let extranonce_request = self.request_id();
        request::extranonce_subscribe(&mut out.wire, extranonce_request);
        let Phase::Authorizing(state) = std::mem::replace(&mut self.phase, Phase::Working) else {
            return Ok(());
        };
        self.first_submit = self.next_request;
        self.since = now.instant;
        out.events.push(Event::Ready(Ready {
            resumed: state.resumed,
            resumable: state.resumable,
            version_mask: self.session.version_mask,
        }));
        // A pool may have sent its first job before the reply to the login (ckpool does), and what belongs to it after.
        let context = self.context(now);
        if let Some(latest) = &mut self.session.latest {
            latest.context = context;
        }
        self.offer(out);
        Ok(())
    }

    fn late_or_verdict(&mut self, now: Now, reply: &Reply<'_>, out: &mut Outbox<T>) {
        let verdict = match &reply.outcome {
            Outcome::Ok(_) => Ok(()),
            Outcome::Error { code, message } => Err(PoolReject::from_error(*code, message)),
        };
        if reply.id < self.first_submit {
            return; // The reply to mining.extranonce.subscribe or a late one to mining.configure.
        }
        match self.asides.take(reply.id) {
            Some(Aside::Login(user, of)) => {
                let outcome = match &reply.outcome {
                    Outcome::Ok(_) => Ok(()),
                    Outcome::Error { message, .. } => Err(message.clone()),
                };
                out.events.push(Event::Login { user, of, outcome });
            }
            Some(Aside::Suggestion) => {}
            None => self.verdict(now, reply.id, verdict, out),
        }
    }
}
