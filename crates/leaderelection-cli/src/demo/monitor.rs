//! Who is at work: what the demonstration is judged by. It knows nothing of leases; whoever works says so, and says when
//! it has stopped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leaderelection::{Clock as _, FencingToken, MonoTime, SystemClock};

/// Shared by all candidates.
#[derive(Clone, Default)]
pub(super) struct Monitor(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    at_work: usize,
    most_at_once: usize,
    /// Since when more than one is at work.
    crowded_since: Option<MonoTime>,
    overlap: Duration,
    stints: Vec<Stint>,
    /// What the outside world that the work writes to has accepted: the highest token.
    highest_token: Option<FencingToken>,
    writes: u64,
}

/// One stretch of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stint {
    pub(super) who: String,
    pub(super) term: i64,
    pub(super) token: FencingToken,
    pub(super) from: MonoTime,
    /// `None`: still at work.
    pub(super) until: Option<MonoTime>,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) most_at_once: usize,
    pub(super) overlap: Duration,
    pub(super) stints: Vec<Stint>,
    pub(super) writes: u64,
}

/// Held while at work.
pub(super) struct AtWork {
    monitor: Monitor,
    stint: usize,
}

impl Monitor {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins to work.
    pub(super) fn enter(&self, who: &str, term: i64, token: FencingToken) -> AtWork {
        let mut state = self.state();
        // Read under the mutex, so that the order of the moments is that of the entries.
        let now = SystemClock.mono();
        state.at_work += 1;
        state.most_at_once = state.most_at_once.max(state.at_work);
        if state.at_work == 2 {
            state.crowded_since = Some(now);
        }
        state.stints.push(Stint {
            who: who.to_owned(),
            term,
            token,
            from: now,
            until: None,
        });
        AtWork {
            monitor: self.clone(),
            stint: state.stints.len() - 1,
        }
    }

    /// A write to the outside world under a token. It refuses a token older than the newest it has seen (SAFETY 19).
    pub(super) fn write(&self, token: FencingToken) -> bool {
        let mut state = self.state();
        let accepted = state.highest_token.is_none_or(|highest| token >= highest);
        if accepted {
            state.highest_token = Some(token);
            state.writes += 1;
        }
        accepted
    }

    pub(super) fn report(&self) -> Report {
        let state = self.state();
        let crowded = state
            .crowded_since
            .map_or(Duration::ZERO, |since| SystemClock.mono().since(since));
        Report {
            most_at_once: state.most_at_once,
            overlap: state.overlap + crowded,
            stints: state.stints.clone(),
            writes: state.writes,
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut state = self.monitor.state();
        let now = SystemClock.mono();
        state.at_work -= 1;
        if state.at_work == 1
            && let Some(since) = state.crowded_since.take()
        {
            state.overlap += now.since(since);
        }
        if let Some(stint) = state.stints.get_mut(self.stint) {
            stint.until = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64) -> FencingToken {
        FencingToken::new(number)
    }

    #[test]
    fn one_after_the_other_is_no_overlap() {
        let monitor = Monitor::default();
        drop(monitor.enter("a", 1, token(1)));
        drop(monitor.enter("b", 2, token(2)));
        let report = monitor.report();
        assert_eq!((report.most_at_once, report.overlap), (1, Duration::ZERO));
        assert!(report.stints.iter().all(|stint| stint.until.is_some()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn two_at_once_are_an_overlap_of_the_time_that_both_worked() {
        let monitor = Monitor::default();
        let pause = Duration::from_millis(20);
        let first = monitor.enter("a", 1, token(1));
        let second = monitor.enter("b", 2, token(2));
        SystemClock.sleep_until(SystemClock.mono().after(pause)).await;
        assert!(monitor.report().overlap >= pause, "it is measured while it lasts");
        drop(first);
        let measured = monitor.report().overlap;
        SystemClock.sleep_until(SystemClock.mono().after(pause)).await;
        drop(second);
        assert!(measured >= pause);
        assert_eq!(monitor.report().overlap, measured, "one alone is none");
        assert_eq!(monitor.report().most_at_once, 2);
    }

    #[test]
    fn an_older_token_is_refused() {
        let monitor = Monitor::default();
        assert!(monitor.write(token(3)) && monitor.write(token(3)) && monitor.write(token(5)));
        assert!(!monitor.write(token(3)));
        assert_eq!(monitor.report().writes, 3);
    }
}
