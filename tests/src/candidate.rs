//! Candidates with short leases, for tests in real time.

use std::time::Duration;

use leaderelection::{
    ElectionError, ElectionHandle, Event, Events, LeaderElector, Leadership, LeaseTiming, ResourceLock,
    TimingError,
};

use crate::time::within;

/// The lease duration of these candidates.
pub const LEASE: Duration = Duration::from_secs(3);
/// Their renew deadline.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(2);
/// Their retry period.
pub const RETRY_PERIOD: Duration = Duration::from_millis(500);

/// A running candidate.
pub struct Candidate {
    /// Its election.
    pub handle: ElectionHandle,
    /// What happened since it started.
    pub events: Events,
}

/// Why no candidate could be started.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// The durations do not fit together.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The elector refuses.
    #[error(transparent)]
    Election(#[from] ElectionError),
}

impl Candidate {
    /// Starts one.
    ///
    /// # Errors
    /// As the elector.
    pub fn start(lock: impl ResourceLock + 'static, identity: &str) -> Result<Self, CandidateError> {
        let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?;
        let handle = LeaderElector::builder(lock, identity)
            .timing(timing)
            .build()?
            .spawn()?;
        let events = handle.events();
        Ok(Self { handle, events })
    }

    /// Starts one with the durations that are the default: its retry period of 2 s is so long that what takes less was
    /// not found by asking again.
    ///
    /// # Errors
    /// As the elector.
    pub fn unhurried(lock: impl ResourceLock + 'static, identity: &str) -> Result<Self, CandidateError> {
        let handle = LeaderElector::builder(lock, identity).build()?.spawn()?;
        let events = handle.events();
        Ok(Self { handle, events })
    }

    /// Waits until it leads.
    ///
    /// # Errors
    /// When its election has ended.
    ///
    /// # Panics
    /// When it does not lead within the limit.
    pub async fn leads(&self, limit: Duration) -> Result<Leadership, ElectionError> {
        within(limit, "leadership", self.handle.leadership()).await
    }

    /// Waits for an event that `wanted` takes something from, and passes over others.
    ///
    /// # Panics
    /// When none comes within the limit, or the election ends before.
    #[expect(clippy::panic, reason = "a failing test speaks by panicking")]
    pub async fn event<T>(&mut self, limit: Duration, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                match self.events.recv().await {
                    Some(event) => {
                        if let Some(found) = wanted(event) {
                            return found;
                        }
                    }
                    None => panic!("the election ended without: {what}"),
                }
            }
        };
        within(limit, what, waiting).await
    }
}
