//! The driver's watch: closed, being opened, or open.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::calls::panicked;
use crate::lock::{LockError, Observation, ObservationStream};
use crate::moment::MonoTime;

pub(super) enum Watch {
    Closed,
    /// Since a moment.
    Opening(
        MonoTime,
        BoxFuture<'static, Result<Option<ObservationStream>, LockError>>,
    ),
    Open(ObservationStream),
}

pub(super) enum WatchEvent {
    /// Was asked for at the moment.
    Opened(MonoTime, Result<Option<ObservationStream>, LockError>),
    Shown(Observation),
    Failed(LockError),
    Ended,
}

impl Watch {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<WatchEvent> {
        match self {
            Self::Closed => Poll::Pending,
            Self::Opening(since, opening) => opening
                .poll_unpin(cx)
                .map(|opened| WatchEvent::Opened(*since, opened)),
            Self::Open(stream) => match catch_unwind(AssertUnwindSafe(|| stream.poll_next_unpin(cx))) {
                Ok(shown) => shown.map(|shown| match shown {
                    Some(Ok(observation)) => WatchEvent::Shown(observation),
                    Some(Err(error)) => WatchEvent::Failed(error),
                    None => WatchEvent::Ended,
                }),
                Err(panic) => Poll::Ready(WatchEvent::Failed(panicked(&*panic))),
            },
        }
    }
}
