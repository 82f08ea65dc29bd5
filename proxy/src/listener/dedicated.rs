//! The feed of one miner with pool connections of its own: the terms of its listener, the work of its private route.

use std::sync::Arc;

use loka_stratum::downstream::NoPool;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::feeds::rows;
use crate::fleet::{Dedicated, PrivateRoute, Who};
use crate::session::{Answers, Feed, FeedPool, Opening, SessionContext, Stage};
use crate::workers::Tasks;

/// How private feeds of one route are made for the miners of a listener.
#[derive(Clone)]
pub(super) struct Kit {
    pub(super) dedicated: Arc<Dedicated>,
    /// The feed of the route that they are of: what changes of the listener's terms changes there.
    pub(super) named: watch::Receiver<Arc<Feed>>,
    pub(super) context: Arc<SessionContext>,
    pub(super) tasks: Tasks,
    /// Ends with the listener.
    pub(super) life: CancellationToken,
}

/// Whether the named route's feed is still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terms {
    Followed,
    /// The listener's miners take this route no more. Who is still on it needs it for its last shares.
    Settled,
}

// === impl Kit ===

impl Kit {
    /// Opens a private route when it is asked to, for the miner of this name.
    pub(super) fn opening(self) -> Opening {
        Opening::new(move |worker| self.open(worker))
    }

    fn open(&self, worker: &str) -> watch::Receiver<Arc<Feed>> {
        let who = Who { name: worker.into(), listener: Arc::clone(&self.context.listener) };
        let named = self.named.borrow();
        let first = Feed {
            stage: Stage::Private,
            terms: loka_stratum::downstream::Terms { no_pool: NoPool::Wait, ..named.terms.clone() },
            work: loka_stratum::work::Work { layout: named.work.layout, ..Default::default() },
            pools: Vec::new(),
            seats: Arc::default(),
            ..Feed::clone(&named)
        };
        drop(named);
        let (feed, out) = watch::channel(Arc::new(first));
        self.tasks.spawn(run(self.clone(), who, feed));
        out
    }
}

/// Until the miner, or its listener, has ended.
async fn run(mut kit: Kit, who: Who, feed: watch::Sender<Arc<Feed>>) {
    let life = kit.life.clone();
    tokio::select! {
        biased;
        () = life.cancelled() => return,
        () = feed.closed() => return,
        () = sleep(kit.dedicated.pause()) => {}
    }
    let mut route = kit.dedicated.open(who);
    let mut terms = Terms::Followed;
    loop {
        tokio::select! {
            biased;
            () = life.cancelled() => return,
            () = feed.closed() => return,
            changed = route.changed() => if changed.is_none() { return },
            changed = kit.named.changed(), if terms == Terms::Followed => if changed.is_err() {
                terms = Terms::Settled;
            },
        }
        feed.send_replace(Arc::new(join(&kit, &route)));
    }
}

fn join(kit: &Kit, route: &PrivateRoute) -> Feed {
    let (named, state) = (kit.named.borrow(), route.output.state.borrow());
    let pools = state.pools.iter().map(|handle| FeedPool {
        rows: rows(&kit.context, &state.name, &handle.name, &handle.account),
        handle: Arc::clone(handle),
    });
    let no_pool = match route.has_reported() {
        true => state.no_pool,
        false => NoPool::Wait,
    };
    Feed {
        stage: Stage::Private,
        answers: Answers::ByThePool,
        work: state.work.clone(),
        seats: Arc::clone(&state.seats),
        terms: loka_stratum::downstream::Terms { no_pool, ..named.terms.clone() },
        pools: pools.collect(),
        ..Feed::clone(&named)
    }
}
