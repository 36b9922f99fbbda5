//! What an observation changes, and the rival's lease: counted from the receipt of a record not seen before (SAFETY 1).

use std::time::Duration;

use super::attempts::Landed;
use super::compose::Written;
use super::io::{ElectionEvent, LossReason, Purpose};
use super::seen::State;
use super::{Election, Variant};
use crate::identity::Version;
use crate::lock::{Content, Observation};
use crate::moment::{Moment, MonoTime};

/// A declared lease longer than this is respected, but reported.
const LONG_LEASE_SECONDS: i64 = 24 * 60 * 60;

/// Where an observation comes from, which decides how an absence or an older version counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A linearizable answer to a question that was sent when this version was the newest known.
    Answer(Option<Version>),
    /// A watch: it may lag.
    Watch,
}

impl Election {
    /// Takes note of what the lock was at some moment. Only a newer version counts (SAFETY 4). Returns whether it was
    /// news.
    pub(super) fn observe(&mut self, now: Moment, observation: Observation, source: Source) -> bool {
        match observation {
            Observation::Present { version, content } => {
                self.note_sure(source, version);
                if self.is_newer(version) {
                    self.newer(now, version, content);
                    return true;
                }
                self.check_went_back(now, version, Some(content), source);
                false
            }
            Observation::Absent { as_of: Some(version) } => {
                self.note_sure(source, version);
                if self.is_newer(version) {
                    let news = self.seen.state != State::Absent;
                    self.seen.version = Some(version);
                    if news {
                        self.gone(now);
                    }
                    return news;
                }
                self.check_went_back(now, version, None, source);
                false
            }
            Observation::Absent { as_of: None } => match source {
                // Without a version an absence counts only if the question was asked after the newest version was known.
                Source::Answer(known) if known == self.seen.version => {
                    let news = self.seen.state != State::Absent;
                    if news {
                        self.gone(now);
                    }
                    news
                }
                Source::Answer(_) => false,
                Source::Watch => {
                    if self.seen.state != State::Absent {
                        self.reading.want(now.mono);
                    }
                    false
                }
            },
        }
    }

    fn is_newer(&self, version: Version) -> bool {
        if self.broken(Variant::AnyVersionAdopted) {
            return self.seen.version != Some(version);
        }
        self.seen.version.is_none_or(|newest| version > newest)
    }

    fn note_sure(&mut self, source: Source, version: Version) {
        if matches!(source, Source::Answer(_)) {
            self.seen.sure = self.seen.sure.max(Some(version));
        }
    }

    /// A linearizable answer that is older than what was known when it was asked for: the store went back (SAFETY 19).
    fn check_went_back(&mut self, now: Moment, shown: Version, content: Option<Content>, source: Source) {
        let (Some(newest), Source::Answer(known)) = (self.seen.version, source) else {
            return;
        };
        if known != Some(newest) || shown >= newest {
            return;
        }
        if self.seen.sure.is_some_and(|sure| shown < sure) {
            self.went_back(now, Some(shown));
            return;
        }
        // Only a watch has shown the higher version, and the store itself does not know it: the answer counts.
        self.event(ElectionEvent::StoreWentBack {
            highest: newest,
            shown: Some(shown),
        });
        self.attempts.forget_all();
        self.seen.went_back = false;
        self.seen.version = Some(shown);
        match content {
            Some(content) => self.replace(now, content, None, false),
            None => self.gone(now),
        }
    }

    pub(super) fn went_back(&mut self, now: Moment, shown: Option<Version>) {
        if !self.seen.went_back {
            self.seen.went_back = true;
            if let Some(highest) = self.seen.version {
                self.event(ElectionEvent::StoreWentBack { highest, shown });
            }
        }
        self.lose(now, LossReason::StoreWentBack);
    }

    /// There is nothing any more. A version that was named cannot be the newest again, so nothing that names it lands.
    fn gone(&mut self, now: Moment) {
        self.attempts.forget_versioned();
        let followed = self.seen.follows();
        self.change_state(State::Absent);
        self.seen.own = false;
        self.seen.takeable_at = self.missing_takeable_at(now, followed);
        self.seen.waited_out = Duration::ZERO;
        self.lose(now, LossReason::RecordGone);
        self.heard(now);
    }

