//! A candidate's clocks under the runtime's paused time: one that runs at its own rate from its own beginning, and a wall
//! clock that is anything.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use leaderelection::{Clock, MonoTime};
use tokio::time::Instant;

use crate::random::SECOND;

/// The wall clock when the simulation begins, in seconds since 1970.
const WALL_AT_BEGIN: i64 = 1_700_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedClock {
    pub(crate) began: Instant,
    /// Thousandths of true time's rate.
    pub(crate) rate: i64,
    /// What it shows when the simulation begins, in nanoseconds.
    pub(crate) offset: i64,
    /// By how many seconds the wall clock is off.
    pub(crate) wall_offset: i64,
}

impl SimulatedClock {
    /// The true time of a simulation that begins now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn truth() -> Self {
        Self {
            began: Instant::now(),
            rate: 1000,
            offset: 0,
            wall_offset: 0,
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn elapsed(&self) -> i64 {
        Instant::now().duration_since(self.began).as_nanos() as i64
    }

    /// What this clock shows at a true time.
    pub(crate) fn at(&self, truth: MonoTime) -> MonoTime {
        let shown = i128::from(truth.as_nanos()) * i128::from(self.rate) / 1000;
        MonoTime::from_nanos(self.offset + shown as i64)
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn mono(&self) -> MonoTime {
        self.at(MonoTime::from_nanos(self.elapsed()))
    }

    fn wall(&self) -> DateTime<Utc> {
        let second = WALL_AT_BEGIN + self.wall_offset + self.elapsed() / SECOND;
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    #[allow(clippy::disallowed_methods, reason = "the paused timer is this clock")]
    async fn sleep_until(&self, deadline: MonoTime) {
        if deadline == MonoTime::NEVER {
            std::future::pending::<()>().await;
        }
        loop {
            let left = deadline.since(self.mono()).as_nanos();
            if left == 0 {
                return;
            }
            let truth = (left * 1000).div_ceil(self.rate as u128);
            tokio::time::sleep(Duration::from_nanos(truth as u64)).await;
        }
    }
}
