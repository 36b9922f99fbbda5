//! Who is at work, and when: the judge of overlaps. Work enters when it starts and leaves when it is dropped.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leaderelection::{Clock, LeaderElectorBuilder, Leadership, MonoTime, PausedClock};
use tokio::task::AbortHandle;

/// One stretch of work.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    pub(crate) who: String,
    pub(crate) token: u64,
    pub(crate) from: MonoTime,
    pub(crate) to: Option<MonoTime>,
}

#[derive(Clone, Default)]
pub(crate) struct Stage {
    shifts: Arc<Mutex<Vec<Shift>>>,
    candidates: Arc<Mutex<Vec<(String, AbortHandle)>>>,
}

/// On stage until dropped.
pub(crate) struct OnStage {
    stage: Stage,
    at: usize,
}

impl Drop for OnStage {
    fn drop(&mut self) {
        self.stage.shifts.lock().unwrap()[self.at].to = Some(PausedClock.mono());
    }
}

impl Stage {
    pub(crate) fn enter(&self, who: &str, leadership: &Leadership) -> OnStage {
        let mut shifts = self.shifts.lock().unwrap();
        let (who, token) = (who.to_owned(), leadership.token().get());
        shifts.push(Shift {
            who,
            token,
            from: PausedClock.mono(),
            to: None,
        });
        OnStage {
            stage: self.clone(),
            at: shifts.len() - 1,
        }
    }

    /// Runs a candidate whose work goes on until it is dropped.
    #[allow(clippy::disallowed_methods, reason = "a candidate of a test is a task")]
    pub(crate) fn run(&self, who: &str, builder: LeaderElectorBuilder) -> AbortHandle {
        let (stage, who) = (self.clone(), who.to_owned());
        let elector = builder.build().unwrap();
        let name = who.clone();
        let candidate = tokio::spawn(async move {
            let work = |leadership: Leadership| {
                let on_stage = stage.enter(&who, &leadership);
                async move {
                    let _on_stage = on_stage;
                    pending::<()>().await;
                }
            };
            elector.run(pending::<()>(), work).await.unwrap();
        });
        let handle = candidate.abort_handle();
        self.candidates.lock().unwrap().push((name, handle.clone()));
        handle
    }

    /// Drops a candidate, which is a clean stop.
    pub(crate) fn leave(&self, who: &str) {
        let candidates = self.candidates.lock().unwrap();
        let (_, candidate) = candidates.iter().find(|(name, _)| name == who).unwrap();
        candidate.abort();
    }

    /// Ends all candidates, so that they do not run on beside the next part of a test.
    pub(crate) async fn close(&self) {
        self.candidates
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|(_, candidate)| candidate.abort());
        PausedClock
            .sleep_until(PausedClock.mono().after(Duration::from_secs(60)))
            .await;
        assert!(self.now().is_empty(), "{:#?}", self.shifts());
    }

    pub(crate) fn shifts(&self) -> Vec<Shift> {
        self.shifts.lock().unwrap().clone()
    }

    pub(crate) fn now(&self) -> Vec<String> {
        self.shifts()
            .into_iter()
            .filter(|shift| shift.to.is_none())
            .map(|shift| shift.who)
            .collect()
    }

    /// The longest that two were at work at once; tokens must have grown all the same.
    pub(crate) fn overlap(&self) -> Duration {
        let shifts = self.shifts();
        let grow = shifts
            .iter()
            .is_sorted_by(|earlier, later| earlier.token < later.token);
        assert!(grow, "tokens grow: {shifts:#?}");
        self.at_once()
    }

    /// The same of work by several locks, whose tokens have nothing to do with one another.
    pub(crate) fn at_once(&self) -> Duration {
        let shifts = self.shifts();
        let end = |shift: &Shift| shift.to.unwrap_or(PausedClock.mono());
        let mut longest = Duration::ZERO;
        for (at, later) in shifts.iter().enumerate() {
            for earlier in &shifts[..at] {
                longest = longest.max(end(earlier).min(end(later)).since(later.from));
            }
        }
        longest
    }
}
