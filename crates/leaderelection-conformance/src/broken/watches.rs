//! Flaws of watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future, stream};
use leaderelection::{Content, LockError, Observation, ObservationStream, ResourceLock};

use super::flaw::{Flaw, Store};

/// Makes a flaw that changes the stream of an honest watch.
macro_rules! watches {
    ($name:ident, |$store:ident, $stream:ident| $watch:expr) => {
        #[derive(Default)]
        pub(super) struct $name;

        #[async_trait]
        impl Flaw for $name {
            async fn watch(&self, $store: &Store) -> Result<Option<ObservationStream>, LockError> {
                let Some($stream) = $store.lock.watch().await? else {
                    return Ok(None);
                };
                Ok(Some(Box::pin($watch)))
            }
        }
    };
}

fn is_absent(observation: &Observation) -> bool {
    matches!(observation, Observation::Absent { .. })
}

fn content(observation: &Observation) -> Option<&Content> {
    match observation {
        Observation::Present { content, .. } => Some(content),
        Observation::Absent { .. } => None,
    }
}

#[derive(Default)]
pub(super) struct WatchWithout;

#[async_trait]
impl Flaw for WatchWithout {
    async fn watch(&self, _: &Store) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }
}

// An honest watch shows the state at its first poll first: that is left out.
watches!(WatchStartsLate, |store, stream| stream.skip(1));

watches!(WatchStops, |store, stream| stream
    .take(12)
    .chain(stream::pending()));

watches!(WatchMissesCreation, |store, stream| {
    match is_absent(&store.memory.snapshot()) {
        true => stream::pending().boxed(),
        false => stream,
    }
});

watches!(WatchMissesDeletion, |store, stream| {
    stream.filter(|item| future::ready(!item.as_ref().is_ok_and(is_absent)))
});

watches!(WatchMissesForeign, |store, stream| {
    let mut last = Some(store.memory.snapshot());
    stream.filter(move |item| {
        let now = item.as_ref().ok().cloned();
        let before = std::mem::replace(&mut last, now.clone());
        future::ready(before.as_ref().and_then(content) != now.as_ref().and_then(content))
    })
});

watches!(TornWatch, |store, stream| {
    let mut last = store.memory.snapshot();
    stream.map(move |item| {
        item.map(|now| {
            let before = std::mem::replace(&mut last, now.clone());
            match (before, now) {
                (Observation::Present { content, .. }, Observation::Present { version, .. }) => {
                    Observation::Present { version, content }
                }
                (_, now) => now,
            }
        })
    })
});

/// Whether a watch was dropped.
#[derive(Default)]
pub(super) struct OneEndsAll(Arc<AtomicBool>);

struct TellsWhenDropped(Arc<AtomicBool>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Flaw for OneEndsAll {
    async fn watch(&self, store: &Store) -> Result<Option<ObservationStream>, LockError> {
        let Some(stream) = store.lock.watch().await? else {
            return Ok(None);
        };
        let tells = TellsWhenDropped(Arc::clone(&self.0));
        let stream = stream.then(move |item| match tells.0.load(Ordering::Relaxed) {
            true => future::pending().boxed(),
            false => future::ready(item).boxed(),
        });
        Ok(Some(Box::pin(stream)))
    }
}
