//! A lock in front of any lock, that does to it what networks and stores do.

mod control;
mod fault;
mod state;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future;
use leaderelection::{
    Capabilities, Clock, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation,
    ObservationStream, PausedClock, ResourceLock, Swap,
};

pub use control::{Faults, Op, Partition, WatchEnd};
pub use fault::{Fault, Hook};

use state::{Leg, Plan};

/// Any lock, with faults that a test orders through [`Faults`]. Without orders it is the lock.
///
/// What is modelled is a network: a request travels, the store acts, a reply travels. **A write that has been sent is
/// not recalled when its caller drops the future**: with a latency it lands all the same (SAFETY 9).
///
/// Deterministic under tokio's paused clock: it waits by a [`Clock`], [`PausedClock`] unless told otherwise, and draws
/// from a seed that [`Faults::seed`] tells. Latencies and late requests need a tokio runtime.
///
/// ```
/// use leaderelection::{Expected, LeaderElectionRecord, LockErrorKind, Observation, ResourceLock};
/// use leaderelection_conformance::{Fault, FaultLock, Op};
/// use leaderelection_memory::MemoryLock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let memory = MemoryLock::new();
/// let lock = FaultLock::new(memory.clone());
/// let faults = lock.faults();
/// faults.once(Op::Cas, Fault::LostReply);
///
/// let error = lock.compare_and_swap(Expected::Absent, &LeaderElectionRecord::default()).await.unwrap_err();
/// assert_eq!(error.kind(), LockErrorKind::Ambiguous);
/// assert!(matches!(memory.snapshot(), Observation::Present { .. }), "it was written all the same");
/// assert_eq!(faults.cas(), 1);
/// # }
/// ```
pub struct FaultLock<L> {
    inner: Arc<L>,
    faults: Faults,
}

impl<L: ResourceLock + 'static> FaultLock<L> {
    /// Puts itself in front of `inner`, on [`PausedClock`] (which also runs on a runtime whose time is not paused) and
    /// with seed 0.
    pub fn new(inner: L) -> Self {
        Self::with(inner, Arc::new(PausedClock), 0)
    }

    /// The same with a clock and a seed.
    pub fn with(inner: L, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            inner: Arc::new(inner),
            faults: Faults::new(clock, seed),
        }
    }

    /// The handle by which faults are ordered and calls are counted.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The lock behind.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    /// A failure as this lock words it.
    fn failure(&self, op: Op, kind: LockErrorKind, what: &str) -> LockError {
        let op = match op {
            Op::Get => "get",
            Op::Cas => "compare_and_swap",
            Op::Watch => "watch",
        };
        LockError::new(kind, format!("{}: {op}: {what}", self.inner.describe()))
    }

    /// A call whose answer never comes. Who only reads knows that nothing was written.
    async fn lost(&self, op: Op, what: &str) -> LockError {
        self.faults.healed(Leg::Reply).await;
        let kind = if op == Op::Cas {
            LockErrorKind::Ambiguous
        } else {
            LockErrorKind::Unavailable
        };
        self.failure(op, kind, what)
    }

    /// Carries a request to the store and its reply back. `None`: one of them was lost.
    ///
    /// A request that takes time travels in a task of its own, so that it arrives though its caller has left.
    async fn deliver<T: Send + 'static>(
        &self,
        plan: &Plan,
        request: Duration,
        act: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let faults = self.faults.clone();
        let (before, after) = plan.hooks();
        let journey = async move {
            faults.pause(request).await;
            if faults.is_cut(Leg::Request) {
                return None;
            }
            if let Some(before) = before {
                before().await;
            }
            let answer = act.await;
            if let Some(after) = after {
                after().await;
            }
            Some((answer, faults.now()))
        };
        let answer = if request.is_zero() {
            journey.await
        } else {
            send_off(journey).await.ok().flatten()
        };
        // The reply left when the store had acted, whenever its caller looks for it.
        let (answer, left) = match answer {
            Some((answer, left)) => (Some(answer), left),
            None => (None, self.faults.now()),
        };
        self.faults.pause_until(left.after(plan.reply)).await;
        answer.filter(|_| !self.faults.is_cut(Leg::Reply))
    }

    fn write(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> impl Future<Output = Result<Swap, LockError>> + Send + 'static {
        let (inner, record) = (Arc::clone(&self.inner), record.clone());
        async move { inner.compare_and_swap(expected, &record).await }
    }

    /// The state to tell in a conflict that was made up.
    async fn made_up_conflict(&self) -> Result<Swap, LockError> {
        let told = match self.inner.capabilities().conflict_tells_state {
            true => Some(self.faults.corrupted(self.inner.get().await?)),
            false => None,
        };
        Ok(Swap::Conflict(told))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request that is on its way outlives its caller (SAFETY 9)"
)]
fn send_off<T: Send + 'static>(
    journey: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(journey)
}

