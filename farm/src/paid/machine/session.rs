//! One connection of a machine: handshake, jobs, tickets and answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use super::bench::{Found, Order};
use super::failback::Failback;
use super::traits::{HANDSHAKE_WITHIN, Kind};
use super::{Machine, Refusal, Server};
use crate::miner::dial::Dial;
use crate::miner::hearing;
use crate::miner::target::Target;
use crate::paid::book::{Answer, Place};
use crate::pool::ShareKey;
use crate::profile::CleanFlag;
use crate::wire::{self, LineStream, Message, Reply, Request, encode_hex};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Lost {
        had_work: bool,
    },
    /// Another server is to be used.
    Moved,
    /// Asked to come back after this.
    Wait(Duration),
}

/// What outlives a connection.
#[derive(Debug, Default)]
pub(super) struct Memory {
    session: Option<String>,
    extranonce1: Option<Arc<[u8]>>,
    /// Not answered when the connection broke.
    held: Vec<Sent>,
}

/// A share as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    place: Place,
    params: Value,
    found: Found,
}

#[derive(Debug)]
enum Asked {
    Configure,
    Subscribe,
    Authorize,
    Other,
    Share(Box<Sent>),
}

/// What the server has granted on this connection.
#[derive(Debug)]
struct Standing {
    opened: Instant,
    heard: Instant,
    next_id: u64,
    asked: VecDeque<(u64, Asked)>,
    extranonce: Option<(Arc<[u8]>, usize)>,
    next_extranonce: Option<(Arc<[u8]>, usize)>,
    authorized: bool,
    user: String,
    mask: u32,
    target: Target,
    order: Option<Order>,
    out: String,
}

/// A server that takes no bytes for so long is taken for dead.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// More than any server leaves unanswered.
const ASKED_MAX: usize = 1024;

/// No server may send a machine away for longer.
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(600);

// === connection of a machine ===

impl<D: Dial> Machine<D> {
    pub(super) async fn converse(
        &mut self,
        stream: D::Stream,
        server: &Server<D>,
        place: usize,
    ) -> End {
        let mut lines = LineStream::new(stream);
        let mut standing = Standing::new(Instant::now(), server.user.clone());
        self.greet(&mut standing, server);
        let better = self.servers.get(self.preferred()).filter(|_| self.preferred() != place);
        let mut failback = Failback::to(better.map(|server| server.dial.clone()));
        let end = loop {
            if !self.flush(&mut lines, &mut standing).await {
                break End::Lost { had_work: standing.order.is_some() };
            }
            let patience_ends = standing.patience_ends(self.kind);
            tokio::select! {
                biased;
                // An order of the operator's goes before what a server says; lines before tickets,
                // since they may be the job.
                Ok(()) = self.farm.preferred.changed() => {
                    if self.preferred() != place { break End::Moved }
                }
                line = lines.next_line() => {
                    let Ok(Some(line)) = line else {
                        break End::Lost { had_work: standing.order.is_some() };
                    };
                    if let Err(end) = self.line(&mut standing, &line) { break end }
                }
                () = sleep_until(self.bench.next()) => self.ticket(&mut standing),
                () = sleep_until(patience_ends) => {
                    break End::Lost { had_work: standing.order.is_some() };
                }
                () = failback.due() => break End::Moved,
            }
        };
        self.hold(standing);
        end
    }

    fn greet(&mut self, standing: &mut Standing, server: &Server<D>) {
        let rolling = json!([["version-rolling"], {"version-rolling.mask": "1fffe000"}]);
        standing.ask("mining.configure", &rolling, Asked::Configure);
        let mut params = vec![json!(self.kind.user_agent())];
        if self.kind.resumes() {
            params.extend(self.memory.session.as_ref().map(|session| json!(session)));
        }
        standing.ask("mining.subscribe", &Value::Array(params), Asked::Subscribe);
        standing.ask("mining.authorize", &json!([server.user, "x"]), Asked::Authorize);
        if self.kind.follows_extranonce() {
            standing.ask("mining.extranonce.subscribe", &json!([]), Asked::Other);
        }
    }

