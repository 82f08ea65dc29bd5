//! Listeners: one task per listener, which accepts miners and joins its routes' work with its own terms into the feeds that
//! their sessions read ([`mod@feeds`]). It speaks no Stratum; TLS, where it is configured, is between the two
//! ([`mod@door`]).

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use loka_api::runtime_config::Listener;
use loka_stratum::downstream::{Close, SessionToken};
use loka_stratum::firmware::Profiles;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::fleet::{Dedicated, RouteState};
use crate::router::Rules;
use crate::session::{
    Feed, Leave, Memory, MinerIds, Peer, Resumables, Session, SessionContext, SessionParts,
    Switchboard,
};
use crate::sink::ledger::Ledger;
use crate::telemetry::reasons::RefuseReason;
use crate::telemetry::{MinerEvent, ProcessEvent, Telemetry};
use crate::tls;
use crate::transport::{Accept, Arrival, Transport};
use crate::workers::{Tasks, Workers};

mod dedicated;
mod door;
mod feeds;
mod terms;

use self::door::{Door, Failure, Handshake, Slots};
use self::feeds::Feeds;
pub(crate) use self::terms::{firmware, vardiff};

/// Pause after a failed accept: it is a lack of descriptors or memory, and neither comes back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener is told from outside.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) config: Arc<Listener>,
    /// What is known of miners' software; the same value for as long as nothing of it changes.
    pub(crate) firmware: Profiles,
    /// Which miners take another route than the listener's own.
    pub(crate) rules: Arc<Rules>,
    /// Every route that the rules can lead to, the listener's own first.
    pub(crate) routes: Vec<Reachable>,
    pub(crate) leave: Option<Leave>,
    pub(crate) port: Port,
}

/// A route that miners of a listener may work for.
#[derive(Clone, Debug)]
pub(crate) struct Reachable {
    pub(crate) name: Arc<str>,
    pub(crate) state: watch::Receiver<Arc<RouteState>>,
    /// Where each miner is to have pool connections of its own.
    pub(crate) dedicated: Option<Arc<Dedicated>>,
}

/// Whether new miners are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Closed,
    Open,
}

/// What every listener shares.
#[derive(Clone)]
pub(crate) struct ListenerSeams {
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) ids: Arc<MinerIds>,
    pub(crate) tasks: Tasks,
    pub(crate) workers: Workers,
    pub(crate) random: fastrand::Rng,
}

/// A listener's task.
pub(crate) struct ListenerTask {
    accept: Option<Box<dyn Accept>>,
    address: SocketAddr,
    orders: watch::Receiver<Orders>,
    current: Orders,
    seams: ListenerSeams,
    context: Arc<SessionContext>,
    feeds: Feeds,
    /// For those who come from now on: nobody who is in is sent away because it changes.
    door: Door,
    slots: Slots,
}

/// Opens a connection on the thread that will own it.
type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// Counts the miners of a listener, for status pages and drain.
#[derive(Clone, Debug)]
pub(crate) struct MinerCount(Arc<SessionContext>);

// === impl MinerCount ===

impl MinerCount {
    pub(crate) fn now(&self) -> usize {
        self.0.miners.load(Ordering::Relaxed)
    }
}

// === impl ListenerTask ===

impl ListenerTask {
    pub(crate) fn new(
        accept: Box<dyn Accept>,
        address: SocketAddr,
        mut orders: watch::Receiver<Orders>,
        seams: ListenerSeams,
    ) -> Self {
        let current = orders.borrow_and_update().clone();
        let context = Arc::new(SessionContext {
            listener: current.config.name.as_str().into(),
            clock: seams.clock,
            telemetry: seams.telemetry.clone(),
            ledger: Arc::clone(&seams.ledger),
            ids: Arc::clone(&seams.ids),
            resumables: Resumables::default(),
            memory: Memory::default(),
            miners: AtomicUsize::new(0),
            switchboard: Switchboard::default(),
        });
        let feeds = Feeds::new(&current, &context, seams.tasks.clone());
        let door = door(&current.config, &seams);
        let slots = Slots::new();
        Self { accept: Some(accept), address, orders, current, seams, context, feeds, door, slots }
    }

    pub(crate) fn miners(&self) -> MinerCount {
        MinerCount(Arc::clone(&self.context))
    }

