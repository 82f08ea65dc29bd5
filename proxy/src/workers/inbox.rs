//! Wakes that come to the sessions of a thread from other threads, handed over together.
//!
//! To wake a task of another thread takes a lock and a system call each time, and a clean job wakes all of them. Here the first
//! wake does that, for the thread's own task that hands on what has come by then; who wakes its own thread's sessions does so
//! directly.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::sync::Notify;

/// Threads are told apart by the number of their inbox; 0 is that of all which have none.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// Of one thread of sessions.
#[derive(Debug)]
pub(super) struct Inbox {
    number: u64,
    /// Each of the thread's tasks once at most. Held for a push, or to take them.
    woken: Mutex<Vec<Arc<Bell>>>,
    has_some: Notify,
}

/// What wakes one task.
#[derive(Debug)]
struct Bell {
    task: Waker,
    inbox: Arc<Inbox>,
    /// It is in the inbox.
    has_rung: AtomicBool,
}

// === impl Inbox ===

impl Inbox {
    pub(super) fn new() -> Self {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { number, woken: Mutex::default(), has_some: Notify::new() }
    }

    /// What other threads wake `task` by; `task` is of the inbox's thread.
    pub(super) fn bell(self: &Arc<Self>, task: Waker) -> Waker {
        let has_rung = AtomicBool::new(false);
        Waker::from(Arc::new(Bell { task, inbox: Arc::clone(self), has_rung }))
    }

    /// Hands on what comes in. Runs on the thread whose inbox it is, for as long as that does.
    pub(super) async fn hand_on(&self) {
        OWN.set(self.number);
        loop {
            self.has_some.notified().await;
            // Taken whole: between two jobs the room for all of them is nobody's.
            let bells = std::mem::take(&mut *self.woken());
            for bell in bells {
                // Before the task runs, which then sees whatever somebody did who found it rung already; what happens from
                // now on rings again.
                bell.has_rung.swap(false, Ordering::AcqRel);
                bell.task.wake_by_ref();
            }
        }
    }

    fn woken(&self) -> MutexGuard<'_, Vec<Arc<Bell>>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bell: &Arc<Bell>) {
        let is_first = {
            let mut woken = self.woken();
            woken.push(Arc::clone(bell));
            woken.len() == 1
        };
        if is_first {
            self.has_some.notify_one();
        }
    }
}

// === impl Bell ===

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if OWN.get() == self.inbox.number {
            self.task.wake_by_ref();
        } else if !self.has_rung.swap(true, Ordering::AcqRel) {
            self.inbox.put(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};

    use super::*;

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// `tasks` of a thread, by way of whose inbox they are woken.
    fn thread_of<const TASKS: usize>() -> (Arc<Inbox>, [(Arc<Task>, Waker); TASKS]) {
        let inbox = Arc::new(Inbox::new());
        let tasks = std::array::from_fn(|_| {
            let task = Arc::new(Task::default());
            let bell = inbox.bell(Waker::from(Arc::clone(&task)));
            (task, bell)
        });
        (inbox, tasks)
    }

    /// As the thread whose inbox it is: the test's own, from then on.
    fn hand_on(inbox: &Inbox) {
        let handing = pin!(inbox.hand_on());
        assert_eq!(
            handing.poll(&mut Context::from_waker(Waker::noop())),
            Poll::Pending,
            "for good"
        );
    }

    fn waiting(inbox: &Inbox) -> usize {
        inbox.woken().len()
    }

    #[test]
    fn a_task_that_other_threads_wake_many_times_is_in_the_inbox_once() {
        let (inbox, [(one, bell_of_one), (other, bell_of_other)]) = thread_of();
        for bell in [&bell_of_one, &bell_of_other, &bell_of_one, &bell_of_one] {
            bell.wake_by_ref();
        }
        assert_eq!(waiting(&inbox), 2);
        assert_eq!(one.woken(), 0, "not by the other thread");
        hand_on(&inbox);
        assert_eq!((one.woken(), other.woken()), (1, 1));
        assert_eq!(waiting(&inbox), 0);
    }

    #[test]
    fn what_has_been_handed_on_can_be_woken_again() {
        let (inbox, [(task, bell)]) = thread_of();
        for times in 1..=3 {
            std::thread::scope(|threads| {
                threads.spawn(|| bell.wake_by_ref());
            });
            hand_on(&inbox);
            assert_eq!(task.woken(), times);
        }
    }

    #[test]
    fn a_thread_wakes_its_own_tasks_itself() {
        let (inbox, [(task, bell)]) = thread_of();
        let (neighbours, _) = thread_of::<0>();
        hand_on(&inbox);
        bell.wake_by_ref();
        assert_eq!((task.woken(), waiting(&inbox)), (1, 0));
        hand_on(&neighbours);
        bell.wake_by_ref();
        assert_eq!((task.woken(), waiting(&inbox)), (1, 1), "that of a neighbour does not");
    }
}