    /// Whether the server takes it.
    async fn flush(
        &mut self,
        lines: &mut LineStream<impl AsyncRead + AsyncWrite + Unpin>,
        standing: &mut Standing,
    ) -> bool {
        if standing.out.is_empty() {
            return true;
        }
        let out = std::mem::take(&mut standing.out);
        let sent = self.bench.meanwhile(timeout(WRITE_WITHIN, lines.send(out.as_bytes()))).await;
        matches!(sent, Ok(Ok(())))
    }

    fn line(&mut self, standing: &mut Standing, line: &str) -> Result<(), End> {
        standing.heard = Instant::now();
        match wire::parse(line) {
            Ok(Message::Reply(reply)) => self.reply(standing, &reply),
            Ok(Message::Request(request)) => self.notice(standing, &request),
            Err(_) => Ok(()),
        }
    }

    fn reply(&mut self, standing: &mut Standing, reply: &Reply) -> Result<(), End> {
        let id = reply.id.as_u64();
        let place = standing.asked.iter().position(|(asked, _)| Some(*asked) == id);
        let Some((_, asked)) = place.and_then(|place| standing.asked.remove(place)) else {
            return Ok(());
        };
        let refused = End::Lost { had_work: false };
        match asked {
            Asked::Share(sent) => self.share_answered(&sent, reply),
            Asked::Authorize if !reply.is_success() => return Err(refused),
            Asked::Authorize => {
                standing.authorized = true;
                self.send_held(standing);
            }
            Asked::Subscribe => {
                let heard = hearing::subscribed(&reply.result).map_err(|_| refused)?;
                let extranonce1: Arc<[u8]> = heard.extranonce1.into();
                if self.memory.extranonce1.as_ref() != Some(&extranonce1) {
                    self.memory.held.clear();
                }
                self.memory.session = heard.session;
                self.memory.extranonce1 = Some(Arc::clone(&extranonce1));
                standing.extranonce = Some((extranonce1, heard.extranonce2_size));
            }
            Asked::Configure => {
                let mask = reply.result.get("version-rolling.mask").and_then(hearing::number);
                standing.mask = mask.unwrap_or(0);
            }
            Asked::Other => {}
        }
        Ok(())
    }

    fn share_answered(&self, sent: &Sent, reply: &Reply) {
        if reply.is_success() {
            self.bench.book().answered(sent.place, Answer::Yes);
            return;
        }
        self.bench.book().answered(sent.place, Answer::No(reply.error_code()));
        let refusal = Refusal {
            place: sent.place,
            at: Instant::now(),
            header: sent.found.header,
            coinbase: sent.found.coinbase(),
        };
        // Beyond its bound refusals are not looked at, which can only hide a fault of the proxy in
        // a farm that has far worse ones.
        self.farm.refusals.try_send(refusal).ok();
    }

    fn notice(&mut self, standing: &mut Standing, notice: &Request) -> Result<(), End> {
        let params = notice.params.as_slice();
        match notice.method.as_str() {
            "mining.notify" => self.job(standing, params),
            "mining.set_difficulty" => standing.set_difficulty(params),
            "mining.set_extranonce" if self.kind.follows_extranonce() => {
                standing.set_extranonce(params);
            }
            "mining.set_version_mask" => {
                standing.mask = params.first().and_then(hearing::number).unwrap_or(0);
                let mask = standing.mask;
                standing.order.iter_mut().for_each(|order| order.mask = mask);
            }
            "mining.ping" => standing.out.push_str(&wire::reply(&notice.id, &json!("pong"))),
            "client.reconnect" if self.kind.obeys_reconnect() => {
                let seconds = params.get(2).and_then(Value::as_u64).unwrap_or(0);
                return Err(End::Wait(Duration::from_secs(seconds).min(RECONNECT_WAIT_MAX)));
            }
            // Other coins' and other centuries' methods: firmware ignores them.
            _ => {}
        }
        Ok(())
    }

