//! What was called, in which order, and what came of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leaderelection::{
    Clock, Expected, LeaderElectionRecord, LockError, LockErrorKind, MonoTime, Observation, Swap,
};

/// The calls of any number of clients to one lock. Clones are the same history.
#[derive(Clone)]
pub struct History {
    clock: Arc<dyn Clock>,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    /// Counts starts and ends: their order is known even where their moments are equal.
    steps: u64,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the history, from 0.
    pub id: usize,
    /// Who called.
    pub client: Arc<str>,
    /// What was called.
    pub operation: Operation,
    /// When the call started.
    pub start: MonoTime,
    /// The place of its start in the order of all starts and ends.
    pub start_step: u64,
    /// When it ended; `None` while it is under way.
    pub end: Option<MonoTime>,
    /// The place of its end in the order of all starts and ends.
    pub end_step: Option<u64>,
    /// What came of it; `None` while it is under way.
    pub result: Option<CallResult>,
}

/// What was called, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `get`.
    Get,
    /// `compare_and_swap`.
    CompareAndSwap {
        /// The state that was named.
        expected: Expected,
        /// The record to write.
        record: Arc<LeaderElectionRecord>,
    },
    /// `watch`: opening one.
    Watch,
    /// An open watch yielded something. Not a call: it starts and ends at one moment.
    Shown {
        /// The entry that opened the watch.
        watch: usize,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    /// A state was read, or shown by a watch.
    Observed(Observation),
    /// A swap was answered.
    Swapped(Swap),
    /// A watch was opened; `false`: the lock has none.
    Watching(bool),
    /// It failed.
    Failed {
        /// What the caller may conclude.
        kind: LockErrorKind,
        /// The error in words.
        message: String,
    },
    /// The caller dropped the future: a swap may have happened, or happen later.
    Dropped,
}

impl CallResult {
    pub(super) fn failed(error: &LockError) -> Self {
        Self::Failed {
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

impl History {
    /// An empty history, whose moments come from this clock.
    pub fn new(clock: impl Clock + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            log: Arc::default(),
        }
    }

    /// All calls so far, in the order of their starts.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// How many calls there were so far.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether there was no call so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn begin(&self, client: &Arc<str>, operation: Operation) -> Call {
        let mut log = self.lock();
        let (id, start_step) = (log.entries.len(), log.step());
        log.entries.push(Entry {
            id,
            client: Arc::clone(client),
            operation,
            start: self.clock.mono(),
            start_step,
            end: None,
            end_step: None,
            result: None,
        });
        Call {
            history: self.clone(),
            id,
            ended: false,
        }
    }

    fn end(&self, id: usize, result: CallResult) {
        let mut log = self.lock();
        let step = log.step();
        if let Some(entry) = log.entries.get_mut(id) {
            entry.end = Some(self.clock.mono());
            entry.end_step = Some(step);
            entry.result = Some(result);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn step(&mut self) -> u64 {
        let step = self.steps;
        self.steps = step.saturating_add(1);
        step
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("entries", &self.lock().entries)
            .finish_non_exhaustive()
    }
}

/// A call under way. Dropped without an end, it was abandoned.
pub(super) struct Call {
    history: History,
    id: usize,
    ended: bool,
}

impl Call {
    pub(super) fn id(&self) -> usize {
        self.id
    }

    pub(super) fn end(mut self, result: CallResult) {
        self.ended = true;
        self.history.end(self.id, result);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.history.end(self.id, CallResult::Dropped);
        }
    }
}
