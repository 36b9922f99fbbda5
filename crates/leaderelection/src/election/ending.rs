//! How terms end by will: drain, release, step-down, stop (SAFETY 12 to 14, SAFETY 23).

use std::time::Duration;

use super::held::Work;
use super::io::{ElectionEvent, LossReason, Output, Purpose, TermChange};
use super::{Election, Variant, compose};
use crate::identity::Version;
use crate::lock::Expected;
use crate::moment::{Moment, MonoTime};

/// What the user has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    No,
    /// Let somebody else lead, then campaign again. The work may finish until the moment.
    StepDown(MonoTime),
    /// Leave the election. The work may finish until the moment.
    Stop(MonoTime),
    /// Left.
    Ended,
}

impl Ending {
    pub(super) fn is_asked(self) -> bool {
        self != Self::No
    }

    fn drain_until(self) -> Option<MonoTime> {
        match self {
            Self::StepDown(until) | Self::Stop(until) => Some(until),
            Self::No | Self::Ended => None,
        }
    }
}

/// A release under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Release {
    /// When it is given up: others wait for the lease instead.
    pub(super) until: MonoTime,
    /// The state on which it was last sent.
    pub(super) sent_on: Option<Expected>,
    /// How long this candidate then stays away.
    pub(super) back_off: Duration,
    /// As which version a renewal of this process was seen whose answer has to come first: it may be a twin's (SAFETY 18).
    pub(super) doubted: Option<Version>,
}

impl Election {
    /// Nothing of an earlier term is left to be done, and the user wants to lead.
    pub(super) fn is_idle(&self) -> bool {
        self.work == Work::None && self.release.is_none() && self.ending == Ending::No
    }

    pub(super) fn stop(&mut self, now: Moment) {
        match self.ending {
            Ending::Stop(_) | Ending::Ended => return,
            Ending::StepDown(until) => self.ending = Ending::Stop(until),
            Ending::No => self.ask_to_drain(now, Ending::Stop),
        }
        self.abandon_claim();
    }

    pub(super) fn step_down(&mut self, now: Moment) {
        if self.ending.is_asked() {
            return;
        }
        if self.is_claim() {
            self.lapse_claim(now);
        } else if self.work == Work::None {
            self.campaign_at = self
                .campaign_at
                .max(now.mono.after(self.config.timing.retry_period()));
        } else {
            self.ask_to_drain(now, Ending::StepDown);
        }
    }

    fn ask_to_drain(&mut self, now: Moment, ending: fn(MonoTime) -> Ending) {
        let until = now.mono.after(self.config.timing.drain_timeout());
        self.ending = ending(until);
        if self.work == Work::Running {
            self.term(TermChange::Drain(until));
            if self.broken(Variant::ReleaseBeforeWorkStopped) {
                self.begin_release(now, self.config.timing.retry_period());
            }
        }
    }

    /// Renewals stop at the drain limit, and with them the term (SAFETY 13).
    pub(super) fn drain(&mut self, now: Moment) {
        let over = self.ending.drain_until().is_some_and(|until| until <= now.mono);
        if over && self.work == Work::Running && !self.broken(Variant::DrainOutlivesLease) {
            self.lose(now, LossReason::DrainTimeout);
        }
    }

    /// The work has truly stopped, so the record may be released (SAFETY 12).
    pub(super) fn work_ended(&mut self, now: Moment) {
        let before = std::mem::replace(&mut self.work, Work::None);
        let stepping_down = matches!(self.ending, Ending::StepDown(_));
        if before == Work::Running || (before != Work::None && stepping_down) {
            let stopping = matches!(self.ending, Ending::Stop(_));
            let back_off = if stopping {
                Duration::ZERO
            } else {
                self.config.timing.retry_period()
            };
            self.begin_release(now, back_off);
        }
    }

    /// As one input, so that nothing is renewed for work that is gone, and nothing campaigns before it stays away.
    pub(super) fn work_panicked(&mut self, now: Moment, away: Option<Duration>) {
        match away {
            Some(for_long) => {
                self.away_until = self.away_until.max(now.mono.after(for_long));
                self.step_down(now);
            }
            None => self.stop(now),
        }
        self.work_ended(now);
    }

