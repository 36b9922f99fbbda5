//! How the machine comes to know the lock: a watch, reads that verify it, and polling where there is none (SAFETY 20).

use std::time::Duration;

use super::ending::Ending;
use super::io::{Output, Read};
use super::seen::Seen;
use super::{Election, ElectionConfig};
use crate::lock::LockErrorKind;
use crate::moment::{Moment, MonoTime};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    pub(super) watch: Watch,
    /// When a watch may be opened next.
    pub(super) watch_at: MonoTime,
    /// When a read is wanted whatever the watch says.
    pub(super) wanted_at: MonoTime,
    /// When the next read is due while there is no watch.
    pub(super) poll_at: MonoTime,
    /// When a read verifies a watch that has shown nothing new.
    pub(super) check_at: MonoTime,
    /// Until when the last read is waited for.
    pub(super) busy_until: Option<MonoTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Watch {
    Unsupported,
    Down,
    Opening,
    Up,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            watch: Watch::Down,
            watch_at: MonoTime::PAST,
            wanted_at: MonoTime::PAST,
            poll_at: MonoTime::PAST,
            check_at: MonoTime::NEVER,
            busy_until: None,
        }
    }

    pub(super) fn want(&mut self, at: MonoTime) {
        self.wanted_at = self.wanted_at.min(at);
    }

    /// Something new was heard: the watch is silent only from now on. One read after `S .. 1.5 S` (SAFETY 20), spread so
    /// that not all followers ask at one instant.
    pub(super) fn silent_until_checked(&mut self, now: MonoTime, config: &ElectionConfig, seen: &Seen) {
        self.check_at = if seen.follows() {
            let silence = config.timing.silence(seen.waited_out);
            now.after(silence).after(config.spread(silence / 2, seen.version))
        } else {
            MonoTime::NEVER
        };
    }
}

impl Election {
    pub(super) fn watch_started(&mut self, now: Moment) {
        self.reading.watch = Watch::Up;
        // What changed before it was open is not shown by it.
        self.reading.want(now.mono);
        self.reading
            .silent_until_checked(now.mono, &self.config, &self.seen);
    }

    pub(super) fn watch_ended(
        &mut self,
        now: Moment,
        kind: Option<LockErrorKind>,
        retry_after: Option<Duration>,
    ) {
        self.reading.watch = Watch::Down;
        // A store that refuses the watch is not asked every period: polling serves meanwhile.
        let pause = match kind {
            Some(LockErrorKind::Denied | LockErrorKind::Invalid) => self.config.timing.lease_duration(),
            // Or for as long as it asks to be left alone.
            _ => retry_after
                .unwrap_or_default()
                .min(self.config.timing.lease_duration()),
        };
        self.reading.watch_at = self.reading.watch_at.max(now.mono.after(pause));
    }

    pub(super) fn watch_unsupported(&mut self) {
        self.reading.watch = Watch::Unsupported;
    }

    /// The read that was waited for has its answer or has failed.
    pub(super) fn read_answered(&mut self, read: &Read) {
        if self.reading.busy_until == Some(read.sent.after(self.config.timing.attempt_timeout())) {
            self.reading.busy_until = None;
        }
    }

    pub(super) fn read_failed(&mut self, now: Moment, read: &Read, retry_after: Option<Duration>) {
        self.read_answered(read);
        let again = read.sent.after(self.config.timing.retry_period());
        let Some(retry_after) = retry_after else {
            self.reading.want(again);
            return;
        };
        let left_alone_until = now
            .mono
            .after(retry_after.min(self.config.timing.lease_duration()));
        self.reading.want(again.max(left_alone_until));
        // It is not polled meanwhile either, nor asked for a watch.
        self.reading.poll_at = self.reading.poll_at.max(left_alone_until);
        self.reading.watch_at = self.reading.watch_at.max(left_alone_until);
    }

    /// A verifying read showed what the watch had not: the watch is not to be trusted.
    pub(super) fn watch_missed_something(&mut self, now: Moment) {
        if self.reading.watch == Watch::Up {
            self.reading.watch = Watch::Down;
            self.reading.watch_at = now.mono;
        }
    }

    fn read_at(&self) -> MonoTime {
        if self.ending == Ending::Ended {
            return MonoTime::NEVER;
        }
        let mut due = self.reading.wanted_at;
        if self.held.is_none() && !matches!(self.ending, Ending::Stop(_)) {
            // A watch alone is not trusted to tell that a store which went back has caught up.
            due = due.min(if self.reading.watch == Watch::Up && !self.seen.went_back {
                self.reading.check_at
            } else {
                self.reading.poll_at
            });
        }
        due
    }

    /// Opens watches and sends reads that are due.
    pub(super) fn advance_reading(&mut self, now: Moment) {
        if self.wants_watch() && self.reading.watch_at <= now.mono {
            self.reading.watch = Watch::Opening;
            self.reading.watch_at = now.mono.after(self.config.timing.retry_period());
            self.out.push_back(Output::RestartWatch);
        }
        match self.reading.busy_until {
            Some(until) if now.mono < until => return,
            Some(_) => {
                self.reading.busy_until = None;
                self.reading.want(now.mono);
            }
            None => {}
        }
        if self.read_at() > now.mono {
            return;
        }
        let timing = &self.config.timing;
        let verifies_watch = self.reading.wanted_at > now.mono && self.reading.watch == Watch::Up;
        let read = Read {
            sent: now.mono,
            known: self.seen.version,
            verifies_watch,
        };
        self.reading.busy_until = Some(now.mono.after(timing.attempt_timeout()));
        self.reading.wanted_at = MonoTime::NEVER;
        let period = timing.retry_period();
        self.reading.poll_at = now
            .mono
            .after(period)
            .after(self.config.spread(period / 5, self.seen.version));
        self.reading
            .silent_until_checked(now.mono, &self.config, &self.seen);
        self.out.push_back(Output::Get(read));
    }

    fn wants_watch(&self) -> bool {
        self.reading.watch == Watch::Down && !matches!(self.ending, Ending::Stop(_) | Ending::Ended)
    }

    pub(super) fn reading_deadline(&self) -> MonoTime {
        let read_at = self.reading.busy_until.unwrap_or_else(|| self.read_at());
        if self.wants_watch() {
            read_at.min(self.reading.watch_at)
        } else {
            read_at
        }
    }
}
