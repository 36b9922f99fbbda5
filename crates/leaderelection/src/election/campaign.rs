//! Acquiring: when, and what a success means.

use std::time::Duration;

use super::attempts::Landed;
use super::compose::Written;
use super::io::{ElectionEvent, Purpose};
use super::seen::State;
use super::{Election, MissingRecord, Variant, compose};
use crate::identity::{FencingToken, Version};
use crate::lock::{Content, Expected};
use crate::moment::{Moment, MonoTime};

/// How many writes are to be expected at one instant (SAFETY 21).
const AT_ONCE: u32 = 8;
/// By how much the others are later at least; less where the RetryPeriod is below 400 ms.
const LEAST_STAGGER: Duration = Duration::from_millis(20);

impl Election {
    /// Whether this candidate wants to and may acquire, apart from time.
    fn may_campaign(&self) -> bool {
        self.held.is_none() && self.is_idle() && !self.seen.went_back && self.seen.state != State::Unknown
    }

    /// When the next acquisition may be sent.
    pub(super) fn acquire_at(&self) -> MonoTime {
        if !self.may_campaign() {
            return MonoTime::NEVER;
        }
        let missing = matches!(self.seen.state, State::Absent);
        let takeable_at = if missing && self.broken(Variant::AnothersCreateMatures) {
            MonoTime::PAST
        } else {
            self.seen.takeable_at.after(self.stagger())
        };
        takeable_at
            .max(self.campaign_at)
            .max(self.away_until)
            .max(self.write_at)
            .max(self.cas_busy_until)
    }

    /// Two stages: at once with probability `8 / expected`, else after twice the last round trip and 20 ms at least, in which a hundred
    /// candidates on a store nearby see that one of the first has written. The draw is a hash of (seed, version), so there is no
    /// generator state (SAFETY 21).
    fn stagger(&self) -> Duration {
        let expected = self.config.timing.expected_candidates();
        if !self.config.stagger || expected <= AT_ONCE {
            return Duration::ZERO;
        }
        let draw = mix(self.config.seed ^ self.seen.version.map_or(0, Version::get));
        let at_once = draw % u64::from(expected) < u64::from(AT_ONCE);
        if at_once {
            Duration::ZERO
        } else {
            // A round trip may have been long for having waited in a crowd of other elections' calls.
            let most = self.config.timing.retry_period();
            (self.round_trip * 2).clamp(LEAST_STAGGER.min(most / 20), most)
        }
    }

    /// Sends an acquisition if it is time: the swap on the version that stood still is the check, no read is needed
    /// (SAFETY 10).
    pub(super) fn campaign(&mut self, now: Moment) {
        if self.acquire_at() > now.mono {
            return;
        }
        let base = self.seen.content();
        let missing = matches!(base, None | Some(Content::Empty));
        let strict = self.config.missing_record == MissingRecord::ClaimThenLead
            && !self.broken(Variant::WaitThenCreate);
        let purpose = if strict && (missing || self.seen.earlier_life) {
            Purpose::Claim
        } else {
            Purpose::Acquire
        };
        let expected = self.expected();
        let creates = base.is_none();
        let destroyed = match base {
            // An object that is new has no record either, and the first transition is the first.
            Some(Content::Empty) => self.seen.any_record,
            Some(Content::Unreadable(_)) => true,
            Some(Content::Record(_)) | None => false,
        };
        let record = compose::acquisition(
            &self.config,
            base,
            self.seen.last_transitions,
            destroyed,
            self.written.as_ref(),
            expected,
            now.wall,
        );
        let written = self.written.take();
        self.written = Some(Written::with(written, &record, expected, destroyed));
        if !creates {
            // What lands unseen below something that cannot be read must differ from the next one.
            self.seen.last_transitions = record.leader_transitions;
        }
        self.send(now, purpose, record);
    }

    /// The state that a swap has to name now.
    pub(super) fn expected(&self) -> Option<Expected> {
        match self.seen.state {
            State::Unknown => None,
            State::Absent => Some(Expected::Absent),
            State::Present(_) => self.seen.version.map(Expected::Version),
        }
    }

    /// An acquisition of this process is the newest content: lead by it if it came in time, else give it back
    /// (SAFETY 1, SAFETY 22).
    pub(super) fn acquired(&mut self, now: Moment, landed: Landed) {
        let valid_until = landed.valid_until;
        if self.held.is_some() {
            // An old create landed after a deletion: the term that it replaces is over.
            self.lose(now, super::io::LossReason::RecordGone);
            return;
        }
        if !self.is_idle() {
            return;
        }
        let version = landed.version.or(self.seen.version);
        let (Some(version), Some(record)) = (version, self.seen.record()) else {
            return;
        };
        let (token, transitions) = (FencingToken::from_version(version), record.leader_transitions);
        if now.mono < valid_until.before(self.config.timer_lead) {
            self.hold(now, token, transitions, valid_until, None);
        } else {
            self.event(ElectionEvent::AcquiredTooLate);
            self.begin_release(now, self.config.timing.lease_duration());
        }
    }

    /// A lost term is revived by a late success: the broken variant that the checks must catch.
    pub(super) fn revive(&mut self, now: Moment, valid_until: MonoTime) {
        let (Some(version), Some(record)) = (self.seen.version, self.seen.record()) else {
            return;
        };
        let (token, transitions) = (FencingToken::from_version(version), record.leader_transitions);
        self.work = super::held::Work::None;
        self.hold(now, token, transitions, valid_until, None);
    }
}

/// SplitMix64's finalizer.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
