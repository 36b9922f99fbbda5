//! Real time, for tests on real servers: no paused clock moves those.

use std::time::Duration;

use leaderelection::{Clock, MonoTime, SystemClock};

/// The time now.
pub fn now() -> MonoTime {
    SystemClock.mono()
}

/// Sleeps.
pub async fn sleep(duration: Duration) {
    SystemClock.sleep_until(now().after(duration)).await;
}

/// The outcome of a future that must come within a limit.
///
/// # Panics
/// When it does not, with what was waited for.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = future => outcome,
        () = sleep(limit) => panic!("not within {limit:?}: {what}"),
    }
}
