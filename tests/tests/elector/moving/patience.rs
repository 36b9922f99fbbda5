//! A store, or something before it, asks a mover to stay away for long.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Expected, LeaseTiming, LockError, LockErrorKind, Observation, ObservationStream,
    PausedClock, ResourceLock, Swap,
};

use super::*;

/// Of its reads this one is refused, with a wish to be left alone for ten minutes.
struct Busy {
    lock: MemoryLock,
    reads: AtomicUsize,
    refused: usize,
}

#[async_trait]
impl ResourceLock for Busy {
    async fn get(&self) -> Result<Observation, LockError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) == self.refused {
            let busy = LockError::new(LockErrorKind::Unavailable, "busy");
            return Err(busy.with_retry_after(s(600)));
        }
        self.lock.get().await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.lock.compare_and_swap(expected, record).await
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        self.lock.watch().await
    }

    fn describe(&self) -> String {
        self.lock.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.lock.capabilities()
    }
}

/// How long a move takes where that read is refused.
async fn takes(timing: &LeaseTiming, refused: usize) -> Duration {
    let (from, to) = locks();
    let elector = candidate(from.clone(), "m")
        .timing(timing.clone())
        .build()
        .unwrap();
    let busy = Busy {
        lock: to.clone(),
        reads: AtomicUsize::new(0),
        refused,
    };
    let begin = PausedClock.mono();
    let moved = Move::new(elector, busy).run(pending::<()>()).await;
    assert!(matches!(moved, Ok(Ended::Finished(()))) && is_moved(&from, &to));
    PausedClock.mono().since(begin)
}

/// While it holds the old lock nobody is at work: it asks again within a lease, its own, as a candidate would. Whichever read it is.
#[tokio::test(start_paused = true)]
async fn a_mover_stays_away_for_a_lease_at_most() {
    for lease in [15, 90] {
        let timing = LeaseTiming::new(s(lease), s(10), s(2)).unwrap();
        let undisturbed = takes(&timing, usize::MAX).await;
        for refused in 0..3 {
            let longer = takes(&timing, refused).await.saturating_sub(undisturbed);
            assert_eq!(longer, s(lease), "read {refused}");
        }
    }
}
