//! Clients that read and swap all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leaderelection::{
    Expected, FencingToken, LeaderElectionRecord, LockError, LockErrorKind, Observation, ResourceLock, Swap,
    SystemClock,
};
use leaderelection_conformance::{CallResult, History, Operation, RecordingLock};
use tokio::task::JoinSet;

use super::fence::{FenceHistory, Register};
use crate::random::Random;
use crate::time::sleep;

/// Clients of one lock, each of which writes to one register with the tokens that it gets.
///
/// Each reads, swaps on what it knows, swaps on what it once knew, or creates; no two swaps write the same record. A call that takes
/// too long is dropped.
pub struct Crowd<R> {
    history: History,
    fence: Arc<FenceHistory<R>>,
    random: Random,
    calls: u64,
    pause: Duration,
    limit: Duration,
    over: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// What a crowd did.
pub struct Histories {
    /// To the lock, as JSON lines.
    pub lock: String,
    /// To the register, as JSON lines.
    pub fence: String,
    /// What came of it.
    pub counts: Counts,
}

/// What came of a crowd's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Reads that were answered.
    pub read: u64,
    /// Swaps that were done.
    pub done: u64,
    /// Swaps that met another state.
    pub conflicts: u64,
    /// Swaps of which nobody knows what they did.
    pub ambiguous: u64,
    /// Calls that failed and wrote nothing.
    pub failed: u64,
    /// Writes to the register that were refused.
    pub refused: u64,
}

impl<R: Register + 'static> Crowd<R> {
    /// Nobody yet. Each who joins makes at most so many calls, and rests up to `pause` between two.
    pub fn new(seed: u64, calls: u64, pause: Duration, register: R) -> Self {
        Self {
            history: History::new(SystemClock),
            fence: Arc::new(FenceHistory::new(register)),
            random: Random::new(seed),
            calls,
            pause,
            limit: Duration::from_secs(2),
            over: Arc::default(),
            clients: JoinSet::new(),
        }
    }

    /// After which time a call is dropped; 2 s unless set.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A client joins, with a connection of its own.
    pub fn join(&mut self, lock: impl ResourceLock + 'static) {
        let name = format!("c{}", self.clients.len());
        let client = Client {
            lock: RecordingLock::new(lock, &name, self.history.clone()),
            fence: Arc::clone(&self.fence),
            random: Random::new(self.random.next()),
            limit: self.limit,
            name,
            written: 0,
            known: vec![Expected::Absent],
            token: None,
        };
        let (calls, pause, over) = (self.calls, self.pause, Arc::clone(&self.over));
        self.clients.spawn(client.live(calls, pause, over));
    }

    /// Ends it when all have made their calls.
    pub async fn finished(mut self) -> Histories {
        while self.clients.join_next().await.is_some() {}
        Histories {
            lock: self.history.to_json_lines(),
            fence: self.fence.to_json_lines(),
            counts: Counts::of(&self.history, self.fence.refused()),
        }
    }

    /// Ends it now.
    pub async fn ended(self) -> Histories {
        self.over.store(true, Ordering::Relaxed);
        self.finished().await
    }
}

struct Client<L, R> {
    lock: RecordingLock<L>,
    fence: Arc<FenceHistory<R>>,
    random: Random,
    limit: Duration,
    name: String,
    written: i64,
    /// The states that it has seen, the newest last.
    known: Vec<Expected>,
    token: Option<FencingToken>,
}

impl<L: ResourceLock, R: Register> Client<L, R> {
    async fn live(mut self, calls: u64, pause: Duration, over: Arc<AtomicBool>) {
        for _ in 0..calls {
            if over.load(Ordering::Relaxed) {
                return;
            }
            match self.random.below(20) {
                0..8 => self.read().await,
                8..17 => self.swap(self.known.last().copied()).await,
                17..19 => {
                    let known = u64::try_from(self.known.len()).unwrap_or(0);
                    let at = usize::try_from(self.random.below(known)).unwrap_or(0);
                    self.swap(self.known.get(at).copied()).await;
                }
                _ => self.swap(Some(Expected::Absent)).await,
            }
            // Also with the token of a term that is long over.
            if let Some(token) = self.token.filter(|_| self.random.below(3) > 0) {
                self.fence
                    .write(token, &format!("{} {}", self.name, self.written));
            }
            if self.random.below(4) == 0 {
                self.fence.read();
            }
            sleep(self.random.between(Duration::ZERO, pause)).await;
        }
    }

    async fn read(&mut self) {
        let answer = tokio::select! {
            answer = self.lock.get() => answer,
            () = sleep(self.limit) => Err(given_up()),
        };
        if let Ok(seen) = answer {
            self.saw(&seen);
        }
    }

    async fn swap(&mut self, expected: Option<Expected>) {
        let Some(expected) = expected else { return };
        self.written += 1;
        let record = LeaderElectionRecord {
            holder_identity: self.name.clone(),
            lease_duration_seconds: 15,
            leader_transitions: self.written,
            ..LeaderElectionRecord::default()
        };
        let answer = tokio::select! {
            answer = self.lock.compare_and_swap(expected, &record) => answer,
            () = sleep(self.limit) => Err(given_up()),
        };
        match answer {
            Ok(Swap::Done(version)) => {
                self.token = Some(FencingToken::new(version.get()));
                self.known.push(Expected::Version(version));
            }
            Ok(Swap::Conflict(Some(seen))) => self.saw(&seen),
            Ok(Swap::Conflict(None)) | Err(_) => self.read().await,
        }
    }

    fn saw(&mut self, seen: &Observation) {
        self.known.push(match seen {
            Observation::Present { version, .. } => Expected::Version(*version),
            Observation::Absent { .. } => Expected::Absent,
        });
    }
}

fn given_up() -> LockError {
    LockError::new(LockErrorKind::Ambiguous, "given up")
}

impl Counts {
    fn of(history: &History, refused: u64) -> Self {
        let mut counts = Self {
            refused,
            ..Self::default()
        };
        for entry in history.entries() {
            let swap = matches!(entry.operation, Operation::CompareAndSwap { .. });
            let count = match entry.result {
                Some(CallResult::Observed(_)) => &mut counts.read,
                Some(CallResult::Swapped(Swap::Done(_))) => &mut counts.done,
                Some(CallResult::Swapped(Swap::Conflict(_))) => &mut counts.conflicts,
                Some(CallResult::Failed {
                    kind: LockErrorKind::Ambiguous,
                    ..
                })
                | Some(CallResult::Dropped)
                | None
                    if swap =>
                {
                    &mut counts.ambiguous
                }
                _ => &mut counts.failed,
            };
            *count += 1;
        }
        counts
    }
}
