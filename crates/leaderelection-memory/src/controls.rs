//! What a test does to the record behind the election's back.

use leaderelection::{Content, LeaderElectionRecord, Observation, Version};

use crate::lock::{MemoryLock, next_version, version_of};

/// Controls for tests. Each is one atomic change with a version of its own, that watches show; none of them goes
/// through the lock's contract.
impl MemoryLock {
    /// Deletes the object and answers the version as of which there is nothing. Where there is nothing already, nothing
    /// changes.
    pub fn delete(&self) -> Version {
        self.change(|state| match state {
            Observation::Absent { .. } => (version_of(state), None),
            Observation::Present { .. } => {
                let version = next_version(state);
                (version, Some(Observation::Absent { as_of: Some(version) }))
            }
        })
    }

    /// Gives the object a new version without changing its content, as somebody who writes a label on it does. `None`:
    /// there is no object, and nothing changes.
    pub fn touch(&self) -> Option<Version> {
        self.change(|state| match state {
            Observation::Absent { .. } => (None, None),
            Observation::Present { content, .. } => {
                let version = next_version(state);
                (
                    Some(version),
                    Some(Observation::Present {
                        version,
                        content: content.clone(),
                    }),
                )
            }
        })
    }

    /// Overwrites whatever is there with a record, blindly, as an operator might.
    pub fn put_record(&self, record: &LeaderElectionRecord) -> Version {
        self.put_raw(record.to_json().as_bytes())
    }

    /// Overwrites whatever is there with these bytes. They are shown as unreadable unless they are a record.
    pub fn put_raw(&self, bytes: &[u8]) -> Version {
        self.change(|state| {
            let version = next_version(state);
            (version, Some(Observation::from_json(version, bytes)))
        })
    }

    /// Overwrites whatever is there with an object without a record, such as an Endpoints object without the
    /// annotation.
    pub fn put_empty(&self) -> Version {
        self.change(|state| {
            let version = next_version(state);
            (
                version,
                Some(Observation::Present {
                    version,
                    content: Content::Empty,
                }),
            )
        })
    }

    /// Puts the store back to an earlier [`snapshot`](Self::snapshot), version and all, as a restored backup does
    /// (SAFETY 19). The one control after which versions may repeat.
    pub fn restore(&self, snapshot: Observation) {
        self.change(|_| ((), Some(snapshot)));
    }
}
