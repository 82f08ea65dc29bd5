//! The threads that sessions live on, and the tracker of every task of the process.
//!
//! One single-threaded runtime per core; a session stays on the thread that owns its socket, so a share is read, verified
//! and answered without a hop (ADR 0001). In a simulation there is one runtime, which is all workers at once.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every task of the process, so that a drain can join them.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

/// Jobs that wait for a thread aside: a farm of so many that comes back at once is served in turn.
const ASIDE_MAX: usize = 16_384;

/// Threads aside, at most: what they do is not to cost sessions more than a part of the machine.
const ASIDE_THREADS_MAX: usize = 4;

/// The threads that sessions live on, and those for what is too heavy for them.
#[derive(Clone, Debug)]
pub struct Workers {
    sessions: Arc<[Worker]>,
    aside: Aside,
}

/// What comes from another thread is looked for before each task: it is a pool's job, or a miner who is new. By tokio's own
/// measure of 31 the thousandth miner of a thread that is busy with shares had its job seconds later, and mined for nobody.
const JOBS_FIRST: u32 = 1;

type Job = Box<dyn FnOnce() + Send>;

/// Where work goes that would hold up a thread of sessions.
#[derive(Clone, Debug)]
enum Aside {
    /// Done at once, by whoever asks: in a simulation there is one thread.
    Inline,
    Threads(SyncSender<Job>),
}

/// There is no room for another job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    sessions: AtomicUsize,
}

/// A session's place on a worker; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Arc<[Worker]>,
    index: usize,
}

pin_project! {
    /// A task at its place. By hand: an async block that awaits what it was given stores it twice.
    struct Placed<F> {
        #[pin]
        task: F,
        place: Place,
    }
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
        self.0.spawn_on(Placed { task, place }, &runtime);
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
        Self::of([Handle::current()], Aside::Inline)
    }

    /// None for sessions; what is aside is done at once.
    #[cfg(test)]
    pub(crate) fn inline() -> Self {
        Self::of([], Aside::Inline)
    }

    /// Starts `threads` threads; they end when `stop` is cancelled.
    ///
    /// # Errors
    /// What the operating system says when it refuses a thread.
    pub fn start(threads: NonZeroUsize, stop: &CancellationToken) -> io::Result<Self> {
        let mut handles = Vec::with_capacity(threads.get());
        for index in 0..threads.get() {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .global_queue_interval(JOBS_FIRST)
                .build()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            std::thread::Builder::new()
                .name(format!("sessions-{index}"))
                .spawn(move || runtime.block_on(stop.cancelled()))?;
        }
        let (jobs, queue) = sync_channel::<Job>(ASIDE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for index in 0..(threads.get() / 4).clamp(1, ASIDE_THREADS_MAX) {
            let queue = Arc::clone(&queue);
            // Ends when nobody is left who could give it a job.
            std::thread::Builder::new().name(format!("aside-{index}")).spawn(move || {
                while let Some(job) = next(&queue) {
                    job()
                }
            })?;
        }
        Ok(Self::of(handles, Aside::Threads(jobs)))
    }

    fn of(handles: impl IntoIterator<Item = Handle>, aside: Aside) -> Self {
        let worker = |runtime| Worker { runtime, sessions: AtomicUsize::new(0) };
        Self { sessions: handles.into_iter().map(worker).collect(), aside }
    }

    /// Does what would hold up a thread of sessions, in its turn.
    pub(crate) fn aside(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Busy> {
        match &self.aside {
            Aside::Inline => {
                job();
                Ok(())
            }
            Aside::Threads(jobs) => jobs.try_send(Box::new(job)).map_err(|error| match error {
                TrySendError::Full(_) | TrySendError::Disconnected(_) => Busy,
            }),
        }
    }

    /// A place on the worker with the fewest sessions.
    pub(crate) fn place(&self) -> Place {
        let sessions = |worker: &Worker| worker.sessions.load(Ordering::Relaxed);
        let fewest = self.sessions.iter().enumerate().min_by_key(|(_, worker)| sessions(worker));
        let index = fewest.map_or(0, |(index, _)| index);
        let place = Place { sessions: Arc::clone(&self.sessions), index };
        place.worker().sessions.fetch_add(1, Ordering::Relaxed);
        place
    }
}

/// The next job aside. The lock is held by the one thread that waits for it.
fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

// === impl Place ===

impl Place {
    fn worker(&self) -> &Worker {
        #[expect(
            clippy::indexing_slicing,
            reason = "`place` took the index from the same slice, which never shrinks"
        )]
        &self.sessions[self.index]
    }

    fn runtime(&self) -> &Handle {
        &self.worker().runtime
    }
}

impl<F: Future> Future for Placed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().task.poll(cx)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker().sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