    /// The term is over for good, also if the release never arrives (SAFETY 12).
    pub(super) fn begin_release(&mut self, now: Moment, back_off: Duration) {
        let to_come = self.cas_busy_until > now.mono;
        let held = self.held.as_ref().filter(|_| to_come);
        let doubted = held.and_then(|held| held.doubted);
        if !self.broken(Variant::TermResumedAfterRelease) {
            self.held = None;
        }
        self.release_tried = true;
        let until = now.mono.after(self.config.timing.attempt_timeout());
        self.release = Some(Box::new(Release {
            until,
            sent_on: None,
            back_off,
            doubted,
        }));
    }

    /// Whether a record of this process stands, or may yet land, that others would have to wait for.
    fn leaves_something(&self, now: Moment) -> bool {
        self.seen.own_held()
            || self
                .expected()
                .is_some_and(|expected| self.attempts.acquiring(now.mono, expected))
    }

    /// Frees one's own record, or the base of one's own pending acquisition, and nothing else: never a successor's.
    pub(super) fn advance_release(&mut self, now: Moment) {
        let Some(release) = &self.release else { return };
        if self.waits_for_an_answer(release) {
            if release.until <= now.mono {
                self.end_release(now, Some(ElectionEvent::ReleaseUnconfirmed));
            }
            return;
        }
        let successors = self.broken(Variant::ReleaseOverwritesSuccessor) && self.seen.follows();
        if !self.leaves_something(now) && !successors {
            let freed = self.seen.own && self.seen.record().is_some_and(|record| record.is_free());
            self.end_release(now, freed.then_some(ElectionEvent::Released));
            return;
        }
        if release.until <= now.mono {
            self.end_release(now, Some(ElectionEvent::ReleaseUnconfirmed));
            return;
        }
        let expected = self.expected();
        let repeats = release.sent_on == expected;
        if repeats && self.write_at.max(self.cas_busy_until) > now.mono {
            return;
        }
        let record = compose::release(self.seen.content(), now.wall);
        if let Some(release) = &mut self.release {
            release.sent_on = expected;
        }
        self.send(now, Purpose::Release, record);
    }

    /// Whether only the answer to a renewal tells that the newest record is one's own.
    fn waits_for_an_answer(&self, release: &Release) -> bool {
        self.seen.follows() && release.doubted.is_some() && release.doubted == self.seen.version
    }

    fn end_release(&mut self, now: Moment, event: Option<ElectionEvent>) {
        let Some(release) = self.release.take() else {
            return;
        };
        self.campaign_at = self.campaign_at.max(now.mono.after(release.back_off));
        if let Some(event) = event {
            self.event(event);
        }
        if matches!(self.ending, Ending::StepDown(_)) {
            self.ending = Ending::No;
        }
        if self.broken(Variant::TermResumedAfterRelease) && self.ending == Ending::No {
            self.start_work();
        }
    }

    /// The user asked to leave: release what is left, then say that it is over.
    pub(super) fn finish(&mut self, now: Moment) {
        if !matches!(self.ending, Ending::Stop(_)) || self.work != Work::None || self.release.is_some() {
            return;
        }
        if self.leaves_something(now) && !self.release_tried {
            self.begin_release(now, Duration::ZERO);
            self.advance_release(now);
        }
        if self.release.is_none() {
            self.ending = Ending::Ended;
            self.attempts.forget_all();
            self.out.push_back(Output::Ended);
        }
    }

    pub(super) fn ending_deadline(&self) -> MonoTime {
        let mut next = MonoTime::NEVER;
        if let (Work::Running, Some(until)) = (&self.work, self.ending.drain_until()) {
            next = next.min(until);
        }
        if let Some(release) = &self.release {
            next = next.min(release.until);
            if !self.waits_for_an_answer(release) {
                next = next.min(self.write_at.max(self.cas_busy_until));
            }
        }
        next
    }
}
