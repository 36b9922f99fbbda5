//! A candidate's process as the faults meet it: what it waits for, it gets when it does not stand still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LockError, LockErrorKind, MonoTime, Observation,
    ObservationStream, PausedClock, ResourceLock, Swap,
};
use leaderelection_conformance::{Faults, Op, Partition};

use super::rows::Candidate;

/// Clones are the same process.
#[derive(Clone)]
pub(super) struct Process {
    shared: Arc<Shared>,
}

struct Shared {
    faults: Faults,
    call_limit: Duration,
    /// The next renewal's reply is followed by a partition.
    cut_after_renewal: AtomicBool,
    freeze: Mutex<Freeze>,
}

#[derive(Default)]
struct Freeze {
    /// How long it stands still when it is about to send its next swap.
    ordered: Option<Duration>,
    /// From when to when it stood still.
    was: Option<(MonoTime, MonoTime)>,
}

impl Process {
    /// One whose calls go through these faults.
    pub(super) fn new(faults: Faults, candidate: &Candidate, call_limit: Duration) -> Self {
        for op in Op::ALL {
            faults.latency(op, candidate.request.0, candidate.reply.0);
        }
        faults.lag_watches(candidate.reply.0);
        Self {
            shared: Arc::new(Shared {
                faults,
                call_limit,
                cut_after_renewal: AtomicBool::new(false),
                freeze: Mutex::default(),
            }),
        }
    }

    pub(super) fn cut(&self) {
        self.shared.faults.partition(Partition::Full);
    }

    pub(super) fn delay_replies_then_cut(&self, candidate: &Candidate, by: Duration) {
        for op in Op::ALL {
            self.shared
                .faults
                .latency(op, candidate.request.0, candidate.reply.0 + by);
        }
        self.shared.faults.lag_watches(candidate.reply.0 + by);
        self.shared.cut_after_renewal.store(true, Ordering::Relaxed);
    }

    pub(super) fn freeze_at_next_renewal(&self, by: Duration) {
        self.freeze().ordered = Some(by);
    }

    /// From when to when it stood still, if it did.
    pub(super) fn frozen(&self) -> Option<(MonoTime, MonoTime)> {
        self.freeze().was
    }

    /// Returns when it does not stand still.
    pub(super) async fn thawed(&self) {
        loop {
            let until = self.freeze().was.map(|(_, until)| until);
            match until.filter(|until| *until > PausedClock.mono()) {
                Some(until) => PausedClock.sleep_until(until).await,
                None => return,
            }
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.sleep_until(PausedClock.mono().after(duration)).await;
    }

    fn freeze(&self) -> MutexGuard<'_, Freeze> {
        self.shared.freeze.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its client makes of a call.
    async fn call<T>(
        &self,
        kind: LockErrorKind,
        call: impl Future<Output = Result<T, LockError>>,
    ) -> Result<T, LockError> {
        let limit = match self.shared.call_limit {
            Duration::ZERO => MonoTime::NEVER,
            limit => PausedClock.mono().after(limit),
        };
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = PausedClock.sleep_until(limit) => Err(LockError::new(kind, "the client gave up the call")),
        };
        self.thawed().await;
        answer
    }
}

/// Its monotonic clock runs on; its timers are noticed when it does not stand still.
#[async_trait]
impl Clock for Process {
    fn mono(&self) -> MonoTime {
        PausedClock.mono()
    }

    fn wall(&self) -> DateTime<Utc> {
        PausedClock.wall()
    }

    async fn sleep_until(&self, deadline: MonoTime) {
        PausedClock.sleep_until(deadline).await;
        self.thawed().await;
    }
}

/// The lock as a process has it.
pub(super) struct ItsLock<L> {
    pub(super) inner: L,
    pub(super) process: Process,
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for ItsLock<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        self.process
            .call(LockErrorKind::Unavailable, self.inner.get())
            .await
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        {
            let mut freeze = self.process.freeze();
            if let Some(by) = freeze.ordered.take() {
                let now = PausedClock.mono();
                freeze.was = Some((now, now.after(by)));
            }
        }
        self.process.thawed().await;
        let shared = &self.process.shared;
        let cut = shared.cut_after_renewal.load(Ordering::Relaxed);
        let answer = self
            .process
            .call(
                LockErrorKind::Ambiguous,
                self.inner.compare_and_swap(expected, record),
            )
            .await;
        if cut && answer.is_ok() {
            self.process.cut();
        }
        answer
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let opened = self
            .process
            .call(LockErrorKind::Unavailable, self.inner.watch())
            .await?;
        let process = self.process.clone();
        Ok(opened.map(|stream| -> ObservationStream {
            Box::pin(stream.then(move |item| {
                let process = process.clone();
                async move {
                    process.thawed().await;
                    item
                }
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
