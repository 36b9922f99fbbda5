//! The lock itself: one state behind one mutex, which is also the channel that watches listen to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use leaderelection::{
    Capabilities, Content, Expected, LeaderElectionRecord, LockError, LockErrorKind, Observation,
    ObservationStream, ResourceLock, Swap, Version,
};
use tokio::sync::watch;

use crate::builder::MemoryLockBuilder;

/// A lock in memory. Clones share the record; the record lives as long as a clone.
///
/// Versions start at 1 and grow by one with every change, a deletion included. Beside the lock's own interface it
/// has controls for tests, which act like somebody who goes behind the election's back: [`delete`](Self::delete),
/// [`touch`](Self::touch), [`put_record`](Self::put_record), [`put_raw`](Self::put_raw),
/// [`put_empty`](Self::put_empty), [`restore`](Self::restore).
#[derive(Clone)]
pub struct MemoryLock {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    capabilities: Capabilities,
    max_bytes: Option<usize>,
    /// The channel's own lock makes each change atomic, and no watch can miss one.
    state: watch::Sender<Observation>,
}

/// What a change does: answers, and puts a new state in place or leaves the old one.
pub(crate) type Change<T> = (T, Option<Observation>);

impl MemoryLock {
    /// A lock with nothing under its name, which can do everything that a lock can declare. An equal write is written.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A lock that imitates another store.
    pub fn builder() -> MemoryLockBuilder {
        MemoryLockBuilder::new()
    }

    pub(crate) fn from_parts(name: Arc<str>, capabilities: Capabilities, max_bytes: Option<usize>) -> Self {
        let (state, _) = watch::channel(Observation::Absent {
            as_of: Some(Version::new(0)),
        });
        Self {
            shared: Arc::new(Shared {
                name,
                capabilities,
                max_bytes,
                state,
            }),
        }
    }

    /// The state now, whatever the lock's capabilities let a candidate see of it: an absence always has its version.
    pub fn snapshot(&self) -> Observation {
        self.shared.state.borrow().clone()
    }

    /// Decides on the state and changes it in one step.
    pub(crate) fn change<T>(&self, decide: impl FnOnce(&Observation) -> Change<T>) -> T {
        let mut decide = Some(decide);
        let mut answer = None;
        self.shared.state.send_if_modified(|state| {
            let Some(decide) = decide.take() else { return false };
            let (said, next) = decide(state);
            answer = Some(said);
            let changed = next.is_some();
            if let Some(next) = next {
                *state = next;
            }
            changed
        });
        match answer {
            Some(answer) => answer,
            None => unreachable!("the channel calls its closure exactly once"),
        }
    }

    fn shown(&self, state: &Observation) -> Observation {
        shown(state, self.shared.capabilities)
    }
}

/// A state as a candidate sees it.
fn shown(state: &Observation, capabilities: Capabilities) -> Observation {
    match state {
        Observation::Absent { .. } if !capabilities.versioned_absence => Observation::Absent { as_of: None },
        state => state.clone(),
    }
}

/// The version of the state's last change.
pub(crate) fn version_of(state: &Observation) -> Version {
    match state {
        Observation::Present { version, .. } => *version,
        Observation::Absent { as_of } => as_of.unwrap_or(Version::new(0)),
    }
}

/// The version of the next change.
pub(crate) fn next_version(state: &Observation) -> Version {
    Version::new(version_of(state).get().saturating_add(1))
}

#[async_trait]
impl ResourceLock for MemoryLock {
    async fn get(&self) -> Result<Observation, LockError> {
        Ok(self.shown(&self.shared.state.borrow()))
    }

    async fn compare_and_swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let json = record.to_json();
        if let Some(limit) = self.shared.max_bytes.filter(|limit| json.len() > *limit) {
            let message = format!(
                "{}: a record of {} bytes, the limit is {limit}",
                self.describe(),
                json.len()
            );
            return Err(LockError::new(LockErrorKind::Invalid, message));
        }
        let capabilities = self.shared.capabilities;
        let swap = self.change(|state| {
            let named = match (expected, state) {
                (Expected::Absent, Observation::Absent { .. }) => true,
                (Expected::Version(expected), Observation::Present { version, .. }) => expected == *version,
                _ => false,
            };
            if !named {
                let told = capabilities
                    .conflict_tells_state
                    .then(|| shown(state, capabilities));
                return (Swap::Conflict(told), None);
            }
            let version = next_version(state);
            let next = Observation::from_json(version, json.as_bytes());
            if capabilities.equal_write_is_noop && content_of(state) == content_of(&next) {
                return (Swap::Done(version_of(state)), None);
            }
            (Swap::Done(version), Some(next))
        });
        Ok(swap)
    }

    async fn watch(&self) -> Result<Option<ObservationStream>, LockError> {
        let capabilities = self.shared.capabilities;
        if !capabilities.watch {
            return Ok(None);
        }
        let mut changes = self.shared.state.subscribe();
        // The state at the start is shown first. What changes faster than it is read is coalesced to the newest.
        changes.mark_changed();
        let stream = stream::unfold(changes, move |mut changes| async move {
            changes.changed().await.ok()?;
            let state = shown(&changes.borrow_and_update(), capabilities);
            Some((Ok(state), changes))
        });
        Ok(Some(Box::pin(stream)))
    }

    fn describe(&self) -> String {
        format!("memory://{}", self.shared.name)
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.capabilities
    }
}

fn content_of(state: &Observation) -> Option<&Content> {
    match state {
        Observation::Present { content, .. } => Some(content),
        Observation::Absent { .. } => None,
    }
}

impl Default for MemoryLock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLock")
            .field("name", &self.shared.name)
            .field("state", &*self.shared.state.borrow())
            .finish()
    }
}
