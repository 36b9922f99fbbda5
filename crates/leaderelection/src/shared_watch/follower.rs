//! The stream of one lock in a shared watch.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::newest::Reader;
use super::{Feed, Shown};
use crate::lock::{LockError, Observation};

/// Who follows one key.
pub(super) struct Follower<K: Ord + Clone> {
    /// `Some` until the stream has ended.
    pub(super) shown: Option<Reader<Shown>>,
    pub(super) feed: Arc<Feed<K>>,
    pub(super) key: K,
    pub(super) left: Arc<AtomicU64>,
}

impl<K: Ord + Clone> Follower<K> {
    pub(super) async fn is_open(&mut self) -> Result<(), LockError> {
        let Some(newest) = &mut self.shown else {
            return Ok(());
        };
        loop {
            match poll_fn(|cx| newest.poll_new(cx)).await {
                Shown::Opening => {}
                Shown::Ended(Some(error)) => return Err(error),
                Shown::Open | Shown::State(_) | Shown::Ended(None) => break,
            }
        }
        // What it shows by then is still to be shown.
        newest.look_again();
        Ok(())
    }

    /// What the stream yields next. It is over with the watch, after its error if there was one.
    fn poll_shown(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Observation, LockError>>> {
        while let Some(newest) = &mut self.shown {
            match ready!(newest.poll_new(cx)) {
                Shown::Opening | Shown::Open => {}
                Shown::State(observation) => return Poll::Ready(Some(Ok(observation))),
                Shown::Ended(error) => {
                    self.shown = None;
                    return Poll::Ready(error.map(Err));
                }
            }
        }
        Poll::Ready(None)
    }
}

impl<K: Ord + Clone> Unpin for Follower<K> {}

impl<K: Ord + Clone> Stream for Follower<K> {
    type Item = Result<Observation, LockError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_shown(cx)
    }
}

impl<K: Ord + Clone> Drop for Follower<K> {
    fn drop(&mut self) {
        let unseen = |newest: &Reader<Shown>| newest.has_new(|shown| matches!(shown, Shown::State(_)));
        let silent = !self.shown.take().as_ref().is_some_and(unseen);
        if self.feed.leave(&self.key) && silent {
            self.left.store(self.feed.number, Ordering::Relaxed);
        }
    }
}
