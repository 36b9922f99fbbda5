//! One's own lease: counted from the send of the write that brought it (SAFETY 1).

use std::time::Duration;

use super::io::{ElectionEvent, LossReason, Purpose, TermChange};
use super::seen::Seen;
use super::{Election, ElectionConfig, Variant, compose};
use crate::identity::{FencingToken, Version};
use crate::moment::{Moment, MonoTime};

/// A term or a claim that this process holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) token: FencingToken,
    pub(super) transitions: i64,
    /// `sent + R` of the last write that succeeded.
    pub(super) valid_until: MonoTime,
    /// When renewals count as failing.
    pub(super) at_risk_at: MonoTime,
    pub(super) at_risk_told: bool,
    /// While it is only a claim: when it becomes a term (SAFETY 18).
    pub(super) ripe_at: Option<MonoTime>,
    /// As which version a renewal was seen that has to be answered first, or what equals the record: it may be a twin's (SAFETY 18).
    /// Until then nothing is renewed, and nothing ripens.
    pub(super) doubted: Option<Version>,
}

impl Held {
    /// When the work must have been told that the term is over.
    pub(super) fn lost_at(&self, config: &ElectionConfig) -> MonoTime {
        if config.timing.stop_grace().is_zero() {
            self.gone_at(config)
        } else {
            self.valid_until
        }
    }

    /// When the work must be gone: `sent + R + σ`, a little early because timers fire late, never early.
    pub(super) fn gone_at(&self, config: &ElectionConfig) -> MonoTime {
        self.valid_until
            .after(config.timing.stop_grace())
            .before(config.timer_lead)
    }

    fn lasts_until(&mut self, valid_until: MonoTime, config: &ElectionConfig) {
        self.valid_until = valid_until;
        self.at_risk_at = valid_until
            .before(config.timing.renew_deadline())
            .after(at_risk_after(config));
        self.at_risk_told = false;
    }
}

/// The work of the last term, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// There is none.
    None,
    /// It runs under a term that is held.
    Running,
    /// Its term is over, but it has not ended yet.
    Stopping {
        /// When it must be gone.
        drop_at: MonoTime,
        /// Whether that was said.
        dropped: bool,
    },
}

/// From the send of a success to the moment at which renewals count as failing: a period later one was due, and a
/// quarter of what then remains has passed. 4 s at 10 s / 2 s.
pub(crate) fn at_risk_after(config: &ElectionConfig) -> Duration {
    let (deadline, period) = (config.timing.renew_deadline(), config.timing.retry_period());
    period + (deadline - period) / 4
}

impl Election {
    /// Takes a lease that ends at `valid_until`, as a term or as a claim.
    pub(super) fn hold(
        &mut self,
        now: Moment,
        token: FencingToken,
        transitions: i64,
        valid_until: MonoTime,
        ripe_at: Option<MonoTime>,
    ) {
        let mut held = Held {
            token,
            transitions,
            valid_until,
            at_risk_at: MonoTime::NEVER,
            at_risk_told: false,
            ripe_at,
            doubted: None,
        };
        held.lasts_until(valid_until, &self.config);
        self.held = Some(held);
        // The first renewal is due P after the acquisition's send, whatever was heard meanwhile.
        let timing = &self.config.timing;
        let renew_at = valid_until
            .before(timing.renew_deadline())
            .after(timing.retry_period());
        self.write_at = self.write_at.max(renew_at);
        self.release_tried = false;
        if ripe_at.is_none() {
            self.start_work();
        }
        self.expire(now);
    }

    pub(super) fn start_work(&mut self) {
        let Some(held) = &self.held else { return };
        let start = TermChange::Start {
            token: held.token,
            valid_until: held.valid_until,
            transitions: held.transitions,
        };
        self.work = Work::Running;
        self.term(start);
    }

    /// A renewal succeeded: the lease now ends at `valid_until` if that is later.
    pub(super) fn extend(&mut self, valid_until: MonoTime) {
        let Some(held) = &mut self.held else { return };
        if valid_until <= held.valid_until {
            return;
        }
        held.lasts_until(valid_until, &self.config);
        if held.ripe_at.is_none() {
            self.term(TermChange::ValidUntil(valid_until));
        }
    }

