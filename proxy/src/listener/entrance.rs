//! The way from an accepted socket to a session. Where more stands before it than Stratum, a load balancer's header or TLS
//! or both, that is passed here, on the thread that will own the session, within the handshake timeout.

use std::io;
use std::sync::Arc;

use loka_stratum::work::Now;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::door::{Failure, Handshake, Slots};
use super::proxied::{self, Fault, Origin};
use crate::policy::visitors::Visit;
use crate::room::{TLS_BYTES, weigh};
use crate::session::{Feed, Session, SessionParts};
use crate::telemetry::MinerEvent;
use crate::telemetry::reasons::{Offence, RefuseReason, TlsFailure};
use crate::transport::{Boxed, Transport};

/// Opens a connection on the thread that will own it.
pub(super) type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// What stands before Stratum.
pub(super) struct Way {
    pub(super) header: Header,
    pub(super) tls: Option<(Arc<ServerConfig>, Slots)>,
    pub(super) accepted: Now,
}

/// Whether a load balancer says where a connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    None,
    Required,
}

/// Why somebody did not get in.
enum Turned {
    Away(RefuseReason),
    ByTls(Failure),
}

/// What a session is begun with. In a box: what a task is given takes room in it to its end.
pub(super) type Given = Box<(Open, SessionParts)>;

/// One miner who speaks Stratum at once, and in the clear.
pub(super) async fn serve(given: Given) {
    let Some(mut session) = started(given) else { return };
    session.run().await;
}

/// Not in place: what stands before an await takes room through it.
#[expect(clippy::boxed_local, reason = "the box ends here, and not with the task")]
fn started(given: Given) -> Option<Session> {
    let (open, parts) = *given;
    match open() {
        Ok(io) => {
            let now = parts.context.clock.now();
            Some(Session::new(parts, io, now))
        }
        Err(_) => {
            turned(&parts, Turned::Away(RefuseReason::AcceptFailed), Visit::Greeting);
            None
        }
    }
}

/// One miner who has more to pass.
pub(super) async fn serve_by(way: Box<Way>, given: Given) {
    let by_tls = match way.tls {
        Some(_) => TLS_BYTES,
        None => 0,
    };
    let Some(mut session) = way.pass(given).await else { return };
    // Not by a guard: that would stand in every session's memory.
    weigh(session.growth(), 0, by_tls);
    session.run().await;
    weigh(session.growth(), by_tls, 0);
}

// === impl Way ===

impl Way {
    /// In a box: a session's memory is not to hold the room of what came before it.
    fn pass(self: Box<Self>, given: Given) -> Boxed<'static, Option<Session>> {
        Box::pin(async move {
            let (open, mut parts) = *given;
            let (accepted, header) = (self.accepted, self.header);
            let mut visit = match header {
                Header::None => Visit::Greeting,
                Header::Required => Visit::Unnamed,
            };
            match self.steps(open, &mut parts, &mut visit).await {
                Ok(io) => {
                    // Who was on the way has looked at it; the session has not.
                    parts.feed.mark_changed();
                    Some(Session::new(parts, io, accepted))
                }
                Err(why) => {
                    turned(&parts, why, visit);
                    None
                }
            }
        })
    }

    async fn steps(
        self,
        open: Open,
        parts: &mut SessionParts,
        visit: &mut Visit,
    ) -> Result<Box<dyn Transport>, Turned> {
        let Self { header, tls, accepted } = self;
        let mut io = open().map_err(|_| Turned::Away(RefuseReason::AcceptFailed))?;
        let patience = parts.feed.borrow().terms.handshake_timeout;
        if header == Header::Required {
            let said = proxied::read(&mut *io, patience, let_go(&mut parts.feed)).await;
            match said.map_err(|fault| Turned::Away(reason(fault)))? {
                Origin::From(address) => parts.peer.address = address,
                Origin::Own => {}
            }
            let now = parts.context.clock.now().instant;
            let entered = parts.context.visitors.enter(now, parts.peer.address.ip());
            entered.map_err(Turned::Away)?;
            *visit = Visit::Greeting;
        }
        let Some((config, slots)) = tls else { return Ok(io) };
        let handshake = Handshake { config, slots, accepted };
        handshake.run(io, patience, let_go(&mut parts.feed)).await.map_err(Turned::ByTls)
    }
}

/// Lets the connection go, and says why: whoever hears of it finds its place free.
fn turned(parts: &SessionParts, why: Turned, visit: Visit) {
    let SessionParts { context, feed: _, peer, token: _ } = parts;
    let (listener, peer) = (&*context.listener, peer.address);
    if let Turned::ByTls(Failure { reason: TlsFailure::Malformed, detail: _ }) = why {
        context.offended(peer, Offence::NotStratum);
    }
    context.left(peer, visit);
    context.telemetry.emit(match &why {
        Turned::Away(reason) => MinerEvent::Refused { listener, peer, reason: *reason },
        Turned::ByTls(Failure { reason, detail }) => {
            MinerEvent::TlsFailed { listener, peer, reason: *reason, detail }
        }
    });
}

/// Until the listener's miners are to leave, or it ends.
async fn let_go(feed: &mut watch::Receiver<Arc<Feed>>) {
    drop(feed.wait_for(|feed| feed.leave.is_some()).await);
}

fn reason(fault: Fault) -> RefuseReason {
    match fault {
        Fault::Ended => RefuseReason::Disconnected,
        Fault::Late => RefuseReason::ProxyHeaderLate,
        Fault::Malformed => RefuseReason::ProxyHeaderMalformed,
        Fault::Missing => RefuseReason::ProxyHeaderMissing,
        Fault::Stopped => RefuseReason::Draining,
        Fault::TooLong => RefuseReason::ProxyHeaderTooLong,
    }
}
