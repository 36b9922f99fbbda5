//! Strict mode: where there is no record, lead only when a claim on it has stood for a lease (SAFETY 18).
//!
//! Absence has no version, so a deletion cannot be told from a first start. A leader whose record was deleted sees it by
//! `sent + R` at the latest, and a claim leads only after L. Waiting first and creating then is not safe: the wait must
//! lie behind the create.

use super::io::ElectionEvent;
use super::seen::State;
use super::{Election, MissingRecord, Variant};
use crate::identity::{FencingToken, Version};
use crate::lock::Content;
use crate::moment::{Moment, MonoTime};

impl Election {
    /// A claim of this process is the newest content. It is not one's own to replace at once: it has to ripen.
    pub(super) fn claimed(&mut self, now: Moment, valid_until: MonoTime) {
        self.seen.own = false;
        let kept = self.seen.takeable_at;
        self.wait_out(now, self.seen.last_seconds);
        if self.held.is_some() {
            // Created once more after a deletion: whatever was held on the old object is over.
            self.lose(now, super::io::LossReason::RecordGone);
            return;
        }
        if !self.is_idle() {
            return;
        }
        let (Some(version), Some(record)) = (self.seen.version, self.seen.record()) else {
            return;
        };
        let (token, transitions) = (FencingToken::from_version(version), record.leader_transitions);
        if now.mono < valid_until.before(self.config.timer_lead) {
            let waits = self.config.timing.waited_out(self.seen.last_seconds);
            self.event(ElectionEvent::Claimed(waits));
            let ripe_at = if self.broken(Variant::ClaimLeadsAtOnce) {
                now.mono
            } else if self.broken(Variant::AnothersCreateMatures) && kept != MonoTime::NEVER {
                kept
            } else {
                now.mono.after(waits)
            };
            self.hold(now, token, transitions, valid_until, Some(ripe_at));
        } else {
            self.event(ElectionEvent::AcquiredTooLate);
            self.campaign_at = now.mono.after(self.config.timing.lease_duration());
        }
    }

    /// From when on a missing record may be created: at once, because it is the claim that waits. The broken variants
    /// wait before it instead, or keep what was waited for the record of another that was `followed`.
    pub(super) fn missing_takeable_at(&self, now: Moment, followed: bool) -> MonoTime {
        if self.config.missing_record == MissingRecord::LeadAtOnce {
            return now.mono;
        }
        if self.broken(Variant::WaitThenCreate) {
            return now.mono.after(self.config.timing.lease_duration());
        }
        match (self.broken(Variant::AnothersCreateMatures), followed) {
            (true, true) => self.seen.takeable_at,
            (true, false) => MonoTime::NEVER,
            (false, _) => now.mono,
        }
    }

    /// A newer version holds what the one before did: a label, or another creation that is equal to the letter. A record that is
    /// followed is waited out anew, and so is what this process wrote under a name that others may have, too.
    pub(super) fn equal_in_doubt(&mut self, now: Moment, version: Version) {
        if self.is_claim() {
            self.claim_in_doubt(now);
            return;
        }
        let perhaps_a_twins = self.seen.own_held() && self.may_have_twins();
        let followed = self.seen.follows() && !self.seen.earlier_life;
        if perhaps_a_twins || followed {
            self.doubt(now, version);
        }
    }

    /// The claim's object has a version that this process did not see itself write: it waits anew. Under a name that others
    /// may have, too, it may be a twin's claim that is equal to the letter, and is waited out as such (SAFETY 16).
    fn claim_in_doubt(&mut self, now: Moment) {
        if self.may_have_twins() {
            self.lapse_claim(now);
            return;
        }
        let waits = self.config.timing.waited_out(self.seen.last_seconds);
        if let Some(ripe_at) = self.held.as_mut().and_then(|held| held.ripe_at.as_mut()) {
            *ripe_at = now.mono.after(waits);
        }
    }

    /// A claim that was not renewed in time is waited out like a rival's lease.
    pub(super) fn lapse_claim(&mut self, now: Moment) {
        self.held = None;
        self.attempts.forget_all();
        self.seen.own = false;
        self.wait_out(now, self.seen.last_seconds);
        self.event(ElectionEvent::ClaimLapsed);
    }

    /// A renewal was seen, and its answer is still to come. Under a name that others may have, too, it may be a twin's: after a
    /// deletion that this process has not seen both may claim in one second, each by its own clock, and renew as often. So the lease is
    /// not extended, and this process neither writes on that version nor ripens, until the answer tells that it was its own.
    pub(super) fn renewal_in_doubt(&mut self, now: Moment, version: Version, content: Content) {
        self.change_state(State::Present(content));
        self.doubt(now, version);
        if let Some(release) = &mut self.release {
            release.doubted = Some(version);
        }
        self.heard(now);
    }

    fn doubt(&mut self, now: Moment, version: Version) {
        self.seen.own = false;
        // A lease that was overwritten while it ran is not over any earlier (SAFETY 7).
        let until = self.seen.takeable_at;
        self.wait_out(now, self.seen.last_seconds);
        self.seen.takeable_at = self.seen.takeable_at.max(until);
        if let Some(held) = &mut self.held {
            // The answer to the first still tells up to when it was one's own.
            held.doubted.get_or_insert(version);
        }
    }

    pub(super) fn doubts(&self, version: Version) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.doubted == Some(version))
    }

    /// The answer has come: this version was its own. What was shown since may still be another's.
    pub(super) fn doubt_no_longer(&mut self, now: Moment, version: Version) {
        let Some(held) = self.held.as_mut().filter(|held| held.doubted == Some(version)) else {
            return;
        };
        held.doubted = None;
        if held.ripe_at.is_some() {
            return;
        }
        match self.seen.version {
            Some(newest) if newest != version => self.doubt(now, newest),
            _ => {
                self.seen.own = true;
                self.seen.takeable_at = now.mono;
            }
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.config.missing_record == MissingRecord::ClaimThenLead
    }

    /// Whether another process may live under this name, or one of its claims may.
    pub(super) fn may_have_twins(&self) -> bool {
        !self.config.identity.is_unique() && !self.config.exclusive_identity
    }

    pub(super) fn is_claim(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.ripe_at.is_some())
    }

    /// A claim is given up without a word: freeing it would let others skip the wait.
    pub(super) fn abandon_claim(&mut self) {
        if self.is_claim() {
            self.held = None;
            self.attempts.forget_all();
        }
    }
}
