//! The threads that sessions live on, and the tracker of every task of the process.
//!
//! One single-threaded runtime per core; a session stays on the thread that owns its socket, so a share is read, verified
//! and answered without a hop (ADR 0001). In a simulation there is one runtime, which is all workers at once.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every task of the process, so that a drain can join them.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

/// The threads that sessions live on.
#[derive(Clone, Debug)]
pub struct Workers(Arc<[Worker]>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    sessions: AtomicUsize,
}

/// A session's place on a worker; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    workers: Workers,
    index: usize,
}

// === impl Tasks ===

impl Tasks {
    /// Runs `task` on the calling runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Runs `task` on the thread of `place`, and gives the place back when it ends.
    pub(crate) fn spawn_at(&self, place: Place, task: impl Future<Output = ()> + Send + 'static) {
        let runtime = place.runtime().clone();
        let placed = async move {
            task.await;
            drop(place);
        };
        self.0.spawn_on(placed, &runtime);
    }

    /// Waits for the end of every task.
    pub async fn join(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

// === impl Workers ===

impl Workers {
    /// The runtime that this is called on, as the only worker.
    pub fn current() -> Self {
        Self::of([Handle::current()])
    }

    /// Starts `threads` threads; they end when `stop` is cancelled.
    ///
    /// # Errors
    /// What the operating system says when it refuses a thread.
    pub fn start(threads: NonZeroUsize, stop: &CancellationToken) -> io::Result<Self> {
        let mut handles = Vec::with_capacity(threads.get());
        for index in 0..threads.get() {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            std::thread::Builder::new()
                .name(format!("sessions-{index}"))
                .spawn(move || runtime.block_on(stop.cancelled()))?;
        }
        Ok(Self::of(handles))
    }

    fn of(handles: impl IntoIterator<Item = Handle>) -> Self {
        let worker = |runtime| Worker { runtime, sessions: AtomicUsize::new(0) };
        Self(handles.into_iter().map(worker).collect())
    }

    /// A place on the worker with the fewest sessions.
    pub(crate) fn place(&self) -> Place {
        let sessions = |worker: &Worker| worker.sessions.load(Ordering::Relaxed);
        let fewest = self.0.iter().enumerate().min_by_key(|(_, worker)| sessions(worker));
        let index = fewest.map_or(0, |(index, _)| index);
        let place = Place { workers: self.clone(), index };
        place.worker().sessions.fetch_add(1, Ordering::Relaxed);
        place
    }
}

// === impl Place ===

impl Place {
    fn worker(&self) -> &Worker {
        #[expect(
            clippy::indexing_slicing,
            reason = "`place` took the index from the same slice, which never shrinks"
        )]
        &self.workers.0[self.index]
    }

    fn runtime(&self) -> &Handle {
        &self.worker().runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker().sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