    /// Ends what has run out. Runs before every input: a success that arrives with the deadline passed finds the term
    /// over (SAFETY 1, SAFETY 22).
    pub(super) fn expire(&mut self, now: Moment) {
        let Some(held) = &self.held else { return };
        if now.mono < held.lost_at(&self.config) {
            return;
        }
        if held.ripe_at.is_some() {
            self.lapse_claim(now);
        } else if !(self.ending.is_asked() && self.broken(Variant::DrainOutlivesLease)) {
            self.lose(now, LossReason::DeadlineExceeded);
        }
    }

    /// The term is over: the work must stop. A claim has no work, so it just ends.
    pub(super) fn lose(&mut self, now: Moment, reason: LossReason) {
        self.lose_by(now, |_| reason);
    }

    /// The same, for a reason that is only made up where something is lost.
    pub(super) fn lose_by(&mut self, now: Moment, reason: impl FnOnce(&Seen) -> LossReason) {
        let Some(held) = self.held.take() else { return };
        if held.ripe_at.is_some() {
            self.attempts.forget_all();
            self.event(ElectionEvent::ClaimLapsed);
            return;
        }
        if self.work == Work::Running {
            let drop_at = held
                .gone_at(&self.config)
                .min(now.mono.after(self.config.timing.stop_grace()));
            self.work = Work::Stopping {
                drop_at,
                dropped: false,
            };
            let reason = reason(&self.seen);
            self.term(TermChange::Lost { reason, drop_at });
        }
    }

    /// Tells what time alone has brought about for the term: a claim that is ripe, a term at risk, work to be dropped.
    pub(super) fn advance_term(&mut self, now: Moment) {
        if let Some(held) = &mut self.held {
            let ripe = held.ripe_at.is_some_and(|ripe_at| ripe_at <= now.mono);
            if ripe && held.doubted.is_none() && self.work == Work::None {
                held.ripe_at = None;
                self.seen.own = true;
                self.start_work();
            }
        }
        if let Some(held) = &mut self.held {
            if held.ripe_at.is_none() && !held.at_risk_told && held.at_risk_at <= now.mono {
                held.at_risk_told = true;
                let valid_until = held.valid_until;
                self.term(TermChange::AtRisk(valid_until));
            }
        }
        if let Work::Stopping { drop_at, dropped } = &mut self.work {
            if !*dropped && *drop_at <= now.mono {
                *dropped = true;
                self.term(TermChange::Drop);
            }
        }
    }

    /// Sends a renewal if one is due: P after the previous send, one at a time.
    pub(super) fn renew(&mut self, now: Moment) {
        if self.renew_at() > now.mono {
            return;
        }
        let Some(record) = self.seen.record() else { return };
        let record = compose::renewal(&self.config, record, now.wall);
        let purpose = if self.is_claim() {
            Purpose::RenewClaim
        } else {
            Purpose::Renew
        };
        self.send(now, purpose, record);
    }

    pub(super) fn renew_at(&self) -> MonoTime {
        match &self.held {
            Some(held) if held.doubted.is_none() => self.write_at.max(self.cas_busy_until),
            _ => MonoTime::NEVER,
        }
    }

    /// The next moment at which something about the term is due without any input.
    pub(super) fn term_deadline(&self) -> MonoTime {
        let mut next = MonoTime::NEVER;
        if let Some(held) = &self.held {
            next = next.min(held.lost_at(&self.config));
            match held.ripe_at {
                Some(ripe_at) if held.doubted.is_none() => next = next.min(ripe_at),
                Some(_) => {}
                None if !held.at_risk_told => next = next.min(held.at_risk_at),
                None => {}
            }
        }
        if let Work::Stopping {
            drop_at,
            dropped: false,
        } = self.work
        {
            next = next.min(drop_at);
        }
        next
    }
}
