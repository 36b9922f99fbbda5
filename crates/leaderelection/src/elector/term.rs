//! One term as the guard and the driver see it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::leadership::{LeadershipLost, Risk};
use super::validity::Validity;
use super::watched::Watched;
use crate::clock::Clock;
use crate::election::LossReason;
use crate::identity::FencingToken;
use crate::moment::MonoTime;

/// One term as the guard sees it. The driver writes it, everybody reads it.
pub(super) struct Term {
    clock: Arc<dyn Clock>,
    pub(super) token: FencingToken,
    pub(super) transitions: i64,
    times: TermTimes,
    validity: Validity,
    /// Why it is over: told before it is over, or the deadline.
    lost: OnceLock<LossReason>,
    /// What the work said as it panicked.
    panicked: OnceLock<String>,
    status: Watched<Status>,
}

/// What a term is measured by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TermTimes {
    /// R: from the send of a success to `valid_until`.
    pub(super) renew_deadline: Duration,
    /// From the send of a success to the moment at which renewals count as failing.
    pub(super) at_risk_after: Duration,
    /// From `valid_until` to the moment at which the work is dropped.
    pub(super) grace: Duration,
    /// By how much that moment is armed early: timers fire late, never early.
    pub(super) timer_lead: Duration,
}

#[derive(Debug, Clone, Default)]
struct Status {
    draining: bool,
    drop_at: Option<MonoTime>,
    dropped: bool,
}

impl Term {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        token: FencingToken,
        transitions: i64,
        valid_until: MonoTime,
        times: TermTimes,
    ) -> Self {
        Self {
            clock,
            token,
            transitions,
            times,
            validity: Validity::new(valid_until),
            lost: OnceLock::new(),
            panicked: OnceLock::new(),
            status: Watched::default(),
        }
    }

    pub(super) fn token(&self) -> FencingToken {
        self.token
    }

    pub(super) fn valid_until(&self) -> MonoTime {
        self.validity.until()
    }

    pub(super) fn check(&self) -> Result<FencingToken, LeadershipLost> {
        if self.validity.holds(self.clock.mono()) {
            return Ok(self.token);
        }
        let reason = self.lost.get_or_init(|| LossReason::DeadlineExceeded).clone();
        Err(LeadershipLost {
            token: self.token,
            reason,
        })
    }

    pub(super) fn remaining(&self) -> Duration {
        self.left(self.clock.mono()).unwrap_or_default()
    }

    /// How much is left of the lease; `None` where the term is over.
    pub(super) fn left(&self, now: MonoTime) -> Option<Duration> {
        self.validity.holds(now).then(|| self.valid_until().since(now))
    }

    /// Whether this is the moment at which its lease ends, or a later one.
    pub(super) fn ends(&self, now: MonoTime) -> bool {
        self.valid_until().before(self.times.timer_lead) <= now
    }

    /// When the last success was sent.
    pub(super) fn renewed_at(&self) -> MonoTime {
        self.valid_until().before(self.times.renew_deadline)
    }

    fn at_risk_at(&self) -> MonoTime {
        self.renewed_at().after(self.times.at_risk_after)
    }

    pub(super) fn risk(&self) -> Option<Risk> {
        let now = self.clock.mono();
        let at_risk = self.at_risk_at() <= now && self.validity.holds(now);
        at_risk.then(|| Risk {
            unrenewed_for: now.since(self.renewed_at()),
            remaining: self.valid_until().since(now),
        })
    }

    pub(super) fn extend(&self, valid_until: MonoTime) {
        if self.validity.extend(valid_until) {
            // Whoever sleeps until the old end looks again.
            self.status.tell();
        }
    }

    /// The work panicked; the first word counts.
    pub(super) fn set_panicked(&self, message: String) {
        let _ = self.panicked.set(message);
    }

    /// What the work said as it panicked, if it did.
    pub(super) fn panicked(&self) -> Option<&str> {
        self.panicked.get().map(String::as_str)
    }

    pub(super) fn set_draining(&self) {
        self.status.change(|status| status.draining = true);
    }

    pub(super) fn set_lost(&self, reason: LossReason, drop_at: MonoTime) {
        let _ = self.lost.set(reason);
        self.validity.end();
        self.status.change(|status| status.drop_at = Some(drop_at));
    }

    pub(super) fn set_dropped(&self) {
        self.status.change(|status| status.dropped = true);
    }

    /// Why the work may no longer act, by the clock or by what was seen; `None` while it may.
    pub(super) fn over(&self) -> Option<LossReason> {
        self.check().err().map(|lost| lost.reason)
    }

    pub(super) async fn until_lost(&self) -> LossReason {
        loop {
            let changed = self.status.changed();
            if let Err(lost) = self.check() {
                return lost.reason;
            }
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(self.valid_until()) => {}
            }
        }
    }

    pub(super) async fn until_at_risk(&self) {
        loop {
            let changed = self.status.changed();
            if self.check().is_err() || self.at_risk_at() <= self.clock.mono() {
                return;
            }
            tokio::select! {
                // A renewal, or the end.
                () = changed => {}
                () = self.clock.sleep_until(self.at_risk_at()) => {}
            }
        }
    }

    pub(super) async fn until_draining(&self) {
        let draining = async {
            loop {
                let changed = self.status.changed();
                if self.status.look().draining {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            () = draining => {}
            _ = self.until_lost() => {}
        }
    }

    /// Returns when the work must be gone: told so, or by the clock alone should the driver be late.
    pub(super) async fn until_gone(&self) {
        loop {
            let changed = self.status.changed();
            let Status { drop_at, dropped, .. } = *self.status.look();
            let gone_at = self
                .valid_until()
                .after(self.times.grace)
                .before(self.times.timer_lead);
            let drop_at = drop_at.map_or(gone_at, |drop_at| drop_at.min(gone_at));
            if dropped || drop_at <= self.clock.mono() {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(drop_at) => {}
            }
        }
    }
}
