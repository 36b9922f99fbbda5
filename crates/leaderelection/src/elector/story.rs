//! The log of an election, to be read as a story: what changes is said once, with the numbers; what goes on is for `debug`.

use std::time::Duration;

use super::event::{Event, Operation, TermEnd};
use super::tuning::TimingVerdict;
use crate::election::{ElectionEvent, Purpose};
use crate::lock::LockError;
use crate::moment::MonoTime;

/// What was told last, so that it is not told again.
#[derive(Default)]
pub(super) struct Story {
    /// Which kinds of calls fail, since when, and how often they have.
    failing: Vec<(Operation, MonoTime, u64)>,
    noticed: Option<ElectionEvent>,
}

impl Story {
    pub(super) fn tell(&mut self, lock: &str, event: &Event) {
        match event {
            Event::Renewed { took, remaining } => {
                tracing::trace!(lock, took = ?short(*took), remaining = ?short(*remaining), "renewed");
            }
            Event::AtRisk(risk) => tracing::warn!(
                lock,
                unrenewed_for = ?short(risk.unrenewed_for),
                remaining = ?short(risk.remaining),
                "renewals fail"
            ),
            Event::Draining { within } => tracing::info!(lock, ?within, "the work is asked to finish"),
            Event::Lost { token, reason } => tracing::warn!(lock, %token, %reason, "lost the lease"),
            Event::Stopped {
                token,
                end: end @ TermEnd::Panicked(_),
            } => tracing::error!(lock, %token, %end, "stopped leading"),
            Event::Stopped { token, end } => tracing::info!(lock, %token, %end, "stopped leading"),
            Event::Started { token, .. } => tracing::info!(lock, %token, "started leading"),
            Event::Noticed(event) => self.noticed(lock, event),
            Event::Advice(advice) if advice.verdict == TimingVerdict::TooTight => {
                tracing::warn!(lock, %advice, "the durations do not fit the store");
            }
            Event::Advice(advice) => tracing::info!(lock, %advice, "the durations"),
            // Told by `failed`, which knows whether it is news.
            Event::CallFailed { .. } | Event::Missed(_) => {}
        }
    }

    fn noticed(&mut self, lock: &str, event: &ElectionEvent) {
        if self.noticed.as_ref() == Some(event) {
            tracing::debug!(lock, ?event, "noticed again");
            return;
        }
        self.noticed = Some(event.clone());
        match event {
            ElectionEvent::HolderChanged(Some(holder)) => tracing::info!(lock, holder, "another holder"),
            ElectionEvent::HolderChanged(None) => tracing::info!(lock, "nobody holds"),
            // Somebody has to do something about it (SAFETY 19).
            ElectionEvent::StoreWentBack { highest, shown } => tracing::warn!(
                lock,
                %highest,
                shown = shown.map(tracing::field::display),
                "the store went back: it has shown a higher version before"
            ),
            event => tracing::info!(lock, ?event, "noticed"),
        }
    }

    /// Only the first failure of a kind of call is worth a person's attention until one succeeds.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of one line")]
    pub(super) fn failed(
        &mut self,
        lock: &str,
        now: MonoTime,
        operation: Operation,
        error: &LockError,
        took: Option<Duration>,
        remaining: Option<Duration>,
        purpose: Option<Purpose>,
    ) {
        use tracing::field::debug;
        let told = |duration: Option<Duration>| duration.map(short).map(debug);
        let (took, remaining, purpose) = (told(took), told(remaining), purpose.map(debug));
        if let Some((_, since, times)) = self.of(operation) {
            *times = times.saturating_add(1);
            let (failing_for, times) = (short(now.since(*since)), *times);
            tracing::debug!(lock, %operation, %error, took, remaining, purpose, ?failing_for, times, "still failing");
        } else {
            self.failing.push((operation, now, 1));
            tracing::warn!(lock, %operation, %error, took, remaining, purpose, "failed; it is tried again");
        }
    }

    pub(super) fn answered(&mut self, lock: &str, now: MonoTime, operation: Operation) {
        if let Some((_, since, times)) = self.of(operation) {
            let (failing_for, times) = (short(now.since(*since)), *times);
            tracing::info!(lock, %operation, ?failing_for, times, "answers again");
            self.failing.retain(|(failing, ..)| *failing != operation);
        }
    }

    fn of(&mut self, operation: Operation) -> Option<&mut (Operation, MonoTime, u64)> {
        self.failing
            .iter_mut()
            .find(|(failing, ..)| *failing == operation)
    }
}

/// To the millisecond.
fn short(duration: Duration) -> Duration {
    let millis = duration.saturating_add(Duration::from_micros(500)).as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
