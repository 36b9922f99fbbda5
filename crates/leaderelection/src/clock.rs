//! The clocks of a candidate. The only place that reads one.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_core::future::BoxFuture;

use crate::moment::{Moment, MonoTime};

/// A candidate's two clocks. A test gives its own; programs keep the default.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The monotonic clock: it never steps back, and runs on while the machine sleeps where the platform can
    /// (SAFETY 3).
    fn mono(&self) -> MonoTime;

    /// The wall clock, which is only written into records.
    fn wall(&self) -> DateTime<Utc>;

    /// Returns when the monotonic clock has reached `deadline`: late if at all, never early. Needs a tokio runtime with
    /// time.
    async fn sleep_until(&self, deadline: MonoTime);

    /// Both clocks.
    fn now(&self) -> Moment {
        Moment {
            mono: self.mono(),
            wall: self.wall(),
        }
    }
}

/// The machine's clocks: `CLOCK_BOOTTIME` on Linux and Android, which runs on during suspend; elsewhere
/// [`std::time::Instant`], which on macOS stands still meanwhile (SAFETY 3).
///
/// A paused virtual machine may stop even that clock. Only the fencing token helps then.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// One for all elections.
    pub(crate) fn shared() -> Arc<dyn Clock> {
        static SHARED: LazyLock<Arc<SystemClock>> = LazyLock::new(|| Arc::new(SystemClock));
        Arc::clone(&*SHARED) as Arc<dyn Clock>
    }
}

/// Sleeping is done in slices, because a runtime's timer keeps its remainder while the machine sleeps.
const SLICE: Duration = Duration::from_secs(1);

#[async_trait]
impl Clock for SystemClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn mono(&self) -> MonoTime {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        MonoTime::from_nanos(
            time.tv_sec
                .saturating_mul(1_000_000_000)
                .saturating_add(time.tv_nsec),
        )
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn mono(&self) -> MonoTime {
        static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
        MonoTime::ZERO.after(ORIGIN.get_or_init(std::time::Instant::now).elapsed())
    }

    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// As `async_trait` would make it of an `async fn`, but for what that keeps twice: each candidate sleeps in one of these.
    fn sleep_until<'a, 'f>(&'a self, deadline: MonoTime) -> BoxFuture<'f, ()>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(sleep_in_slices(deadline))
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "slices against the clock are the remedy that the ban asks for"
)]
async fn sleep_in_slices(deadline: MonoTime) {
    if deadline == MonoTime::NEVER {
        std::future::pending::<()>().await;
    }
    while let Some(slice) = next_slice(deadline) {
        tokio::time::sleep(slice).await;
    }
}

fn next_slice(deadline: MonoTime) -> Option<Duration> {
    let left = deadline.since(SystemClock.mono());
    (!left.is_zero()).then(|| left.min(SLICE))
}

/// The runtime's clock, which a test can pause (`tokio::time::pause`): then time moves only when every task waits, and
/// a day passes in an instant. Never mix it with [`SystemClock`] in one test.
///
/// Wall time starts at 2000-01-01T00:00:00Z and runs along.
#[derive(Debug, Clone, Copy, Default)]
pub struct PausedClock;

/// 2000-01-01T00:00:00Z.
const PAUSED_WALL_SECONDS: i64 = 946_684_800;

#[async_trait]
impl Clock for PausedClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn mono(&self) -> MonoTime {
        // One origin for all runtimes of a process. A runtime whose time is behind it has negative moments.
        static ORIGIN: OnceLock<tokio::time::Instant> = OnceLock::new();
        let now = tokio::time::Instant::now();
        let origin = *ORIGIN.get_or_init(|| now);
        MonoTime::ZERO
            .after(now.saturating_duration_since(origin))
            .before(origin.saturating_duration_since(now))
    }

    fn wall(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(PAUSED_WALL_SECONDS, 0).unwrap_or_default();
        start
            .checked_add_signed(chrono::TimeDelta::nanoseconds(self.mono().as_nanos()))
            .unwrap_or(start)
    }

    #[allow(clippy::disallowed_methods, reason = "the paused timer is this clock")]
    async fn sleep_until(&self, deadline: MonoTime) {
        if deadline == MonoTime::NEVER {
            std::future::pending::<()>().await;
        }
        loop {
            let left = deadline.since(self.mono());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}
