//! The lock in memory, whose watches hear in the order in which they were opened.
//!
//! Left to itself it wakes them in an order of chance, and a seed would not replay.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::{FutureExt, stream};
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap,
};
use leaderelection_memory::MemoryLock;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) memory: MemoryLock,
    watches: Arc<Mutex<Vec<watch::Sender<Observation>>>>,
}

impl Store {
    pub(crate) fn new(memory: MemoryLock) -> Self {
        Self {
            memory,
            watches: Arc::default(),
        }
    }

    fn shown(&self) -> Observation {
        self.memory.get().now_or_never().unwrap().unwrap()
    }

    /// Something changed.
    pub(crate) fn tell(&self) {
        let shown = self.shown();
        let mut watches = self.watches.lock().unwrap();
        watches.retain(|watch| watch.send(shown.clone()).is_ok());
    }
}

#[async_trait]
impl ResourceLock for Store {
    async fn get(&self) -> Result<Observation, LockError> {
        self.memory.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let swap = self.memory.compare_and_swap(expected, record).await;
        if matches!(swap, Ok(Swap::Done(_))) {
            self.tell();
        }
        swap
    }

    /// As that of the lock in memory: the state at the start first, and the newest where there are several.
    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        if !self.capabilities().watch {
            return Ok(None);
        }
        let (watch, mut changes) = watch::channel(self.shown());
        self.watches.lock().unwrap().push(watch);
        changes.mark_changed();
        let stream = stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            let shown = changes.borrow_and_update().clone();
            Some((Ok(shown), changes))
        });
        Ok(Some(Box::pin(stream)))
    }

    fn describe(&self) -> String {
        self.memory.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }
}
