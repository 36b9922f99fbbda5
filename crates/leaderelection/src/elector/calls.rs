//! Calls to a lock that may panic, or never answer.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::lock::{LockError, LockErrorKind, ResourceLock};

/// A lock that panics is a lock that failed, and nobody knows how far it came.
pub(super) async fn caught<T>(call: impl Future<Output = Result<T, LockError>>) -> Result<T, LockError> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            Err(LockError::new(
                LockErrorKind::Ambiguous,
                format!("the lock panicked: {}", super::message_of(&*panic)),
            ))
        })
}

pub(super) fn unanswered(lock: &dyn ResourceLock) -> LockError {
    LockError::new(
        LockErrorKind::Ambiguous,
        format!("{} did not answer in time", lock.describe()),
    )
}
