//! The end of all perils, and by when somebody must lead then (SAFETY 20).

use leaderelection::election::{Input, MissingRecord};

use super::random::{MILLISECOND, SECOND};
use super::{Event, Recovery, Scheduled, World};
use crate::invariants::Fact;

/// For how many leases things go wrong.
const PERILS_LAST: i64 = 40;
/// For how many leases the leader must stay once it is due.
const LEADER_STAYS: i64 = 2;
/// Milliseconds of timers, and tens of them on the way to the store and back.
const SLACK: i64 = 500 * MILLISECOND;

impl World {
    pub(super) fn heals_at(&self) -> i64 {
        PERILS_LAST * self.lease
    }

    /// Whatever is on its way arrives, and connections that wait for nothing break. Who was stopping has stopped and comes
    /// back. At times the leader dies at this very moment, for good.
    pub(super) fn heal(&mut self) {
        let bound = self.bound();
        self.note(|| "the network is healthy".into());
        self.healthy_since = Some(self.time);
        self.healthy_delay = self.healthy_delay();
        self.recovery = Some(Recovery {
            took: None,
            bound,
            waits_longer: self.stays_away(),
        });
        for candidate in &mut self.candidates {
            candidate.cut_off_until = 0;
        }
        for Scheduled { time, event, .. } in std::mem::take(&mut self.queue)
            .into_sorted_vec()
            .into_iter()
            .rev()
        {
            let soon = self.time + self.delay();
            match event {
                // Spurious wakes arm the timers anew, below.
                Event::TimerFires { .. } | Event::WorkEnds { .. } => {}
                Event::LeaseIsOver { .. } | Event::WallJumps { .. } => self.at(time, event),
                event => self.at(time.min(soon), event),
            }
        }
        for who in 0..self.candidates.len() {
            if self.candidates[who].is_told_to_stop {
                self.work_ends(who);
            }
        }
        if self.random.chance(60) {
            self.one_dies();
        }
        for who in 0..self.candidates.len() {
            self.tell(who, Input::Wake);
        }
        self.recovered();
        if self.perils.labels && !self.is_strict() && self.random.chance(30) {
            self.at(self.time, Event::LabelWritten);
        }
        self.leader_is_due(self.time, bound);
    }

    /// How long a healthy network takes at most each way: not so long that a renewal could come too late by that alone, or an
    /// answer after its time-out.
    fn healthy_delay(&self) -> i64 {
        let spare = self.candidates.iter().map(|candidate| {
            let timing = &candidate.config.timing;
            let spare = timing.renew_deadline().saturating_sub(timing.retry_period());
            let spare = (spare / 16).min(timing.attempt_timeout() / 3);
            spare.as_nanos() as i64 * 1000 / candidate.clock.rate
        });
        spare.min().map_or(0, |spare| spare.min(50 * MILLISECOND))
    }

    fn leader_is_due(&mut self, since: i64, bound: i64) {
        self.end = since + bound + LEADER_STAYS * self.lease;
        self.at(since + bound, Event::LeaderIsDue { bound });
    }

    /// Who acquires too late stays away for its lease duration (SAFETY 22): so much later a leader is due, once.
    pub(super) fn acquired_too_late(&mut self) {
        self.too_late_until = self.time + self.lease;
        let (Some(since), Some(mut recovery)) = (self.healthy_since, self.recovery) else {
            return;
        };
        if !recovery.waits_longer {
            recovery.waits_longer = true;
            recovery.bound += self.lease;
            self.recovery = Some(recovery);
            self.leader_is_due(since, recovery.bound);
        }
    }

    /// The leader, if there is one.
    fn one_dies(&mut self) {
        let leads = self
            .candidates
            .iter()
            .position(|candidate| candidate.work.is_some());
        let who = leads.unwrap_or(0);
        self.note(|| format!("c{who} dies"));
        self.candidates[who].die();
        self.judge(&Fact::Killed { who });
    }

    fn is_strict(&self) -> bool {
        self.candidates[0].config.missing_record == MissingRecord::ClaimThenLead
    }

    /// `D + 1.5 S`, and what some pay before: a claim that has to stand for another `D` (SAFETY 18), a store that asked to be
    /// left alone, or an acquisition that came too late (SAFETY 22).
    fn bound(&self) -> i64 {
        let timings = || self.candidates.iter().map(|candidate| &candidate.config.timing);
        let longest_period = timings()
            .map(|timing| timing.retry_period().as_nanos() as i64)
            .max();
        let period = longest_period.unwrap_or(0);
        let whole_seconds = (self.lease + SECOND - 1) / SECOND * SECOND;
        // What an operator declares is waited out as declared, and remembered for what cannot be read.
        let declared = if self.perils.foreign { 30 * SECOND } else { 0 };
        let waited_out = whole_seconds.max(declared);
        let silence = (waited_out / 3).max((3 * period).min(waited_out / 3 * 2));
        let mut bound = waited_out + silence + silence / 2 + 2 * period + SLACK;
        if self.is_strict() {
            bound += waited_out;
        }
        if self.stays_away() {
            bound += self.lease;
        }
        bound
    }

    /// Whether somebody may still stay away because of what happened before.
    fn stays_away(&self) -> bool {
        self.left_alone_until > self.time || self.too_late_until > self.time
    }

    /// Somebody writes labels, more often than any lease lasts (SAFETY 5).
    pub(super) fn label_written(&mut self) {
        if let Some(content) = self.store.content().cloned() {
            self.write(Some(content), self.store.author());
        }
        let leases = self
            .candidates
            .iter()
            .map(|candidate| candidate.config.timing.lease_duration());
        let pause = leases.min().unwrap_or_default().as_nanos() as i64 / 8;
        let next = self.time + pause + self.random.time_below(pause);
        self.at(next, Event::LabelWritten);
    }

    /// If somebody leads in the healthy time, notes when that was first so.
    pub(super) fn recovered(&mut self) {
        let now = self.time;
        let leads = self.candidates.iter().any(|candidate| {
            let mono = candidate.moment(now).mono;
            candidate.work.is_some_and(|work| mono < work.valid_until)
        });
        if let (Some(since), Some(recovery), true) = (self.healthy_since, &mut self.recovery, leads) {
            recovery.took.get_or_insert(now - since);
        }
    }
}
