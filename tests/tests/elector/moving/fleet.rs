//! Candidates and movers of a fleet that rolls over, and the ends that they meet.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Closed, Content, Ended, Expected, Identity, LeaderElectionRecord, LeaderElector, LockError,
    Move, MoveError, Observation, ObservationStream, PausedClock, ResourceLock, Swap,
};
use leaderelection_conformance::{FaultLock, Faults, Op, Partition};
use leaderelection_memory::MemoryLock;
use tokio::task::{AbortHandle, JoinHandle};

use crate::stage::Stage;
use crate::{candidate, holder, ms, s, sleep};

pub(super) const OLD: &str = "memory://old";
pub(super) const NEW: &str = "memory://new";

pub(super) fn locks() -> (MemoryLock, MemoryLock) {
    let lock = |name| MemoryLock::builder().name(name).build();
    (lock("old"), lock("new"))
}

pub(super) fn record(lock: &MemoryLock) -> Option<LeaderElectionRecord> {
    match lock.snapshot() {
        Observation::Present {
            content: Content::Record(record),
            ..
        } => Some((*record).clone()),
        _ => None,
    }
}

pub(super) fn is_closed(lock: &MemoryLock, closed: Closed<'_>) -> bool {
    record(lock).is_some_and(|record| record.closed() == Some(closed))
}

pub(super) fn is_moved(from: &MemoryLock, to: &MemoryLock) -> bool {
    is_closed(from, Closed::MovedTo(&to.describe()))
        && record(to).is_some_and(|record| record.closed().is_none())
}

/// How many calls a process has left, both locks taken together. The last one reaches the store or does not; none is answered.
#[derive(Clone)]
pub(super) struct Life {
    left: Arc<Mutex<u64>>,
    last_lands: bool,
}

impl Life {
    pub(super) const FOR_EVER: u64 = u64::MAX;

    pub(super) fn of(calls: u64, last_lands: bool) -> Self {
        let left = Arc::new(Mutex::new(calls));
        Self { left, last_lands }
    }

    pub(super) async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let left = {
            let mut left = self.left.lock().unwrap();
            let before = *left;
            *left = before.saturating_sub(1);
            before
        };
        match left {
            0 => pending().await,
            1 => {
                if self.last_lands {
                    call.await;
                }
                pending().await
            }
            _ => call.await,
        }
    }

    pub(super) async fn over(&self) {
        while *self.left.lock().unwrap() > 0 {
            // Days pass in these tests.
            sleep(ms(200)).await;
        }
    }
}

pub(super) struct Mortal<L> {
    lock: L,
    life: Life,
}

#[async_trait]
impl<L: ResourceLock> ResourceLock for Mortal<L> {
    async fn get(&self) -> Result<Observation, LockError> {
        self.life.call(self.lock.get()).await
    }
    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.life.call(self.lock.compare_and_swap(expected, record)).await
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

pub(super) type Outcome = Option<Result<Ended<()>, MoveError>>;

/// A mover of that many calls; `None` when it died.
#[allow(clippy::disallowed_methods, reason = "a process of a test is a task")]
pub(super) fn mover(
    from: impl ResourceLock + 'static,
    to: impl ResourceLock + 'static,
    life: Life,
    seed: u64,
) -> JoinHandle<Outcome> {
    let mortal = |lock: Arc<dyn ResourceLock>| Mortal {
        lock,
        life: life.clone(),
    };
    let (from, to) = (mortal(Arc::new(from)), mortal(Arc::new(to)));
    tokio::spawn(async move {
        // A process of its own has a name of its own; the seed keeps the run repeatable.
        let elector = LeaderElector::builder(from, Identity::known_unique(format!("mover-{seed}")).unwrap());
        let elector = elector.clock(PausedClock).seed(seed).build().unwrap();
        tokio::select! {
            biased;
            moved = Move::new(elector, to).run(pending::<()>()) => Some(moved),
            () = life.over() => None,
        }
    })
}

#[track_caller]
pub(super) fn assert_moved(outcome: Outcome) {
    assert!(matches!(outcome, Some(Ok(Ended::Finished(())))), "{outcome:?}");
}

/// Candidates of one lock: whoever leads goes, and another comes, so that there are always some.
pub(super) struct Fleet {
    stage: Stage,
    lock: MemoryLock,
    running: Vec<(String, AbortHandle, Faults)>,
    started: u64,
    /// How long each of their calls may travel: on a faster network than the movers' they would always be first.
    jitter: Duration,
}

impl Fleet {
    pub(super) fn new(stage: &Stage, lock: &MemoryLock, jitter: Duration) -> Self {
        let mut fleet = Self {
            stage: stage.clone(),
            lock: lock.clone(),
            running: Vec::new(),
            started: 0,
            jitter,
        };
        fleet.join();
        fleet.join();
        fleet
    }

    pub(super) fn join(&mut self) {
        let name = format!("{}-{}", self.lock.describe(), self.started);
        self.started += 1;
        let lock = FaultLock::new(self.lock.clone());
        let faults = lock.faults();
        for op in [Op::Get, Op::Cas] {
            faults.jitter(op, self.jitter);
        }
        let handle = self.stage.run(&name, candidate(lock, &name));
        self.running.push((name, handle, faults));
    }

    /// One more joins, and when it follows, the leader is stopped, and releases, or is cut off.
    pub(super) async fn leader_goes(&mut self, cut_off: bool) {
        self.join();
        sleep(ms(300)).await;
        let Some(leader) = holder(&self.lock) else { return };
        let Some(at) = self.running.iter().position(|(name, ..)| *name == leader) else {
            return;
        };
        let (_, handle, faults) = self.running.remove(at);
        if cut_off {
            faults.partition(Partition::Full);
        } else {
            handle.abort();
        }
    }
}

/// Old leaders go until the election is moved.
pub(super) async fn until_moved(old: &mut Fleet, new: &MemoryLock) {
    for round in 0.. {
        if is_moved(&old.lock, new) {
            return;
        }
        assert!(round < 60, "not moved: {:?}, {new:?}", old.lock);
        sleep(s(7)).await;
        old.leader_goes(round % 3 == 2).await;
        sleep(s(23)).await;
    }
}