    /// A newer version: what brought it, and what does it mean for whom?
    fn newer(&mut self, now: Moment, version: Version, content: Content) {
        let interrupted = self.attempts.any_versioned();
        let equal = self.attempts.resolve(now.mono, &content);
        let perhaps_own = equal.is_some();
        // Not so a create: no version tells on which absence it was, and a twin may have created the same after a deletion.
        let in_doubt = equal
            .as_ref()
            .is_some_and(|pending| !pending.creates && !self.proves_own(pending.purpose));
        let own = equal.filter(|pending| self.proves_own(pending.purpose));
        let mut landed = own.map(|pending| pending.landed());
        if let (Some(landed), true) = (&mut landed, self.broken(Variant::ReadBackExtends)) {
            landed.valid_until = now.mono.after(self.config.timing.renew_deadline());
        }
        self.seen.version = Some(version);
        self.seen.went_back = false;
        let renews =
            landed.is_some_and(|landed| matches!(landed.purpose, Purpose::Renew | Purpose::RenewClaim));
        if renews && self.is_strict() && self.may_have_twins() {
            self.renewal_in_doubt(now, version, content);
            return;
        }
        if landed.is_none()
            && self.seen.content() == Some(&content)
            && !self.broken(Variant::EveryVersionRestarts)
        {
            // Somebody changed a label: the version moves, no lease does, neither one's own (SAFETY 9) nor the rival's
            // (SAFETY 5). But in strict mode it may be another creation, after a deletion (SAFETY 18).
            if self.is_strict() {
                self.equal_in_doubt(now, version);
            }
            if interrupted {
                // What was on its way named the version before and cannot land: say it again on this one, now.
                (self.write_at, self.cas_busy_until) = (now.mono, now.mono);
            }
            self.reading
                .silent_until_checked(now.mono, &self.config, &self.seen);
            return;
        }
        self.replace(now, content, landed, perhaps_own);
        self.seen.perhaps_own = in_doubt;
    }

