//! An election that runs on its own task, seen from outside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ElectionError;
use super::driver::Command;
use super::event::Events;
use super::leadership::{Leadership, LeadershipView};
use super::observer::Unhealthy;
use super::shared::{End, Shared};
use super::tuning::TimingAdvice;

/// An election that runs on its own task. Dropping it is a clean stop: the work is asked to finish, the lease is
/// released, and the task ends.
pub struct ElectionHandle {
    shared: Arc<Shared>,
    /// Its sender is gone when all callbacks have been called.
    called: Option<watch::Receiver<()>>,
}

impl ElectionHandle {
    pub(super) fn new(shared: Arc<Shared>, called: Option<watch::Receiver<()>>) -> Self {
        Self { shared, called }
    }

    /// Waits until this candidate leads, and returns the right to act. While a term lasts, every call returns a clone of
    /// the same leadership; when the last clone is dropped its work has ended, and the lease is released.
    ///
    /// # Errors
    /// When the election has ended; [`WorkPanicked`](ElectionError::WorkPanicked) where the last clone of a leadership was dropped
    /// by a panic, unless [`campaign_again_after_panic`](super::LeaderElectorBuilder::campaign_again_after_panic) was chosen.
    pub async fn leadership(&self) -> Result<Leadership, ElectionError> {
        self.next(|shared| shared.take()).await
    }

    /// Waits for a term whose leadership nobody has taken.
    pub(super) async fn new_leadership(&self) -> Result<Leadership, ElectionError> {
        self.next(|shared| shared.take_new()).await
    }

    async fn next(&self, take: impl Fn(&Shared) -> Option<Leadership>) -> Result<Leadership, ElectionError> {
        loop {
            let changed = self.shared.state().changed();
            match self.shared.ending() {
                Some(End::Stopped) => return Err(ElectionError::Stopped),
                Some(End::Gone) => return Err(ElectionError::ElectorGone),
                Some(End::Panicked(message)) => return Err(ElectionError::WorkPanicked(message)),
                None => {}
            }
            if let Some(leadership) = take(&self.shared) {
                return Ok(leadership);
            }
            changed.await;
        }
    }

    /// Who holds the election, as far as this candidate has seen. It may be out of date, and is never a reason to act.
    pub fn leader(&self) -> Option<String> {
        self.shared.state().look().leader.clone()
    }

    /// Whether this candidate leads now.
    pub fn is_leader(&self) -> bool {
        self.view().is_some_and(|view| view.is_valid())
    }

    /// This candidate's own term, if its work may be running.
    pub fn view(&self) -> Option<LeadershipView> {
        self.shared.term().map(LeadershipView::of)
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        self.shared.events()
    }

    /// Lets somebody else lead, and campaigns again after P or when another holds (SAFETY 14). The work is asked to
    /// finish; what has not ended within the drain timeout is lost. Nothing happens on a candidate that does not lead,
    /// but that it stays back for P.
    ///
    /// Whoever watches the lock is faster than P. Candidates that only look now and then may not be: without a watch ours look after P
    /// to 1.2 P, client-go's after P to 2.2 P; and where the release has failed, all others wait for the lease. So beside those this
    /// one may lead again.
    pub fn step_down(&self) {
        self.shared.command(Command::StepDown);
    }

    /// Asks the election to end, without waiting for it.
    pub fn stop(&self) {
        self.shared.command(Command::Stop);
    }

    /// Ends the election: the work is asked to finish, the lease is released, and this returns when that is done.
    ///
    /// # Errors
    /// When the election's task was gone before it could do so, or the work panicked.
    pub async fn shutdown(self) -> Result<(), ElectionError> {
        self.stop();
        self.ended().await
    }

    /// Waits for the end of the election, and for the callbacks that tell of it.
    ///
    /// # Errors
    /// When its task was gone before its end, or it ended because the work panicked.
    pub async fn ended(&self) -> Result<(), ElectionError> {
        let end = loop {
            let changed = self.shared.state().changed();
            if let Some(end) = self.shared.ending() {
                break end;
            }
            changed.await;
        };
        if let Some(mut called) = self.called.clone() {
            // Nothing is ever sent: this waits for the sender's end. In a box, as few have callbacks, and `run` is in every candidate.
            Box::pin(async move { while called.changed().await.is_ok() {} }).await;
        }
        match end {
            End::Stopped => Ok(()),
            End::Panicked(message) => Err(ElectionError::WorkPanicked(message)),
            End::Gone => Err(ElectionError::ElectorGone),
        }
    }

    /// Go's health check `leaderElection`: who does not lead is healthy; a leader is not when its lease is older than the
    /// lease duration and a tolerance (20 s in Kubernetes' components).
    ///
    /// # Errors
    /// When it is not healthy: its work has not ended although its term is over.
    pub fn health(&self, tolerance: Duration) -> Result<(), Unhealthy> {
        self.shared.health(tolerance)
    }

    /// Whether the durations fit what this candidate has seen. It changes nothing by itself.
    pub fn timing_advice(&self) -> TimingAdvice {
        self.shared.advice()
    }
}

impl Drop for ElectionHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
