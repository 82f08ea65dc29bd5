//! Names to look at, each once until it was taken. Bounded by the objects that there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, stream};
use tokio::sync::Notify;

/// The end that adds.
#[derive(Debug)]
pub(super) struct Queue<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    waiting: Mutex<BTreeSet<T>>,
    added: Notify,
}

impl<T: Ord + Send + 'static> Queue<T> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { waiting: Mutex::default(), added: Notify::new() }))
    }

    /// Adds a name, unless it waits already.
    pub(super) fn add(&self, name: T) {
        self.0.lock().insert(name);
        self.0.added.notify_one();
    }

    /// The end that takes. There is to be one; it never ends.
    pub(super) fn taken(&self) -> impl Stream<Item = T> + Send + use<T> {
        stream::unfold(Arc::clone(&self.0), |shared| async move {
            loop {
                let next = shared.lock().pop_first();
                match next {
                    Some(name) => return Some((name, shared)),
                    None => shared.added.notified().await,
                }
            }
        })
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// A set of names is whole after any panic.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[test]
    fn a_name_waits_once_and_is_taken_once() {
        let queue = Queue::new();
        let mut taken = pin!(queue.taken());
        assert_eq!(taken.next().now_or_never(), None);
        for name in ["b", "a", "b"] {
            queue.clone().add(name);
        }
        assert_eq!(taken.next().now_or_never(), Some(Some("a")));
        assert_eq!(taken.next().now_or_never(), Some(Some("b")));
        assert_eq!(taken.next().now_or_never(), None);
        queue.add("b");
        assert_eq!(taken.next().now_or_never(), Some(Some("b")));
    }
}