    fn job(&mut self, standing: &mut Standing, params: &[Value]) {
        let Ok(job) = hearing::job(params, CleanFlag::Ninth) else { return };
        if let Some(next) = standing.next_extranonce.take() {
            standing.extranonce = Some(next);
        }
        let Some((extranonce1, extranonce2_size)) = standing.extranonce.clone() else { return };
        self.bench.work_came(Instant::now());
        standing.order = Some(Order {
            job: Arc::new(job),
            extranonce1,
            extranonce2_size,
            mask: standing.mask,
            target: standing.target,
        });
    }

    fn ticket(&mut self, standing: &mut Standing) {
        let order = standing.order.clone().filter(|_| standing.authorized);
        let Some(order) = order.filter(|_| standing.asked.len() < ASKED_MAX) else {
            return self.bench.without_job();
        };
        let Some(found) = self.bench.find(Instant::now(), &order) else { return };
        let place = self.bench.enter(&found);
        let texts = [
            encode_hex(&found.extranonce2),
            format!("{:08x}", found.ntime),
            format!("{:08x}", found.nonce),
        ];
        let [extranonce2, ntime, nonce] = &texts;
        if let Some(key) = ShareKey::of(extranonce2, ntime, nonce) {
            self.bench.book().submitted(place, key);
        }
        let mut params = vec![json!(standing.user), json!(order.job.id)];
        params.extend(texts.iter().map(|text| json!(text)));
        if standing.mask != 0 {
            params.push(json!(format!("{:08x}", found.bits)));
        }
        let sent = Sent { place, params: Value::Array(params), found };
        standing.submit(sent);
    }

    /// Shares of an earlier connection, now that its session is back.
    fn send_held(&mut self, standing: &mut Standing) {
        std::mem::take(&mut self.memory.held).into_iter().for_each(|sent| standing.submit(sent));
    }

    fn hold(&mut self, standing: Standing) {
        if self.kind.resumes() {
            let shares = standing.asked.into_iter().filter_map(|(_, asked)| match asked {
                Asked::Share(sent) => Some(*sent),
                Asked::Configure | Asked::Subscribe | Asked::Authorize | Asked::Other => None,
            });
            self.memory.held = shares.collect();
        }
    }
}

// === impl Standing ===

impl Standing {
    fn new(now: Instant, user: String) -> Self {
        Self {
            opened: now,
            heard: now,
            next_id: 1,
            asked: VecDeque::new(),
            extranonce: None,
            next_extranonce: None,
            authorized: false,
            user,
            mask: 0,
            target: Target::of_difficulty("1").unwrap_or(Target::MAX),
            order: None,
            out: String::new(),
        }
    }

    /// Silence kills a server, and a handshake without end.
    fn patience_ends(&self, kind: Kind) -> Instant {
        let silence = self.heard + kind.silence();
        if self.order.is_some() { silence } else { silence.min(self.opened + HANDSHAKE_WITHIN) }
    }

    fn ask(&mut self, method: &str, params: &Value, asked: Asked) {
        self.out.push_str(&wire::request(self.next_id, method, params));
        self.asked.push_back((self.next_id, asked));
        self.next_id += 1;
    }

    fn submit(&mut self, sent: Sent) {
        let params = sent.params.clone();
        self.ask("mining.submit", &params, Asked::Share(Box::new(sent)));
    }

    /// From the next job on.
    fn set_difficulty(&mut self, params: &[Value]) {
        let text = match params.first() {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(_) | None => return,
        };
        if let Ok(target) = Target::of_difficulty(&text) {
            self.target = target;
        }
    }

    /// From the next job on.
    fn set_extranonce(&mut self, params: &[Value]) {
        let extranonce1 = params.first().and_then(Value::as_str).and_then(wire::decode_hex);
        let size = params.get(1).and_then(Value::as_u64);
        if let (Some(extranonce1), Some(size)) =
            (extranonce1, size.and_then(|s| usize::try_from(s).ok()))
        {
            self.next_extranonce = Some((extranonce1.into(), size));
        }
    }
}
