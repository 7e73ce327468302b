//! Who accepts: one thread at a time for each listener, so that a client wakes nobody in vain.
//!
//! All threads could wait at the same socket, but the kernel would wake all that sleep for each client, and all but one
//! would find nothing. So a listener has a baton. Who holds it accepts, and passes it on when another thread has clearly
//! fewer clients: sessions are spread, and passing, which wakes one thread, is rare.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// So many more clients than another thread one has before it passes the baton.
const SLACK: usize = 4;

/// The baton of one listener.
#[derive(Debug)]
pub(crate) struct Baton {
    holder: AtomicUsize,
    told: Box<[Notify]>,
}

impl Baton {
    /// One for so many threads; the first of them has it.
    pub(crate) fn among(threads: usize) -> Self {
        Self {
            holder: AtomicUsize::new(0),
            told: (0..threads).map(|_| Notify::new()).collect(),
        }
    }

    /// Waits until this thread has it, and gives it into its hands.
    pub(crate) async fn taken_by(&self, thread: usize) -> Held<'_> {
        while self.holder.load(Ordering::Acquire) != thread {
            match self.told.get(thread) {
                Some(told) => told.notified().await,
                None => std::future::pending().await,
            }
        }
        Held {
            baton: self,
            next: (thread + 1) % self.told.len(),
        }
    }

    fn give(&self, thread: usize) {
        self.holder.store(thread, Ordering::Release);
        if let Some(told) = self.told.get(thread) {
            told.notify_one();
        }
    }
}

/// The baton in somebody's hands. Dropped, also by a panic, it goes to the next thread.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    baton: &'a Baton,
    next: usize,
}

impl Held<'_> {
    /// Passes it to this thread.
    pub(crate) fn pass(mut self, to: usize) {
        self.next = to;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.baton.give(self.next);
    }
}

/// Whom a thread with so many clients passes the baton to; `None`: nobody has clearly fewer.
pub(crate) fn relief(own: usize, clients: impl Iterator<Item = usize>) -> Option<usize> {
    let (thread, fewest) = clients.enumerate().min_by_key(|(_, clients)| *clients)?;
    (own > fewest.saturating_add(SLACK)).then_some(thread)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_has_clearly_more_clients_passes_it_to_who_has_fewest() {
        assert_eq!(relief(4, [4, 0].into_iter()), None, "not for each client");
        assert_eq!(relief(5, [5, 0].into_iter()), Some(1));
        assert_eq!(relief(9, [9, 3, 2].into_iter()), Some(2));
        assert_eq!(
            relief(9, [9, usize::MAX].into_iter()),
            None,
            "to nobody who is no more"
        );
    }

    #[tokio::test]
    async fn it_is_in_one_hand_and_comes_back_from_a_hand_that_is_gone() {
        let baton = Arc::new(Baton::among(2));
        let other = Arc::clone(&baton);
        let held = baton.taken_by(0).await;
        let waits = tokio::spawn(async move {
            let held = other.taken_by(1).await;
            // Its task is over, as after a panic.
            drop(held);
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished(), "one holds it");
        held.pass(1);
        waits.await.unwrap();
        let back = tokio::time::timeout(Duration::from_secs(60), baton.taken_by(0)).await;
        assert!(back.is_ok());
    }
}
