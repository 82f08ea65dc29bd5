//! Listeners: one task per listener, which accepts miners and joins its routes' work with its own terms into the feeds that
//! their sessions read ([`mod@feeds`]). It speaks no Stratum; a load balancer's header and TLS, where they are configured,
//! are between the two ([`mod@entrance`]).

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use loka_api::runtime_config::Listener;
use loka_stratum::downstream::{Close, SessionToken};
use loka_stratum::firmware::Profiles;
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::fleet::{Dedicated, RouteState};
use crate::policy::backoff::ACCEPT_PAUSE;
use crate::policy::visitors::Visit;
use crate::room::{Lack, Room, SESSION_BYTES};
use crate::router::Rules;
use crate::session::{
    Leave, Memory, MinerIds, Peer, Resumables, SessionContext, SessionParts, Sessions, Switchboard,
    Visitors,
};
use crate::sink::ledger::Ledger;
use crate::telemetry::reasons::RefuseReason;
use crate::telemetry::{MinerEvent, ProcessEvent, Telemetry};
use crate::tls;
use crate::transport::{Accept, Arrival, Dial};
use crate::workers::{Tasks, Workers};

mod dedicated;
mod door;
mod entrance;
mod feeds;
mod guards;
mod proxied;
mod terms;

use self::door::{Door, Slots};
use self::entrance::{Header, Way};
use self::feeds::{Feeds, Makings};
use self::guards::Guards;
use self::proxied::Trusted;
pub(crate) use self::terms::{firmware, vardiff};

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
    pub(crate) room: Room,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tasks: Tasks,
    pub(crate) workers: Workers,
    pub(crate) random: fastrand::Rng,
    pub(crate) dial: Arc<dyn Dial>,
}

/// A listener's task.
pub(crate) struct ListenerTask {
    accept: Option<Box<dyn Accept>>,
    /// After an accept that failed.
    paused_until: Option<Instant>,
    address: SocketAddr,
    orders: watch::Receiver<Orders>,
    current: Orders,
    guards: Guards,
    seams: ListenerSeams,
    context: Arc<SessionContext>,
    feeds: Feeds,
    /// For those who come from now on: nobody who is in is sent away because it changes.
    door: Door,
    slots: Slots,
    /// Whose word is taken for where a connection comes from, where that is required.
    trusted: Option<Trusted>,
}

/// Counts the miners of a listener, for status pages and drain.
#[derive(Clone, Debug)]
pub(crate) struct MinerCount(Arc<SessionContext>);

// === impl MinerCount ===

impl MinerCount {
    pub(crate) fn now(&self) -> usize {
        self.0.miners.load(Ordering::Relaxed)
    }

    /// Of them, those whose handshake is not complete.
    pub(crate) fn handshakes(&self) -> u32 {
        self.0.visitors.handshakes()
    }

    /// Bytes of those miners, and of what is remembered of others.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let SessionContext { miners, growth, resumables, memory, visitors, .. } = &*self.0;
        let miners = miners.load(Ordering::Relaxed) as u64 * SESSION_BYTES;
        let tables = resumables.bytes() + memory.bytes() + visitors.bytes();
        (miners + growth.load(Ordering::Relaxed) as u64, tables as u64)
    }

    /// The listener's name.
    pub(crate) fn listener(&self) -> &Arc<str> {
        &self.0.listener
    }

    /// Whom it lets in.
    pub(crate) fn visitors(&self) -> &Visitors {
        &self.0.visitors
    }

    /// Addresses that are refused for what they did.
    pub(crate) fn banned_addresses(&self, now: Instant) -> usize {
        self.0.visitors.banned(now)
    }
}

// === impl ListenerTask ===

