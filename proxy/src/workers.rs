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
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::inbox::Inbox;

mod inbox;

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
    sessions: Arc<[Arc<Worker>]>,
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
    /// Of a thread of its own.
    inbox: Option<Arc<Inbox>>,
    sessions: AtomicUsize,
}

/// A session's place on a worker; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Worker>);

pin_project! {
    /// A task at its place. By hand: an async block that awaits what it was given stores it twice.
    #[project = Projection]
    struct Placed<F> {
        #[pin]
        task: F,
        place: Place,
        // What it is woken by, from its first poll.
        bell: Option<Waker>,
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
        let runtime = place.0.runtime.clone();
        self.0.spawn_on(Placed { task, place, bell: None }, &runtime);
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
        Self::of([Worker::new(Handle::current(), None)], Aside::Inline)
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
        let mut workers = Vec::with_capacity(threads.get());
        for index in 0..threads.get() {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .global_queue_interval(JOBS_FIRST)
                .build()?;
            let inbox = Arc::new(Inbox::new());
            workers.push(Worker::new(runtime.handle().clone(), Some(Arc::clone(&inbox))));
            let stop = stop.clone();
            std::thread::Builder::new().name(format!("sessions-{index}")).spawn(move || {
                runtime.spawn(async move { inbox.hand_on().await });
                runtime.block_on(stop.cancelled());
            })?;
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
        Ok(Self::of(workers, Aside::Threads(jobs)))
    }

    fn of(workers: impl IntoIterator<Item = Worker>, aside: Aside) -> Self {
        Self { sessions: workers.into_iter().map(Arc::new).collect(), aside }
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
        let sessions = |worker: &&Arc<Worker>| worker.sessions.load(Ordering::Relaxed);
        #[expect(clippy::expect_used, reason = "`start` makes one at least, and `current` one")]
        let fewest = self.sessions.iter().min_by_key(sessions).expect("a thread for sessions");
        fewest.sessions.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(fewest))
    }
}

/// The next job aside. The lock is held by the one thread that waits for it.
fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

// === impl Worker ===

impl Worker {
    fn new(runtime: Handle, inbox: Option<Arc<Inbox>>) -> Self {
        Self { runtime, inbox, sessions: AtomicUsize::new(0) }
    }
}

// === impl Place ===

impl<F: Future> Future for Placed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Projection { task, place, bell } = self.project();
        let Some(inbox) = &place.0.inbox else { return task.poll(cx) };
        let bell = bell.get_or_insert_with(|| inbox.bell(cx.waker().clone()));
        task.poll(&mut Context::from_waker(bell))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
