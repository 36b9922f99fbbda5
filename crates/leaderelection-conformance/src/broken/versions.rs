//! Flaws of versions, and of the equal write.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use leaderelection::{
    Capabilities, Content, Expected, LeaderElectionRecord, LockError, Observation, ObservationStream,
    ResourceLock, Swap, Version,
};

use super::flaw::{Flaw, Store};

/// A swap by versions that are not the store's own: `outward` turns the store's into those that are shown.
async fn swap_by(
    store: &Store,
    expected: Expected,
    record: &LeaderElectionRecord,
    outward: impl Fn(Version) -> Version,
) -> Result<Swap, LockError> {
    let inward = match (expected, store.memory.snapshot()) {
        (Expected::Version(expected), Observation::Present { version, .. })
            if outward(version) == expected =>
        {
            Expected::Version(version)
        }
        // Certain not to be the newest.
        (Expected::Version(_), _) => Expected::Version(Version::new(u64::MAX)),
        (Expected::Absent, _) => Expected::Absent,
    };
    Ok(match store.lock.compare_and_swap(inward, record).await? {
        Swap::Done(version) => Swap::Done(outward(version)),
        Swap::Conflict(told) => Swap::Conflict(told.map(|told| show_by(told, outward))),
    })
}

fn show_by(observation: Observation, outward: impl Fn(Version) -> Version) -> Observation {
    match observation {
        Observation::Present { version, content } => Observation::Present {
            version: outward(version),
            content,
        },
        Observation::Absent { .. } => Observation::Absent { as_of: None },
    }
}

#[derive(Default)]
pub(super) struct WrappingVersions;

fn wrap(version: Version) -> Version {
    Version::new(version.get() % 20)
}

#[async_trait]
impl Flaw for WrappingVersions {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        Ok(show_by(store.lock.get().await?, wrap))
    }

    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        swap_by(store, expected, record, wrap).await
    }

    async fn watch(&self, _: &Store) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn declares(&self, mut honest: Capabilities) -> Capabilities {
        (honest.watch, honest.versioned_absence) = (false, false);
        honest
    }
}

/// Remembers the version of the last deletion, from which it counts.
#[derive(Default)]
pub(super) struct VersionReuse(Mutex<u64>);

impl VersionReuse {
    fn outward(&self, store: &Store) -> impl Fn(Version) -> Version + use<> {
        let mut deleted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Observation::Absent { as_of: Some(as_of) } = store.memory.snapshot() {
            *deleted = as_of.get();
        }
        let deleted = *deleted;
        move |version| Version::new(version.get().saturating_sub(deleted))
    }
}

#[async_trait]
impl Flaw for VersionReuse {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        Ok(show_by(store.lock.get().await?, self.outward(store)))
    }

    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        swap_by(store, expected, record, self.outward(store)).await
    }

    async fn watch(&self, _: &Store) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn declares(&self, mut honest: Capabilities) -> Capabilities {
        (honest.watch, honest.versioned_absence) = (false, false);
        honest
    }
}

/// Remembers the content that it has seen last, and since which version.
#[derive(Default)]
pub(super) struct ContentVersions(Mutex<Option<(Content, Version)>>);

impl ContentVersions {
    fn outward(&self, store: &Store) -> impl Fn(Version) -> Version + use<> {
        let (now, shown) = match store.memory.snapshot() {
            Observation::Present { version, content } => (version, self.since(version, content)),
            Observation::Absent { .. } => (Version::new(0), Version::new(0)),
        };
        move |version| if version == now { shown } else { version }
    }

    fn since(&self, version: Version, content: Content) -> Version {
        let mut seen = self.seen();
        match &*seen {
            Some((same, since)) if *same == content => *since,
            _ => {
                *seen = Some((content, version));
                version
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<(Content, Version)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Flaw for ContentVersions {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        let outward = self.outward(store);
        Ok(match store.lock.get().await? {
            absent @ Observation::Absent { .. } => absent,
            present => show_by(present, outward),
        })
    }

    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let swap = swap_by(store, expected, record, self.outward(store)).await?;
        if let Swap::Done(version) = swap {
            *self.seen() = None;
            self.outward(store)(version);
        }
        Ok(swap)
    }

    async fn watch(&self, _: &Store) -> Result<Option<ObservationStream>, LockError> {
        Ok(None)
    }

    fn declares(&self, mut honest: Capabilities) -> Capabilities {
        honest.watch = false;
        honest
    }
}

#[derive(Default)]
pub(super) struct EqualWriteLies;

#[async_trait]
impl Flaw for EqualWriteLies {
    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        match store.memory.snapshot() {
            Observation::Present {
                version,
                content: Content::Record(there),
            } if expected == Expected::Version(version) && *there == *record => {
                Ok(Swap::Done(Version::new(version.get().saturating_add(1))))
            }
            _ => store.lock.compare_and_swap(expected, record).await,
        }
    }
}

#[derive(Default)]
pub(super) struct DeclaresNoop;

impl Flaw for DeclaresNoop {
    fn declares(&self, honest: Capabilities) -> Capabilities {
        honest.with_equal_write_is_noop()
    }
}
