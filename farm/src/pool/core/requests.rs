//! What a peer's line does: every method of PROTOCOL 2.3.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::judge::{self, Case, Claim, Difficulty, JobOnRecord, Reason, Standing, Verdict};
use crate::pool::books::{Entry, UNAUTHORIZED_USERS};
use crate::pool::forms::Configuration;
use crate::pool::outbox::Lane;
use crate::pool::peer::{ConnectionId, Ending, ExtranonceNews, Rolling};
use crate::pool::session::SessionKey;
use crate::pool::settings::{FirstDifficulty, Resumption, Suggestions, VersionRolling};
use crate::wire::{self, Message, Request, encode_hex};

use super::{Core, Refusal, Verdicts, Voice};

/// Names that one connection may log in.
const USERS_PER_CONNECTION_MAX: usize = 1024;
const USER_BYTES_MAX: usize = 255;
const USER_AGENT_CHARS_MAX: usize = 256;

/// What the peer is told.
enum Answer {
    Nothing,
    Refused(Refusal),
    Result(Value),
}

// === impl Answer ===

impl Answer {
    const TRUE: Self = Self::Result(Value::Bool(true));
    const UNKNOWN_METHOD: Self =
        Self::Refused(Refusal { code: 20, message: Cow::Borrowed("Method not found") });
    const NO_MESSAGE: Self =
        Self::Refused(Refusal { code: 20, message: Cow::Borrowed("Not a Stratum message") });

    fn rejected(reason: Reason) -> Self {
        let message = Cow::Borrowed(reason.message());
        Self::Refused(Refusal { code: reason.code(), message })
    }
}

// === impl Core ===

impl Core {
    /// Takes one line of a connection.
    pub(in crate::pool) fn receive(&mut self, id: ConnectionId, line: &str, now: Instant) {
        if self.faults.voice == Voice::Silent {
            self.books.counts.ignored_lines += 1;
            return;
        }
        match wire::parse(line) {
            Ok(Message::Request(request)) => self.request(id, &request, now),
            Ok(Message::Reply(_)) => self.books.counts.replies += 1,
            Err(_) => {
                self.books.counts.malformed_lines += 1;
                self.answer(id, &Value::Null, Answer::NO_MESSAGE, now);
            }
        }
    }

    fn request(&mut self, id: ConnectionId, request: &Request, now: Instant) {
        let params = request.params.as_slice();
        if request.method == "mining.submit" {
            return self.submit(id, request, now);
        }
        let answer = match request.method.as_str() {
            "mining.configure" => self.configure(id, params),
            "mining.subscribe" => self.subscribe(id, params, now),
            "mining.authorize" => self.authorize(id, params),
            "mining.extranonce.subscribe" => self.subscribe_extranonce(id),
            "mining.ping" => Answer::Result(json!("pong")),
            "mining.get_transactions" => Answer::Result(json!([])),
            "mining.suggest_difficulty" => {
                self.suggested(id, params, now);
                Answer::TRUE
            }
            "mining.suggest_target" | "mining.multi_version" | "mining.capabilities" => {
                Answer::TRUE
            }
            "mining.pong" | "pong" => {
                self.books.counts.replies += 1;
                Answer::Nothing
            }
            _ => {
                self.books.counts.unknown_methods += 1;
                Answer::UNKNOWN_METHOD
            }
        };
        // A request without an id wants no answer.
        if !request.id.is_null() {
            self.answer(id, &request.id, answer, now);
        }
        if request.method == "mining.configure" {
            self.confirm_mask(id, now);
        }
        self.start_jobs(id, now);
    }

    fn answer(&mut self, id: ConnectionId, request: &Value, answer: Answer, now: Instant) {
        let Some((line, latency)) = self.reply(id, request, answer) else { return };
        self.queue(id, Lane::Ordered, now + latency, line.into_bytes());
    }

    /// A reply's line, and how long it takes.
    fn reply(
        &mut self,
        id: ConnectionId,
        request: &Value,
        answer: Answer,
    ) -> Option<(String, Duration)> {
        let settings = &self.settings;
        let peer = self.peers.get_mut(&id)?;
        let line = match answer {
            Answer::Nothing => return None,
            Answer::Result(result) => settings.forms.acceptance.line(request, &result),
            Answer::Refused(Refusal { code, message }) => {
                settings.forms.rejection.line(request, (code, &message), &mut peer.random)
            }
        };
        Some((line, peer.drawn_latency(settings.reply_latency, settings.reply_jitter)))
    }