#[async_trait]
impl<L: ResourceLock + 'static> ResourceLock for FaultLock<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        let plan = self.faults.begin(Op::Get);
        match &plan.fault {
            Some(Fault::LostRequest | Fault::LostReply | Fault::LateRequest(_)) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.lost(Op::Get, "no answer").await);
            }
            Some(Fault::Hang { .. }) => return future::pending().await,
            Some(Fault::Error(kind)) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.failure(Op::Get, *kind, "as ordered"));
            }
            Some(Fault::StaleRead) => {
                if let Some(earlier) = self.faults.earlier() {
                    self.faults.pause(plan.round_trip()).await;
                    return Ok(earlier);
                }
            }
            _ => {}
        }
        let inner = Arc::clone(&self.inner);
        match self
            .deliver(&plan, plan.request, async move { inner.get().await })
            .await
        {
            Some(answer) => {
                let observation = answer?;
                self.faults.remember(&observation);
                Ok(match &plan.fault {
                    Some(Fault::Corrupt(raw)) => fault::corrupt(observation, raw),
                    _ => self.faults.corrupted(observation),
                })
            }
            None => Err(self.lost(Op::Get, "no answer").await),
        }
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let plan = self.faults.begin(Op::Cas);
        match &plan.fault {
            Some(Fault::LostRequest) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.lost(Op::Cas, "the request was lost").await);
            }
            Some(Fault::LateRequest(late)) => {
                let faults = self.faults.clone();
                let (late, write) = (plan.request.saturating_add(*late), self.write(expected, record));
                let journey = async move {
                    faults.pause(late).await;
                    if !faults.is_cut(Leg::Request) {
                        // Nobody waits for the answer any more.
                        let _unheard = write.await;
                    }
                };
                drop(send_off(journey));
                self.faults.pause(plan.round_trip()).await;
                return Err(self.lost(Op::Cas, "no answer yet").await);
            }
            Some(Fault::Hang { lands: false }) => return future::pending().await,
            Some(Fault::Error(kind)) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.failure(Op::Cas, *kind, "as ordered"));
            }
            Some(Fault::Conflict) => {
                self.faults.pause(plan.round_trip()).await;
                return self.made_up_conflict().await;
            }
            _ => {}
        }
        let answer = self
            .deliver(&plan, plan.request, self.write(expected, record))
            .await;
        match (&plan.fault, answer) {
            (Some(Fault::Hang { .. }), _) => future::pending().await,
            (Some(Fault::LostReply), _) | (_, None) => Err(self.lost(Op::Cas, "the reply was lost").await),
            (Some(Fault::LandsThenConflict), Some(_)) => self.made_up_conflict().await,
            (_, Some(Ok(Swap::Conflict(Some(state))))) => {
                Ok(Swap::Conflict(Some(self.faults.corrupted(state))))
            }
            (_, Some(answer)) => answer,
        }
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let plan = self.faults.begin(Op::Watch);
        match &plan.fault {
            Some(Fault::LostRequest | Fault::LostReply | Fault::LateRequest(_)) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.lost(Op::Watch, "no answer").await);
            }
            Some(Fault::Hang { .. }) => return future::pending().await,
            Some(Fault::Error(kind)) => {
                self.faults.pause(plan.round_trip()).await;
                return Err(self.failure(Op::Watch, *kind, "as ordered"));
            }
            _ => {}
        }
        let inner = Arc::clone(&self.inner);
        match self
            .deliver(&plan, plan.request, async move { inner.watch().await })
            .await
        {
            Some(stream) => Ok(stream?.map(|stream| watching::watching(stream, self.faults.clone()))),
            None => Err(self.lost(Op::Watch, "no answer").await),
        }
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
