//! The handshake as a firmware goes through it, and what its replies mean.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Session, Stop, Subscription};
use crate::miner::hearing;
use crate::profile::{Await, Call, ConfigureForm, Extension, Method, Need, SubscribeForm};
use crate::trap::{Excerpt, Fault};
use crate::wire::Reply;

/// The reply without which the handshake does not go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    method: Method,
    reading: Reading,
    within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The very next line.
    NextLine,
    /// Whatever comes, until the reply does.
    UntilReply,
}

/// minerd tries its subscribe twice.
const SUBSCRIBE_ATTEMPTS_MAX: u32 = 2;

// === impl Blocked ===

impl Blocked {
    pub(super) fn takes_next_line(&self) -> bool {
        self.reading == Reading::NextLine
    }

    pub(super) fn method(&self) -> Method {
        self.method
    }

    fn by(call: Call, wait: Await) -> Option<Self> {
        let method = call.method();
        match wait {
            Await::Nothing => None,
            Await::NextLine { within } => Some(Self { method, reading: Reading::NextLine, within }),
            Await::Reply { within } => Some(Self { method, reading: Reading::UntilReply, within }),
        }
    }
}

// === handshake of a session ===

impl Session<'_> {
    /// Asks until a reply must be awaited.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.blocked.is_none() {
            let Some(step) = self.setup.profile.handshake.get(self.step) else { break };
            self.step += 1;
            self.blocked = Blocked::by(step.call, step.wait);
            let pipelined = self.setup.profile.patience.reply;
            let within = self.blocked.map_or(pipelined, |blocked| blocked.within);
            self.ask(now, step.call, step.need, within);
        }
        self.note_ready(now);
    }

    /// A reply to something else than a share.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        (call, need): (Call, Need),
        reply: &Reply,
        line: &str,
    ) -> Result<(), Stop> {
        let method = call.method();
        if self.blocked.is_some_and(|blocked| blocked.method == method) {
            self.blocked = None;
        }
        if reply.is_success() {
            self.granted(call, need, &reply.result, line)?;
        } else if need == Need::SuccessOrBareRetry && self.may_subscribe_again() {
            self.subscribe_bare(now);
            return Ok(());
        } else if need != Need::Answer {
            return Err(Fault::Refused { method, error: Excerpt::of(line) }.into());
        }
        self.advance(now);
        Ok(())
    }

    fn may_subscribe_again(&mut self) -> bool {
        self.subscribe_attempts += 1;
        self.subscribe_attempts < SUBSCRIBE_ATTEMPTS_MAX
    }

    fn subscribe_bare(&mut self, now: Instant) {
        let within = self.setup.profile.patience.reply;
        let call = Call::Subscribe(SubscribeForm::Bare);
        self.blocked = Blocked::by(call, Await::NextLine { within });
        self.ask(now, call, Need::SuccessOrBareRetry, within);
    }

    fn granted(&mut self, call: Call, need: Need, result: &Value, line: &str) -> Result<(), Stop> {
        match call {
            Call::Authorize => self.standing.authorized = true,
            Call::Configure(form) => self.configured(form, need, result)?,
            Call::ExtranonceSubscribe => self.standing.follows_extranonce = true,
            Call::Subscribe(_) => self.subscribed(result, line)?,
            Call::GetTransactions | Call::MultiVersion | Call::SuggestDifficulty(_) => {}
        }
        Ok(())
    }

    fn configured(&mut self, form: ConfigureForm, need: Need, result: &Value) -> Result<(), Fault> {
        let missing = form.extensions.iter().find(|asked| result.get(asked.code()).is_none());
        if let (Need::Success, Some(extension)) = (need, missing) {
            return Err(Fault::ConfigureEntryMissing { entry: extension.code() });
        }
        let granted = |code: &str| result.get(code) == Some(&Value::Bool(true));
        if granted(Extension::SubscribeExtranonce.code()) {
            self.standing.follows_extranonce = true;
        }
        if granted(Extension::VersionRolling.code()) {
            let mask = result.get("version-rolling.mask").and_then(hearing::number);
            let able = self.setup.profile.rolling.map_or(0, |rolling| rolling.able);
            self.standing.mask = Some(mask.unwrap_or(0) & able);
        }
        Ok(())
    }

    fn subscribed(&mut self, result: &Value, line: &str) -> Result<(), Fault> {
        let subscribed = hearing::subscribed(result)
            .map_err(|why| Fault::Malformed { why, line: Excerpt::of(line) })?;
        let size = subscribed.extranonce2_size;
        if !self.setup.profile.limits.extranonce2.takes(size) {
            return Err(Fault::Extranonce2Size { size });
        }
        let extranonce1: Arc<[u8]> = subscribed.extranonce1.into();
        if self.lasting.extranonce1.as_ref() != Some(&extranonce1) {
            self.lasting.give_up_held();
        }
        self.lasting.session = subscribed.session;
        self.lasting.extranonce1 = Some(Arc::clone(&extranonce1));
        self.standing.subscription = Some(Subscription { extranonce1, extranonce2_size: size });
        Ok(())
    }

    fn note_ready(&mut self, now: Instant) {
        if self.times.ready.is_none() && self.is_ready() {
            // What was waited for until now was the handshake.
            self.lasting.settle_idle(now);
            self.times.ready = Some(now);
            self.resend_held(now);
        }
    }
}
