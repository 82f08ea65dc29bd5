//! What is shown of a session from outside, and how it is asked to go: one small card each, in one table of the process.
//!
//! A session writes its own card and never waits for anybody: numbers are atomics that it alone writes, and the few texts
//! change when a miner logs in or is moved. Whoever lists sessions reads.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use dashmap::DashMap;
use loka_stratum::types::UnixTime;

/// No pool's connection has this number.
const NO_POOL: u32 = 0;

const GIVE_WAY: u8 = 1;
const LEAVE: u8 = 2;

/// Names a session for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// The sessions of a process. As many as it has sockets, no more.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// In no order: whoever lists them sorts.
    cards: DashMap<SessionId, Arc<Card>>,
    last: AtomicU64,
}

/// A session as it is seen from outside.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id: SessionId,
    pub(crate) listener: Arc<str>,
    pub(crate) peer: SocketAddr,
    pub(crate) since: UnixTime,
    /// Where it is taken out when its session ends: a session has no room for more than one reference.
    table: Arc<Sessions>,
    facts: Mutex<Facts>,
    summons: Summoned,
    /// Of the pool whose job it was told last.
    pool: AtomicU32,
    /// The bits of an `f32`, as the speed is.
    difficulty: AtomicU32,
    /// Difficulty per second.
    rate: AtomicU32,
    /// Of the last valid share, as Unix time; 0: none.
    last_share: AtomicU32,
    accepted: AtomicU32,
    refused: AtomicU32,
    due: AtomicU32,
    /// Difficulty of the accepted shares, as the bits of an `f64`.
    work: AtomicU64,
}

/// What changes seldom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) worker: Option<Box<str>>,
    pub(crate) user_agent: Option<Box<str>>,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) pool: Option<Arc<str>>,
}

/// The numbers of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) difficulty: f64,
    /// Difficulty per second.
    pub(crate) rate: f64,
    pub(crate) last_share: Option<UnixTime>,
    pub(crate) accepted: u32,
    pub(crate) refused: u32,
    pub(crate) due: u32,
    pub(crate) work: f64,
}

/// What a session is asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Summons {
    /// Its miner has come back elsewhere, and wants its place.
    GiveWay,
    /// It is to let its miner go.
    Leave,
}

/// How a session is asked.
#[derive(Debug, Default)]
struct Summoned {
    raised: AtomicU8,
    /// Set once. Contended by whoever asks something of a session that has just begun, and that session.
    waker: Mutex<Option<Waker>>,
}

/// A session's place in the table, for as long as the session has it.
#[derive(Debug)]
pub(super) struct Listed(Arc<Card>);

// === impl Sessions ===

impl Sessions {
    /// A session that has just begun.
    pub(super) fn enter(
        self: &Arc<Self>,
        listener: &Arc<str>,
        peer: SocketAddr,
        since: UnixTime,
    ) -> Listed {
        let id = SessionId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let card = Card::new((id, Arc::clone(self)), Arc::clone(listener), peer, since);
        let card = Arc::new(card);
        self.cards.insert(id, Arc::clone(&card));
        Listed(card)
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<Card>> {
        self.cards.get(&id).map(|card| Arc::clone(&card))
    }

    /// Those that `is_it`, in the order in which they came.
    pub(crate) fn all(&self, is_it: impl Fn(&Card) -> bool) -> Vec<Arc<Card>> {
        let of = self.cards.iter().filter(|card| is_it(card));
        let mut found: Vec<_> = of.map(|card| Arc::clone(&card)).collect();
        found.sort_unstable_by_key(|card| card.id);
        found
    }
}

// === impl Card ===

impl Card {
    pub(super) fn new(
        (id, table): (SessionId, Arc<Sessions>),
        listener: Arc<str>,
        peer: SocketAddr,
        since: UnixTime,
    ) -> Self {
        let none = AtomicU32::default;
        Self {
            id,
            listener,
            peer,
            since,
            table,
            facts: Mutex::default(),
            summons: Summoned::default(),
            pool: none(),
            difficulty: none(),
            rate: none(),
            last_share: none(),
            accepted: none(),
            refused: none(),
            due: none(),
            work: AtomicU64::default(),
        }
    }

    /// Asks the session to let its miner go, once the shares in flight are answered.
    pub(crate) fn kick(&self) {
        self.summons.raise(LEAVE);
    }

    /// Tells the session that its miner has come back elsewhere.
    pub(super) fn claim(&self) {
        self.summons.raise(GIVE_WAY);
    }

    /// Who is woken when something is asked of the session: its task, from its begin to its end.
    pub(super) fn listens(&self, waker: &Waker) {
        *self.summons.waker() = Some(waker.clone());
    }

    /// What is asked of the session by now.
    pub(super) fn summons(&self) -> Option<Summons> {
        self.summons.take()
    }

    pub(crate) fn facts(&self) -> Facts {
        self.lock().clone()
    }

    pub(crate) fn is_of(&self, worker: &str) -> bool {
        self.lock().worker.as_deref() == Some(worker)
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let bits = |of: &AtomicU32| f64::from(f32::from_bits(of.load(Ordering::Relaxed)));
        let count = |of: &AtomicU32| of.load(Ordering::Relaxed);
        Numbers {
            difficulty: bits(&self.difficulty),
            rate: bits(&self.rate),
            last_share: Some(UnixTime(count(&self.last_share))).filter(|at| at.0 > 0),
            accepted: count(&self.accepted),
            refused: count(&self.refused),
            due: count(&self.due),
            work: f64::from_bits(self.work.load(Ordering::Relaxed)),
        }
    }

    /// Takes note of who it is.
    pub(super) fn named(&self, worker: &str, user_agent: &str) {
        let mut facts = self.lock();
        facts.worker = Some(worker).filter(|name| !name.is_empty()).map(Into::into);
        facts.user_agent = Some(user_agent).filter(|name| !name.is_empty()).map(Into::into);
    }

