//! What an answer to a read or a swap means.

use std::time::Duration;

use super::attempts::Landed;
use super::io::{Attempt, ElectionEvent, Read};
use super::observed::Source;
use super::{Election, Variant};
use crate::identity::Version;
use crate::lock::{Content, Expected, LockErrorKind, Observation, Swap};
use crate::moment::{Moment, MonoTime};

impl Election {
    pub(super) fn read(&mut self, now: Moment, read: &Read, observation: Observation) {
        self.read_answered(read);
        self.round_trip = now.mono.since(read.sent);
        let news = self.observe(now, observation, Source::Answer(read.known));
        if news && self.seen.follows() && self.broken(Variant::RivalFromReadsSend) {
            self.seen.takeable_at = read.sent.after(self.seen.waited_out);
        }
        if news && read.verifies_watch {
            self.watch_missed_something(now);
        }
    }

    pub(super) fn swapped(&mut self, now: Moment, attempt: Attempt, swap: Swap) {
        self.swap_answered(now, &attempt);
        self.round_trip = now.mono.since(attempt.sent);
        match swap {
            Swap::Done(version) => self.done(now, attempt, version),
            Swap::Conflict(shown) => {
                // Which is ambiguous too: a client's own retry may have landed first (SAFETY 9). So nothing is concluded
                // but what the state shows, and where it shows nothing new a read is asked.
                let source = Source::Answer(attempt.known);
                let news = shown.is_some_and(|observation| self.observe(now, observation, source));
                if !news && attempt.known == self.seen.version && !self.seen.went_back {
                    self.reading.want(now.mono);
                }
            }
        }
    }

    fn done(&mut self, now: Moment, attempt: Attempt, version: Version) {
        let unchanged = match attempt.expected {
            Expected::Version(base) => version <= base,
            Expected::Absent => false,
        };
        let deadline = self.config.timing.renew_deadline();
        let sent = if self.broken(Variant::CountFromReceipt) {
            now.mono
        } else if self.broken(Variant::GoTiming) {
            now.mono.after(self.config.timing.retry_period())
        } else {
            attempt.sent
        };
        let valid_until = sent.after(deadline);
        if unchanged {
            // Rivals go on counting from the older version (SAFETY 6).
            self.event(ElectionEvent::NothingWritten(version));
            if self.broken(Variant::EqualWriteCounts) {
                self.extend(valid_until);
            }
            return;
        }
        let newest = self.seen.version;
        if self.seen.went_back && newest >= Some(version) {
            // What this proved is gone with what the store has lost (SAFETY 19).
            return;
        }
        if newest.is_some_and(|newest| version < newest)
            || (newest == Some(version) && attempt.known == newest)
        {
            if attempt.known != newest {
                // Something newer was heard meanwhile: a label, if the acquisition still stands. In strict mode it may be another
                // creation, under a name that others may have (SAFETY 18).
                let perhaps_a_twins = self.is_strict() && self.may_have_twins();
                if self.seen.perhaps_own && !perhaps_a_twins || self.doubts(version) {
                    self.confirmed(now, &attempt, version, valid_until);
                }
                return;
            }
            if self.seen.sure >= Some(version) {
                self.went_back(now, Some(version));
                return;
            }
            // Only a watch has shown a higher version, and the store itself does not know it (SAFETY 19).
            self.attempts.forget_all();
        }
        self.seen.sure = self.seen.sure.max(Some(version));
        if newest == Some(version) && attempt.known != newest {
            self.confirmed(now, &attempt, version, valid_until);
            return;
        }
        let landed = Landed::answered(&attempt, valid_until, version);
        let on_newest = attempt.expected == Expected::Absent || self.expected() == Some(attempt.expected);
        let content = Content::Record(attempt.record);
        self.attempts.resolve(now.mono, &content);
        if on_newest {
            self.seen.version = Some(version);
            self.seen.went_back = false;
            self.replace(now, content, Some(landed), true);
        } else {
            // The store claims to have swapped on a version that was not its newest: nothing is built on that.
            self.observe(now, Observation::Present { version, content }, Source::Watch);
        }
    }

    /// The answer to a swap whose version a watch or a read has shown before, or a label on it: it tells which of equal
    /// attempts it was.
    fn confirmed(&mut self, now: Moment, attempt: &Attempt, version: Version, valid_until: MonoTime) {
        if self.seen.record() != Some(&attempt.record) {
            return;
        }
        self.doubt_no_longer(now, version);
        if self.held.is_some() {
            if now.mono < valid_until {
                self.extend(valid_until);
            }
        } else if !self.seen.own {
            self.landed(now, Landed::answered(attempt, valid_until, version));
        }
    }

    pub(super) fn swap_failed(
        &mut self,
        now: Moment,
        attempt: &Attempt,
        kind: LockErrorKind,
        retry_after: Option<Duration>,
    ) {
        self.swap_answered(now, attempt);
        // An older attempt's refusal says nothing of one that was sent on a newer version, be its record equal.
        if kind != LockErrorKind::Ambiguous && self.expected() == Some(attempt.expected) {
            self.attempts.refused(attempt.expected, &attempt.record);
        }
        if let Some(retry_after) = retry_after {
            // A leader cannot stay away for longer than its lease allows.
            let most = match &self.held {
                Some(held) => held.valid_until.since(now.mono) / 2,
                None => self.config.timing.lease_duration(),
            };
            self.write_at = self.write_at.max(now.mono.after(retry_after.min(most)));
        }
    }

    /// The newest attempt has its answer: the next need not wait for its time-out.
    fn swap_answered(&mut self, now: Moment, attempt: &Attempt) {
        if self.cas_busy_until == attempt.sent.after(self.config.timing.attempt_timeout()) {
            self.cas_busy_until = now.mono;
        }
    }
}