    fn configure(&mut self, id: ConnectionId, params: &[Value]) -> Answer {
        let granted = match self.settings.version_rolling {
            VersionRolling::Granted { mask } => Some(mask),
            VersionRolling::Refused => None,
            VersionRolling::UnknownMethod => return Answer::UNKNOWN_METHOD,
            VersionRolling::Unanswered => return Answer::Nothing,
        };
        let Some(peer) = self.peers.get_mut(&id) else { return Answer::Nothing };
        let codes = params.first().and_then(Value::as_array).map(Vec::as_slice);
        let mut reply = Map::new();
        for code in codes.unwrap_or_default().iter().filter_map(Value::as_str) {
            let outcome = match (code, granted) {
                ("version-rolling", Some(granted)) => {
                    let rolling = Rolling::grant(requested_mask(params), granted);
                    peer.rolling = Some(rolling);
                    let mask = format!("{:08x}", rolling.mask());
                    reply.insert("version-rolling.mask".into(), json!(mask));
                    true
                }
                ("subscribe-extranonce", _) => {
                    peer.extranonce_news = ExtranonceNews::Wanted;
                    true
                }
                ("info", _) => true,
                (_, _) => false,
            };
            reply.insert(code.to_owned(), json!(outcome));
        }
        Answer::Result(self.settings.forms.configuration.result(reply))
    }

    /// Some pools say the mask again, after the reply.
    fn confirm_mask(&mut self, id: ConnectionId, now: Instant) {
        let rolling = self.peers.get(&id).and_then(|peer| peer.rolling);
        if let (Configuration::ThenMask, Some(rolling)) =
            (self.settings.forms.configuration, rolling)
        {
            self.tell_mask(id, rolling.mask(), now);
        }
    }