    /// Takes note of the route that feeds it.
    pub(super) fn routed(&self, route: &Arc<str>) {
        self.lock().route = Some(Arc::clone(route));
    }

    /// Takes note of the pool that it works for; asks for its name only where that is another than before.
    pub(super) fn works_for(&self, pool: Option<u32>, name: impl FnOnce() -> Option<Arc<str>>) {
        let pool = pool.unwrap_or(NO_POOL);
        if self.pool.load(Ordering::Relaxed) != pool {
            self.pool.store(pool, Ordering::Relaxed);
            self.lock().pool = name();
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is shown with fewer digits")]
    pub(super) fn difficulty(&self, difficulty: f64) {
        self.difficulty.store((difficulty as f32).to_bits(), Ordering::Relaxed);
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is shown with fewer digits")]
    pub(super) fn rate(&self, difficulty_per_second: f64) {
        self.rate.store((difficulty_per_second as f32).to_bits(), Ordering::Relaxed);
    }

    /// A valid share of this difficulty.
    pub(super) fn accepted(&self, now: UnixTime, difficulty: f64) {
        self.last_share.store(now.0, Ordering::Relaxed);
        one_more(&self.accepted);
        // Nobody else writes it.
        let work = f64::from_bits(self.work.load(Ordering::Relaxed)) + difficulty;
        self.work.store(work.to_bits(), Ordering::Relaxed);
    }

    /// One that was refused.
    pub(super) fn refused(&self) {
        one_more(&self.refused);
    }

    /// One that a pool is to credit.
    pub(super) fn due(&self) {
        one_more(&self.due);
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count that one thread writes: no need for more than a load and a store.
fn one_more(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

// === impl Summoned ===

impl Summoned {
    fn take(&self) -> Option<Summons> {
        let raised = self.raised.load(Ordering::Acquire);
        if raised & GIVE_WAY != 0 {
            return Some(Summons::GiveWay);
        }
        if raised & LEAVE != 0 {
            // Said once: the session lives on for as long as it owes something.
            self.raised.fetch_and(!LEAVE, Ordering::AcqRel);
            return Some(Summons::Leave);
        }
        None
    }

    fn raise(&self, what: u8) {
        // A session that begins to listen after this sees at its first wake what was raised.
        let waker = self.waker();
        self.raised.fetch_or(what, Ordering::AcqRel);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Listed ===

impl std::ops::Deref for Listed {
    type Target = Arc<Card>;

    fn deref(&self) -> &Arc<Card> {
        &self.0
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.table.cards.remove(&self.0.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 7], 4028))
    }

    #[test]
    fn a_session_is_listed_in_the_order_of_coming_for_as_long_as_it_is() {
        let sessions = Arc::<Sessions>::default();
        let listener: Arc<str> = "v1".into();
        let listed: Vec<_> =
            (0..100).map(|at| sessions.enter(&listener, peer(), UnixTime(at))).collect();
        let ids: Vec<u64> = sessions.all(|_| true).iter().map(|card| card.id.0).collect();
        assert_eq!(ids, (1..=100).collect::<Vec<_>>());
        assert_eq!(sessions.find(SessionId(7)).unwrap().since, UnixTime(6));
        drop(listed);
        assert!(sessions.all(|_| true).is_empty());
        assert!(sessions.find(SessionId(7)).is_none());
    }

    #[test]
    fn what_a_session_notes_is_read() {
        let card = Card::new((SessionId(1), Arc::default()), "v1".into(), peer(), UnixTime(5));
        assert_eq!(card.numbers(), Numbers::default());
        card.named("acme.rig1", "");
        card.routed(&"main".into());
        card.works_for(Some(3), || Some("alpha".into()));
        card.works_for(Some(3), || panic!("asked again"));
        card.difficulty(512.0);
        card.rate(2.5);
        card.accepted(UnixTime(9), 512.0);
        card.accepted(UnixTime(10), 1024.0);
        card.refused();
        card.due();
        let Facts { worker, user_agent, route, pool } = card.facts();
        assert_eq!((worker.as_deref(), user_agent), (Some("acme.rig1"), None));
        assert_eq!((route.as_deref(), pool.as_deref()), (Some("main"), Some("alpha")));
        let expected = Numbers {
            difficulty: 512.0,
            rate: 2.5,
            last_share: Some(UnixTime(10)),
            accepted: 2,
            refused: 1,
            due: 1,
            work: 1536.0,
        };
        assert_eq!(card.numbers(), expected);
        card.works_for(None, || None);
        assert_eq!(card.facts().pool, None);
    }

    #[test]
    fn a_kick_is_said_once_and_a_claim_until_the_session_is_gone() {
        let card = Card::new((SessionId(1), Arc::default()), "v1".into(), peer(), UnixTime(5));
        assert_eq!(card.summons(), None);
        card.kick();
        assert_eq!(card.summons(), Some(Summons::Leave));
        assert_eq!(card.summons(), None);
        card.kick();
        card.claim();
        for _ in 0..2 {
            assert_eq!(card.summons(), Some(Summons::GiveWay));
        }
    }

    #[test]
    fn whoever_is_asked_something_is_woken_each_time() {
        let card = Card::new((SessionId(1), Arc::default()), "v1".into(), peer(), UnixTime(5));
        let woken = Arc::new(Count::default());
        card.kick();
        card.listens(&Waker::from(Arc::clone(&woken)));
        assert_eq!(card.summons(), Some(Summons::Leave), "asked before it listened");
        card.kick();
        card.kick();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }

    #[derive(Default)]
    struct Count(AtomicU32);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            one_more(&self.0);
        }
    }
}
