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

/// Blocks this thread for a millisecond: between two looks at another process.
#[expect(
    clippy::disallowed_methods,
    reason = "another process moves in real time; no paused clock moves it"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

/// Blocks this thread.
pub fn wait(duration: Duration) {
    let end = now().after(duration);
    while now() < end {
        pause();
    }
}