    /// Runs until its orders end; then it closes, and its sessions with it.
    pub(crate) async fn run(mut self) {
        let (listener, address) = (Arc::clone(&self.context.listener), self.address);
        let telemetry = self.seams.telemetry.clone();
        telemetry.emit(ProcessEvent::ListenerBound { listener: &listener, address });
        loop {
            // Work first: an accept may wait, a new block may not.
            tokio::select! {
                biased;
                (index, changed) = any_changed(&mut self.current.routes) => match changed {
                    Ok(()) => self.publish(index),
                    // The route is gone; new orders will name others, or end us.
                    Err(_) if self.orders.changed().await.is_ok() => self.reorder(),
                    Err(_) => break,
                },
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.reorder(),
                    Err(_) => break,
                },
                arrival = accept(&mut self.accept) => self.arrived(arrival).await,
            }
        }
        self.context.switchboard.set(None);
        let miners = self.miners().now();
        telemetry.emit(ProcessEvent::ListenerClosed { listener: &listener, address, miners });
    }

    fn reorder(&mut self) {
        let tls_before = self.current.config.tls.clone();
        self.current = self.orders.borrow_and_update().clone();
        if self.current.config.tls != tls_before {
            self.door = door(&self.current.config, &self.seams);
        }
        if self.current.leave.is_some() || self.current.port == Port::Closed {
            // New miners go elsewhere at once: the port is closed, not just unanswered.
            self.accept = None;
        }
        for route in &mut self.current.routes {
            route.state.mark_unchanged();
        }
        self.feeds.reorder(&self.current, &self.context);
    }

    fn publish(&mut self, index: usize) {
        self.feeds.publish(index, &self.current, &self.context);
    }

    async fn arrived(&mut self, arrival: io::Result<Arrival>) {
        match arrival {
            Ok(arrival) => self.admit(arrival),
            Err(error) => {
                tracing::warn!(listener = %self.context.listener, %error, "cannot accept a miner; raise the limit of open files");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    /// Starts a session, or closes the connection at once: a full proxy must not look like a slow one.
    fn admit(&mut self, arrival: Arrival) {
        let Arrival { peer, open } = arrival;
        let limit =
            usize::try_from(self.current.config.limits.max_connections).unwrap_or(usize::MAX);
        if self.context.miners.load(Ordering::Relaxed) >= limit {
            self.seams.telemetry.emit(MinerEvent::Refused {
                listener: &self.context.listener,
                peer,
                reason: RefuseReason::ConnectionLimit,
            });
            return;
        }
        let config = match &self.door {
            Door::Plain => None,
            Door::Tls(config) => Some(Arc::clone(config)),
            Door::Shut => return,
        };
        self.context.miners.fetch_add(1, Ordering::Relaxed);
        let place = self.seams.workers.place();
        let mut feed = self.feeds.entry();
        feed.mark_changed();
        let peer = Peer {
            address: peer,
            trace: self.seams.telemetry.traces().begin(),
            spread: self.seams.random.f32(),
        };
        let token = SessionToken(self.seams.random.u64(..));
        let parts = SessionParts { context: Arc::clone(&self.context), feed, peer, token };
        match config {
            None => self.seams.tasks.spawn_at(place, serve(open, parts)),
            Some(config) => {
                let slots = self.slots.clone();
                let handshake = Handshake { config, slots, accepted: self.seams.clock.now() };
                self.seams.tasks.spawn_at(place, serve_encrypted(open, parts, handshake));
            }
        }
    }
}

/// One miner in the clear.
async fn serve(open: Open, parts: SessionParts) {
    match open() {
        Ok(io) => started(parts, io).run().await,
        Err(_) => {
            parts.context.miners.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Not in place: what stands before an await takes room through it.
fn started(parts: SessionParts, io: Box<dyn Transport>) -> Session {
    let now = parts.context.clock.now();
    Session::new(parts, io, now)
}

/// One miner over TLS.
async fn serve_encrypted(open: Open, mut parts: SessionParts, handshake: Handshake) {
    let accepted = handshake.accepted;
    let timeout = parts.feed.borrow().terms.handshake_timeout;
    let secured = match open().map_err(Failure::of) {
        Ok(io) => handshake.run(io, timeout, let_go(&mut parts.feed)).await,
        Err(failure) => Err(failure),
    };
    match secured {
        Ok(io) => {
            // The handshake has looked at it; the session has not.
            parts.feed.mark_changed();
            Session::new(parts, io, accepted).run().await;
        }
        Err(Failure { reason, detail }) => {
            let SessionParts { context, feed: _, peer, token: _ } = parts;
            context.miners.fetch_sub(1, Ordering::Relaxed);
            let (listener, peer) = (&*context.listener, peer.address);
            context.telemetry.emit(MinerEvent::TlsFailed {
                listener,
                peer,
                reason,
                detail: &detail,
            });
        }
    }
}

/// Until the listener's miners are to leave, or it ends.
async fn let_go(feed: &mut watch::Receiver<Arc<Feed>>) {
    drop(feed.wait_for(|feed| feed.leave.is_some()).await);
}

/// How miners come in by this configuration.
fn door(config: &Listener, seams: &ListenerSeams) -> Door {
    let Some(wanted) = &config.tls else { return Door::Plain };
    let listener = config.name.as_str();
    match tls::Terms::new(wanted) {
        Ok(tls::Terms { config, not_after }) => {
            let now = u64::from(seams.clock.now().unix.0);
            if let Some(not_after) = not_after.filter(|end| *end < now) {
                seams.telemetry.emit(ProcessEvent::CertificateEnded { listener, not_after });
            }
            Door::Tls(config)
        }
        Err(error) => {
            let error = &error;
            seams.telemetry.emit(ProcessEvent::CertificateUnusable { listener, error });
            Door::Shut
        }
    }
}

/// The first route with other work than it was last read with, by its place.
async fn any_changed(routes: &mut [Reachable]) -> (usize, Result<(), watch::error::RecvError>) {
    let changes = routes.iter_mut().map(|route| Box::pin(route.state.changed()));
    let mut changes: Vec<_> = changes.collect();
    poll_fn(|cx| {
        let polled = changes.iter_mut().map(|change| change.as_mut().poll(cx)).enumerate();
        let mut ready = polled.filter_map(|(index, poll)| match poll {
            Poll::Ready(changed) => Some((index, changed)),
            Poll::Pending => None,
        });
        ready.next().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// The next arrival, or never when the port is closed.
async fn accept(port: &mut Option<Box<dyn Accept>>) -> io::Result<Arrival> {
    match port {
        Some(port) => port.accept().await,
        None => std::future::pending().await,
    }
}

/// The order that empties a listener.
pub(crate) fn leave(reason: Close, window: Duration) -> Leave {
    Leave { reason, window }
}

#[cfg(test)]
mod tests;
