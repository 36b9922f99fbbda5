//! How many calls may be under way at once, by what came of having more.

use std::time::Duration;

use crate::moment::MonoTime;

/// So many times as many are tried.
const STEP: usize = 4;

/// That has helped if calls take at most so many times as long. Where they took as many times longer as there are more, the store would
/// answer no more than before.
const LONGER: u32 = 2;

/// And it is seen at once if half of so many have taken at most so many quarters as long.
const NO_LONGER: u32 = 5;

/// A call that failed counts as one that took so many times as long as calls took before: where a store refuses what is too much for it,
/// it does so in no time, and more have not helped.
const FAILED: u32 = 8;

/// Nothing is answered if nothing was for so many times of what a call waits until it says so.
const MUTE: u32 = 4;

/// What did not help is tried again after so many times of what a call waits until it says so, then after twice as many, and so on.
const RESTS: u32 = 10;
const RESTS_AT_MOST: u32 = 64 * RESTS;

/// Fewer are tried again after so many such times. If more help then, after twice as many, and so on.
const KEEPS: u32 = 30;
const KEEPS_AT_MOST: u32 = 64 * KEEPS;

#[derive(Debug)]
pub(super) struct Places {
    fewest: usize,
    now: usize,
    phase: Phase,
    /// Since when the phase is, and what calls that waited have taken in it, from their beginning to their end.
    since: MonoTime,
    answered: u32,
    took: Duration,
    /// What a call waits until it says so: as the one said with which this began.
    long: Duration,
    /// More are not tried before; and after the next time in vain for so many times that.
    rests_until: MonoTime,
    rests: u32,
    /// When a call has waited for long, and when one has ended.
    waited: MonoTime,
    ended: MonoTime,
    /// Fewer are tried after so many such times since then.
    keeps: u32,
    kept_since: MonoTime,
}

/// From one to the next when calls wait for long.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Calm,
    /// How long they take with as many places as there are.
    Before,
    /// And how long with more, when it was so long before.
    Trying {
        before: Duration,
    },
    /// Nothing is answered, and there were so many when that began.
    Mute {
        before: usize,
    },
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
            rests: RESTS,
            waited: MonoTime::PAST,
            ended: MonoTime::PAST,
            keeps: KEEPS,
            kept_since: MonoTime::PAST,
        }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// A call has waited for long, which is so long, and waits on.
    pub(super) fn waited(&mut self, now: MonoTime, long: Duration) {
        if now.since(self.waited) > self.long * RESTS {
            // Nobody had to, meanwhile: it is another time now.
            (self.rests, self.rests_until) = (RESTS, MonoTime::PAST);
        }
        self.waited = now;
        if long < self.long {
            // The least patient counts, where electors have different durations.
            self.long = long;
            self.rests_until = self.rests_until.min(now.after(long.saturating_mul(self.rests)));
        }
        let lasts = now.since(self.since);
        match self.phase {
            // While it rests, too, a store may fall silent.
            Phase::Calm
                if now < self.rests_until && now.since(self.since.max(self.ended)) >= self.long * MUTE =>
            {
                self.a_few_more(self.now, now);
            }
            Phase::Calm if now >= self.rests_until => {
                self.long = long;
                self.begin(Phase::Before, now);
            }
            Phase::Before if lasts >= self.long => match self.mean() {
                Some(before) => {
                    self.now = self.now.saturating_mul(STEP);
                    self.begin(Phase::Trying { before }, now);
                }
                None if lasts >= self.long * MUTE => self.a_few_more(self.now, now),
                None => {}
            },
            Phase::Trying { .. } => self.judge(now),
            Phase::Mute { before } if lasts >= self.long => self.a_few_more(before, now),
            _ => {}
        }
    }

    /// A call that began then has ended; whether it had waited for a place, and succeeded. One that found a place at once says nothing of
    /// how it is when there are many.
    pub(super) fn ended(&mut self, now: MonoTime, began: MonoTime, had_waited: bool, well: bool) {
        self.ended = now;
        if had_waited && began >= self.since {
            let counts_as = match self.phase {
                _ if well => Some(now.since(began)),
                Phase::Trying { before } => Some(before.saturating_mul(FAILED)),
                // Of how long calls take, one that failed says nothing.
                _ => None,
            };
            if let Some(took) = counts_as {
                self.answered = self.answered.saturating_add(1);
                self.took = self.took.saturating_add(took);
            }
        }
        match self.phase {
            Phase::Trying { .. } => self.judge(now),
            // There is an answer: so many were let in that one was given, and what that costs is not known.
            Phase::Mute { before } => {
                self.now = before;
                self.begin(Phase::Before, now);
            }
            // Nobody waits for long any more.
            Phase::Before if now.since(self.since) > self.long * (MUTE + 1) => self.begin(Phase::Calm, now),
            _ => {}
        }
        let settled = matches!(self.phase, Phase::Calm | Phase::Before);
        if settled && now.since(self.kept_since) >= self.long.saturating_mul(self.keeps) {
            if self.now == self.fewest {
                self.keeps = KEEPS;
            }
            self.fewer();
            self.kept_since = now;
        }
    }

    fn mean(&self) -> Option<Duration> {
        self.took.checked_div(self.answered)
    }

    /// Whether more have helped. If not, that is told by a time that does not depend on how long they take now, or it would never come.
    fn judge(&mut self, now: MonoTime) {
        let Phase::Trying { before } = self.phase else {
            return;
        };
        let lasts = now.since(self.since);
        let longest = before.saturating_mul(LONGER);
        let at_most = |limit| self.mean().is_some_and(|mean| mean <= limit);
        let half = usize::try_from(self.answered).is_ok_and(|answered| answered >= self.now / 2);
        if half && at_most(before.saturating_mul(NO_LONGER) / 4) {
            self.keep(now);
            // What was counted stands for how long they take before even more are tried.
            (self.phase, self.since) = (Phase::Before, now);
        } else if lasts >= self.long.max(longest.saturating_mul(2)) {
            if at_most(longest) {
                self.keep(now);
            } else {
                self.fewer();
                self.rests_until = now.after(self.long.saturating_mul(self.rests));
                self.rests = self.rests.saturating_mul(2).min(RESTS_AT_MOST);
            }
            self.begin(Phase::Calm, now);
        }
    }

    /// More have helped.
    fn keep(&mut self, now: MonoTime) {
        self.rests = RESTS;
        self.keeps = self.keeps.saturating_mul(2).min(KEEPS_AT_MOST);
        self.kept_since = now;
    }

    /// As a store that does not answer may do so because there is too little of everything, it is not asked by many more.
    fn a_few_more(&mut self, before: usize, now: MonoTime) {
        self.now = self.now.saturating_add(self.fewest);
        self.begin(Phase::Mute { before }, now);
    }

    fn fewer(&mut self) {
        self.now = (self.now / STEP).max(self.fewest);
    }

    fn begin(&mut self, phase: Phase, now: MonoTime) {
        (self.phase, self.since) = (phase, now);
        (self.answered, self.took) = (0, Duration::ZERO);
    }
}
