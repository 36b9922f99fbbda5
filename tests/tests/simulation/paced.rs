//! A way to a lock on which no two things arrive at one instant.
//!
//! Whom a channel wakes first, of those that wait for one thing, is left to chance. Who hears of a change, or which of
//! several calls is answered, at the same instant would be too, and a seed would not replay. So each candidate hears some
//! milliseconds after the one before it, and each answer comes some milliseconds after that to the call before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream,
    ResourceLock, Swap,
};

use crate::clock::SimulatedClock;

pub(crate) struct Paced<L> {
    inner: L,
    truth: SimulatedClock,
    who: usize,
    calls: AtomicU64,
}

/// No more calls of one candidate are under way at once.
const UNDER_WAY: u64 = 16;

impl<L> Paced<L> {
    pub(crate) fn new(inner: L, truth: SimulatedClock, who: usize) -> Self {
        Self {
            inner,
            truth,
            who,
            calls: AtomicU64::new(0),
        }
    }

    /// By how much the answer to this call is late.
    fn turn(&self) -> Duration {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        Duration::from_millis(1 + number % UNDER_WAY)
    }
}

async fn pause(truth: SimulatedClock, by: Duration) {
    truth.sleep_until(truth.mono().after(by)).await;
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for Paced<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        let turn = self.turn();
        let answer = self.inner.get().await;
        pause(self.truth, turn).await;
        answer
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let turn = self.turn();
        let answer = self.inner.compare_and_swap(expected, record).await;
        pause(self.truth, turn).await;
        answer
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let (truth, turn) = (self.truth, Duration::from_millis(1 + self.who as u64));
        let stream = self.inner.watch().await?;
        pause(truth, self.turn()).await;
        Ok(stream.map(|stream| -> ObservationStream {
            Box::pin(stream.then(move |shown| async move {
                pause(truth, turn).await;
                shown
            }))
        }))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
