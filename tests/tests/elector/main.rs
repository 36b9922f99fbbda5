//! The elector on paused time: `run`, `spawn`, the guard, and what users and stores can do to them.
//!
//! Time moves only when every task waits, so a moment that is asserted is exact, and an hour takes no time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

mod calls;
mod costs;
mod doubles;
mod faults;
mod guard;
mod metrics;
mod moving;
mod observing;
mod panics;
mod plan;
mod run;
mod settings;
mod slowing;
mod spawn;
mod stage;
mod story;

use std::time::Duration;

use leaderelection::{Clock, LeaderElector, LeaderElectorBuilder, PausedClock, ResourceLock};
use leaderelection_memory::MemoryLock;

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A candidate at 15 s / 10 s / 2 s on the paused clock.
pub(crate) fn candidate(lock: impl ResourceLock + 'static, name: &str) -> LeaderElectorBuilder {
    LeaderElector::builder(lock, name).clock(PausedClock)
}

pub(crate) async fn sleep(duration: Duration) {
    PausedClock.sleep_until(PausedClock.mono().after(duration)).await;
}

/// Seconds since a moment, on the paused clock.
pub(crate) fn since(start: leaderelection::MonoTime) -> Duration {
    PausedClock.mono().since(start)
}

/// Who holds the record.
pub(crate) fn holder(lock: &MemoryLock) -> Option<String> {
    match lock.snapshot() {
        leaderelection::Observation::Present {
            content: leaderelection::Content::Record(record),
            ..
        } => Some(record.holder_identity.clone()),
        _ => None,
    }
}
