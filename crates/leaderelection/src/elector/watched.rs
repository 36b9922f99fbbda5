//! A value and the news that it has changed: what tokio's `watch` is, in a fifth of its memory, for a process that takes part in
//! thousands of elections keeps one for each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

#[derive(Default)]
pub(super) struct Watched<T> {
    value: Mutex<T>,
    news: Notify,
}

impl<T> Watched<T> {
    /// The value as it is. Not to be held while anything is waited for.
    pub(super) fn look(&self) -> MutexGuard<'_, T> {
        // No change panics half-way.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut *self.look());
        self.tell();
    }

    /// Whoever waits looks again.
    pub(super) fn tell(&self) {
        self.news.notify_waiters();
    }

    /// Comes with the next change after this call, whenever it is polled first. So who makes it before looking misses none.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.news.notified()
    }
}
