//! The log of an election, to be read as a story: what changes is said once, with the numbers; what goes on is for `debug`.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::{Event, Operation, TermEnd};
use super::leadership::Risk;
use super::tuning::TimingVerdict;
use crate::election::{ElectionEvent, Purpose};
use crate::lock::LockError;
use crate::moment::MonoTime;

/// What comes and goes is told once within so long.
const QUIET: Duration = Duration::from_secs(60);
/// How many different things of one holder are kept in mind.
const NOTICED: usize = 16;

/// What was told, so that it is not told again.
#[derive(Default)]
pub(super) struct Story {
    get: Failing,
    swap: Failing,
    watch: Failing,
    /// Until when nothing is said of a lease at risk.
    risk_quiet_until: Option<MonoTime>,
    holder: Option<Option<String>>,
    /// What was noticed since the holder changed last.
    noticed: VecDeque<ElectionEvent>,
}

/// A kind of calls that fails, or has failed a short while ago.
#[derive(Default)]
struct Failing {
    /// Since when they fail, and how often they have; `None`: they are answered again.
    since: Option<(MonoTime, u64)>,
    told: bool,
    quiet_until: Option<MonoTime>,
}

impl Story {
    pub(super) fn tell(&mut self, lock: &str, now: MonoTime, event: &Event) {
        match event {
            Event::Renewed { took, remaining } => {
                tracing::trace!(lock, took = ?short(*took), remaining = ?short(*remaining), "renewed");
            }
            Event::AtRisk(risk) => self.at_risk(lock, now, *risk),
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

    /// A store whose answers are always late puts the lease at risk before each of them.
    fn at_risk(&mut self, lock: &str, now: MonoTime, risk: Risk) {
        let (unrenewed_for, remaining) = (short(risk.unrenewed_for), short(risk.remaining));
        if self.risk_quiet_until.is_some_and(|until| now < until) {
            tracing::debug!(lock, ?unrenewed_for, ?remaining, "renewals fail");
        } else {
            self.risk_quiet_until = Some(now.after(QUIET));
            tracing::warn!(lock, ?unrenewed_for, ?remaining, "renewals fail");
        }
    }

    fn noticed(&mut self, lock: &str, event: &ElectionEvent) {
        if let ElectionEvent::HolderChanged(holder) = event {
            self.noticed.clear();
            if self.holder.replace(holder.clone()).as_ref() == Some(holder) {
                tracing::debug!(lock, ?holder, "noticed again");
                return;
            }
        } else if self.noticed.contains(event) {
            tracing::debug!(lock, ?event, "noticed again");
            return;
        } else {
            self.noticed.truncate(NOTICED - 1);
            self.noticed.push_front(event.clone());
        }
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

    /// The first failure of a kind of call is worth a person's attention; not those that follow, until one was answered, nor those of
    /// a call that fails now and then, more than once a minute.
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
        let failing = self.of(operation);
        let (since, times) = failing.since.unwrap_or((now, 0));
        let times = times.saturating_add(1);
        failing.since = Some((since, times));
        let failing_for = short(now.since(since));
        if failing.told || failing.quiet_until.is_some_and(|until| now < until) {
            tracing::debug!(lock, %operation, %error, took, remaining, purpose, ?failing_for, times, "still failing");
        } else {
            failing.told = true;
            tracing::warn!(lock, %operation, %error, took, remaining, purpose, "failed; it is tried again");
        }
    }

    pub(super) fn answered(&mut self, lock: &str, now: MonoTime, operation: Operation) {
        let failing = self.of(operation);
        let Some((since, times)) = failing.since.take() else {
            return;
        };
        if std::mem::take(&mut failing.told) {
            failing.quiet_until = Some(now.after(QUIET));
            let failing_for = short(now.since(since));
            tracing::info!(lock, %operation, ?failing_for, times, "answers again");
        }
    }

    fn of(&mut self, operation: Operation) -> &mut Failing {
        match operation {
            Operation::Get => &mut self.get,
            Operation::CompareAndSwap => &mut self.swap,
            Operation::Watch => &mut self.watch,
        }
    }
}

/// To the millisecond.
fn short(duration: Duration) -> Duration {
    let millis = duration.saturating_add(Duration::from_micros(500)).as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
