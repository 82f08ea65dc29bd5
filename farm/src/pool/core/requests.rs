//! What a peer's line does: every method of PROTOCOL 2.3.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::judge::{self, Case, Claim, JobOnRecord, Reason, Standing, Verdict};
use crate::pool::books::Entry;
use crate::pool::peer::{ConnectionId, Ending, ExtranonceNews, Rolling};
use crate::pool::session::SessionKey;
use crate::pool::settings::{Resumption, VersionRolling};
use crate::wire::{self, Message, Request, encode_hex};

use super::{Core, Verdicts, Voice};

/// Names that one connection may log in.
const USERS_PER_CONNECTION_MAX: usize = 1024;
const USER_BYTES_MAX: usize = 255;
const USER_AGENT_CHARS_MAX: usize = 256;

/// What the peer is told.
enum Answer {
    Nothing,
    Refused { code: i64, message: &'static str },
    Result(Value),
}

// === impl Answer ===

impl Answer {
    const TRUE: Self = Self::Result(Value::Bool(true));
    const UNKNOWN_METHOD: Self = Self::Refused { code: 20, message: "Method not found" };

    fn rejected(reason: Reason) -> Self {
        Self::Refused { code: reason.code(), message: reason.message() }
    }
}

// === impl Core ===

impl Core {
    /// Takes one line of a connection.
    pub(in crate::pool) fn receive(&mut self, id: ConnectionId, line: &str, now: Instant) {
        if self.voice == Voice::Silent {
            self.books.counts.ignored_lines += 1;
            return;
        }
        match wire::parse(line) {
            Ok(Message::Request(request)) => self.request(id, &request, now),
            Ok(Message::Reply(_)) => self.books.counts.replies += 1,
            Err(_) => {
                self.books.counts.malformed_lines += 1;
                let answer = Answer::Refused { code: 20, message: "Not a Stratum message" };
                self.answer(id, &Value::Null, answer, now);
            }
        }
    }

    fn request(&mut self, id: ConnectionId, request: &Request, now: Instant) {
        let params = request.params.as_slice();
        let answer = match request.method.as_str() {
            "mining.configure" => self.configure(id, params),
            "mining.subscribe" => self.subscribe(id, params, now),
            "mining.authorize" => self.authorize(id, params),
            "mining.submit" => self.submit(id, params, now),
            "mining.extranonce.subscribe" => self.subscribe_extranonce(id),
            "mining.ping" => Answer::Result(json!("pong")),
            "mining.get_transactions" => Answer::Result(json!([])),
            "mining.suggest_difficulty"
            | "mining.suggest_target"
            | "mining.multi_version"
            | "mining.capabilities" => Answer::TRUE,
            "mining.pong" | "pong" => {
                self.books.counts.replies += 1;
                Answer::Nothing
            }
            _ => {
                self.books.counts.unknown_methods += 1;
                Answer::UNKNOWN_METHOD
            }
        };
        // A request without an id wants no answer, but a share is always told its fate.
        if !request.id.is_null() || request.method == "mining.submit" {
            self.answer(id, &request.id, answer, now);
        }
        self.start_jobs(id, now);
    }

    fn answer(&mut self, id: ConnectionId, request: &Value, answer: Answer, now: Instant) {
        let settings = &self.settings;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let line = match answer {
            Answer::Nothing => return,
            Answer::Result(result) => wire::reply(request, &result),
            Answer::Refused { code, message } => {
                settings.forms.rejection.line(request, (code, message), &mut peer.random)
            }
        };
        let latency = peer.drawn_latency(settings.reply_latency, settings.reply_jitter);
        if !peer.send(now + latency, line.into_bytes()) {
            self.books.counts.slow_readers += 1;
        }
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
        Answer::Result(Value::Object(reply))
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
        let form = self.settings.forms.subscription;
        let Some(session) = self.sessions.of(key) else { return Answer::Nothing };
        let subscriptions = form.value(&session.id);
        let extranonce1 = encode_hex(&session.extranonce1);
        Answer::Result(json!([subscriptions, extranonce1, session.extranonce2_bytes]))
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
        let fits = user.len() <= USER_BYTES_MAX && peer.users.len() < USERS_PER_CONNECTION_MAX;
        if !fits || !self.settings.accounts.admit(user) {
            self.books.counts.authorizations_refused += 1;
            return Answer::rejected(Reason::Unauthorized);
        }
        self.books.counts.authorizations += 1;
        peer.users.insert(user.to_owned());
        Answer::TRUE
    }

    fn submit(&mut self, id: ConnectionId, params: &[Value], now: Instant) -> Answer {
        let text = |index: usize| params.get(index).and_then(Value::as_str);
        let (user, job_id) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
        // What is missing or no text reads as empty, which has no number's shape.
        let claim = Claim {
            user,
            extranonce2: text(2).unwrap_or_default(),
            ntime: text(3).unwrap_or_default(),
            nonce: text(4).unwrap_or_default(),
            version_bits: params.get(5).filter(|bits| !bits.is_null()).map(bits_text),
        };
        let unix_time = self.unix_time(now);
        let Some(verdict) = self.verdict(id, claim, job_id, now) else { return Answer::Nothing };
        let user = self.name_in_books(id, user);
        self.books.enter(Entry { user: &user, job_id, unix_time }, verdict);
        if let Verdict::Accepted(accepted) = verdict {
            if let Some((_, session)) = self.subscribed(id) {
                session.vardiff.on_share(accepted.difficulty);
            }
            if accepted.block {
                self.new_block(Some(accepted.hash), now);
            }
        }
        match (self.verdicts, verdict) {
            (Verdicts::Withheld, _) => {
                self.books.counts.unanswered += 1;
                Answer::Nothing
            }
            (Verdicts::Answered, Verdict::Accepted(_)) => Answer::TRUE,
            (Verdicts::Answered, Verdict::Rejected(reason)) => Answer::rejected(reason),
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
        Some(judge::judge(&case, &mut self.books.hashes))
    }

    /// A share under a name that was never logged in must not open a page in the books.
    fn name_in_books(&self, id: ConnectionId, user: &str) -> String {
        let is_known = self.peers.get(&id).is_some_and(|peer| peer.users.contains(user));
        if is_known { user } else { "(unauthorized)" }.to_owned()
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
