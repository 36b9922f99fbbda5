//! Waiting for another process, in real time: the only place of the fixtures that looks at a clock or sleeps.

use std::time::{Duration, Instant};

/// How long one more look at a starting server is worth waiting for.
const PAUSE: Duration = Duration::from_millis(10);

/// A limit on waiting that began when it was made.
#[derive(Debug)]
pub(super) struct Patience {
    end: Instant,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { end: now() + limit }
    }

    /// How much of the limit is left; zero when it has passed.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(now())
    }

    /// Sleeps for a moment; false, at once, when the limit has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "another process starts in real time; no paused clock moves it"
    )]
    pub(super) fn pause(&self) -> bool {
        if now() >= self.end {
            return false;
        }
        std::thread::sleep(PAUSE);
        true
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a limit on waiting for another process, not for a lease"
)]
fn now() -> Instant {
    Instant::now()
}
