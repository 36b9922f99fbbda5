//! An election seen by those who do not take part in it: probes, dashboards, other tasks.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::leadership::LeadershipView;
use super::shared::Shared;
use super::tuning::TimingAdvice;

/// Where an elector leaves its election when it starts.
#[derive(Default)]
pub(super) struct Place(Mutex<Weak<Shared>>);

impl Place {
    pub(super) fn put(&self, shared: &Arc<Shared>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
    }

    fn election(&self) -> Option<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

/// Watches an election without a part in it: for health checks, readiness, and whoever else wants to know. Taken from a
/// [`LeaderElector`](super::LeaderElector) before [`run`](super::LeaderElector::run) or
/// [`spawn`](super::LeaderElector::spawn) consumes it. Cheap to clone, good on any thread, and it keeps nothing alive.
#[derive(Clone)]
pub struct ElectionObserver {
    place: Arc<Place>,
}

/// Who is to be ready, for a load balancer or a roll-out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// Whoever takes part and has seen the lock: a standby is ready to take over. For roll-outs.
    #[default]
    Anyone,
    /// The leader alone: for a Service that is to reach nobody else.
    LeaderOnly,
}

/// Why a candidate is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The election has not begun, or is over.
    #[error("the election does not run")]
    NotRunning,
    /// Since it began nothing has been seen of the lock.
    #[error("the lock was not seen yet")]
    NothingSeen,
    /// Another leads, as far as is known here, or nobody.
    #[error("this candidate does not lead; {}", match .leader { Some(leader) => format!("{leader:?} does"), None => "nobody does".to_owned() })]
    NotLeading {
        /// Who does, as far as this candidate has seen.
        leader: Option<String>,
    },
}

/// A leader whose lease is older than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lease ran out {overdue:?} ago, and the work of its term still runs")]
pub struct Unhealthy {
    /// How long ago, beyond the lease duration and the tolerance.
    pub overdue: Duration,
}

impl ElectionObserver {
    pub(super) fn new(place: Arc<Place>) -> Self {
        Self { place }
    }

    /// Go's health check `leaderElection`: who does not lead is healthy; a leader is not when its lease is older than the
    /// lease duration and a tolerance (20 s in Kubernetes' components).
    ///
    /// # Errors
    /// When it is not healthy: its work has not ended although its term is over.
    pub fn health(&self, tolerance: Duration) -> Result<(), Unhealthy> {
        self.place
            .election()
            .map_or(Ok(()), |election| election.health(tolerance))
    }

    /// Whether this candidate is ready.
    ///
    /// # Errors
    /// When it is not, with the reason.
    pub fn ready(&self, readiness: Readiness) -> Result<(), NotReady> {
        let election = self.place.election().ok_or(NotReady::NotRunning)?;
        election.ready(readiness)
    }

    /// Who holds the election, as far as this candidate has seen. It may be out of date, and is never a reason to act.
    pub fn leader(&self) -> Option<String> {
        self.place.election()?.state().look().leader.clone()
    }

    /// Whether this candidate leads now.
    pub fn is_leader(&self) -> bool {
        self.view().is_some_and(|view| view.is_valid())
    }

    /// This candidate's own term, if its work may be running.
    pub fn view(&self) -> Option<LeadershipView> {
        self.place.election()?.term().map(LeadershipView::of)
    }

    /// Whether the durations fit what this candidate has seen; `None` where the election does not run.
    pub fn timing_advice(&self) -> Option<TimingAdvice> {
        self.place.election().map(|election| election.advice())
    }

    /// Brings the metrics that change with time alone up to date: the lease that remains, and the age of the last observation. To
    /// be called before they are read; else they are as old as the last thing that happened.
    #[cfg(feature = "metrics")]
    pub fn refresh_metrics(&self) {
        if let Some(election) = self.place.election() {
            election.refresh_metrics();
        }
    }
}
