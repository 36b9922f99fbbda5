//! How many calls may be under way at once, by what came of having more.

use std::time::Duration;

use crate::moment::MonoTime;

/// So many times as many are tried.
const STEP: usize = 4;

/// That has helped if calls take no longer for it than so many times. Where they took so many times longer as there are more, the store
/// answers no more than before.
const LONGER: u32 = 2;

/// What did not help is tried again after so many times of what a call waits until it says so.
const RESTS: u32 = 10;

/// For so many such times fewer places must have done, before there are fewer.
const CALM: u32 = 30;

#[derive(Debug)]
pub(super) struct Places {
    fewest: usize,
    now: usize,
    phase: Phase,
    /// Since when the phase is, and what calls that waited have taken in it, from their beginning to their end.
    since: MonoTime,
    answered: u32,
    took: Duration,
    /// What a call waits until it says so.
    long: Duration,
    /// More are not tried before.
    rests_until: MonoTime,
    /// What was under way at once, at most, and since when.
    busiest: usize,
    busiest_since: MonoTime,
}

/// From one to the next when calls wait for long.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Calm,
    /// How long they take with as many places as there are.
    Before,
    /// And how long with more; it was so long before, if any was answered.
    Trying(Option<Duration>),
}

impl Places {
    pub(super) fn new(fewest: usize) -> Self {
        Self {
            fewest,
            now: fewest,
            phase: Phase::Calm,
            since: MonoTime::PAST,
            answered: 0,
            took: Duration::ZERO,
            long: Duration::ZERO,
            rests_until: MonoTime::PAST,
            busiest: 0,
            busiest_since: MonoTime::PAST,
        }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// A call has waited for long, which is so long, and waits on.
    pub(super) fn waited(&mut self, now: MonoTime, long: Duration) {
        self.long = long;
        match self.phase {
            Phase::Calm if now >= self.rests_until => self.begin(Phase::Before, now),
            Phase::Before if self.can_tell(now) => self.more(now),
            // Nothing is answered, so that it is nobody's burden.
            Phase::Trying(_) if self.answered == 0 && self.can_tell(now) => self.more(now),
            Phase::Trying(None) if self.can_tell(now) => self.begin(Phase::Before, now),
            Phase::Trying(Some(before)) if self.can_tell(now) => {
                if self.judge(before, now) {
                    self.more(now);
                }
            }
            _ => {}
        }
    }

    /// A call that began then, with so many under way when it ended; and whether it had waited for a place. One that found a place at
    /// once says nothing of how it is when there are many.
    pub(super) fn answered(&mut self, now: MonoTime, began: MonoTime, had_waited: bool, under_way: usize) {
        if had_waited && began >= self.since {
            self.answered = self.answered.saturating_add(1);
            self.took = self.took.saturating_add(now.since(began));
        }
        match self.phase {
            Phase::Trying(Some(before)) if self.answered > 0 && self.can_tell(now) => {
                if self.judge(before, now) {
                    self.begin(Phase::Calm, now);
                }
            }
            // Nobody waits for long any more.
            Phase::Before | Phase::Trying(_) if now.since(self.since) > self.long * 3 => {
                self.begin(Phase::Calm, now);
            }
            _ => {}
        }
        self.busiest = self.busiest.max(under_way);
        if now.since(self.busiest_since) >= self.long.saturating_mul(CALM) {
            if self.busiest <= self.now / STEP {
                self.fewer();
            }
            (self.busiest, self.busiest_since) = (0, now);
        }
    }

    fn can_tell(&self, now: MonoTime) -> bool {
        now.since(self.since) >= self.long.max(self.mean().unwrap_or_default().saturating_mul(2))
    }

    fn mean(&self) -> Option<Duration> {
        self.took.checked_div(self.answered)
    }

    /// Whether more have helped. If not, there are fewer again.
    fn judge(&mut self, before: Duration, now: MonoTime) -> bool {
        let helped = self
            .mean()
            .is_none_or(|mean| mean <= before.saturating_mul(LONGER));
        if !helped {
            self.fewer();
            self.rests_until = now.after(self.long.saturating_mul(RESTS));
            self.begin(Phase::Calm, now);
        }
        helped
    }

    fn more(&mut self, now: MonoTime) {
        self.now = self.now.saturating_mul(STEP);
        (self.busiest, self.busiest_since) = (0, now);
        self.begin(Phase::Trying(self.mean()), now);
    }

    fn fewer(&mut self) {
        self.now = (self.now / STEP).max(self.fewest);
    }

    fn begin(&mut self, phase: Phase, now: MonoTime) {
        (self.phase, self.since) = (phase, now);
        (self.answered, self.took) = (0, Duration::ZERO);
    }
}
