//! The ways in which a lock in memory can imitate other stores.

use std::sync::Arc;

use leaderelection::Capabilities;

use crate::lock::MemoryLock;

/// Makes a [`MemoryLock`] that behaves like another store, so that a test needs no server to meet its habits.
#[derive(Debug, Clone)]
pub struct MemoryLockBuilder {
    name: Arc<str>,
    capabilities: Capabilities,
    max_bytes: Option<usize>,
}

impl MemoryLockBuilder {
    pub(crate) fn new() -> Self {
        let capabilities = Capabilities::LEAST
            .with_watch()
            .with_versioned_absence()
            .with_conflict_tells_state()
            .with_empty_object();
        Self {
            name: "lock".into(),
            capabilities,
            max_bytes: None,
        }
    }

    /// Names the lock: `describe()` answers `memory://NAME`. The name identifies nothing: only clones share a record.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Does nothing when an equal record is written, and answers the version that it was given, as Kubernetes does.
    /// The default is to write a new version, as etcd does.
    #[must_use]
    pub fn with_equal_write_noop(mut self) -> Self {
        self.capabilities.equal_write_is_noop = true;
        self
    }

    /// Has no watch: followers have to poll.
    #[must_use]
    pub fn without_watch(mut self) -> Self {
        self.capabilities.watch = false;
        self
    }

    /// Does not tell as of which version there is nothing, as a Kubernetes 404.
    #[must_use]
    pub fn without_versioned_absence(mut self) -> Self {
        self.capabilities.versioned_absence = false;
        self
    }

    /// Does not tell which state stood in the way of a swap, as a Kubernetes 409.
    #[must_use]
    pub fn without_conflict_state(mut self) -> Self {
        self.capabilities.conflict_tells_state = false;
        self
    }

    /// Refuses a record of more than this many bytes of JSON as invalid, as etcd and Kubernetes do. The default is to
    /// take any.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = Some(max_bytes);
        self
    }

    /// The lock: nothing is under its name yet.
    pub fn build(self) -> MemoryLock {
        MemoryLock::from_parts(self.name, self.capabilities, self.max_bytes)
    }
}
