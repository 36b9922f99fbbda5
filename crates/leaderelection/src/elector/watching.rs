//! The driver's watch: closed, being opened, or open.

use std::future;

use futures_core::future::BoxFuture;
use futures_util::StreamExt;

use super::calls::caught;
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

pub(super) async fn next_of(watch: &mut Watch) -> WatchEvent {
    match watch {
        Watch::Closed => future::pending().await,
        Watch::Opening(since, opening) => WatchEvent::Opened(*since, opening.await),
        Watch::Open(stream) => match caught(async { Ok(stream.next().await) }).await {
            Ok(Some(Ok(observation))) => WatchEvent::Shown(observation),
            Ok(Some(Err(error))) | Err(error) => WatchEvent::Failed(error),
            Ok(None) => WatchEvent::Ended,
        },
    }
}
