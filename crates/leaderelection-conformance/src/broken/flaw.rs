//! What a broken lock is made of: an honest lock in memory, and a flaw that changes one of its answers.

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap,
};
use leaderelection_memory::MemoryLock;

use crate::faults::FaultLock;

/// The honest store.
pub(super) struct Store {
    /// Its side door.
    pub(super) memory: MemoryLock,
    /// Its front door.
    pub(super) lock: FaultLock<MemoryLock>,
}

impl Store {
    /// Writes on whatever is there, through the front door, so that requests and replies are lost there too.
    pub(super) async fn overwrite(&self, record: &LeaderElectionRecord) -> Result<Swap, LockError> {
        let expected = match self.memory.snapshot() {
            Observation::Present { version, .. } => Expected::Version(version),
            Observation::Absent { .. } => Expected::Absent,
        };
        self.lock.compare_and_swap(expected, record).await
    }
}

/// What is wrong. Whatever a flaw does not mention is right.
#[async_trait]
pub(super) trait Flaw: Send + Sync + 'static {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        store.lock.get().await
    }

    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        store.lock.compare_and_swap(expected, record).await
    }

    async fn watch(&self, store: &Store) -> Result<Option<ObservationStream>, LockError> {
        store.lock.watch().await
    }

    fn declares(&self, honest: Capabilities) -> Capabilities {
        honest
    }
}

pub(super) struct BrokenLock<F> {
    name: &'static str,
    store: Store,
    flaw: F,
}

impl<F: Flaw + Default> BrokenLock<F> {
    pub(super) fn new(name: &'static str, lock: FaultLock<MemoryLock>) -> Self {
        Self {
            name,
            store: Store {
                memory: lock.inner().clone(),
                lock,
            },
            flaw: F::default(),
        }
    }
}

#[async_trait]
impl<F: Flaw> ResourceLock for BrokenLock<F> {
    async fn get(&self) -> Result<Observation, LockError> {
        self.flaw.get(&self.store).await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.flaw.swap(&self.store, expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        self.flaw.watch(&self.store).await
    }

    fn describe(&self) -> String {
        format!("{} (broken: {})", self.store.lock.describe(), self.name)
    }

    fn capabilities(&self) -> Capabilities {
        self.flaw.declares(self.store.lock.capabilities())
    }
}