    fn subscribe_extranonce(&mut self, id: ConnectionId) -> Answer {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.extranonce_news = ExtranonceNews::Wanted;
        }
        Answer::TRUE
    }

    /// A repeated subscription is answered again with the same extranonce1.
    fn subscribe(&mut self, id: ConnectionId, params: &[Value], now: Instant) -> Answer {
        let known = self.peers.get(&id).and_then(|peer| peer.session);
        let presented = params.get(1).and_then(Value::as_str);
        let key = match known.or_else(|| self.resumed(presented?)) {
            Some(key) => key,
            None => {
                self.books.counts.sessions += 1;
                self.sessions.open(&self.settings, now)
            }
        };
        let Some(peer) = self.peers.get_mut(&id) else { return Answer::Nothing };
        peer.session = Some(key);
        let agent = params.first().and_then(Value::as_str).unwrap_or_default();
        peer.user_agent = agent.chars().take(USER_AGENT_CHARS_MAX).collect();
        if self.settings.first_difficulty == FirstDifficulty::BeforeSubscribeReply {
            self.tell_difficulty(id, now);
        }
        let form = self.settings.forms.subscription;
        let Some(session) = self.sessions.of(key) else { return Answer::Nothing };
        let extranonce1 = encode_hex(&session.extranonce1);
        Answer::Result(form.result(&session.id, &extranonce1, session.extranonce2_bytes))
    }

    /// The session that is presented, taken from the connection that has it.
    fn resumed(&mut self, presented: &str) -> Option<SessionKey> {
        if self.settings.resumption == Resumption::Forgets {
            return None;
        }
        let key = self.sessions.find(presented)?;
        for peer in self.peers.values_mut().filter(|peer| peer.session == Some(key)) {
            peer.session = None;
            peer.end(Ending::Reset);
        }
        self.books.counts.sessions_resumed += 1;
        Some(key)
    }

    fn authorize(&mut self, id: ConnectionId, params: &[Value]) -> Answer {
        let user = params.first().and_then(Value::as_str).unwrap_or_default();
        let Some(peer) = self.peers.get_mut(&id) else { return Answer::Nothing };
        if let Some(refusal) = self.faults.login_refusal.clone() {
            self.books.counts.authorizations_refused += 1;
            return Answer::Refused(refusal);
        }
        let fits = user.len() <= USER_BYTES_MAX && peer.users.len() < USERS_PER_CONNECTION_MAX;
        if !fits || !self.settings.accounts.admit(user) {
            self.books.counts.authorizations_refused += 1;
            return Answer::rejected(Reason::Unauthorized);
        }
        self.books.counts.authorizations += 1;
        peer.users.insert(user.to_owned());
        Answer::TRUE
    }

    /// What a pool that obeys is asked for holds from a job on that comes with it.
    fn suggested(&mut self, id: ConnectionId, params: &[Value], now: Instant) {
        let Suggestions::Obeyed { min } = self.settings.suggestions else { return };
        let wanted = params.first().and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_f64(),
        });
        let Some(difficulty) = wanted.and_then(Difficulty::rounded) else { return };
        let difficulty = difficulty.max(min);
        let Some((_, session)) = self.subscribed(id) else { return };
        if session.difficulty != difficulty {
            session.difficulty = difficulty;
            self.apply_difficulty(id, now);
        }
    }

    fn submit(&mut self, id: ConnectionId, request: &Request, now: Instant) {
        let text = |index: usize| request.params.get(index).and_then(Value::as_str);
        let job_id = request.params.get(1).map(job_id_text).unwrap_or_default();
        let user = text(0).unwrap_or_default();
        // What is missing or no text reads as empty, which has no number's shape.
        let claim = Claim {
            user,
            extranonce2: text(2).unwrap_or_default(),
            ntime: text(3).unwrap_or_default(),
            nonce: text(4).unwrap_or_default(),
            version_bits: request.params.get(5).filter(|bits| !bits.is_null()).map(bits_text),
        };
        let Some(verdict) = self.verdict(id, claim, &job_id, now) else { return };
        self.judged.enter(claim, now, verdict);
        let user = self.name_in_books(id, user);
        let (job_id, unix_time) = (job_id.as_ref(), self.unix_time(now));
        self.books.enter(Entry { connection: id, user: &user, job_id, unix_time }, verdict);
        if let Verdict::Accepted(accepted) = verdict {
            if let Some((_, session)) = self.subscribed(id) {
                session.vardiff.on_share(accepted.difficulty);
            }
            self.adapt_in_flood(id, now);
            if accepted.block {
                self.new_block(Some(accepted.hash), now);
            }
        }
        self.answer_submit(id, request, verdict, now);
    }

    /// A share is told its fate even without an id.
    fn answer_submit(
        &mut self,
        id: ConnectionId,
        request: &Request,
        verdict: Verdict,
        now: Instant,
    ) {
        let answer = match verdict {
            Verdict::Accepted(_) => Answer::TRUE,
            Verdict::Rejected(reason) => Answer::rejected(reason),
        };
        match self.faults.verdicts {
            Verdicts::Prompt => self.answer(id, &request.id, answer, now),
            Verdicts::Late(delay) => {
                let Some((line, latency)) = self.reply(id, &request.id, answer) else { return };
                self.queue(id, Lane::Late, now + latency + delay, line.into_bytes());
            }
            Verdicts::Withheld => self.books.counts.unanswered += 1,
        }
    }

    fn verdict(
        &mut self,
        id: ConnectionId,
        claim: Claim<'_>,
        job_id: &str,
        now: Instant,
    ) -> Option<Verdict> {
        let (unix_time, grace) = (self.unix_time(now), self.settings.stale_grace);
        let peer = self.peers.get(&id)?;
        let session = peer.session.and_then(|key| self.sessions.of(key));
        let (standing, job) = match session {
            None => (Standing::NotSubscribed, JobOnRecord::Unknown),
            Some(session) => {
                (Standing::Subscribed(&peer.users), session.lookup(job_id, now, grace))
            }
        };
        let version_mask = peer.rolling.map(Rolling::mask);
        let case = Case { claim, standing, job, version_mask, unix_time };
        let hashes = &mut self.books.hashes;
        match (judge::judge(&case, hashes), self.faults.share_refusal) {
            (Verdict::Accepted(accepted), Some(reason)) => {
                hashes.withdraw(&accepted.hash);
                self.books.counts.refused_on_command += 1;
                Some(Verdict::Rejected(reason))
            }
            (verdict, _) => Some(verdict),
        }
    }

    /// A share under a name that was never logged in must not open a page in the books.
    fn name_in_books(&self, id: ConnectionId, user: &str) -> String {
        let is_known = self.peers.get(&id).is_some_and(|peer| peer.users.contains(user));
        if is_known { user } else { UNAUTHORIZED_USERS }.to_owned()
    }
}

/// Who was given a number as a job id may say it as a number or as a text.
fn job_id_text(id: &Value) -> Cow<'_, str> {
    match id {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// The sixth parameter as text; what is no text has no number's shape.
fn bits_text(bits: &Value) -> &str {
    bits.as_str().unwrap_or("not a text")
}

/// BIP310: without a mask the miner takes any.
fn requested_mask(params: &[Value]) -> u32 {
    let text = params.get(1).and_then(|extras| extras.get("version-rolling.mask")?.as_str());
    text.and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or(u32::MAX)
}
