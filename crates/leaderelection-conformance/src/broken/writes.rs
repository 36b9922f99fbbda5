//! Flaws of what a swap does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use leaderelection::{
    Clock, Content, Expected, LeaderElectionRecord, LockError, LockErrorKind, MonoTime, Observation,
    PausedClock, ResourceLock, Swap, Version,
};

use super::flaw::{Flaw, Store};

/// Makes a flaw of the swap alone.
macro_rules! swaps {
    ($name:ident, |$store:ident, $expected:ident, $record:ident| $swap:expr) => {
        #[derive(Default)]
        pub(super) struct $name;

        #[async_trait]
        impl Flaw for $name {
            async fn swap(
                &self,
                $store: &Store,
                $expected: Expected,
                $record: &LeaderElectionRecord,
            ) -> Result<Swap, LockError> {
                $swap
            }
        }
    };
}

fn is_present(store: &Store) -> bool {
    matches!(store.memory.snapshot(), Observation::Present { .. })
}

/// Whether nothing was ever written, where there is nothing.
fn is_untouched(store: &Store) -> bool {
    store.memory.snapshot()
        == Observation::Absent {
            as_of: Some(Version::new(0)),
        }
}

fn names_a_version(expected: Expected) -> bool {
    matches!(expected, Expected::Version(_))
}

swaps!(BlindPut, |store, expected, record| {
    if names_a_version(expected) && is_present(store) {
        return store.overwrite(record).await;
    }
    store.lock.compare_and_swap(expected, record).await
});

swaps!(CreatesOverExisting, |store, expected, record| {
    if expected == Expected::Absent {
        return store.overwrite(record).await;
    }
    store.lock.compare_and_swap(expected, record).await
});

swaps!(CreatesOnNothing, |store, expected, record| {
    if names_a_version(expected) && is_untouched(store) {
        return store.overwrite(record).await;
    }
    store.lock.compare_and_swap(expected, record).await
});

swaps!(RecreatesDeleted, |store, expected, record| {
    if names_a_version(expected) && !is_present(store) && !is_untouched(store) {
        return store.overwrite(record).await;
    }
    store.lock.compare_and_swap(expected, record).await
});

swaps!(CheckThenPut, |store, expected, record| {
    let right = match (expected, store.memory.snapshot()) {
        (Expected::Version(expected), Observation::Present { version, .. }) => version == expected,
        _ => false,
    };
    if !right {
        return store.lock.compare_and_swap(expected, record).await;
    }
    tokio::task::yield_now().await;
    store.overwrite(record).await
});

swaps!(CheckThenPutByThreads, |store, expected, record| {
    let right = match (expected, store.memory.snapshot()) {
        (Expected::Version(expected), Observation::Present { version, .. }) => version == expected,
        _ => false,
    };
    if !right {
        return store.lock.compare_and_swap(expected, record).await;
    }
    // Blocks, as a store with a mutex that it lets go in between would: futures of one thread never meet here.
    std::thread::park_timeout(Duration::from_millis(2));
    store.overwrite(record).await
});

swaps!(CheckThenCreate, |store, expected, record| {
    if expected != Expected::Absent || is_present(store) {
        return store.lock.compare_and_swap(expected, record).await;
    }
    tokio::task::yield_now().await;
    store.overwrite(record).await
});

swaps!(CheckThenCreateByThreads, |store, expected, record| {
    if expected != Expected::Absent || is_present(store) {
        return store.lock.compare_and_swap(expected, record).await;
    }
    // There is only one race for a creation: the gap has to be long enough for other threads to meet it for certain.
    std::thread::park_timeout(Duration::from_millis(20));
    store.overwrite(record).await
});

swaps!(ConflictAsError, |store, expected, record| {
    match store.lock.compare_and_swap(expected, record).await? {
        Swap::Conflict(_) => Err(LockError::new(LockErrorKind::Invalid, "409 Conflict")),
        done => Ok(done),
    }
});

swaps!(ConflictTellsAbsence, |store, expected, record| {
    Ok(match store.lock.compare_and_swap(expected, record).await? {
        Swap::Conflict(_) => Swap::Conflict(Some(Observation::Absent { as_of: None })),
        done => done,
    })
});

swaps!(ConflictTouches, |store, expected, record| {
    let swap = store.lock.compare_and_swap(expected, record).await?;
    if expected == Expected::Absent && matches!(swap, Swap::Conflict(_)) {
        store.memory.touch();
    }
    Ok(swap)
});

swaps!(HiddenRetry, |store, expected, record| {
    let swap = store.lock.compare_and_swap(expected, record).await?;
    if let Swap::Conflict(Some(Observation::Present {
        version,
        content: Content::Record(there),
    })) = &swap
    {
        if names_a_version(expected) && there.holder_identity == record.holder_identity {
            return store
                .lock
                .compare_and_swap(Expected::Version(*version), record)
                .await;
        }
    }
    Ok(swap)
});

swaps!(KeepsUnreadable, |store, expected, record| {
    if let Observation::Present {
        content: Content::Unreadable(_),
        ..
    } = store.memory.snapshot()
    {
        return Ok(Swap::Conflict(Some(store.memory.snapshot())));
    }
    store.lock.compare_and_swap(expected, record).await
});

/// Remembers when its last write is to be repeated.
#[derive(Default)]
pub(super) struct WritesTwice(Mutex<Option<MonoTime>>);

impl WritesTwice {
    fn due(&self) -> MutexGuard<'_, Option<MonoTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Flaw for WritesTwice {
    async fn swap(
        &self,
        store: &Store,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        let swap = store.lock.compare_and_swap(expected, record).await?;
        if let Swap::Done(_) = swap {
            *self.due() = Some(PausedClock.mono().after(Duration::from_millis(40)));
        }
        Ok(swap)
    }

    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        let now = PausedClock.mono();
        // Nobody sees the repetition before the next read.
        if self.due().take_if(|due| *due <= now).is_some() {
            store.memory.touch();
        }
        store.lock.get().await
    }
}