impl ListenerTask {
    pub(crate) fn new(
        accept: Box<dyn Accept>,
        address: SocketAddr,
        mut orders: watch::Receiver<Orders>,
        mut seams: ListenerSeams,
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
            growth: AtomicUsize::new(0),
            sessions: Arc::clone(&seams.sessions),
            visitors: Visitors::default(),
            room: seams.room.clone(),
            switchboard: Switchboard::default(),
        });
        let mut guards = Guards::default();
        guards.follow(&current.config, &context.listener, &mut seams);
        let makings = Makings { orders: &current, guards: &guards, context: &context };
        let feeds = Feeds::new(makings, seams.tasks.clone());
        let door = door(&current.config, &seams);
        let (slots, trusted) = (Slots::new(), trusted(&current.config));
        context.visitors.set_terms(terms::door(&current.config));
        let accept = Some(accept);
        Self {
            accept,
            paused_until: None,
            address,
            orders,
            current,
            guards,
            seams,
            context,
            feeds,
            door,
            slots,
            trusted,
        }
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
                // Last: it may wait, and while nothing can be accepted it does.
                arrival = accept(&mut self.accept, self.paused_until) => self.arrived(arrival),
            }
        }
        self.context.switchboard.set(None);
        let miners = self.miners().now();
        telemetry.emit(ProcessEvent::ListenerClosed { listener: &listener, address, miners });
    }

    fn reorder(&mut self) {
        let tls_before = self.current.config.tls.clone();
        self.current = self.orders.borrow_and_update().clone();
        self.guards.follow(&self.current.config, &self.context.listener, &mut self.seams);
        if self.current.config.tls != tls_before {
            self.door = door(&self.current.config, &self.seams);
        }
        self.trusted = trusted(&self.current.config);
        self.context.visitors.set_terms(terms::door(&self.current.config));
        if self.current.leave.is_some() || self.current.port == Port::Closed {
            // New miners go elsewhere at once: the port is closed, not just unanswered.
            self.accept = None;
        }
        for route in &mut self.current.routes {
            route.state.mark_unchanged();
        }
        let Self { current: orders, guards, context, .. } = self;
        self.feeds.reorder(Makings { orders, guards, context });
    }

    fn publish(&mut self, index: usize) {
        let Self { current: orders, guards, context, .. } = self;
        self.feeds.publish(index, Makings { orders, guards, context });
    }

    fn arrived(&mut self, arrival: io::Result<Arrival>) {
        match arrival {
            Ok(arrival) => {
                self.paused_until = None;
                self.admit(arrival);
            }
            Err(error) => {
                let (listener, error) = (&*self.context.listener, &error);
                self.seams.telemetry.emit(MinerEvent::AcceptFailed { listener, error });
                self.paused_until = Some(self.seams.clock.now().instant + ACCEPT_PAUSE);
            }
        }
    }

    /// Starts a session, or closes the connection at once: a full proxy must not look like a slow one.
    fn admit(&mut self, arrival: Arrival) {
        let Arrival { peer, open } = arrival;
        let tls = match &self.door {
            Door::Plain => None,
            Door::Tls(config) => Some((Arc::clone(config), self.slots.clone())),
            Door::Shut => return,
        };
        let accepted = self.seams.clock.now();
        if let Err(reason) = self.let_in(peer, accepted.instant) {
            let listener = &*self.context.listener;
            self.seams.telemetry.emit(MinerEvent::Refused { listener, peer, reason });
            return;
        }
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
        let header = match self.trusted {
            Some(_) => Header::Required,
            None => Header::None,
        };
        let given = Box::new((open, parts));
        if header == Header::None && tls.is_none() {
            self.seams.tasks.spawn_at(place, entrance::serve(given));
        } else {
            let way = Box::new(Way { header, tls, accepted });
            self.seams.tasks.spawn_at(place, entrance::serve_by(way, given));
        }
    }

    /// Counts a connection in, or says why it may not come in. Where a load balancer is to say whose it is, the limits of
    /// its address are asked once that is known.
    fn let_in(&self, peer: SocketAddr, now: Instant) -> Result<(), RefuseReason> {
        let limit =
            usize::try_from(self.current.config.limits.max_connections).unwrap_or(usize::MAX);
        if self.context.miners.load(Ordering::Relaxed) >= limit {
            return Err(RefuseReason::ConnectionLimit);
        }
        if self.trusted.as_ref().is_some_and(|trusted| !trusted.has(peer.ip())) {
            return Err(RefuseReason::ProxyUntrusted);
        }
        self.seams.room.look().map_err(no_room)?;
        let visitors = &self.context.visitors;
        visitors.knock()?;
        if self.trusted.is_none()
            && let Err(reason) = visitors.enter(now, peer.ip())
        {
            visitors.left(now, peer.ip(), Visit::Unnamed);
            return Err(reason);
        }
        self.context.miners.fetch_add(1, Ordering::Relaxed);
        self.seams.room.arrived();
        Ok(())
    }
}

fn trusted(config: &Listener) -> Option<Trusted> {
    config.proxy_protocol.as_ref().map(|terms| Trusted::new(&terms.from))
}

const fn no_room(lack: Lack) -> RefuseReason {
    match lack {
        Lack::Descriptors => RefuseReason::Descriptors,
        Lack::Memory => RefuseReason::Memory,
    }
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
async fn accept(
    port: &mut Option<Box<dyn Accept>>,
    paused_until: Option<Instant>,
) -> io::Result<Arrival> {
    match port {
        Some(port) => {
            if let Some(until) = paused_until {
                sleep_until(until.into()).await;
            }
            port.accept().await
        }
        None => std::future::pending().await,
    }
}

/// The order that empties a listener.
pub(crate) fn leave(reason: Close, window: Duration) -> Leave {
    Leave { reason, window }
}

#[cfg(test)]
mod tests;
