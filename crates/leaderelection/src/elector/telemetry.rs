//! What is told of an election beside its events: the log, the metrics, and whether its durations fit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::{Event, Operation};
#[cfg(feature = "metrics")]
use super::metrics::{Metrics, Outcome};
use super::story::{Failure, Story};
use super::tuning::{TimingAdvice, Tuning};
use crate::election::{Attempt, ElectionConfig, ElectionEvent, Purpose};
use crate::lock::{LockError, Swap};
use crate::moment::MonoTime;

/// For one election, from its start.
pub(super) struct Telemetry {
    lock: String,
    story: Mutex<Story>,
    tuning: Mutex<Tuning>,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
}

impl Telemetry {
    /// `name` is the label of the metrics, `lock` what the log says.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(unused_variables, reason = "the name is for metrics alone")
    )]
    pub(super) fn new(name: &str, lock: String, config: Arc<ElectionConfig>, now: MonoTime) -> Self {
        Self {
            lock,
            story: Mutex::default(),
            tuning: Mutex::new(Tuning::new(config, now)),
            #[cfg(feature = "metrics")]
            metrics: Metrics::new(name),
        }
    }

    /// As the lock described itself when the election began.
    pub(super) fn lock_name(&self) -> &str {
        &self.lock
    }

    /// Something happened; the answer is what there is to say of the durations since.
    pub(super) fn tell(&self, now: MonoTime, event: &Event) -> Option<TimingAdvice> {
        lock(&self.story).tell(&self.lock, now, event);
        #[cfg(feature = "metrics")]
        match event {
            Event::Lost { reason, .. } => self.metrics.lost(reason),
            Event::Stopped { .. } => self.metrics.stopped(),
            Event::AtRisk(_) => self.metrics.at_risk(),
            Event::CallFailed { operation, .. } => self.metrics.failed(*operation),
            Event::Noticed(ElectionEvent::HolderChanged(Some(_))) => self.metrics.another_holder(),
            _ => {}
        }
        let mut tuning = lock(&self.tuning);
        match event {
            Event::Lost { reason, .. } => tuning.lost(now, reason),
            Event::Noticed(ElectionEvent::HolderChanged(holder)) => {
                tuning.holder_changed(now, holder.as_deref());
            }
            Event::AtRisk(risk) => tuning.at_risk(now, risk.unrenewed_for),
            Event::Renewed { .. } => {}
            _ => return None,
        }
        tuning.news(now)
    }

    /// A term begins by a write that was sent then, so long after the lock could be taken.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(unused_variables, reason = "the latency is for metrics alone")
    )]
    pub(super) fn started(&self, sent: MonoTime, takeover: Duration) {
        lock(&self.tuning).started(sent);
        #[cfg(feature = "metrics")]
        self.metrics.started(takeover);
    }

    /// The term's renewal that was sent then has succeeded.
    pub(super) fn renewed(&self, now: MonoTime, sent: MonoTime) {
        lock(&self.tuning).renewed(now, sent);
    }

    /// The work has left a lease that was at risk, perhaps because of that, and before it was told.
    pub(super) fn left_at_risk(&self, now: MonoTime, unrenewed_for: Duration) {
        lock(&self.tuning).at_risk(now, unrenewed_for);
    }

    /// A swap was answered, or failed, or is no longer waited for.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(unused_variables, reason = "the outcome is for metrics alone")
    )]
    pub(super) fn swapped(&self, now: MonoTime, attempt: &Attempt, result: &Result<Swap, LockError>) {
        let took = now.since(attempt.sent);
        if attempt.purpose == Purpose::Renew {
            lock(&self.tuning).answered(now, took);
        }
        #[cfg(feature = "metrics")]
        {
            let outcome = match result {
                Ok(Swap::Done(_)) => Outcome::Success,
                Ok(Swap::Conflict(_)) => Outcome::Conflict,
                Err(error) => Outcome::Failed(error.kind()),
            };
            self.metrics.swapped(attempt.purpose, outcome, took);
        }
    }

    /// A call failed, or has not been answered yet.
    pub(super) fn failed(&self, now: MonoTime, failure: &Failure<'_>) {
        lock(&self.story).failed(&self.lock, now, failure);
    }

    /// A call of this kind was answered.
    pub(super) fn answered(&self, now: MonoTime, operation: Operation) {
        #[cfg(feature = "metrics")]
        if operation != Operation::Watch {
            self.metrics.answered();
        }
        lock(&self.story).answered(&self.lock, now, operation);
    }

    /// The watch is opened, not for the first time.
    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "for metrics alone")
    )]
    pub(super) fn watch_restarted(&self) {
        #[cfg(feature = "metrics")]
        self.metrics.watch_restarted();
    }

    /// How long the lease holds, and how long ago something was heard of the lock.
    #[cfg(feature = "metrics")]
    pub(super) fn ages(&self, leads: bool, remaining: Duration, observation: Duration) {
        self.metrics.ages(leads, remaining, observation);
    }

    /// How often the record says that the lead has changed.
    #[cfg(feature = "metrics")]
    pub(super) fn transitions(&self, of_the_record: Option<i64>) {
        if let Some(transitions) = of_the_record {
            self.metrics.of_the_record(transitions);
        }
    }

    /// The election is over, by will or because its driver is gone.
    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "for metrics alone"),
        allow(unused_variables, reason = "for metrics alone")
    )]
    pub(super) fn ended(&self, by_will: bool) {
        #[cfg(feature = "metrics")]
        if by_will {
            self.metrics.ended();
        } else {
            self.metrics.stopped();
        }
    }

    pub(super) fn advice(&self, now: MonoTime) -> TimingAdvice {
        lock(&self.tuning).advice(now)
    }
}

/// Nothing here panics while it holds a lock, so a poisoned one has nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
