//! Shifting everything that only ever grows, so that a model's states are finite. Versions and contents are only compared
//! and moments are only compared with now, so that behaviour does not change; a test shows it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Election;
use super::ending::{Ending, Release};
use super::held::Work;
use super::io::{Attempt, Purpose, Read};
use super::reading::Reading;
use super::seen::State;
use crate::identity::{FencingToken, Version};
use crate::lock::{Content, Expected};
use crate::moment::MonoTime;
use crate::record::LeaderElectionRecord;

/// By how much everything is shifted down. What lies below becomes zero and cannot be told apart any more, so the shift
/// must lie below whatever can still be shown or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// The candidate's clock.
    pub now: MonoTime,
    /// The versions of the lock.
    pub version: u64,
    /// The wall clock, in seconds since the epoch.
    pub seconds: i64,
    /// The transitions in records. Below zero where a create, which writes 0, is to lie above what was clamped.
    pub transitions: i64,
    /// Forget as well what matters only to reads that are asked for, to what cannot be read and to a store that goes back,
    /// and when terms began: every `acquireTime` becomes the given one. For a model whose reads are answered unasked, whose
    /// wall clock stands at that moment, and that has none of the rest.
    pub coarse: Option<DateTime<Utc>>,
    /// Records can be deleted, so that those of different terms may have equal transitions: whether one was renewed since
    /// it was acquired is not forgotten.
    pub deletes: bool,
}

impl Shift {
    fn time(&self, time: &mut MonoTime) {
        *time = time.rebased(self.now, MonoTime::ZERO);
    }

    fn version(&self, version: &mut Version) {
        *version = Version::new(version.get().saturating_sub(self.version));
    }

    fn expected(&self, expected: &mut Expected) {
        if let Expected::Version(version) = expected {
            self.version(version);
        }
    }

    fn second(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        time.checked_sub_signed(TimeDelta::try_seconds(self.seconds).unwrap_or_default())
            .unwrap_or(time)
            .max(DateTime::UNIX_EPOCH)
    }

    fn transitions(&self, transitions: i64) -> i64 {
        transitions.saturating_sub(self.transitions).max(0)
    }

    /// Records of different terms differ in their transitions, and those of one term in their `renewTime`.
    fn acquired(&self, record: &LeaderElectionRecord) -> Option<DateTime<Utc>> {
        let time = record.acquire_time?;
        match self.coarse {
            Some(_) if self.deletes && record.renew_time != Some(time) => Some(DateTime::UNIX_EPOCH),
            Some(acquired) if !self.deletes => Some(acquired),
            _ => Some(self.second(time)),
        }
    }

    /// Shifts a record.
    pub fn record(&self, record: &LeaderElectionRecord) -> LeaderElectionRecord {
        LeaderElectionRecord {
            acquire_time: self.acquired(record),
            renew_time: record.renew_time.map(|time| self.second(time)),
            leader_transitions: self.transitions(record.leader_transitions),
            ..record.clone()
        }
    }

    /// Shifts a record in place, without copying one that is not changed by it.
    pub fn shared_record(&self, record: &mut Arc<LeaderElectionRecord>) {
        let renewed = record.renew_time;
        if self.acquired(record) != record.acquire_time
            || renewed.is_some_and(|time| self.second(time) != time)
            || self.transitions(record.leader_transitions) != record.leader_transitions
        {
            *record = Arc::new(self.record(record));
        }
    }

    /// Shifts what an object holds.
    pub fn content(&self, content: &mut Content) {
        match content {
            Content::Record(record) => self.shared_record(record),
            Content::Empty | Content::Unreadable(_) => {}
        }
    }

    /// Shifts a swap on its way. Sends further back than `oldest` before now are all the same.
    pub fn attempt(&self, attempt: &mut Attempt, oldest: Duration) {
        attempt.sent = attempt.sent.rebased(self.now, MonoTime::ZERO.before(oldest));
        attempt.known.iter_mut().for_each(|version| self.version(version));
        self.expected(&mut attempt.expected);
        self.shared_record(&mut attempt.record);
    }

    /// Shifts a read on its way. Sends further back than `oldest` before now are all the same.
    pub fn read(&self, read: &mut Read, oldest: Duration) {
        read.sent = read.sent.rebased(self.now, MonoTime::ZERO.before(oldest));
        read.known.iter_mut().for_each(|version| self.version(version));
    }
}

