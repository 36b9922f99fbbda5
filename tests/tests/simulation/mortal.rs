//! A lock that is reached by one process only, and dies with it.
//!
//! An elector's driver is a task of its own, and dropping the elector is a clean stop. To kill it, whatever it calls after
//! its death goes nowhere. What it has sent before is on its way and may land (SAFETY 9).

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream, ResourceLock,
    Swap,
};

/// Whether a process is dead.
#[derive(Clone, Default)]
pub(crate) struct Death(Arc<AtomicBool>);

impl Death {
    pub(crate) fn comes(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    async fn silences(&self) {
        if self.0.load(Ordering::Relaxed) {
            pending().await
        }
    }
}

pub(crate) struct Mortal<L> {
    inner: L,
    death: Death,
}

impl<L> Mortal<L> {
    pub(crate) fn new(inner: L, death: Death) -> Self {
        Self { inner, death }
    }
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for Mortal<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        self.death.silences().await;
        self.inner.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.death.silences().await;
        self.inner.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        self.death.silences().await;
        self.inner.watch().await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
