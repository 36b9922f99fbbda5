//! Flaws of what a read shows.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use leaderelection::{Content, LockError, LockErrorKind, Observation, ResourceLock, Version};

use super::flaw::{Flaw, Store};

/// What was read last.
type Last = Mutex<Option<Observation>>;

fn replace(last: &Last, now: Observation) -> Option<Observation> {
    last.lock().unwrap_or_else(PoisonError::into_inner).replace(now)
}

#[derive(Default)]
pub(super) struct StaleReads(Last);

#[async_trait]
impl Flaw for StaleReads {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        let now = store.lock.get().await?;
        Ok(replace(&self.0, now.clone()).unwrap_or(now))
    }
}

#[derive(Default)]
pub(super) struct RacingReads(Last);

#[async_trait]
impl Flaw for RacingReads {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        let sent = store.lock.get().await?;
        tokio::task::yield_now().await;
        let received = store.lock.get().await?;
        let before = replace(&self.0, received.clone());
        if sent == received {
            Ok(received)
        } else {
            Ok(before.unwrap_or(received))
        }
    }
}

#[derive(Default)]
pub(super) struct AbsentAsError;

#[async_trait]
impl Flaw for AbsentAsError {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        match store.lock.get().await? {
            Observation::Absent { as_of: Some(never) } if never == Version::new(0) => {
                Err(LockError::new(LockErrorKind::Unavailable, "not found"))
            }
            seen => Ok(seen),
        }
    }
}

#[derive(Default)]
pub(super) struct OldAbsence;

#[async_trait]
impl Flaw for OldAbsence {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        match store.lock.get().await? {
            Observation::Absent { as_of: Some(as_of) } => Ok(Observation::Absent {
                as_of: Some(Version::new(as_of.get().saturating_sub(1))),
            }),
            seen => Ok(seen),
        }
    }
}

/// Shows objects with such content as none.
async fn hide(store: &Store, hidden: impl Fn(&Content) -> bool) -> Result<Observation, LockError> {
    Ok(match store.lock.get().await? {
        Observation::Present { version, content } if hidden(&content) => {
            Observation::Absent { as_of: Some(version) }
        }
        seen => seen,
    })
}

#[derive(Default)]
pub(super) struct EmptyAsAbsent;

#[async_trait]
impl Flaw for EmptyAsAbsent {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        hide(store, |content| matches!(content, Content::Empty)).await
    }
}

#[derive(Default)]
pub(super) struct HidesUnreadable;

#[async_trait]
impl Flaw for HidesUnreadable {
    async fn get(&self, store: &Store) -> Result<Observation, LockError> {
        hide(store, |content| matches!(content, Content::Unreadable(_))).await
    }
}
