//! A lock that can only be read, each call within its time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use leaderelection::{Clock, Observation, ObservationStream, ResourceLock};

use super::seen::Unreachable;

/// See the module. Nothing here writes, and nobody else in `status` has the lock.
pub(super) struct Source {
    lock: Arc<dyn ResourceLock>,
    timeout: Duration,
}

impl Source {
    pub(super) fn new(lock: Arc<dyn ResourceLock>, timeout: Duration) -> Self {
        Self { lock, timeout }
    }

    pub(super) fn name(&self) -> String {
        self.lock.describe()
    }

    pub(super) async fn get(&self, clock: &dyn Clock) -> Result<Observation, Unreachable> {
        within(clock, self.timeout, "read", self.lock.get())
            .await?
            .map_err(Unreachable::Failed)
    }

    pub(super) async fn watch(&self, clock: &dyn Clock) -> Result<Option<ObservationStream>, Unreachable> {
        within(clock, self.timeout, "watch", self.lock.watch())
            .await?
            .map_err(Unreachable::Failed)
    }
}

/// What comes of a call, if it comes in time. A read that is given up has written nothing.
pub(super) async fn within<T>(
    clock: &dyn Clock,
    timeout: Duration,
    what: &'static str,
    call: impl Future<Output = T>,
) -> Result<T, Unreachable> {
    let call = pin!(call);
    tokio::select! {
        biased;
        answer = call => Ok(answer),
        () = clock.sleep_until(clock.mono().after(timeout)) => Err(Unreachable::TimedOut { what, after: timeout }),
    }
}