impl Election {
    /// The same machine with its clock, versions, seconds and transitions shifted down, and without what can no longer
    /// matter. Its future behaviour is the same, shifted, where nothing is drawn from the version (`stagger` is off).
    ///
    /// Called when everything that was due at `by.now` has been handled and polled.
    pub fn normalise(&mut self, by: &Shift) {
        self.seen
            .version
            .iter_mut()
            .chain(&mut self.seen.sure)
            .for_each(|version| by.version(version));
        if let State::Present(content) = &mut self.seen.state {
            by.content(content);
        }
        self.seen.last_transitions = by.transitions(self.seen.last_transitions);
        by.time(&mut self.seen.takeable_at);
        for pending in self.attempts.iter_mut() {
            by.shared_record(&mut pending.record);
            by.time(&mut pending.valid_until);
        }
        if let Some(written) = &mut self.written {
            written.second = written.second.saturating_sub(by.seconds).max(0);
            written.transitions = by.transitions(written.transitions);
            written
                .leapt_to
                .iter_mut()
                .for_each(|leapt| *leapt = by.transitions(*leapt));
            written.base.iter_mut().for_each(|base| by.expected(base));
        }
        if let Some(held) = &mut self.held {
            // They are told when the work starts, and never again.
            let told = held.ripe_at.is_none();
            held.token = FencingToken::new(if told {
                0
            } else {
                held.token.get().saturating_sub(by.version)
            });
            held.transitions = if told { 0 } else { by.transitions(held.transitions) };
            by.time(&mut held.valid_until);
            by.time(&mut held.at_risk_at);
            held.ripe_at.iter_mut().for_each(|time| by.time(time));
            held.doubted.iter_mut().for_each(|version| by.version(version));
        }
        if let Work::Stopping { drop_at, .. } = &mut self.work {
            by.time(drop_at);
        }
        if let Ending::StepDown(until) | Ending::Stop(until) = &mut self.ending {
            by.time(until);
            // Only running work is drained.
            if self.work != Work::Running {
                *until = MonoTime::ZERO;
            }
        }
        if let Some(release) = &mut self.release {
            let Release {
                until,
                sent_on,
                doubted,
                ..
            } = &mut **release;
            by.time(until);
            doubted.iter_mut().for_each(|version| by.version(version));
            sent_on.iter_mut().for_each(|expected| by.expected(expected));
        }
        if !self.config.stagger {
            self.round_trip = Duration::ZERO;
        }
        let reading = &mut self.reading;
        for time in [
            &mut self.campaign_at,
            &mut self.away_until,
            &mut self.write_at,
            &mut self.cas_busy_until,
            &mut reading.watch_at,
            &mut reading.wanted_at,
            &mut reading.poll_at,
            &mut reading.check_at,
        ] {
            by.time(time);
        }
        reading.busy_until.iter_mut().for_each(|time| by.time(time));
        if let Some(wall) = by.coarse {
            self.forget(wall, by.deletes);
        }
    }

    /// Shows every record that this machine remembers, and takes what is made of it. A model gives the same ones other
    /// seconds, where only whether two are equal is still asked.
    pub fn for_each_record(&mut self, mut rename: impl FnMut(&mut Arc<LeaderElectionRecord>)) {
        if let State::Present(Content::Record(record)) = &mut self.seen.state {
            rename(record);
        }
        for pending in self.attempts.iter_mut() {
            rename(&mut pending.record);
        }
    }

    /// Forgets what tells apart the swaps whose records are `dead`, and what is known that is: nobody will ever be shown one
    /// that is equal. A model knows which. That there is one still matters, and who holds what is known, and for how long.
    pub fn forget_dead(
        &mut self,
        unsent: impl Fn(&LeaderElectionRecord) -> bool,
        passed: impl Fn(&LeaderElectionRecord) -> bool,
    ) {
        if let State::Present(Content::Record(record)) = &mut self.seen.state {
            if passed(record) {
                *record = Arc::new(LeaderElectionRecord {
                    acquire_time: Some(DateTime::UNIX_EPOCH),
                    renew_time: Some(DateTime::UNIX_EPOCH),
                    leader_transitions: 0,
                    ..LeaderElectionRecord::clone(record)
                });
            }
        }
        let forgotten = LeaderElectionRecord::default();
        self.attempts
            .forget_dead(|record| *record != forgotten && unsent(record));
    }

    /// Forgets that this life has acquired in later seconds than `last`, where none of those records is left anywhere: the next
    /// one has to differ from none of them.
    pub fn forget_later_seconds(&mut self, last: i64) {
        if let Some(written) = &mut self.written {
            written.second = written.second.min(last);
        }
    }

    /// The second in the last create of this life. A model asks, because a wall clock that stood while creates go on would
    /// fall behind them for ever.
    pub fn last_create_second(&self) -> Option<i64> {
        let written = self.written.as_ref()?;
        (written.base == Some(Expected::Absent)).then_some(written.second)
    }

    fn forget(&mut self, wall: DateTime<Utc>, deletes: bool) {
        let acquisition_proves = self.proves_own(Purpose::Acquire);
        // Or whether it is asked if another than oneself has declared the last duration.
        let long = self.seen.last_seconds > self.config.timing.written_seconds();
        let creates_show = acquisition_proves || self.config.exclusive_identity || long;
        self.attempts.coarsen(acquisition_proves, creates_show);
        // A version that has passed does not come back.
        let expected = self.expected();
        // What lies before the wall clock asks for nothing; and where no record is deleted, transitions grow with every
        // acquisition but a create.
        self.written = self.written.take().filter(|written| {
            let creates = written.base == Some(Expected::Absent);
            written.second >= wall.timestamp() && (deletes || creates)
        });
        if let Some(written) = &mut self.written {
            let returns = |base: &Expected| Some(*base) == expected || *base == Expected::Absent;
            written.base = written.base.filter(returns);
        }
        if let Some(release) = &mut self.release {
            let returns = |sent_on: &Expected| Some(*sent_on) == expected || *sent_on == Expected::Absent;
            release.sent_on = release.sent_on.filter(returns);
        }
        self.reading = Reading::new();
        self.seen.sure = self.seen.version;
        self.seen.waited_out = Duration::ZERO;
        // What is not longer than one's own is not asked for: the longer of both is waited out.
        if self.seen.last_seconds <= self.config.timing.written_seconds() {
            self.seen.last_seconds = 0;
        }
        self.seen.last_transitions = 0;
    }
}
