//! What a firmware does when the server speaks unasked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Session, Stop, Subscription};
use crate::miner::hearing;
use crate::miner::job::Job;
use crate::miner::search::{Order, Walk};
use crate::miner::speech::{self, Json};
use crate::miner::target::Target;
use crate::profile::{
    BitsStyle, CleanFlag, DifficultyFrom, Messages, Need, OldJob, Pong, ReconnectRule, RepeatedId,
};
use crate::trap::{Excerpt, Fault};
use crate::wire::{Request, decode_hex};

/// No server may send a miner away for longer.
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(600);

impl Session<'_> {
    pub(super) fn notice(
        &mut self,
        now: Instant,
        notice: &Request,
        line: &str,
    ) -> Result<(), Stop> {
        match notice.method.as_str() {
            "mining.notify" => self.job(now, &notice.params, line)?,
            "mining.set_difficulty" => self.set_difficulty(&notice.params, line),
            "mining.set_extranonce" => self.set_extranonce(&notice.params, line)?,
            "mining.set_version_mask" => self.set_version_mask(now, &notice.params, line)?,
            "mining.ping" => self.pong(&notice.id),
            "client.get_version" => {
                let agent = speech::text(self.setup.profile.user_agent);
                self.respond(&notice.id, agent);
            }
            "client.show_message" if self.setup.profile.chatter.messages == Messages::Answered => {
                self.respond(&notice.id, Json::Raw("true".to_owned()));
            }
            "client.reconnect" => return self.reconnect(&notice.params),
            // Other coins' and other centuries' methods: firmware ignores them.
            _ => {}
        }
        Ok(())
    }

    fn job(&mut self, now: Instant, params: &[Value], line: &str) -> Result<(), Fault> {
        let rules = self.setup.profile.jobs;
        if rules.clean == CleanFlag::Last && !params.last().is_some_and(Value::is_boolean) {
            let last = params.last().map_or_else(String::new, Value::to_string);
            self.lasting.spring(Fault::LastParameterNotClean { last: Excerpt::of(&last) });
        }
        let job = match hearing::job(params, rules.clean) {
            Ok(job) => Arc::new(job),
            Err(why) => {
                self.malformed(why, line);
                return Ok(());
            }
        };
        self.lasting.counts.jobs += 1;
        self.lasting.counts.clean_jobs += u64::from(job.clean);
        self.times.job = Some(now);
        if self.is_repeated(&job) {
            return Ok(());
        }
        self.check_version(&job);
        let order = self.order(now, &job)?;
        self.newest = Some(job);
        self.take_up(now, order);
        if let Some(call) = self.setup.profile.chatter.after_job {
            self.ask(now, call, Need::Answer, self.setup.profile.patience.reply);
        }
        Ok(())
    }

    /// Firmware that goes by the id drops the notify; that loses work if the work is another.
    fn is_repeated(&mut self, job: &Arc<Job>) -> bool {
        let known = self.newest.as_ref().filter(|newest| newest.id == job.id && !job.clean);
        let Some(known) = known else { return false };
        if self.setup.profile.jobs.repeated_id == RepeatedId::Taken {
            return false;
        }
        if known.header != job.header || known.coinb1 != job.coinb1 || known.coinb2 != job.coinb2 {
            self.lasting.spring(Fault::RepeatedJobId { id: Excerpt::of(&job.id) });
        }
        true
    }

    fn check_version(&mut self, job: &Job) {
        let (Some(mask), Some(rolling)) = (self.standing.mask, self.setup.profile.rolling) else {
            return;
        };
        let version = job.header.version;
        if rolling.style != BitsStyle::Replace && version & mask != 0 {
            self.lasting.spring(Fault::VersionBitsInJob { version, mask });
        }
    }

    /// The job with the extranonce and the difficulty that are in force for it.
    fn order(&mut self, now: Instant, job: &Arc<Job>) -> Result<Order, Fault> {
        if let Some(next) = self.standing.next_subscription.take() {
            self.standing.subscription = Some(next);
        }
        let subscription =
            self.standing.subscription.as_ref().ok_or(Fault::NotifyBeforeSubscribed)?;
        let extranonces = subscription.extranonce1.len() + subscription.extranonce2_size;
        let bytes = job.coinbase_bytes(extranonces);
        if let Some(limit) = self.setup.profile.limits.coinbase_bytes_max
            && bytes > limit
        {
            return Err(Fault::CoinbaseTooLong { bytes, limit });
        }
        Ok(Order {
            job: Arc::clone(job),
            extranonce1: Arc::clone(&subscription.extranonce1),
            extranonce2_size: subscription.extranonce2_size,
            target: self.difficulty,
            arrived: self.lasting.clock.unix(now),
        })
    }

    fn take_up(&mut self, now: Instant, order: Order) {
        let goes_on = self.setup.profile.jobs.old_job == OldJob::UsedUp && !order.job.clean;
        if goes_on && self.walk.is_some() {
            self.parked = Some(order);
            return;
        }
        self.settle(now);
        self.parked = None;
        let unix = self.lasting.clock.unix(now);
        self.walk = Some(Walk::new(self.setup.profile, order, self.standing.mask, unix));
    }

    fn set_difficulty(&mut self, params: &[Value], line: &str) {
        let text = match params.first() {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(_) | None => String::new(),
        };
        let Ok(target) = Target::of_difficulty(&text) else {
            self.malformed("a difficulty that is no positive number", line);
            return;
        };
        self.difficulty = target;
        self.difficulty_text = Some(text);
        if self.setup.profile.jobs.difficulty == DifficultyFrom::AtOnce
            && let Some(walk) = &mut self.walk
        {
            walk.order.target = target;
        }
    }

    /// Only firmware that asked for it follows.
    fn set_extranonce(&mut self, params: &[Value], line: &str) -> Result<(), Fault> {
        if !self.standing.follows_extranonce {
            return Ok(());
        }
        let extranonce1 = params.first().and_then(Value::as_str).and_then(decode_hex);
        let size =
            params.get(1).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
        let (Some(extranonce1), Some(size)) = (extranonce1, size) else {
            self.malformed("no extranonce1 and size", line);
            return Ok(());
        };
        if !self.setup.profile.limits.extranonce2.takes(size) {
            return Err(Fault::Extranonce2Size { size });
        }
        let extranonce1 = extranonce1.into();
        self.standing.next_subscription =
            Some(Subscription { extranonce1, extranonce2_size: size });
        Ok(())
    }

    /// Effective at once; before the reply to configure it breaks the firmware that rolls.
    fn set_version_mask(
        &mut self,
        now: Instant,
        params: &[Value],
        line: &str,
    ) -> Result<(), Fault> {
        let Some(rolling) = self.setup.profile.rolling else {
            self.lasting.spring(Fault::UnaskedVersionMask);
            return Ok(());
        };
        if self.standing.mask.is_none() {
            return Err(Fault::UnaskedVersionMask);
        }
        let Some(mask) = params.first().and_then(hearing::number) else {
            self.malformed("no mask of 8 digits", line);
            return Ok(());
        };
        let mask = mask & rolling.able;
        self.standing.mask = Some(mask);
        let unix = self.lasting.clock.unix(now);
        if let Some(walk) = &mut self.walk {
            walk.set_mask(mask, unix);
        }
        Ok(())
    }

    fn reconnect(&self, params: &[Value]) -> Result<(), Stop> {
        let host = params.first().and_then(Value::as_str).filter(|host| !host.is_empty());
        let own = self.setup.pool_url.rsplit_once(':').map_or("", |(host, _)| host);
        let obeyed = match (self.setup.profile.chatter.reconnect, host) {
            (ReconnectRule::Obeyed, _) | (ReconnectRule::SameDomain, None) => true,
            (ReconnectRule::WithHost, host) => host.is_some() && params.len() > 1,
            (ReconnectRule::SameDomain, Some(host)) => {
                host == own || host.strip_suffix(own).is_some_and(|sub| sub.ends_with('.'))
            }
        };
        if !obeyed {
            return Ok(());
        }
        let seconds = params.get(2).and_then(Value::as_u64).unwrap_or(0);
        Err(Stop::Reconnect { wait: Duration::from_secs(seconds).min(RECONNECT_WAIT_MAX) })
    }

    fn pong(&mut self, id: &Value) {
        match self.setup.profile.chatter.pong {
            Pong::Reply => self.respond(id, speech::text("pong")),
            Pong::Method => {
                let keys = vec![
                    ("id", Json::Raw(id.to_string())),
                    ("method", speech::text("pong")),
                    ("params", Json::List(Vec::new())),
                ];
                self.out.push_str(&speech::line(self.setup.profile.dialect, &Json::Map(keys)));
            }
        }
    }

    fn respond(&mut self, id: &Value, result: Json) {
        let keys =
            vec![("id", Json::Raw(id.to_string())), ("result", result), ("error", Json::Null)];
        self.out.push_str(&speech::line(self.setup.profile.dialect, &Json::Map(keys)));
    }
}
