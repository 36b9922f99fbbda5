//! The log of an election, to be read as a story: what changes is said once, with the numbers; what goes on is for `debug`.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::event::{Event, Operation, TermEnd};
use super::leadership::Risk;
use super::tuning::TimingVerdict;
use crate::election::{ElectionEvent, Purpose};
use crate::moment::MonoTime;

/// What comes and goes is told once within so long, unless the lease is nearer its end by half.
const QUIET: Duration = Duration::from_secs(60);
/// So many different errors of one kind of calls are told within that.
const ERRORS: usize = 4;
/// How many different things of one holder are kept in mind.
const NOTICED: usize = 16;

/// What was told, so that it is not told again.
#[derive(Default)]
pub(super) struct Story {
    /// Each is there when a call of its kind has failed.
    get: Option<Box<Failing>>,
    swap: Option<Box<Failing>>,
    watch: Option<Box<Failing>>,
    /// When it was told that the lease is at risk, and how much was left.
    risk: Option<(MonoTime, Duration)>,
    holder: Option<Option<String>>,
    /// What was noticed since the holder changed last.
    noticed: VecDeque<ElectionEvent>,
}

/// A call that failed, or has not been answered yet.
pub(super) struct Failure<'a> {
    pub(super) operation: Operation,
    pub(super) error: &'a (dyn fmt::Display + Sync),
    pub(super) took: Option<Duration>,
    pub(super) remaining: Option<Duration>,
    pub(super) purpose: Option<Purpose>,
    /// It may still be answered.
    pub(super) pending: bool,
    /// The store has answered, and somebody else was first: it costs a read.
    pub(super) conflict: bool,
}

/// A kind of calls that fails, or has failed.
#[derive(Default)]
struct Failing {
    /// Since when they fail, and how often they have; `None`: they are answered.
    since: Option<(MonoTime, u64)>,
    /// Since then it was told.
    told: bool,
    errors: VecDeque<ToldError>,
}

struct ToldError {
    text: String,
    at: MonoTime,
    remaining: Option<Duration>,
}

/// Whether so much less of a lease is left than was told that it has to be told again.
fn nearer_its_end(told: Option<Duration>, now: Option<Duration>) -> bool {
    matches!((told, now), (Some(told), Some(now)) if now < told / 2)
}

impl Failing {
    /// Whether this failure is news: an error that was not told in this outage nor within the last minute, or one that has brought
    /// the lease nearer to its end by half.
    fn is_news(&mut self, now: MonoTime, text: String, remaining: Option<Duration>) -> bool {
        let began = self.since.map_or(now, |(since, _)| since);
        self.errors
            .retain(|told| told.at >= began || now.since(told.at) < QUIET);
        if let Some(told) = self.errors.iter_mut().find(|told| told.text == text) {
            let news = nearer_its_end(told.remaining, remaining);
            if news {
                (told.at, told.remaining) = (now, remaining);
            }
            return news;
        }
        // An outage goes on, and its errors may change: the one told first makes room when it has been heard for long enough.
        if self.errors.len() == ERRORS
            && self
                .errors
                .front()
                .is_some_and(|told| now.since(told.at) >= QUIET)
        {
            self.errors.pop_front();
        }
        let news = self.errors.len() < ERRORS;
        if news {
            let at = now;
            self.errors.push_back(ToldError { text, at, remaining });
        }
        news
    }
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
            Event::Started { token, .. } => {
                // Another term, another lease.
                self.risk = None;
                if let Some(swaps) = &mut self.swap {
                    swaps.errors.clear();
                }
                tracing::info!(lock, %token, "started leading");
            }
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
        let quiet = self.risk.is_some_and(|(told, left)| {
            now.since(told) < QUIET && !nearer_its_end(Some(left), Some(remaining))
        });
        if quiet {
            tracing::debug!(lock, ?unrenewed_for, ?remaining, "renewals fail");
        } else {
            self.risk = Some((now, remaining));
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

    /// The first failure of a kind of call is worth a person's attention, and what is news among those that follow.
    pub(super) fn failed(&mut self, lock: &str, now: MonoTime, failure: &Failure<'_>) {
        use tracing::field::{debug, display};
        let told = |duration: Option<Duration>| duration.map(short).map(debug);
        let (took, remaining) = (told(failure.took), told(failure.remaining));
        let (operation, error) = (display(failure.operation), display(failure.error));
        let purpose = failure.purpose.map(debug);
        let failing = self.of(failure.operation).get_or_insert_default();
        let (since, times) = failing.since.unwrap_or((now, 0));
        let times = times.saturating_add(u64::from(!failure.pending));
        let failing_for = short(now.since(since));
        let news = failing.is_news(now, failure.error.to_string(), failure.remaining);
        if failure.conflict && news {
            // An answer, so that the store is well.
            tracing::info!(
                lock,
                operation,
                error,
                took,
                remaining,
                purpose,
                "failed; it is tried again"
            );
            return;
        }
        if !failure.conflict {
            failing.since = Some((since, times));
        }
        if news {
            failing.told = true;
            tracing::warn!(
                lock,
                operation,
                error,
                took,
                remaining,
                purpose,
                "failed; it is tried again"
            );
        } else {
            tracing::debug!(
                lock,
                operation,
                error,
                took,
                remaining,
                purpose,
                ?failing_for,
                times,
                "still failing"
            );
        }
    }

    pub(super) fn answered(&mut self, lock: &str, now: MonoTime, operation: Operation) {
        let kind = self.of(operation);
        let Some(failing) = kind else { return };
        let Some((since, times)) = failing.since.take() else {
            // What was told so long ago is news again, so nothing of it is kept.
            if failing.errors.iter().all(|told| now.since(told.at) >= QUIET) {
                *kind = None;
            }
            return;
        };
        if std::mem::take(&mut failing.told) {
            let failing_for = short(now.since(since));
            tracing::info!(lock, %operation, ?failing_for, times, "answers again");
        }
    }

    fn of(&mut self, operation: Operation) -> &mut Option<Box<Failing>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO.after(Duration::from_secs(seconds))
    }

    /// In an outage that goes on there are a few lines a minute, and what is new in it is said, however long it has lasted.
    #[test]
    fn a_long_outage_is_not_mute() {
        let mut failing = Failing {
            since: Some((at(0), 1)),
            ..Failing::default()
        };
        let mut is_news = |seconds, text: &str| failing.is_news(at(seconds), text.to_owned(), None);
        for text in ["refused", "reset", "503", "504"] {
            assert!(is_news(0, text), "{text}");
        }
        assert!(!is_news(1, "denied"), "four in a minute");
        assert!(!is_news(3_599, "refused"), "that goes on, and was told");
        assert!(is_news(3_600, "denied"), "an hour later");
        assert!(!is_news(3_601, "denied"));
        let told = (3_661..3_721).filter(|second| is_news(*second, &format!("request {second}")));
        assert_eq!(told.count(), 4, "texts that are never the same");
    }

    /// What was noticed lately is not told again, and so much of it is kept and no more.
    #[test]
    fn what_was_noticed_long_ago_is_told_again() {
        let mut story = Story::default();
        let long = |seconds| ElectionEvent::LongLease {
            holder: "a".to_owned(),
            seconds,
        };
        for seconds in 0..20 {
            story.noticed("lock", &long(seconds));
        }
        let kept: Vec<_> = (0..20)
            .filter(|seconds| story.noticed.contains(&long(*seconds)))
            .collect();
        assert_eq!(kept, (4..20).collect::<Vec<_>>());
    }
}
