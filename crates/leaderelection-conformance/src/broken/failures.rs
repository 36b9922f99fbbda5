//! Flaws of failures, and of what a dropped future leaves behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use leaderelection::{
    Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation, ResourceLock, Swap,
};

use super::flaw::{Flaw, Store};

#[derive(Default)]
pub(super) struct LiesUnavailable;

#[async_trait]
impl Flaw for LiesUnavailable {
    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let answer = store.lock.compare_and_swap(expected, record).await;
        answer.map_err(|error| match error.kind() {
            LockErrorKind::Ambiguous => {
                LockError::new(LockErrorKind::Unavailable, "no answer").with_source(error)
            }
            _ => error,
        })
    }
}

#[derive(Default)]
pub(super) struct LiesInvalid;

#[async_trait]
impl Flaw for LiesInvalid {
    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let answer = store.lock.compare_and_swap(expected, record).await;
        if answer
            .as_ref()
            .is_err_and(|error| error.kind() == LockErrorKind::Invalid)
        {
            store.memory.put_record(record);
        }
        answer
    }
}

/// Keeps the record of a dropped swap until the next one is done.
#[derive(Default)]
pub(super) struct LateGhost {
    ghost: Mutex<Option<LeaderElectionRecord>>,
    walks: AtomicBool,
}

/// A swap that leaves its record behind when it is dropped.
struct UnderWay<'a> {
    record: Option<LeaderElectionRecord>,
    ghost: &'a Mutex<Option<LeaderElectionRecord>>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            *ghost(self.ghost) = Some(record);
        }
    }
}

fn ghost(ghost: &Mutex<Option<LeaderElectionRecord>>) -> MutexGuard<'_, Option<LeaderElectionRecord>> {
    ghost.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Flaw for LateGhost {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        if self.walks.swap(false, Ordering::Relaxed) {
            if let Some(record) = ghost(&self.ghost).take() {
                store.memory.put_record(&record);
            }
        }
        store.lock.get().await
    }

    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let mut under_way = UnderWay {
            record: Some(record.clone()),
            ghost: &self.ghost,
        };
        tokio::task::yield_now().await;
        under_way.record = None;
        let answer = store.lock.compare_and_swap(expected, record).await;
        self.walks.store(ghost(&self.ghost).is_some(), Ordering::Relaxed);
        answer
    }
}

#[derive(Default)]
pub(super) struct StuckAfterDrop {
    busy: AtomicBool,
}

#[async_trait]
impl Flaw for StuckAfterDrop {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        if self.busy.swap(true, Ordering::Relaxed) {
            return Err(LockError::new(
                LockErrorKind::Unavailable,
                "busy with another read",
            ));
        }
        tokio::task::yield_now().await;
        let answer = store.lock.get().await;
        self.busy.store(false, Ordering::Relaxed);
        answer
    }
}
