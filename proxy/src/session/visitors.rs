//! Who is at a listener's door, for its task and its sessions. What that means is decided in [`crate::policy::visitors`].

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::SessionContext;
use crate::policy::visitors::{Ban, Book, DoorTerms, Exempt, NotAdmitted, Sentence, Visit};
use crate::telemetry::MinerEvent;
use crate::telemetry::reasons::{Offence, RefuseReason};

/// The visitors of a listener.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    /// Contended when miners connect, complete their handshake, have their first share, and leave; never by another share.
    book: Mutex<Book>,
}

// === impl Visitors ===

impl Visitors {
    /// For those who come from now on.
    pub(crate) fn set_terms(&self, terms: DoorTerms) {
        self.lock().set_terms(terms);
    }

    /// Somebody has connected.
    pub(crate) fn knock(&self) -> Result<(), RefuseReason> {
        self.lock().knock().map_err(reason)
    }

    /// Where somebody who has knocked comes from. Who is refused has to leave as [`Visit::Unnamed`].
    pub(crate) fn enter(&self, now: Instant, address: IpAddr) -> Result<(), RefuseReason> {
        self.lock().enter(now, address).map_err(reason)
    }

    pub(crate) fn left(&self, now: Instant, address: IpAddr, visit: Visit) {
        self.lock().left(now, address, visit);
    }

    /// Connections without a complete handshake.
    pub(crate) fn handshakes(&self) -> u32 {
        self.lock().handshakes()
    }

    /// Bytes of what is known of addresses.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Addresses that are banned.
    pub(crate) fn banned(&self, now: Instant) -> usize {
        self.lock().banned(now)
    }

    /// Lets nobody in from an address for so long.
    pub(crate) fn ban(&self, now: Instant, address: IpAddr, lasts: Duration) -> Result<(), Exempt> {
        self.lock().ban(now, address, lasts)
    }

    /// Whether the document says that the address is never banned.
    pub(crate) fn exempts(&self, address: IpAddr) -> bool {
        self.lock().exempts(address)
    }

    /// Ends a ban. Whether there was one.
    pub(crate) fn pardon(&self, now: Instant, address: IpAddr) -> bool {
        self.lock().pardon(now, address)
    }

    /// All bans that hold.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.lock().bans(now)
    }

    /// The next step of a visit, if it is one.
    pub(super) fn step(&self, address: IpAddr, from: Visit, to: Visit) -> Visit {
        match (from, to) {
            (Visit::Greeting, Visit::Mining) => self.lock().mining(address),
            (Visit::Mining, Visit::Credited) => self.lock().credited(address),
            _ => return from,
        }
        to
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl SessionContext ===

impl SessionContext {
    /// A connection has ended that had come so far.
    pub(crate) fn left(&self, peer: SocketAddr, visit: Visit) {
        self.visitors.left(self.clock.now().instant, peer.ip(), visit);
        self.miners.fetch_sub(1, Ordering::Relaxed);
        self.room.left();
    }

    /// Somebody did what no miner does. That the address is banned for it is said once, when it begins.
    pub(crate) fn offended(&self, peer: SocketAddr, offence: Offence) -> Sentence {
        let sentence = self.visitors.lock().offended(self.clock.now().instant, peer.ip());
        if let Sentence::Banned(lasts) = sentence {
            let listener = &*self.listener;
            self.telemetry.emit(MinerEvent::Banned { listener, peer, offence, lasts });
        }
        sentence
    }
}

fn reason(refusal: NotAdmitted) -> RefuseReason {
    match refusal {
        NotAdmitted::AddressConnections => RefuseReason::AddressConnections,
        NotAdmitted::AddressConnects => RefuseReason::AddressConnects,
        NotAdmitted::AddressHandshakes => RefuseReason::AddressHandshakes,
        NotAdmitted::Banned => RefuseReason::Banned,
        NotAdmitted::Handshakes => RefuseReason::Handshakes,
    }
}