    /// Whether a record that equals an attempt of this process was certainly written by it. A twin, or an earlier life,
    /// may have written the same acquisition on the same base in the same second, and its lease would count from an
    /// earlier send than this process's: then only the answer to the attempt tells (SAFETY 16). A renewal or a release
    /// is on one's own record, where no twin writes; but in strict mode, [`renewal_in_doubt`](Self::renewal_in_doubt).
    pub(super) fn proves_own(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Acquire | Purpose::Claim => {
                self.config.identity.is_unique() || self.broken(Variant::EqualAcquisitionProves)
            }
            Purpose::Renew | Purpose::RenewClaim | Purpose::Release => true,
        }
    }

    pub(super) fn replace(
        &mut self,
        now: Moment,
        content: Content,
        landed: Option<Landed>,
        perhaps_own: bool,
    ) {
        let first = !self.seen.any_record;
        let robbed = self.seen.follows().then_some(self.seen.takeable_at);
        let holder_changed = self.change_state(State::Present(content));
        match landed {
            Some(landed) => self.landed(now, landed),
            None => self.overtaken(now, first, perhaps_own),
        }
        // Who overwrites a lease that still runs shortens nothing: the one overwritten may lead until it sees it (SAFETY 7).
        if let Some(until) = robbed.filter(|_| holder_changed && self.seen.follows()) {
            self.seen.takeable_at = self.seen.takeable_at.max(until);
        }
        self.heard(now);
    }

    /// A write of this process is the newest content.
    pub(super) fn landed(&mut self, now: Moment, landed: Landed) {
        self.seen.own = true;
        if landed.purpose != Purpose::Claim {
            self.seen.takeable_at = now.mono;
        }
        match landed.purpose {
            Purpose::Renew => self.renewed(now, landed.valid_until),
            Purpose::RenewClaim => {
                self.renewed(now, landed.valid_until);
                if self.is_claim() || (self.held.is_none() && self.release.is_none()) {
                    // What is not yet a term, or has lapsed, is not one's own to replace at once (SAFETY 18); what a term has
                    // left is released.
                    self.seen.own = false;
                    self.wait_out(now, self.seen.last_seconds);
                }
            }
            Purpose::Acquire => self.acquired(now, landed),
            Purpose::Claim => self.claimed(now, landed.valid_until),
            Purpose::Release => {}
        }
    }

    /// A read-back counts from the earliest send, never from the read (SAFETY 9); what arrives after `sent + R` extends
    /// nothing (SAFETY 1), and a lost term stays lost (SAFETY 22).
    fn renewed(&mut self, now: Moment, valid_until: MonoTime) {
        if now.mono >= valid_until {
            return;
        }
        if self.held.is_none() && self.broken(Variant::LostTermRevived) {
            self.revive(now, valid_until);
        }
        self.extend(valid_until);
    }

    /// The newest content is somebody else's: one's own term is over at once (SAFETY 11), and theirs is waited out.
    fn overtaken(&mut self, now: Moment, first: bool, perhaps_own: bool) {
        self.seen.own = false;
        self.lose_by(now, |seen| match seen.content() {
            Some(Content::Record(record)) => LossReason::TakenBy(record.holder_identity.clone()),
            Some(Content::Unreadable(_)) => LossReason::RecordUnreadable,
            Some(Content::Empty) | None => LossReason::RecordGone,
        });
        let (free, declared, ours) = match self.seen.content() {
            Some(Content::Record(record)) => (
                record.is_free(),
                record.lease_duration_seconds,
                record.holder_identity == self.config.identity.as_str(),
            ),
            Some(Content::Unreadable(_)) => (false, self.seen.last_seconds, false),
            Some(Content::Empty) | None => (true, self.seen.last_seconds, false),
        };
        // What one has perhaps written oneself says nothing of another's lease: it may be a claim (SAFETY 18).
        let declared = if perhaps_own {
            declared.max(self.seen.last_seconds)
        } else {
            declared
        };
        self.seen.last_seconds = declared;
        if free {
            self.seen.takeable_at = now.mono;
            self.seen.waited_out = Duration::ZERO;
            return;
        }
        self.wait_out(now, declared);
        if let Some(Content::Unreadable(unreadable)) = self.seen.content() {
            let (reason, waited_out) = (unreadable.reason.clone(), self.seen.waited_out);
            self.event(ElectionEvent::Unreadable { reason, waited_out });
        }
        if declared > LONG_LEASE_SECONDS {
            let holder = self.seen.state.holder().unwrap_or_default().to_owned();
            self.event(ElectionEvent::LongLease {
                holder,
                seconds: declared,
            });
        }
        // Another holds: a step-down has done its duty (SAFETY 14).
        self.campaign_at = now.mono;
        if ours && !perhaps_own {
            self.same_identity(now, first);
        }
    }

    /// The rival's lease starts now: `max(own L, the record's duration)` and the margin (SAFETY 7).
    pub(super) fn wait_out(&mut self, now: Moment, declared_seconds: i64) {
        let declared = if self.broken(Variant::OwnDurationAlone) {
            0
        } else {
            declared_seconds
        };
        self.seen.waited_out = if declared <= 0 && self.broken(Variant::ZeroDurationTakenAtOnce) {
            Duration::ZERO
        } else {
            self.config.timing.waited_out(declared)
        };
        self.seen.takeable_at = now.mono.after(self.seen.waited_out);
    }

    /// A record under one's own identity that this process did not write (SAFETY 16).
    fn same_identity(&mut self, now: Moment, first: bool) {
        if self.broken(Variant::IdentityTrusted) {
            self.seen.own = true;
            self.seen.takeable_at = now.mono;
            return;
        }
        if first && self.config.exclusive_identity {
            self.seen.takeable_at = now.mono;
            self.seen.earlier_life = true;
        } else {
            self.event(ElectionEvent::SameIdentity { twin: !first });
        }
    }

    /// Returns whether another holder is seen than before.
    pub(super) fn change_state(&mut self, state: State) -> bool {
        let before = std::mem::replace(&mut self.seen.state, state);
        (self.seen.perhaps_own, self.seen.earlier_life) = (false, false);
        if let Some(record) = self.seen.record() {
            if record.holder_identity == self.config.identity.as_str() {
                self.written = Some(Written::with_seen(self.written.take(), record));
            }
            self.seen.last_transitions = record.leader_transitions;
            self.seen.any_record = true;
        }
        let holder = self.seen.state.holder();
        let changed = before == State::Unknown || before.holder() != holder;
        if changed {
            let holder = holder.map(str::to_owned);
            self.event(ElectionEvent::HolderChanged(holder));
        }
        changed
    }

    /// Something new was heard: a retry need not wait, and the watch is not silent.
    pub(super) fn heard(&mut self, now: Moment) {
        if self.held.is_none() {
            self.write_at = now.mono;
        }
        self.reading
            .silent_until_checked(now.mono, &self.config, &self.seen);
    }
}
